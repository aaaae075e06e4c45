"""Images of any number of channels as pictures: false colours, as of satellites."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from samplevis.runtime.checks import check_wholes

# Numbers of channels that are pictures already: grey, colour, colour and opacity.
PICTURES = (1, 3, 4)
COLORS = ("red", "green", "blue")


def false_colors(images: np.ndarray, bands: Sequence[int] | None = None) -> np.ndarray:
    """Turns images of any number of channels into colour pictures.

    Each colour is the mean of some bands, so that pictures of different calls are comparable, and the picture of a mean is the mean
    of the pictures. By default red is the mean of the first third of the bands, green of the middle and blue of the last; of two
    bands, red is the first, blue the second, and green their mean.

    Args:
      images: [..., H, W, C], in [0, 1] or uint8.
      bands: three bands from 0 to C - 1, for red, green and blue. Defaults to thirds; images of 1, 3 or 4 channels are then
        returned unchanged.

    Returns:
      [..., H, W, 3] of the same type.

    Raises:
      ValueError, TypeError: if `bands` are not three bands of the images.

    Example:
      >>> images = np.random.uniform(size=(4, 32, 32, 7))
      >>> false_colors(images).shape, false_colors(images, bands=(4, 2, 1)).shape
      ((4, 32, 32, 3), (4, 32, 32, 3))
    """
    images = np.asarray(images)
    count = images.shape[-1] if images.ndim else 0
    if bands is None and (count < 2 or count in PICTURES):
        return images
    groups = thirds(count) if bands is None else [[band] for band in check_bands(bands, count)]
    colors = np.stack([images[..., group].mean(axis=-1) for group in groups], axis=-1)
    return np.round(colors).astype(np.uint8) if images.dtype == np.uint8 else colors.astype(np.float32)


def thirds(count: int) -> list[list[int]]:
    """The bands that red, green and blue are the mean of, by default.

    Args:
      count: number of bands, >= 2.

    Example:
      >>> thirds(7), thirds(2)
      ([[0, 1, 2], [3, 4], [5, 6]], [[0], [0, 1], [1]])
    """
    if count == 2:
        return [[0], [0, 1], [1]]
    return [part.tolist() for part in np.array_split(np.arange(count), 3)]


def check_bands(bands: Sequence[int], count: int) -> tuple[int, ...]:
    """Returns three bands of images of `count` channels as ints; raises ValueError or TypeError for anything else."""
    found = check_wholes("bands", bands, 0)
    if len(found) != len(COLORS) or max(found) >= count:
        raise ValueError(
            f"bands: expected three bands from 0 to {count - 1}, for red, green and blue. Received: {list(found)}"
        )
    return found


def bands_words(count: int, bands: Sequence[int] | None = None) -> str:
    """Which bands the colours show, for captions; empty for pictures that are shown as they are.

    Example:
      >>> bands_words(7)
      'false colours: red bands 0-2, green bands 3-4, blue bands 5-6'
      >>> bands_words(7, (4, 2, 1))
      'false colours: red band 4, green band 2, blue band 1'
    """
    if bands is None and count in PICTURES:
        return ""
    groups = thirds(count) if bands is None else [[band] for band in bands]
    shown = (f"{color} {_range_words(group)}" for color, group in zip(COLORS, groups, strict=True))
    return f"false colours: {', '.join(shown)}"


def _range_words(group: Sequence[int]) -> str:
    if len(group) == 1:
        return f"band {group[0]}"
    return f"bands {group[0]}-{group[-1]}"
