"""Gradients of large pictures, computed tile by tile."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# One picture [h, w, C] -> its score and the score's gradient [h, w, C].
Gradient = Callable[[np.ndarray], tuple[float, np.ndarray]]


def tiled_gradient(
    gradient: Gradient, picture: np.ndarray, tile: tuple[int, int], roll: tuple[int, int] = (0, 0)
) -> tuple[float, np.ndarray]:
    """Computes the gradient of a score over a picture from tiles of one shape.

    The picture is rolled round its edges first; other rolls move the seams. Where tiles overlap, each is weighted by the
    distance to its edge. If the score is a mean over positions, the result is the gradient of the whole picture, except for
    pixels whose receptive field crosses a seam.

    Args:
      gradient: function of a tile [*tile, C].
      picture: [H, W, C].
      tile: (height, width) of a tile, at most that of the picture.
      roll: rows and columns to roll by. Defaults to none.

    Returns:
      The mean score of the tiles, and the gradient [H, W, C]. Source: the DeepDream notebook (Mordvintsev, Olah and Tyka 2015).
    """
    rolled = np.roll(picture, roll, (0, 1))
    total, weight = np.zeros_like(rolled), np.zeros((*rolled.shape[:2], 1), np.float32)
    window = np.outer(_hat(tile[0]), _hat(tile[1]))[..., None]
    scores = []
    for top in _starts(rolled.shape[0], tile[0]):
        for left in _starts(rolled.shape[1], tile[1]):
            where = slice(top, top + tile[0]), slice(left, left + tile[1])
            score, part = gradient(rolled[where])
            scores.append(score)
            total[where] += window * part
            weight[where] += window
    # A tile's mean is over fewer positions than the whole's.
    share = np.float32(tile[0] * tile[1] / (rolled.shape[0] * rolled.shape[1]))
    return float(np.mean(scores)), np.roll(share * total / weight, (-roll[0], -roll[1]), (0, 1))


def _starts(side: int, tile: int) -> np.ndarray:
    """Where the fewest tiles that cover a side begin, evenly spread."""
    return np.linspace(0, side - tile, -(-side // tile)).round().astype(int)


def _hat(side: int) -> np.ndarray:
    """1, 2, ... 2, 1: the distance to the nearer edge."""
    positions = np.arange(side, dtype=np.float32)
    return np.minimum(positions, positions[::-1]) + 1
