"""Intervals for figures of pictures that may come in groups, such as the draws of one chain, which are not independent."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow_probability as tfp

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


def resampled_interval(value: float, resamples: np.ndarray, groups: np.ndarray, coverage: float) -> tuple[float, float]:
    """Student's interval with the standard error of resamples of whole groups.

    Percentiles of resamples would be too near each other for few groups: for 8, those of 90 % hold a mean in 83 % of cases. For a
    mean of groups of one size this is the exact interval of normal values.

    Args:
      value: of all pictures.
      resamples: of the statistic, [NUM_RESAMPLES]; nan for those that could not be computed.
      groups: of each picture, [N].
      coverage: in (0, 1).

    Returns:
      (low, high); nan for fewer than two groups.
    """
    count = len(np.unique(groups))
    if count < 2:
        return np.nan, np.nan
    # A resample of G groups varies too little, by the factor (G - 1) / G of its variance.
    half = student(count - 1, coverage) * np.sqrt(count / (count - 1)) * float(np.nanstd(resamples))
    return value - half, value + half


def student(degrees: int, coverage: float) -> float:
    """Student's quantile for a two-sided interval.

    Example:
      >>> round(student(7, 0.9), 3)
      1.895
    """
    return float(tfp.distributions.StudentT(np.float64(degrees), 0.0, 1.0).quantile((1 + coverage) / 2))


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
      (44.7, 54.3)
    """
    return resampled_interval(float(np.mean(values)), resample_weights(groups, rng) @ values, groups, coverage)


def jackknife(
    statistic: Callable[[np.ndarray], float], groups: np.ndarray, value: float, coverage: float
) -> tuple[float, float]:
    """Student's interval from leaving out one group after the other (Efron & Stein 1981), for figures that repeats would bias.

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
    half = student(len(names) - 1, coverage) * error
    return value - half, value + half
