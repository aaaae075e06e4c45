"""Time of a sweep over channels: `python -m benchmarks.sweep` prints a table, `--json FILE` writes the ratios.

One image for each of many channels of a layer, in a network with random weights: the channel's mean, pixels, Adam, no transforms.

- "floor": one image after another, by a hand-written loop for this network that is compiled once.
- "calls": `samplevis.optimize` for one channel after another, relative to the floor of the same channel.
- "sweep": one `samplevis.sweep` over all channels.
- "batch": the hand-written loop with the sweep's batch size.

Floor and calls take turns channel by channel, all in one process. About ten minutes on 2 cores with the defaults.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import samplevis
from benchmarks.rows import write
from benchmarks.timing import in_turn, ratio, seconds, show
from samplevis import modelzoo, objectives, param
from samplevis.activation import make_activation
from samplevis.activation.batch_size import bytes_per_image, images_per_batch
from samplevis.optimizers.keras_stepper import number_of_traces
from samplevis.runs.sweeping import DEFAULT_MEMORY, MAX_BATCH_SIZE

RATE = 0.05
LAYERS = {"MobileNetV2": "block_6_expand", "SqueezeNet": "fire5"}
COLUMNS = ("calls/floor", "floor/sweep", "calls/sweep", "sweep/batch")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=list(LAYERS), default=list(LAYERS))
    parser.add_argument("--channels", type=int, default=100)
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--size", type=int, default=64, help="pixels")
    parser.add_argument("--batch-size", type=int, help="batch size of the sweep (default: its own choice)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file for the ratios")
    options = parser.parse_args()
    rows = []
    print(f"{'network':<13}{'batch':>6}{'traces':>8}" + "".join(f"{name:>20}" for name in COLUMNS))
    print(f"{'required':<13}{'':>6}{0:>8}{'<= 1.10':>20}{'>= 1.50':>20}")
    for name in options.networks:
        rows.append(run(name, options))
        print(f"{name:<13}{rows[-1]['batch']:>6}{rows[-1]['traces']:>8}", end="")
        print("".join(show(rows[-1][column]) for column in COLUMNS), flush=True)
        write(rows, options.json)


def run(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """The ratios of one network."""
    keras.utils.set_random_seed(0)
    network, layer, count = build(name, options.size), LAYERS[name], options.channels
    settings = dict(param=param.pixel(options.size), transforms=None, steps=options.steps, progress=False)
    unit = make_activation(network, f"{layer}:0", settings["param"], None)
    batch = min(count, options.batch_size or images_per_batch(unit, count, DEFAULT_MEMORY, MAX_BATCH_SIZE))
    one, many = (by_hand(network, layer, options.size, n, options.steps) for n in (1, batch))
    call = partial(samplevis.optimize, network, **settings)
    channels = range(count)

    call(obj=f"{layer}:0")
    before = number_of_traces(network)
    times = {"floor": [], "calls": []}

    def alternately() -> float:
        """Each channel by hand and by call in turn, so that other work on the machine affects both."""
        pairs = [(seconds(partial(one, [n])), seconds(partial(call, obj=f"{layer}:{n}"))) for n in channels]
        for name, values in zip(times, zip(*pairs, strict=True), strict=True):
            times[name].append(sum(values))
        return sum(map(sum, pairs))

    units = [objectives.channel(layer, n) for n in channels]
    parts = [list(channels[first : first + batch]) for first in range(0, count, batch)]
    found = in_turn(
        {
            "alternately": alternately,
            "sweep": lambda: seconds(
                lambda: samplevis.sweep(network, units, batch_size=batch, redirect_steps=0, **settings)
            ),
            "batch": lambda: seconds(lambda: [many(part + part[-1:] * (batch - len(part))) for part in parts]),
        },
        options.rounds,
    )
    floor, calls = (np.array(times[name][1:]) for name in ("floor", "calls"))
    return {
        "network": name,
        "batch": batch,
        "megabytes_per_image": bytes_per_image(unit) / 2**20,
        # One trace is the sweep's own.
        "traces": number_of_traces(network) - before - 1,
        "calls/floor": ratio(calls, floor),
        "floor/sweep": ratio(floor, found["sweep"]),
        "calls/sweep": ratio(calls, found["sweep"]),
        "sweep/batch": ratio(found["sweep"], found["batch"]),
    }


def build(name: str, size: int) -> samplevis.Network:
    """A network with random weights."""
    if name == "SqueezeNet":
        return modelzoo.SqueezeNet(weights=None)
    image = keras.Input((size, size, 3))
    model = keras.applications.MobileNetV2(include_top=False, weights=None, input_tensor=image)
    return samplevis.Network(model, value_range=(-1, 1))


def by_hand(
    network: samplevis.Network, layer: str, size: int, batch: int, steps: int
) -> Callable[[list[int]], np.ndarray]:
    """A compiled loop for this network: channels of a batch -> images."""
    cut = network.cut((layer,))
    z = keras.Variable(np.zeros((batch, size, size, 3), np.float32))
    optimizer = keras.optimizers.Adam(RATE)
    optimizer.build([z])
    start = 0.1 * np.random.default_rng(0).normal(size=z.shape).astype(np.float32)

    def step(channels: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            values = cut(tf.sigmoid(z.value))[layer]
            if batch == 1:
                score = tf.reduce_mean(tf.gather(values, channels[0], axis=-1))
            else:
                score = tf.reduce_mean(tf.gather(values, channels, axis=-1, batch_dims=1), (1, 2))
        optimizer.apply([-tape.gradient(score, z.value)], [z])

    @tf.function(autograph=False)
    def loop(channels: tf.Tensor) -> tf.Tensor:
        def body(i: tf.Tensor) -> tuple[tf.Tensor]:
            step(channels)
            return (i + 1,)

        tf.while_loop(lambda i: i < steps, body, (tf.constant(0),), parallel_iterations=1)
        return tf.sigmoid(z.value)

    def images(channels: list[int]) -> np.ndarray:
        z.assign(start)
        for variable in optimizer.variables:
            if variable is not optimizer._learning_rate:
                variable.assign(tf.zeros_like(variable.value))
        return loop(tf.constant(channels)).numpy()

    return images


if __name__ == "__main__":
    main()
