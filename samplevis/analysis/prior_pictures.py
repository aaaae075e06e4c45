"""The pictures that a prior is learned from: read from files, arrays or data sets, checked, and brought to one size."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from PIL import Image

from samplevis.param.picture_files import open_upright, picture_files
from samplevis.runtime.checks import brief

# Files and data sets are reduced to this multiple of the size, and cropped to the size at random.
CROP_MARGIN = 1.15
MIN_PICTURES = 16
MAX_NAMED = 5


def read_pictures(pictures: Any, size: tuple[int, int], channels: int | None, most: int) -> np.ndarray:
    """Reads pictures of any kind.

    Files and members of data sets are reduced so that they are a little larger than `size`, which leaves room for crops; an array
    keeps its pixels, or is reduced in the same way if it is larger than twice the size.

    Args:
      pictures: a folder, an array [N, H, W, C], a list of arrays [H, W, C], or an iterable of batches, such as a `tf.data.Dataset`;
        floats from 0 to 1, or bytes.
      size: (height, width) of the crops.
      channels: 1 or 3; None for those of the pictures, 3 for files.
      most: how many to read.

    Returns:
      uint8 [N, H, W, C], H and W not below `size`.

    Raises:
      ValueError: if there are too few, values are out of range or not finite, or grey and coloured ones are mixed.
      OSError: if the folder cannot be read. Damaged files are left out, with a warning that names them.
    """
    if isinstance(pictures, (str, os.PathLike)):
        found = list(islice(_from_files(pictures, size, channels or 3), most))
    elif isinstance(pictures, np.ndarray) and pictures.ndim == 4 and _is_near(pictures.shape[1:3], size):
        found = as_bytes(pictures[:most])
    else:
        found = list(islice(_from_arrays(pictures, size), most))
    if len(found) < MIN_PICTURES:
        raise ValueError(f"pictures: expected at least {MIN_PICTURES} of them. Received: {len(found)}")
    if len(kinds := {picture.shape[-1] for picture in found}) > 1:
        raise ValueError(
            f"pictures: expected the same number of channels in all. Received: pictures of {' and '.join(map(str, sorted(kinds)))} "
            "channels. Bring them to one kind first"
        )
    found = np.stack(found)
    if found.shape[-1] not in (1, 3) or channels not in (None, found.shape[-1]):
        raise ValueError(f"pictures: expected {channels or '1 or 3'} channels. Received: {found.shape[-1]}")
    return found


def as_bytes(values: np.ndarray) -> np.ndarray:
    """Pixels as uint8; ValueError for floats outside of [0, 1], other types, and what is not finite."""
    values = np.asarray(values)
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind != "f":
        raise ValueError(f"pictures: expected floats from 0 to 1, or uint8. Received: {values.dtype}")
    if not np.isfinite(values).all():
        where = np.argwhere(~np.isfinite(values))[0].tolist()
        raise ValueError(f"pictures: expected finite values. Received: {values[tuple(where)]} at {where}")
    if values.size and (values.min() < 0 or values.max() > 1):
        raise ValueError(f"pictures: expected floats from 0 to 1. Received: {values.min():g} to {values.max():g}")
    return np.round(255 * values).astype(np.uint8)


def _is_near(found: Sequence[int], size: tuple[int, int]) -> bool:
    """Whether pictures can be cropped as they are."""
    return all(wanted <= side <= 2 * wanted for side, wanted in zip(found, size, strict=True))


def _from_files(folder: str | os.PathLike, size: tuple[int, int], channels: int) -> Iterator[np.ndarray]:
    damaged = []
    for path in picture_files(folder):
        try:
            picture = open_upright(path).convert("RGB" if channels == 3 else "L")
        except OSError:
            damaged.append(path.name)
            continue
        yield _reduced(picture, size)
    if damaged:
        more = f" and {len(damaged) - MAX_NAMED} more" if len(damaged) > MAX_NAMED else ""
        warnings.warn(
            f"pictures: {len(damaged)} files cannot be read: {', '.join(damaged[:MAX_NAMED])}{more}", stacklevel=2
        )


def _from_arrays(pictures: Any, size: tuple[int, int]) -> Iterator[np.ndarray]:
    if not isinstance(pictures, (np.ndarray, Iterable)):
        raise TypeError(f"pictures: expected a folder, an array or a data set. Received: {brief(pictures)}")
    for item in pictures:
        # A data set of (pictures, labels).
        item = np.asarray(item[0] if isinstance(item, (tuple, list)) else item)
        if item.ndim not in (3, 4):
            raise ValueError(f"pictures: expected arrays [H, W, C] or [N, H, W, C]. Received: {brief(item)}")
        for picture in as_bytes(item if item.ndim == 4 else item[None]):
            if picture.shape[:2] == size:
                yield picture
            elif picture.shape[-1] == 1:
                yield _reduced(Image.fromarray(picture[..., 0]), size)
            elif picture.shape[-1] == 3:
                yield _reduced(Image.fromarray(picture), size)
            else:
                raise ValueError(f"pictures: expected 1 or 3 channels. Received: {picture.shape[-1]}")


def _reduced(picture: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """The centre of a picture with the proportions of `size`, reduced or enlarged to a little more than that."""
    height, width = (math.ceil(CROP_MARGIN * side) for side in size)
    factor = min(picture.height / height, picture.width / width)
    left, top = (picture.width - factor * width) / 2, (picture.height - factor * height) / 2
    box = (left, top, left + factor * width, top + factor * height)
    pixels = np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS, box=box))
    return pixels.reshape(height, width, -1)
