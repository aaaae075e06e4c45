"""Small networks with all defaults: `python -m benchmarks.small_networks` prints a table, `--json FILE` writes the results.

CNNs of scikit-learn's digits, at 8, 28 and 32 pixels, grey and in colour, with a dense or a pooled head: each class is rendered
with the defaults of `samplevis.render`, and a second network of another seed and architecture names the samples. The networks
train in seconds each, with fixed seeds; a class takes 5 to 60 seconds on 2 cores.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

import samplevis
from benchmarks.rows import write

Head = Literal["dense", "pooled"]

SIZES, CHANNELS, HEADS = (8, 28, 32), (1, 3), ("dense", "pooled")
EPOCHS = 10


class Kind(NamedTuple):
    """What a network of the table is.

    Attributes:
      size: pixels of a side.
      channels: 1 (grey) or 3 (colour).
      head: "dense" (Flatten) or "pooled" (GlobalAveragePooling2D).
    """

    size: int
    channels: int
    head: Head

    def __str__(self) -> str:
        return f"{self.size} px, {'grey' if self.channels == 1 else 'colour'}, {self.head}"


KINDS = tuple(itertools.starmap(Kind, itertools.product(SIZES, CHANNELS, HEADS)))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", type=int, default=range(len(KINDS)), help="numbers of `KINDS`")
    parser.add_argument("--classes", nargs="+", type=int, default=range(10))
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--save", type=Path, help="folder for the samples")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for kind in (KINDS[number] for number in options.kinds):
        network, judge = trained(kind)
        for label in options.classes:
            clock = time.perf_counter()
            samples = samplevis.render(network, f"logits:{label}", progress=False)
            row = {"kind": str(kind), "class": label} | figures(samples, judge, label)
            rows.append(row | {"seconds": round(time.perf_counter() - clock, 1)})
            print("  ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
            write(rows, options.json)
            if options.save:
                options.save.mkdir(parents=True, exist_ok=True)
                samples.save(options.save / f"{kind.size}-{kind.channels}-{kind.head}-{label}.npz")


def figures(samples: samplevis.Samples, judge: keras.Model, label: int) -> dict[str, Any]:
    """The level of each chain on fresh transforms, and the share of the samples that the judge names right."""
    distance = samples.optimum_activation - samples.prior_activation
    levels = (samples.fresh_activation.mean(1) - samples.prior_activation) / distance
    images = samples.images.reshape(-1, *samples.images.shape[2:])
    return {
        "levels": [round(float(level), 3) for level in levels],
        "right": round(float(np.mean(np.argmax(judge.predict(images, verbose=0), 1) == label)), 3),
        "transforms": samples.options["transforms"],
    }


def digits(size: int, channels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's 1,797 digits, upsampled; in colour, bright digits of any colour on a dark ground of any other.

    Args:
      size: pixels of a side.
      channels: 1 (grey) or 3 (colour).
      seed: of the colours and the order.

    Returns:
      (images [1797, size, size, channels] in [0, 1], labels [1797]).
    """
    random = np.random.default_rng(seed)
    data = load_digits()
    images = tf.image.resize(data.images[..., None] / 16, (size, size)).numpy().clip(0, 1)
    if channels == 3:
        ground, ink = random.uniform(0, 0.4, (len(images), 1, 1, 3)), random.uniform(0.5, 1, (len(images), 1, 1, 3))
        images = ground + (ink - ground) * images
    order = random.permutation(len(images))
    return images[order].astype(np.float32), data.target[order]


def trained(kind: Kind, seed: int = 0) -> tuple[keras.Model, keras.Model]:
    """A network and a judge for it, trained with fixed seeds.

    Args:
      kind: the network's size, channels and head. The judge has its size and channels, other layers and a dense head.
      seed: of both; the judge's is another. Defaults to 0.

    Returns:
      (network, with logits at the layer "logits"; judge).
    """
    # Wide enough a view for a pooled head to see a digit.
    widths = (32, 64, 64) if kind.size == 8 else (16, 32, 64, 64)
    network = _classifier(kind, widths, "relu", 2 * seed)
    return network, _classifier(kind._replace(head="dense"), (24, 48), "gelu", 2 * seed + 1)


def _classifier(kind: Kind, widths: Sequence[int], activation: str, seed: int) -> keras.Model:
    """A trained CNN: convolutions of these numbers of channels, at most three of them followed by max pooling, and a head."""
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input((kind.size, kind.size, kind.channels))
    for width in widths:
        x = keras.layers.Conv2D(width, 3, padding="same")(x)
        # Pooled heads train slowly without.
        x = keras.layers.BatchNormalization()(x) if kind.head == "pooled" else x
        x = keras.layers.Activation(activation)(x)
        x = keras.layers.MaxPooling2D()(x) if x.shape[1] >= 7 else x
    x = keras.layers.Flatten()(x) if kind.head == "dense" else keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(10, name="logits")(x))
    model.compile(keras.optimizers.Adam(2e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(*digits(kind.size, kind.channels, seed), batch_size=32, epochs=EPOCHS, verbose=0)
    return model


if __name__ == "__main__":
    main()
