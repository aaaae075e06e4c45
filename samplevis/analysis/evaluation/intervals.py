"""Intervals for figures of pictures that may come in groups, such as the draws of one chain, which are not independent."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist

import numpy as np

NUM_RESAMPLES = 1000


def resample_weights(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The weight of each picture in resamples of whole groups (the cluster bootstrap, Davison & Hinkley 1997, section 3.8).

    Args:
      groups: the group of each picture, [N].
      rng: draws the groups, with replacement.

    Returns:
      float64 [NUM_RESAMPLES, N]; each row sums to 1.
    """
    names, numbers = np.unique(groups, return_inverse=True)
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), NUM_RESAMPLES)[:, numbers]
    return counts / counts.sum(1, keepdims=True)


def percentile_interval(resamples: np.ndarray, coverage: float) -> tuple[float, float]:
    """The ends of the middle part of a statistic's resamples, [NUM_RESAMPLES]; nan for those that could not be computed."""
    low, high = np.nanquantile(resamples, ((1 - coverage) / 2, (1 + coverage) / 2))
    return float(low), float(high)


def bootstrap_mean(
    values: np.ndarray, groups: np.ndarray, coverage: float, rng: np.random.Generator
) -> tuple[float, float]:
    """The interval of a mean; nan for fewer than two groups.

    Args:
      values: of each picture, [N].
      groups: of each picture, [N].
      coverage: in (0, 1).
      rng: draws the groups.

    Returns:
      (low, high).

    Example:
      >>> bootstrap_mean(np.arange(100.0), np.arange(100), 0.9, np.random.default_rng(0))
      (44.8, 54.2)
    """
    if len(np.unique(groups)) < 2:
        return np.nan, np.nan
    return percentile_interval(resample_weights(groups, rng) @ values, coverage)


def jackknife(
    statistic: Callable[[np.ndarray], float], groups: np.ndarray, value: float, coverage: float
) -> tuple[float, float]:
    """The normal interval from leaving out one group after the other (Efron & Stein 1981), for figures that repeats would bias.

    Args:
      statistic: of the pictures with these numbers.
      groups: of each picture, [N].
      value: of all pictures.
      coverage: in (0, 1).

    Returns:
      (low, high); nan for fewer than three groups.
    """
    names = np.unique(groups)
    if len(names) < 3:
        return np.nan, np.nan
    found = np.array([statistic(np.flatnonzero(groups != name)) for name in names])
    error = np.sqrt((len(names) - 1) / len(names) * np.sum(np.square(found - found.mean())))
    half = NormalDist().inv_cdf((1 + coverage) / 2) * error
    return value - half, value + half
