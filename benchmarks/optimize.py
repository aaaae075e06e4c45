"""Time per optimiser step: `python -m benchmarks.optimize` prints a table, `--json FILE` writes the ratios.

Compares samplevis with a hand-written loop, and two other libraries with samplevis, on the same model with random weights: the
mean of one channel, pixels, Adam, no transforms. All entries of a row run in one process and take turns. About ten minutes on
2 cores. If a library is not installed, its column says so.

- "floor": a compiled function of one step, including the update, called from Python, on the network as it is; samplevis folds batch
  normalization first.
- "loop": the same step in a loop inside TensorFlow.
- "ours": whole calls of `samplevis.optimize` after the first, including everything that each call repeats.
- "Xplique", "tf-keras-vis": from their first step to their last, which excludes the tracing that each call repeats.

The work is as equal as possible. Xplique always applies its colour matrix and rescales the range; tf-keras-vis has no sigmoid.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

import samplevis
from benchmarks.rows import write
from benchmarks.timing import in_turn, ratio, seconds, show
from samplevis import param
from samplevis.modelzoo.efficientnet_lite import architecture

CHANNEL = 7
RATE = 0.05


class Case(NamedTuple):
    """A row: a model, its layer and image size, the steps per run, and the required ratios."""

    model: str
    layer: str
    size: int
    steps: int
    over_floor: float
    xplique: float
    tf_keras_vis: float = 4.0


CASES = (
    Case("EfficientNetLite0", "logits", 128, 24, 0.85, 1.5),
    Case("MobileNetV2", "block_6_expand", 128, 48, 0.85, 1.5),
    Case("MobileNetV2", "block_6_expand", 224, 24, 0.85, 1.5),
    Case("MobileNetV2", "block_6_expand", 512, 8, 1.05, 1.3),
    Case("ResNet50", "conv4_block1_out", 128, 16, 0.95, 1.5),
    Case("3-conv CNN", "conv3", 128, 96, 1.10, 1.3),
)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="paired runs of each case")
    parser.add_argument("--models", nargs="+", default=sorted({case.model for case in CASES}))
    parser.add_argument("--sizes", nargs="+", type=int, default=sorted({case.size for case in CASES}))
    parser.add_argument("--json", type=Path, help="file for the ratios")
    options = parser.parse_args()
    rows = []
    print(f"{'model':<13}{'size':>5}" + "".join(f"{name:>20}" for name in COLUMNS) + "  required")
    for case in CASES:
        if case.model in options.models and case.size in options.sizes:
            rows.append(run(case, options.rounds))
            print(f"{case.model:<13}{case.size:>5}" + "".join(show(rows[-1][name]) for name in COLUMNS), end="")
            print(f"  <= {case.over_floor}, >= {case.xplique}, >= {case.tf_keras_vis}", flush=True)
            write(rows, options.json)
    for name, make in PEERS.items():
        if missing(make):
            print(f"{name}: not installed")


def run(case: Case, rounds: int) -> dict[str, Any]:
    """The ratios of one case."""
    keras.utils.set_random_seed(0)
    keras.backend.clear_session()
    model = build(case)
    makers = {"floor": floor, "loop": loop, "ours": ours} | {n: make for n, make in PEERS.items() if not missing(make)}
    times = in_turn({name: make(model, case) for name, make in makers.items()}, rounds)
    return {
        "model": case.model,
        "size": case.size,
        "ours/floor": ratio(times["ours"], times["floor"]),
        "ours/loop": ratio(times["ours"], times["loop"]),
    } | {f"{name}/ours": ratio(times[name], times["ours"]) if name in times else None for name in PEERS}


def build(case: Case) -> keras.Model:
    """The model with random weights, for images of one size."""
    image = keras.Input((case.size, case.size, 3))
    if case.model == "EfficientNetLite0":
        # A fixed size, which Xplique needs.
        return keras.models.clone_model(architecture(case.model), input_tensors=image)
    if case.model in ("MobileNetV2", "ResNet50"):
        kind = getattr(keras.applications, case.model)
        return kind(include_top=False, weights=None, input_tensor=image)
    x = image
    for number, filters in enumerate((16, 32, 64), start=1):
        x = keras.layers.Conv2D(filters, 3, 2, activation="relu", name=f"conv{number}")(x)
    return keras.Model(image, x)


def ours(model: keras.Model, case: Case) -> Callable[[], float]:
    """`samplevis.optimize`."""
    network = samplevis.Network(model)
    settings = dict(param=param.pixel(case.size), transforms=None, steps=case.steps, progress=False)
    return lambda: seconds(lambda: samplevis.optimize(network, f"{case.layer}:{CHANNEL}", **settings), case.steps)


def floor(model: keras.Model, case: Case) -> Callable[[], float]:
    """One compiled step, called repeatedly from Python."""
    step = tf.function(_step(model, case), autograph=False)

    def steps() -> None:
        for _ in range(case.steps):
            score = step()
        score.numpy()

    return lambda: seconds(steps, case.steps)


def loop(model: keras.Model, case: Case) -> Callable[[], float]:
    """All steps inside TensorFlow."""
    step = _step(model, case)

    @tf.function(autograph=False)
    def steps(count: tf.Tensor) -> tf.Tensor:
        start = tf.constant(0), tf.constant(0.0)
        return tf.while_loop(lambda i, _: i < count, lambda i, _: (i + 1, step()), start, parallel_iterations=1)[1]

    return lambda: seconds(lambda: steps(tf.constant(case.steps)).numpy(), case.steps)


def _step(model: keras.Model, case: Case) -> Callable[[], tf.Tensor]:
    """A hand-written step: the truncated model, one channel, the update."""
    cut = keras.Model(model.inputs, model.get_layer(case.layer).output)
    z = keras.Variable(0.01 * np.random.default_rng(0).normal(size=(1, case.size, case.size, 3)).astype(np.float32))
    optimizer = keras.optimizers.Adam(RATE)
    optimizer.build([z])

    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            score = tf.reduce_mean(cut(tf.sigmoid(z.value), training=False)[..., CHANNEL])
        optimizer.apply([-tape.gradient(score, z.value)], [z])
        return score

    return step


class Ticking(keras.optimizers.Adam):
    """Adam that records the time of each update, to exclude what other libraries do before their first step."""

    def apply_gradients(self, grads_and_vars: Any, **settings: Any) -> Any:
        pairs = list(grads_and_vars)
        result = super().apply_gradients(pairs, **settings)
        pairs[0][1].numpy()
        self.ticks = [*getattr(self, "ticks", []), time.perf_counter()]
        return result

    @property
    def seconds(self) -> float:
        """Seconds per step."""
        return (self.ticks[-1] - self.ticks[0]) / (len(self.ticks) - 1)


def xplique(model: keras.Model, case: Case) -> Callable[[], float]:
    """Xplique's `optimize`, which compiles the gradient again in each call."""
    from xplique.features_visualizations import Objective, optimize

    def run() -> float:
        optimizer = Ticking(RATE)
        objective = Objective.channel(model, case.layer, CHANNEL)
        optimize(objective, optimizer, case.steps, use_fft=False, transformations=None, custom_shape=None)
        return optimizer.seconds

    return run


def tf_keras_vis(model: keras.Model, case: Case) -> Callable[[], float]:
    """tf-keras-vis's `ActivationMaximization`, which compiles nothing."""
    from tf_keras_vis.activation_maximization import ActivationMaximization
    from tf_keras_vis.utils.model_modifiers import ExtractIntermediateLayer

    maximization = ActivationMaximization(model, ExtractIntermediateLayer(case.layer), clone=False)
    start = np.random.default_rng(0).uniform(0.4, 0.6, (1, case.size, case.size, 3)).astype(np.float32)

    def run() -> float:
        optimizer = Ticking(RATE)
        maximization(
            lambda output: tf.reduce_mean(output[..., CHANNEL]),
            seed_input=start,
            input_range=(0.0, 1.0),
            input_modifiers=[],
            regularizers=[],
            steps=max(case.steps // 4, 4),
            optimizer=optimizer,
        )
        return optimizer.seconds

    return run


PEERS = {"Xplique": xplique, "tf-keras-vis": tf_keras_vis}
PACKAGES = {xplique: "xplique", tf_keras_vis: "tf_keras_vis"}
COLUMNS = ("ours/floor", "ours/loop", *(f"{name}/ours" for name in PEERS))


def missing(make: Callable) -> bool:
    """Whether a library is not installed."""
    return importlib.util.find_spec(PACKAGES[make]) is None


if __name__ == "__main__":
    main()
