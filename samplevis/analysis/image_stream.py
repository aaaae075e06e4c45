"""Streams of images from folders, files, arrays and datasets."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from samplevis.export.pixels import cropped
from samplevis.network import Network
from samplevis.network.sources.base import Shape, sizes
from samplevis.param.picture_files import open_upright, picture_files


def stream(
    network: Network, images: Any, image_size: tuple[int, int] | None = None
) -> Iterator[tuple[np.ndarray, str]]:
    """Iterates over images from any source, with their names.

    Args:
      network: the network that takes them.
      images: float array [n, H, W, C] in [0, 1]; a folder, searched recursively in the order of the names; or an iterable such
        as a list of files, a generator or a `tf.data.Dataset`, of paths, images [H, W, C] or batches [b, H, W, C], alone or
        first in a tuple (image, label). For networks that take them also signals [length, C] and volumes [depth, H, W, C], but
        not from files.
      image_size: (height, width) to which files are center-cropped and resized. Defaults to the network's input size if it is
        fixed, otherwise to the size of each file.

    Yields:
      (image [H, W, C], name). The name is a file's path, relative to the folder, or the image's number.

    Raises:
      ValueError, TypeError: if `images` is anything else.
      OSError: if a folder or a file cannot be read.
    """
    declared = network.image_shape[:-1]
    size = (None if None in declared else declared) if image_size is None else network.check_size(image_size)
    if isinstance(images, (str, os.PathLike)):
        folder = Path(images)
        for path in picture_files(folder):
            yield _read(path, network.image_shape, size), path.relative_to(folder).as_posix()
        return
    if not isinstance(images, Iterable):
        raise TypeError(f"images: expected an array, a folder or something to iterate over. Received: {images!r}")
    numbers = itertools.count()
    for item in images:
        item = item[0] if isinstance(item, tuple) else item
        if isinstance(item, (str, os.PathLike)):
            yield _read(Path(item), network.image_shape, size), os.fspath(item)
            continue
        if image_size is not None:
            raise ValueError("image_size: only for a folder or files; scale other images yourself.")
        values = np.asarray(item)
        rank = len(network.image_shape)
        if values.ndim not in (rank, rank + 1):
            each = f"{sizes(network.dimensions)}, channels]"
            raise ValueError(f"images: expected [{each} or [batch, {each}. Received an item of shape {values.shape}")
        for image in values if values.ndim > rank else (values,):
            yield image, str(next(numbers))


def batches(images: Iterable[tuple[np.ndarray, str]], batch_size: int) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Groups consecutive images of equal shape into batches of at most `batch_size`: (images [b, H, W, C], names)."""
    for _, run in itertools.groupby(images, key=lambda pair: np.shape(pair[0])):
        while batch := list(itertools.islice(run, batch_size)):
            yield np.stack([image for image, _ in batch]), [name for _, name in batch]


def _read(file: Path, image_shape: Shape, size: tuple[int, int] | None) -> np.ndarray:
    """Reads a file as float32 [H, W, channels] in [0, 1]."""
    *sides, channels = image_shape
    if len(sides) != 2:
        raise ValueError(f"images: files are pictures. The network takes ({sizes(len(sides))}, channels): give arrays.")
    if channels not in (1, 3):
        raise ValueError(f"images: files have 1 or 3 channels. The network takes {channels}: give arrays.")
    picture = open_upright(file).convert("RGB" if channels == 3 else "L")
    if size:
        picture = cropped(picture, size)
    return np.asarray(picture, np.float32).reshape(picture.height, picture.width, channels) / 255
