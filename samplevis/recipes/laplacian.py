"""Laplacian pyramids: a picture as a sum of octave bands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from samplevis.recipes.picture import resize

# Bands weaker than this share of the whole are rounding error, and are not amplified to the strength of the others.
SILENT = 1e-4


def split(picture: np.ndarray, levels: int) -> list[np.ndarray]:
    """Splits a picture into bands.

    A band is what is lost when the picture is halved, with weights 1 3 3 1, and doubled (Burt and Adelson 1983).

    Args:
      picture: float32 [H, W, C].
      levels: number of halvings, >= 0, with 2**levels <= min(H, W).

    Returns:
      `levels` bands, the finest first, each half the size of the one before; then the coarse rest.
    """
    bands = []
    for _ in range(levels):
        height, width = picture.shape[:2]
        half = resize(picture, ((height + 1) // 2, (width + 1) // 2))
        bands.append(picture - resize(half, (height, width)))
        picture = half
    return [*bands, picture]


def merge(bands: Sequence[np.ndarray]) -> np.ndarray:
    """The inverse of `split`."""
    picture = bands[-1]
    for band in reversed(bands[:-1]):
        picture = band + resize(picture, band.shape[:2])
    return picture


def normalize_bands(gradient: np.ndarray, levels: int) -> np.ndarray:
    """Gives every band of a gradient the same strength, so that coarse shapes grow as fast as fine grain.

    Args:
      gradient: float32 [H, W, C].
      levels: number of halvings; 0 only scales the whole.

    Returns:
      float32 [H, W, C] with a root mean square of 1; 0 where the gradient is 0 everywhere. Source: the DeepDream notebook
      (Mordvintsev, Olah and Tyka 2015).
    """
    bands = split(_scaled(gradient), levels)
    return _scaled(merge([_scaled(band, SILENT) for band in bands]))


def _scaled(picture: np.ndarray, least: float = 0.0) -> np.ndarray:
    """Divided by its root mean square, or by `least` if that is more."""
    size = max(float(np.sqrt(np.mean(np.square(picture, dtype=np.float64)))), least)
    return picture / np.float32(size) if size else picture
