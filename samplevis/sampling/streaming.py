"""Running mean and standard deviation of a stream of arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Moments(NamedTuple):
    """The moments of the arrays so far.

    Attributes:
      count: number of arrays.
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
    """The moments of both streams together (Chan, Golub and LeVeque 1979); `a` is None if there is nothing yet."""
    if a is None:
        return b
    count = a.count + b.count
    change = b.mean - a.mean
    return Moments(
        count,
        a.mean + change * (b.count / count),
        a.squares + b.squares + change**2 * (a.count * b.count / count),
    )
