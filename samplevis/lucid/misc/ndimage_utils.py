"""Resizing and composing arrays. Source: lucid/misc/ndimage_utils.py."""

from __future__ import annotations

import numbers
from collections.abc import Sequence

import numpy as np


def resize(
    image: np.ndarray,
    target_size: int | Sequence[int] | None = None,
    ratios: Sequence[float] | None = None,
    order: int = 3,
) -> np.ndarray:
    """Resizes an image, or several, by the splines of `scipy.ndimage.zoom`: corners stay where they are.

    Args:
      image: [height, width, channels] or [n, height, width, channels].
      target_size: (height, width), or one for both.
      ratios: factors of height and width, if there is no `target_size`.
      order: 3 for cubic splines (default), 1 for straight lines.

    Returns:
      Array of the new size and the same type; the same array if nothing changes.

    Raises:
      ValueError: for another order or rank, or without a size.

    Example:
      >>> resize(np.zeros([8, 8, 3]), (4, 6)).shape
      (4, 6, 3)
    """
    if image.ndim not in (3, 4):
        raise ValueError(f"image: expected [height, width, channels], or several. Received shape: {image.shape}")
    if order not in (1, 3):
        raise ValueError(f"order: expected 1 or 3. For others use scipy.ndimage.zoom. Received: {order!r}")
    before = image.shape[-3:-1]
    if target_size is None and ratios is None:
        raise ValueError("target_size: expected (height, width). Received: None")
    if target_size is None:
        target_size = [round(side * ratio) for side, ratio in zip(before, ratios or (), strict=True)]
    both = isinstance(target_size, numbers.Integral)
    height, width = (int(side) for side in ((target_size, target_size) if both else tuple(target_size)))
    if (height, width) == before:
        return image
    rows, columns = _interpolation(before[0], height, order), _interpolation(before[1], width, order)
    values = np.einsum("ih,...hwc,jw->...ijc", rows, image.astype(np.float64), columns, optimize=True)
    if np.issubdtype(image.dtype, np.integer):
        limits = np.iinfo(image.dtype)
        values = np.rint(values).clip(limits.min, limits.max)
    return values.astype(image.dtype)


def _interpolation(before: int, after: int, order: int) -> np.ndarray:
    """The matrix [after, before] from values at whole numbers to the values of their spline between the ends."""
    places = np.arange(after) * ((before - 1) / max(after - 1, 1))
    weights = _splines(places, before, order)
    return weights if order == 1 else np.linalg.solve(_splines(np.arange(before), before, order).T, weights.T).T


def _splines(places: np.ndarray, count: int, order: int) -> np.ndarray:
    """The values of basis splines at whole numbers, mirrored at both ends, at some places: [places, count]."""
    matrix = np.zeros((len(places), count))
    first = np.floor(places).astype(int)
    for offset in range(-1, 3):
        distance = np.abs(places - (first + offset))
        near = 2 / 3 - distance**2 + distance**3 / 2
        value = np.where(distance < 1, near, np.maximum(2 - distance, 0) ** 3 / 6)
        value = value if order == 3 else np.maximum(1 - distance, 0)
        mirrored = np.abs(first + offset) % max(2 * (count - 1), 1)
        np.add.at(matrix, (np.arange(len(places)), np.minimum(mirrored, 2 * (count - 1) - mirrored)), value)
    return matrix


def composite(
    background_image: np.ndarray,
    foreground_image: np.ndarray,
    foreground_width_ratio: float = 0.25,
    foreground_position: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """Lays a small image over a large one.

    Args:
      background_image, foreground_image: [height, width, channels].
      foreground_width_ratio: width of the square foreground over that of the background. Defaults to 0.25.
      foreground_position: (down, right), from 0 to 1. Defaults to the upper left corner.

    Returns:
      [height, width, channels].
    """
    if foreground_width_ratio <= 0:
        return background_image
    result = background_image.copy()
    side = int(foreground_width_ratio * background_image.shape[1])
    top, left = (int(at * (size - side)) for at, size in zip(foreground_position, result.shape, strict=False))
    result[top : top + side, left : left + side] = resize(foreground_image, side)
    return result


def soft_alpha_blend(image_with_alpha: np.ndarray, amount_background: float = 0.333, gamma: float = 2.2) -> np.ndarray:
    """Blends an image with an alpha channel over a pale copy of itself.

    Args:
      image_with_alpha: [..., 4] in [0, 1].
      amount_background: how much of the colours the pale copy has; the rest is white. Defaults to 0.333.
      gamma: exponent of the screen. Defaults to 2.2.

    Returns:
      [..., 3] in [0, 1].
    """
    if image_with_alpha.shape[-1] != 4:
        raise ValueError(f"image_with_alpha: expected four channels. Received shape: {image_with_alpha.shape}")
    rgb, alpha = image_with_alpha[..., :3], image_with_alpha[..., 3:]
    background = amount_background * rgb + (1 - amount_background)
    return (alpha * rgb**gamma + (1 - alpha) * background**gamma) ** (1 / gamma)
