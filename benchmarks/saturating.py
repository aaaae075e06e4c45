"""Tutorial CNNs with all defaults: `python -m benchmarks.saturating` prints a row for each class.

A CNN as in a first tutorial (Rescaling, three convolutions, softmax) of drawings, at 28, 32 and 64
pixels, grey and in colour. Each class is rendered with the defaults of `samplevis.render`, by the
unit that users write ("predictions:1"), and as objectives that saturate, are bounded, have
plateaus, or rise and fall. A row is *wrong* if its verdict is "valid" and the level on the network
itself is off by more than .05, or the network names fewer than 95 % of the draws as the class.
Networks train in half a minute each; a class takes 20 to 60 seconds on 2 cores.

`--json FILE` writes the rows after each class; the same command goes on where it stopped.
`--pictures FOLDER` keeps a grid of the draws of each row.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import samplevis
from benchmarks.rows import read, write
from samplevis import Network, objectives
from samplevis.modelzoo.shapes import drawing
from samplevis.modelzoo.shapes.labels import CONCEPTS

SIZES, CHANNELS, NUM_CLASSES = (28, 32, 64), (1, 3), 8
NETWORKS = {
    f"{size}-{'grey' if channels == 1 else 'colour'}": (size, channels)
    for size, channels in itertools.product(SIZES, CHANNELS)
}
COUNT, EPOCHS = 12000, 8
# What a sound run keeps to.
MAX_ERROR, MIN_NAMED = 0.05, 0.95


# What a class's logit becomes; None for units as users write them.
SHAPES: dict[str, Callable[[tf.Tensor], tf.Tensor] | None] = {
    "default": None,
    "softmax": None,
    "log odds": None,
    "sigmoid": tf.sigmoid,
    "tanh": lambda x: tf.tanh(x / 4),
    "hard sigmoid": lambda x: tf.clip_by_value(x / 6 + 0.5, 0.0, 1.0),
    "clipped": lambda x: tf.minimum(x, 5.0),
    "plateau": lambda x: tf.sigmoid(4 * (x - 2)) + tf.sigmoid(4 * (x - 12)),
    "periodic": lambda x: tf.sin(x / 4),
}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--classes", nargs="+", type=int, default=range(NUM_CLASSES))
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--json", type=Path, help="file for the rows")
    parser.add_argument("--pictures", type=Path, help="folder for a grid of each row's draws")
    options = parser.parse_args()
    rows = read(options.json)
    done = [_run_of(found) for found in rows]
    for shape, name, label in itertools.product(options.shapes, options.networks, options.classes):
        kind = {"network": name, "class": label, "shape": shape}
        if _run_of(kind) in done:
            continue
        clock = time.perf_counter()
        found = row(trained(*NETWORKS[name]), label, shape, picture_of(kind, options.pictures))
        rows.append(kind | found | {"seconds": round(time.perf_counter() - clock, 1)})
        print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
        write(rows, options.json)
    wrong = sum(each["wrong"] for each in rows)
    good = sum(each["verdict"] == "valid" and not each["wrong"] for each in rows)
    rest = len(rows) - good - wrong
    print(f"{len(rows)} runs: {good} valid and right, {wrong} valid and wrong, {rest} not valid")


def _run_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a row is the result of."""
    return row["network"], row["class"], row["shape"]


def picture_of(kind: Mapping[str, Any], folder: Path | None) -> Path | None:
    """The file for a row's picture; None without a folder."""
    if folder is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{kind['network']} {kind['class']} {kind['shape']}.png"


@functools.cache
def trained(size: int, channels: int) -> Network:
    """The network of some size, trained once in a process; its accuracy on new drawings is printed."""
    model = tutorial_cnn(size, channels)
    images, classes = drawings(2000, 77, size, channels)
    right = model.predict(images, verbose=0).argmax(1) == classes
    print(f"network of {size} px, {channels} channels: accuracy {right.mean():.3f}", flush=True)
    return Network(model, labels=CONCEPTS[:NUM_CLASSES])


def row(network: Network, label: int, shape: str, picture: Path | None = None, **settings: Any) -> dict[str, Any]:
    """Renders a class, and compares the verdict with what the network itself says.

    Args:
      network: one of `tutorial_cnn`.
      label: number of the class.
      shape: a key of `SHAPES`.
      picture: file for a grid of the draws. Defaults to none.
      **settings: of `samplevis.render`. Defaults to its defaults.

    Returns:
      Verdict, level on the network itself, share of the draws that it names as the class, their
      median probability of it, whether the verdict is wrong, and the rows of the summary that
      speak against the pictures.
    """
    try:
        samples = samplevis.render(network, objective(shape, label), progress=False, **settings)
    except ValueError as error:
        # Refused: a unit that gives no gradient.
        return {"verdict": "refused", "level": None, "wrong": False, "why": str(error)}
    logits = network(samples[:], "predictions/pre")["predictions/pre"].numpy()
    named = float(np.mean(logits.argmax(1) == label))
    pictures, level = samples.summary().pictures, float(samples.levels.mean())
    off = abs(level - samples.level) > MAX_ERROR or (needs_name(shape) and named < MIN_NAMED)
    if picture is not None:
        samples.save_grid(picture)
    return {
        "verdict": pictures.verdict,
        "level": round(level, 3),
        "named": round(named, 3),
        "probability": round(float(np.median(tf.nn.softmax(logits)[:, label])), 4),
        "wrong": pictures.verdict == "valid" and off,
        "why": ", ".join(sorted({issue.row for issue in pictures.issues})),
    }


def needs_name(shape: str) -> bool:
    """Whether the network must name the class: for scores of the class among others. A logit by itself promises none."""
    return shape in ("default", "softmax", "log odds")


def objective(shape: str, label: int) -> Any:
    """The objective of a class in some shape."""
    named = {
        "default": f"predictions:{label}",
        "softmax": f"predictions/post:{label}",
        "log odds": objectives.class_log_odds("predictions", label),
    }
    return named.get(shape) or _of_logit(shape, label)


@functools.cache
def _of_logit(shape: str, label: int) -> Callable:
    """The same function each time, so that compiled code is used again."""
    return lambda T: SHAPES[shape](T("predictions/pre")[:, label])  # noqa: N803 - Lucid's name for the accessor.


def drawings(count: int, seed: int, size: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Bright figures on dark grounds, each of a random grey or colour, with some noise.

    Args:
      count: figures to draw, of which about eight in thirteen are of the first eight concepts and are kept.
      seed: int >= 0.
      size: pixels of a side.
      channels: 1 (grey) or 3 (colour).

    Returns:
      (images [n, size, size, channels] of bytes from 0 to 255 as float32, classes [n]).
    """
    random = np.random.default_rng(seed)
    # The first that `figures` draws of the same seed.
    classes = np.random.default_rng(seed).integers(0, len(CONCEPTS) + 1, count)
    kept = classes < NUM_CLASSES
    masks, classes = drawing.figures(count, seed, size)[kept][..., None], classes[kept]
    ground = random.uniform(0, 0.4, (len(classes), 1, 1, channels))
    ink = random.uniform(0.6, 1, (len(classes), 1, 1, channels))
    noise = 0.03 * random.normal(size=(*masks.shape[:3], channels))
    return np.round(255 * np.clip(ground + (ink - ground) * masks + noise, 0, 1)).astype(np.float32), classes


def tutorial_cnn(size: int, channels: int, count: int = COUNT, epochs: int = EPOCHS, seed: int = 0) -> keras.Model:
    """A trained CNN as in a first tutorial: Rescaling, three convolutions, a dense layer, softmax."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = keras.Sequential([keras.Input((size, size, channels)), layers.Rescaling(1 / 255)])
    for width in (16, 32, 64):
        model.add(layers.Conv2D(width, 3, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D())
    for layer in (
        layers.Flatten(),
        layers.Dense(128, "relu"),
        layers.Dense(NUM_CLASSES, "softmax", name="predictions"),
    ):
        model.add(layer)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(*drawings(count, seed + 1, size, channels), batch_size=64, epochs=epochs, verbose=0)
    return model


if __name__ == "__main__":
    main()
