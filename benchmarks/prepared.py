"""Networks made for gradients: `python -m benchmarks.prepared` prints ratios, `--json FILE` writes them.

All entries of a row run in one process and take turns. About two minutes on 2 cores with the defaults. SqueezeNet's weights come
from the folder SAMPLEVIS_TEST_DATA (default ../shared/models), EfficientNet-Lite0's from its package.

- `gradients`: a compiled gradient of a logit, batch 16. "prepared": the network as `optimize` computes it, over the network as it
  is. "smooth": the smooth network as `render` computes it, over the prepared one. Required of the latter: at most 1.15 for
  SqueezeNet at 96 pixels, 1.25 for EfficientNet-Lite0 at 128.
- `strides`: a gradient of a first convolution alone, on blocks of pixels over as it is, in seconds of processors.
- `memory`: memory at the peak of five such gradients beyond that of the loaded network, prepared over as it is, each in a process
  of its own (Linux only). Required: at most 1.

What a step of `optimize` costs over a hand-written one of the network as it is: `python -m benchmarks.optimize`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.memory import in_process, resident
from benchmarks.quality import squeezenet
from benchmarks.rows import run_parts
from benchmarks.timing import in_turn, ratio, seconds
from samplevis import Network, modelzoo
from samplevis.network.cuts import Cut
from samplevis.network.prepared.folding import Folding
from samplevis.network.prepared.strides import BlockedLayer
from samplevis.overrides.smooth import DEFAULT_SOFTNESS, smoothed

BATCH, LOGIT = 16, 5
# First convolutions: (side of the kernel, channels, outputs, stride). The last three are not computed on blocks, and this is why.
STRIDES = {
    "SqueezeNet": (7, 3, 96, 2),
    "InceptionV1": (7, 3, 64, 2),
    "AlexNet": (11, 3, 64, 4),
    "patches of 16": (16, 3, 192, 16),
    "Shapes": (5, 3, 24, 2),
    "EfficientNet-Lite0": (3, 3, 32, 2),
    "a later layer": (5, 16, 32, 2),
}
NETWORKS = {"SqueezeNet": (squeezenet, 96), "EfficientNetLite0": (modelzoo.EfficientNetLite0, 128)}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=25, help="paired gradients of each network")
    parser.add_argument("--json", type=Path, help="file for the results")
    run_parts(PARTS, parser.parse_args())


def gradients(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Seconds of gradients, as ratios."""
    for name in options.networks:
        network, size = NETWORKS[name][0](), NETWORKS[name][1]
        soft = smoothed(network, DEFAULT_SOFTNESS)
        cuts = {"as it is": network.cut, "prepared": network.prepared.cut, "smooth": soft.prepared.cut}
        runs = {label: timed(gradient(mean_logit(cut)), pictures(size)) for label, cut in cuts.items()}
        times = in_turn(runs, options.rounds)
        yield {
            "network": name,
            "seconds as it is": float(np.median(times["as it is"])),
            "prepared over as it is": ratio(times["prepared"], times["as it is"]),
            "smooth over prepared": ratio(times["smooth"], times["prepared"]),
            "smooth over as it is": ratio(times["smooth"], times["as it is"]),
        }


def strides(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Seconds of processors of gradients of first convolutions, as ratios."""
    for name, (side, channels, outputs, stride) in STRIDES.items():
        layer = keras.layers.Conv2D(outputs, side, stride, padding="same")
        layer.build((None, None, None, channels))
        blocks = BlockedLayer(Folding(layer))
        for size in (64, 224):
            images = tf.random.stateless_normal((BATCH, size, size, channels), [0, 1])
            layers = {"as it is": layer, "blocks": blocks}
            runs = {label: busy(gradient(sum_of_squares(one)), images) for label, one in layers.items()}
            times = in_turn(runs, options.rounds)
            yield {"network": name, "size": size, "blocks over as it is": ratio(times["blocks"], times["as it is"])}


def busy(run: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor) -> Callable[[], float]:
    """A function that measures the time of the processors in one call."""

    def spent() -> float:
        clock = time.process_time()
        run(images).numpy()
        return time.process_time() - clock

    return spent


def memory(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Megabytes of gradients, and their ratio."""
    for name in options.networks:
        before, after = (in_process(peak, name, prepared) for prepared in (False, True))
        yield {"network": name, "megabytes as it is": before, "megabytes prepared": after, "ratio": after / before}


def peak(name: str, prepared: bool) -> float:
    """Megabytes at the peak of five gradients, beyond those of the loaded network."""
    network: Network = NETWORKS[name][0]()
    images = pictures(NETWORKS[name][1])
    loaded = resident()
    run = gradient(mean_logit(network.prepared.cut if prepared else network.cut))
    for _ in range(5):
        run(images).numpy()
    return resident(highest=True) - loaded


def pictures(size: int) -> tf.Tensor:
    """A batch of noise."""
    return tf.constant(np.random.default_rng(0).uniform(0, 1, (BATCH, size, size, 3)), tf.float32)


def gradient(score: Callable[[tf.Tensor], tf.Tensor]) -> Callable[[tf.Tensor], tf.Tensor]:
    """The compiled gradient of a number by images."""

    @tf.function(autograph=False)
    def compiled(images: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(images)
            value = score(images)
        return tape.gradient(value, images)

    return compiled


def mean_logit(cut: Callable[[list[str]], Cut]) -> Callable[[tf.Tensor], tf.Tensor]:
    """The mean of a logit."""
    run = cut(["logits"])
    return lambda images: tf.reduce_mean(run(images)["logits"][:, LOGIT])


def sum_of_squares(layer: Callable[[tf.Tensor], tf.Tensor]) -> Callable[[tf.Tensor], tf.Tensor]:
    """The sum of a layer's squares."""
    return lambda images: tf.reduce_sum(tf.square(layer(images)))


def timed(run: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor) -> Callable[[], float]:
    """A function that times one call."""
    return lambda: seconds(lambda: run(images).numpy())


PARTS: dict[str, Any] = {"gradients": gradients, "strides": strides, "memory": memory}

if __name__ == "__main__":
    main()
