"""How many independent draws the draws of a run are worth, whatever their number: never more than the chains support."""

from __future__ import annotations

import numpy as np

from samplevis.sampling.diagnostics import MIN_DRAWS, ess_bulk, ess_tail, mcse_mean, rank_normalised
from samplevis.sampling.stationarity import LONG

TAILS = (0.05, 0.95)


def effective_bulk(x: np.ndarray) -> float:
    """Effective sample size of the centre, also of chains too short to show their autocorrelation.

    Chains of 40 draws or more show it, and `diagnostics.ess_bulk` is right. Shorter ones end before their autocorrelation has
    decayed, which then looks like none. They are worth no more than the spread of the chains' means says.

    Args:
      x: [chain, draw].

    Returns:
      Independent draws, at most the number of draws; nan for fewer than 4 draws, for one chain of fewer than 40, for values that
      are not finite and if all are equal.

    Example:
      >>> random = np.random.default_rng(0)
      >>> slow = random.normal(size=(12, 1)) + 0.1 * random.normal(size=(12, 4))
      >>> round(effective_bulk(slow)), round(effective_bulk(random.normal(size=(12, 40))))
      (12, 480)
    """
    x = np.asarray(x, np.float64)
    return _supported(ess_bulk(x), [rank_normalised(x)] if _is_short(x) else [], x)


def effective_tail(x: np.ndarray) -> float:
    """Effective sample size of the 5 % and the 95 % quantile, whichever is smaller.

    Args:
      x: [chain, draw].

    Returns:
      As `effective_bulk`.
    """
    x = np.asarray(x, np.float64)
    tails = [1.0 * (x <= np.quantile(x, tail)) for tail in TAILS] if _is_short(x) else []
    return _supported(ess_tail(x), tails, x)


def error_of_mean(x: np.ndarray) -> float:
    """Monte Carlo standard error of the mean: `diagnostics.mcse_mean`, and of short chains no less than their means say.

    Args:
      x: [chain, draw].

    Returns:
      The error in the unit of `x`; nan as in `effective_bulk`.
    """
    x = np.asarray(x, np.float64)
    error = mcse_mean(x)
    if not _is_short(x) or not np.isfinite(error):
        return error
    return float(np.maximum(error, np.std(x, ddof=1) / np.sqrt(size_from_means(x))))


def size_from_means(x: np.ndarray) -> float:
    """Effective sample size by the spread of the chains' means, which needs no autocorrelation.

    The mean of a chain of independent draws has the variance of a draw over their number. The ratio of the two variances is what
    the draws of a chain are worth. Its relative error is sqrt(2 / (chains - 1)), whatever the length of the chains.

    Args:
      x: [chain, draw].

    Returns:
      Independent draws that all chains are worth; nan for one chain, infinite if the means are equal.

    Example:
      >>> round(size_from_means(np.array([[1.0, 2.0], [2.0, 1.0], [2.0, 3.0]])))
      12
    """
    x = np.asarray(x, np.float64)
    if len(x) < 2:
        return np.nan
    of_means = np.var(x.mean(axis=1), ddof=1)
    of_draws = np.var(x, axis=1).mean() + of_means
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(len(x) * of_draws / of_means)


def _is_short(x: np.ndarray) -> bool:
    return MIN_DRAWS <= x.shape[1] < LONG and bool(np.isfinite(x).all())


def _supported(size: float, judged: list[np.ndarray], x: np.ndarray) -> float:
    """The smallest of an estimate, the number of draws, and what the means of what is judged say."""
    if judged and len(x) < 2:
        return np.nan
    # Values that are equal in all draws, nan here, say nothing.
    by_means = [np.nan_to_num(size_from_means(values), nan=np.inf) for values in judged]
    return float(np.min([size, x.size, *by_means]))
