"""What `samplevis.lucid.optvis.render.render_vis` costs beside `samplevis.optimize`, in turns: the ratio of the medians.

Both make the same updates of the same Fourier image, with the same optimiser and without transforms, whose definitions differ.
Usage: python -m benchmarks.lucid_layer [--size 128] [--steps 64] [--turns 7]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import keras

import samplevis
from samplevis import modelzoo, param
from samplevis.lucid.optvis import param as lucid_param
from samplevis.lucid.optvis import render

# Adam of TensorFlow 1, which `render_vis` uses.
EPSILON = 1e-8


def seconds(run: Callable[[], object]) -> float:
    """The time of a call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    """Prints both medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="EfficientNetLite0", help="a model of the zoo")
    parser.add_argument("--layer", default="block4c_expand_bn")
    for name, default in (("size", 128), ("steps", 64), ("turns", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    network = modelzoo.load(options.model)
    unit, size = f"{options.layer}:3", options.size

    def plain() -> None:
        samplevis.optimize(
            network,
            unit,
            param=param.fourier(size),
            transforms=None,
            steps=options.steps,
            thresholds=(options.steps,),
            optimizer=keras.optimizers.Adam(0.05, epsilon=EPSILON),
            progress=False,
        )

    def lucid() -> None:
        render.render_vis(
            network,
            unit,
            lambda: lucid_param.image(size),
            transforms=[],
            thresholds=(options.steps - 1,),
            verbose=False,
            relu_gradient_override=False,
        )

    for run in (plain, lucid):
        run()
    pairs = [(seconds(plain), seconds(lucid)) for _ in range(options.turns)]
    plain_s, lucid_s = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(after / before for before, after in pairs)
    print("| optimize, s | render_vis of samplevis.lucid, s | ratio |")
    print("| --- | --- | --- |")
    print(f"| {plain_s:.3f} | {lucid_s:.3f} | {ratio:.3f} |")


if __name__ == "__main__":
    main()
