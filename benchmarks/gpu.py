"""What a GPU gains, and from what: `python -m benchmarks.gpu` prints a table, `--json FILE` writes it.

For people with a GPU; on a CPU the same table is shorter, because TF32 is for GPUs. One entry is the gradient of a logit for a
batch of images, one image a chain, at 128 pixels, on a network with random weights, in milliseconds per image:

- "float32": as `optimize` and `render` compute it by default. TensorFlow lets a GPU round the factors of products to 10 bits
  (TF32) unless told otherwise; this column is without.
- "TF32": the same with that rounding.
- "bfloat16": on `overrides.bfloat16` of the network, without TF32.
- "+ XLA": the same, compiled by XLA (`jit_compile=True`).

The columns of a row run in one process and take turns; medians of `--rounds`. The fastest has a star. A cell that fails says with
which error. A line after each model says from how many chains on a batch is within a tenth of the best time per image.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from benchmarks.rows import write
from benchmarks.timing import in_turn, seconds
from samplevis import Network, overrides

MODELS = ("MobileNetV2", "ResNet50", "EfficientNetB0", "VGG16")
CHAINS = (1, 4, 16, 64, 256)
SIZE, CHANNEL = 128, 7
# A batch within this factor of the best time per image saturates the machine.
SATURATED = 1.1


class Setting(NamedTuple):
    """A column: how the gradient is computed."""

    bfloat16: bool = False
    tf32: bool = False
    xla: bool = False

    def __str__(self) -> str:
        base = "bfloat16" if self.bfloat16 else "TF32" if self.tf32 else "float32"
        return base + (" + XLA" if self.xla else "")


def settings(has_gpu: bool) -> tuple[Setting, ...]:
    """The columns for a machine."""
    plain = [Setting(), *([Setting(tf32=True)] if has_gpu else []), Setting(bfloat16=True)]
    return (*plain, *(setting._replace(xla=True) for setting in plain))


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS, help="names in keras.applications")
    parser.add_argument("--chains", nargs="+", type=int, default=CHAINS)
    parser.add_argument("--size", type=int, default=SIZE, help="pixels of a side")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="file for the rows")
    options = parser.parse_args(arguments)
    columns, rows = settings(bool(tf.config.list_physical_devices("GPU"))), []
    print(f"{device()}, TensorFlow {tf.__version__}, Keras {keras.__version__}; milliseconds per image")
    print(f"{'model':<16}{'chains':>8}" + "".join(f"{setting!s:>16}" for setting in columns))
    for model in options.models:
        found = []
        for row in run(model, options.chains, options.size, columns, options.rounds):
            found.append(row)
            print(line(row), flush=True)
            write([*rows, *found], options.json)
        rows += found
        print(f"{model}: {saturation(found)}", flush=True)


def device() -> str:
    """The GPU's name, or that there is none."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "no GPU"
    name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", gpus[0].name)
    return f"{name}{f' (the first of {len(gpus)})' if len(gpus) > 1 else ''}"


def run(
    model: str, chains: Sequence[int], size: int, columns: Sequence[Setting], rounds: int
) -> Iterator[dict[str, Any]]:
    """The rows of a model: a dictionary with the milliseconds per image of each setting, or the name of its error."""
    network = build(model, size)
    networks = {False: network, True: overrides.bfloat16(network)}
    for count in chains:
        runs: dict[str, Callable[[], float]] = {}
        errors: dict[str, str] = {}
        for setting in columns:
            timed = gradient(networks[setting.bfloat16], count, size, setting)
            try:
                timed()
            except (tf.errors.OpError, ValueError) as error:
                errors[str(setting)] = type(error).__name__
            else:
                runs[str(setting)] = timed
        times = in_turn(runs, rounds) if runs else {}
        cells = errors | {name: round(1e3 * float(np.median(values)), 3) for name, values in times.items()}
        yield {"model": model, "chains": count, "device": device()} | {name: cells[name] for name in map(str, columns)}


def build(model: str, size: int) -> Network:
    """A model of `keras.applications` with random weights."""
    keras.utils.set_random_seed(0)
    return Network(getattr(keras.applications, model)(weights=None, input_shape=(size, size, 3)))


def gradient(network: Network, count: int, size: int, setting: Setting) -> Callable[[], float]:
    """A call that returns the seconds per image of a gradient."""
    (layer,) = list(network.layers)[-1:]
    cut = network.cut([layer])
    images = tf.constant(np.random.default_rng(0).uniform(0, 1, (count, size, size, 3)).astype(np.float32))

    @tf.function(autograph=False, jit_compile=setting.xla)
    def largest_slope(images: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(images)
            score = tf.reduce_sum(cut(images)[layer][:, CHANNEL])
        # One number, so that no pixels are copied to the host.
        return tf.reduce_max(tape.gradient(score, images))

    def timed() -> float:
        tf.config.experimental.enable_tensor_float_32_execution(setting.tf32)
        return seconds(lambda: largest_slope(images).numpy(), count)

    return timed


def line(row: dict[str, Any]) -> str:
    """A row as text, its fastest cell with a star."""
    cells = {name: value for name, value in row.items() if name not in ("model", "chains", "device")}
    best = min((value for value in cells.values() if isinstance(value, float)), default=None)
    shown = (
        value if isinstance(value, str) else f"{value:.2f}{'*' if value == best else ''}" for value in cells.values()
    )
    return f"{row['model']:<16}{row['chains']:>8}" + "".join(f"{cell:>16}" for cell in shown)


def saturation(rows: list[dict[str, Any]]) -> str:
    """From how many chains on the default setting is within `SATURATED` of its best time per image."""
    times = {row["chains"]: row[str(Setting())] for row in rows if isinstance(row[str(Setting())], float)}
    if not times:
        return "no batch could be computed"
    enough = min(count for count, value in times.items() if value <= SATURATED * min(times.values()))
    return f"float32 saturates from {enough} chains"


if __name__ == "__main__":
    main()
