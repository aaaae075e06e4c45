"""Any number of channels as hues. Source: lucid/misc/io/collapse_channels.py."""

from __future__ import annotations

import math

import numpy as np

_CORNERS = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]])
_HUES = _CORNERS / np.linalg.norm(_CORNERS, axis=1, keepdims=True)


def hue_to_rgb(ang: float, warp: bool = True) -> np.ndarray:
    """The colour of unit norm at an angle.

    Args:
      ang: degrees.
      warp: whether to move hues away from red, green and blue, so that equal steps look more equal. Defaults to True.

    Returns:
      float64 [3].

    Example:
      >>> hue_to_rgb(0).tolist()
      [1.0, 0.0, 0.0]
    """
    corner, part = divmod(ang % 360 / 60, 1)
    corner = int(corner)
    if warp:
        part = math.sin(part * math.pi / 2) if corner % 2 == 0 else 1 - math.sin((1 - part) * math.pi / 2)
    color = (1 - part) * _HUES[corner] + part * _HUES[(corner + 1) % 6]
    return color / np.linalg.norm(color)


def sparse_channels_to_rgb(X: np.ndarray) -> np.ndarray:  # noqa: N803 - Lucid's name.
    """Values >= 0 of any number of channels as colours: a hue for each channel, white where several are active.

    Args:
      X: [..., channels].

    Returns:
      [..., 3].
    """
    count = X.shape[-1]
    rgb = X @ np.stack([hue_to_rgb(360 * number / count) for number in range(count)])
    rgb = rgb + (X.sum(-1) - X.max(-1))[..., None]
    rgb = rgb / (1e-4 + np.linalg.norm(rgb, axis=-1, keepdims=True))
    return rgb * np.linalg.norm(X, axis=-1, keepdims=True)


def collapse_channels(X: np.ndarray) -> np.ndarray:  # noqa: N803 - Lucid's name.
    """Any number of channels as colours; negative values have hues of their own.

    Args:
      X: [..., channels].

    Returns:
      [..., 3].
    """
    if (X < 0).any():
        X = np.concatenate([np.maximum(0, X), np.maximum(0, -X)], -1)  # noqa: N806
    return sparse_channels_to_rgb(X)
