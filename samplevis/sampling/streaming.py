"""Mean and standard deviation of arrays that pass by and are not kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Moments(NamedTuple):
    """Of what has passed so far.

    Attributes:
      count: how many.
      mean: their mean, float64.
      squares: sum of their squared deviations from the mean, float64.
    """

    count: int
    mean: np.ndarray
    squares: np.ndarray

    @property
    def deviation(self) -> np.ndarray:
        """Standard deviation, with one degree of freedom less; 0 for a single value."""
        return np.sqrt(self.squares / max(self.count - 1, 1))


def merged(a: Moments | None, b: Moments) -> Moments:
    """The moments of both together (Chan, Golub and LeVeque 1979); `a` may be None for nothing yet."""
    if a is None:
        return b
    count = a.count + b.count
    change = b.mean - a.mean
    return Moments(
        count,
        a.mean + change * (b.count / count),
        a.squares + b.squares + change**2 * (a.count * b.count / count),
    )
