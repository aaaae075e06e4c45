"""What ImageNet classifiers share: the names of the 1,000 classes, and a layer that normalises colours."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from samplevis.modelzoo.fetch import cache_folder, fetch

if TYPE_CHECKING:
    import keras

LABELS_URL = "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json"
LABELS_MD5 = "c2c37ea517e94d9795004a39431a14cb"
LABELS_CACHE = "imagenet_class_index.json"
LABELS_FILE = "imagenet_labels.txt"
CLASSES = 1000


def imagenet_labels(
    labels: str | os.PathLike | None, weights: str | os.PathLike | None, *, background: bool = False
) -> Callable[[], list[str]] | None:
    """A function that loads the labels, so that nothing is fetched or read before a label is used.

    Args:
      labels: path of a text file with 1,000 lines, a class on each. Defaults to an `imagenet_labels.txt` beside the
        weights or in the folder above, else Keras's list, fetched.
      weights: path of the weights, "imagenet" for weights that were fetched, or None for random ones, whose classes
        mean nothing.
      background: whether the network's first class is "background", before the 1,000. Defaults to False.

    Returns:
      The function, or None if there are neither labels nor weights.
    """
    if labels is None and weights is None:
        return None
    path = _labels_file(labels, weights)
    first = ["background"] if background else []
    return lambda: first + (fetch_labels() if path is None else read_labels(path))


def read_labels(path: Path) -> list[str]:
    """Reads 1,000 labels from a text file, a class on each line, with or without its number in front."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise OSError(f"labels: cannot read {str(path)!r} ({error.strerror}).") from error
    labels = [re.sub(rf"^{number}\s+", "", line).strip() for number, line in enumerate(lines)]
    if len(labels) != CLASSES or not all(labels):
        raise ValueError(f"labels: expected {CLASSES} lines in {str(path)!r}, none empty. Found: {len(labels)}")
    return labels


def local_labels(weights: str | os.PathLike | None = None) -> list[str] | None:
    """The labels, if they can be had without a network and without TensorFlow; else None.

    Args:
      weights: path of the weights. Defaults to weights that were fetched.
    """
    path = _labels_file(None, "imagenet" if weights is None else weights)
    if path is not None:
        return read_labels(path)
    cached = cache_folder() / LABELS_CACHE
    return _indexed(cached) if cached.is_file() else None


def fetch_labels() -> list[str]:
    """Fetches Keras's list of the 1,000 ImageNet classes into its cache; OSError says what to do without a network."""
    instead = "give a text file: labels=PATH, or name classes by number"
    path = fetch(LABELS_CACHE, LABELS_URL, LABELS_MD5, instead, "labels")
    return _indexed(path)


def _indexed(path: Path) -> list[str]:
    index = json.loads(path.read_text(encoding="utf-8"))
    return [index[str(number)][1].replace("_", " ") for number in range(CLASSES)]


def normalize(image: keras.KerasTensor) -> keras.KerasTensor:
    """Subtracts ImageNet's mean colour from images in [0, 1] and divides by the standard deviation, in a layer `normalize`."""
    import keras
    import numpy as np

    from samplevis.network.preprocessing import MEAN, STANDARD_DEVIATION

    variance = np.square(STANDARD_DEVIATION).tolist()
    return keras.layers.Normalization(mean=MEAN, variance=variance, name="normalize")(image)


def _labels_file(labels: str | os.PathLike | None, weights: str | os.PathLike | None) -> Path | None:
    """The file that has the labels; None for Keras's list."""
    return Path(labels) if labels is not None else None if weights == "imagenet" else _beside(Path(weights))


def _beside(weights: Path) -> Path | None:
    folder = weights.resolve().parent
    return next((f for f in (folder / LABELS_FILE, folder.parent / LABELS_FILE) if f.is_file()), None)
