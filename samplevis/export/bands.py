"""Images of any number of channels as pictures: false colours, as of satellites."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from samplevis.runtime.checks import check_choice, check_wholes

# Numbers of channels that are pictures already: grey, colour, colour and opacity.
PICTURES = (1, 3, 4)
COLORS = ("red", "green", "blue")
PCA, GRID = "pca", "grid"
# What the `bands` argument takes: three bands, or the name of a way to show all of them.
BandsLike: TypeAlias = Sequence[int] | str
# Share of pixels, at either end, that principal components show as black or full.
CLIPPED = 0.01
# Pixels that principal components are computed of.
MAX_PIXELS = 100_000


def false_colors(images: np.ndarray, bands: BandsLike | None = None) -> np.ndarray:
    """Turns images of any number of channels into pictures.

    By default each colour is the mean of some bands, so that pictures of different calls are comparable, and the picture of a mean
    is the mean of the pictures: red is the mean of the first third of the bands, green of the middle and blue of the last; of two
    bands, red is the first, blue the second, and green their mean.

    Args:
      images: [..., H, W, C], in [0, 1] or uint8.
      bands: three bands from 0 to C - 1, for red, green and blue; "pca", the first three principal components of all pixels, which
        shows most of what differs, in colours of this call alone; or "grid", every band as a grey image, row by row. Defaults to
        thirds; images of 1, 3 or 4 channels are then returned unchanged, 4 as colour and opacity.

    Returns:
      [..., H, W, 3] of the same type; for "grid", larger grey pictures [..., height, width, 1].

    Raises:
      ValueError, TypeError: if `bands` are not three bands of the images.

    Example:
      >>> images = np.random.uniform(size=(4, 32, 32, 7))
      >>> false_colors(images).shape, false_colors(images, bands=(4, 2, 1)).shape
      ((4, 32, 32, 3), (4, 32, 32, 3))
      >>> false_colors(images, "pca").shape, false_colors(images, "grid").shape
      ((4, 32, 32, 3), (4, 98, 98, 1))
    """
    return coloring(images, bands)(images)


def coloring(images: np.ndarray, bands: BandsLike | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """The function from images to pictures, with the principal components, if asked for, of these images.

    Args:
      images, bands: as in `false_colors`.

    Returns:
      A function of images of as many channels.

    Raises:
      ValueError, TypeError: as `false_colors`.

    Example:
      >>> images = np.random.uniform(size=(4, 32, 32, 7))
      >>> coloring(images, "pca")(images[:1]).shape
      (1, 32, 32, 3)
    """
    images = np.asarray(images)
    count = images.shape[-1] if images.ndim else 0
    if bands is None and (count < 2 or count in PICTURES):
        return np.asarray
    if bands is not None:
        bands = check_bands(bands, count)
    if bands == GRID:
        return _grid_of_bands
    if bands == PCA:
        return _principal_colors(images)
    weights = np.zeros((count, len(COLORS)), np.float32)
    for color, group in enumerate(thirds(count) if bands is None else [[band] for band in bands]):
        weights[group, color] += 1 / len(group)
    return lambda images: _as_type_of(images, _in_units(images) @ weights)


def _principal_colors(images: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The first three principal components of all pixels, each from its lowest values to its highest."""
    pixels = images.reshape(-1, images.shape[-1])
    pixels = _in_units(pixels[:: 1 + len(pixels) // MAX_PIXELS])
    mean = pixels.mean(0)
    _, axes = np.linalg.eigh(np.cov(pixels, rowvar=False))
    axes = axes[:, ::-1][:, : len(COLORS)]
    # Brighter is more, whatever sign the decomposition chose.
    axes = axes * np.where(axes.sum(0) < 0, -1, 1)
    axes = np.pad(axes, ((0, 0), (0, len(COLORS) - axes.shape[1])))
    low, high = np.quantile((pixels - mean) @ axes, [CLIPPED, 1 - CLIPPED], axis=0)

    def colors(images: np.ndarray) -> np.ndarray:
        values = ((_in_units(images) - mean) @ axes - low) / np.maximum(high - low, 1e-12)
        return _as_type_of(images, np.clip(values, 0, 1))

    return colors


def _grid_of_bands(images: np.ndarray) -> np.ndarray:
    """Every band as a grey image, row by row, a white pixel between them."""
    images = np.asarray(images)
    *batch, height, width, count = images.shape
    columns = int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    white = 255 if images.dtype == np.uint8 else 1
    shape = (*batch, rows * (height + 1) - 1, columns * (width + 1) - 1, 1)
    paper = np.full(shape, white, np.uint8 if images.dtype == np.uint8 else np.float32)
    for band in range(count):
        y, x = band // columns * (height + 1), band % columns * (width + 1)
        paper[..., y : y + height, x : x + width, 0] = images[..., band]
    return paper


def _in_units(images: np.ndarray) -> np.ndarray:
    """Images in [0, 1], float32."""
    images = np.asarray(images)
    return images.astype(np.float32) / np.float32(255 if images.dtype == np.uint8 else 1)


def _as_type_of(images: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Colours in [0, 1] as bytes if the images are, else as float32."""
    return np.round(255 * colors).astype(np.uint8) if np.asarray(images).dtype == np.uint8 else np.float32(colors)


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


def check_bands(bands: BandsLike, count: int) -> tuple[int, ...] | str:
    """Returns three bands of images of `count` channels as ints, or "pca" or "grid"; raises ValueError or TypeError for others."""
    if isinstance(bands, str):
        return check_choice("bands", bands, (PCA, GRID))
    found = check_wholes("bands", bands, 0)
    if len(found) != len(COLORS) or max(found) >= count:
        raise ValueError(
            f"bands: expected three bands from 0 to {count - 1}, for red, green and blue, or 'pca' or 'grid'. "
            f"Received: {list(found)}"
        )
    return found


def bands_of(channels: int | None) -> tuple[int, ...] | None:
    """The bands that pictures of a network of so many channels show by default; None for pictures and thirds.

    The fourth channel of a network's own images is a band, such as near infrared, and no opacity.

    Example:
      >>> bands_of(4), bands_of(3)
      ((0, 1, 2), None)
    """
    return (0, 1, 2) if channels == 4 else None


def bands_words(count: int, bands: BandsLike | None = None) -> str:
    """What the pictures show, for captions; empty for pictures that are shown as they are.

    Example:
      >>> bands_words(7)
      'false colours: red bands 0-2, green bands 3-4, blue bands 5-6'
      >>> bands_words(7, (4, 2, 1))
      'false colours: red band 4, green band 2, blue band 1'
      >>> bands_words(7, "grid")
      'bands 0-6 in grey, row by row'
    """
    if bands is None and count in PICTURES:
        return ""
    if bands == GRID:
        return f"bands 0-{count - 1} in grey, row by row"
    if bands == PCA:
        return f"false colours: the first three principal components of {count} bands"
    groups = thirds(count) if bands is None else [[band] for band in bands]
    shown = (f"{color} {_range_words(group)}" for color, group in zip(COLORS, groups, strict=True))
    return f"false colours: {', '.join(shown)}"


def _range_words(group: Sequence[int]) -> str:
    if len(group) == 1:
        return f"band {group[0]}"
    return f"bands {group[0]}-{group[-1]}"
