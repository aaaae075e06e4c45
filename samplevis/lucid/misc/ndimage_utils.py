"""Resizing and composing arrays. Source: lucid/misc/ndimage_utils.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf


def resize(image: np.ndarray, target_size: int | Sequence[int], **kwargs: Any) -> np.ndarray:
    """Resizes an image, or several; bicubic, where Lucid asks SciPy for splines.

    Args:
      image: [height, width, channels] or [n, height, width, channels].
      target_size: (height, width), or one for both.
      **kwargs: no effect.

    Returns:
      Array of the new size.

    Example:
      >>> resize(np.zeros([8, 8, 3]), (4, 6)).shape
      (4, 6, 3)
    """
    height, width = (target_size, target_size) if isinstance(target_size, int) else target_size
    return tf.image.resize(np.float32(image), (int(height), int(width)), "bicubic").numpy()


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
    """Blends the colours of an image with an alpha channel towards white, part of them even where it is transparent.

    Args:
      image_with_alpha: [..., 4] in [0, 1].
      amount_background: how opaque what is transparent remains. Defaults to 0.333.
      gamma: exponent of the screen. Defaults to 2.2.

    Returns:
      [..., 3] in [0, 1].
    """
    rgb, alpha = image_with_alpha[..., :3], image_with_alpha[..., 3:]
    alpha = amount_background + (1 - amount_background) * alpha
    return (alpha * rgb**gamma + (1 - alpha)) ** (1 / gamma)
