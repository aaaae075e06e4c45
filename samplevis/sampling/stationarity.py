"""Whether chains are in equilibrium, chain by chain: drift, movement, and the noise of what is compared."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from samplevis.sampling.diagnostics import MIN_DRAWS, ess_bulk, potential_reduction

# One-sided tail of 4 standard errors of a normal distribution: the chance of a false alarm of one chain and scalar.
TAIL = 3.2e-5
# Change of a chain, in root mean squares of the others', that is never an alarm: 4 standard errors of a chain that varies 1.5 times
# as much as they do.
MIN_CHANGE = 6.0
#: Values from which the autocorrelation of a chain can be told.
LONG = 40
#: Correlation of the first and the last latents of a chain above which its draws are copies of one picture: less than a tenth of
#: the grain, sqrt(2 * (1 - .995)), has changed.
FROZEN = 0.995


def half_change(x: np.ndarray) -> np.ndarray:
    """Mean of the last half of each chain less that of the first; a value in the middle is left out.

    Args:
      x: [chain, transition].

    Returns:
      [chain]; nan for fewer than 2 transitions.

    Example:
      >>> half_change(np.array([[1.0, 1.0, 9.0, 2.0, 4.0]]))
      array([2.])
    """
    x = np.asarray(x, np.float64)
    half = x.shape[1] // 2
    if not half:
        return np.full(len(x), np.nan)
    return x[:, -half:].mean(axis=1) - x[:, :half].mean(axis=1)


def common_drift(x: np.ndarray) -> float:
    """Probability that independent chains in equilibrium change by as much in one direction.

    Student's t-test of `half_change`, whose mean is 0 in equilibrium, over chains. Its power grows with the number of chains, and
    three of them can be told from chance. A chain by itself says nothing here.

    Args:
      x: [chain, transition].

    Returns:
      Two-sided probability of a mean change as large as this one; 1 if it cannot be told.

    Example:
      >>> noise = np.random.default_rng(0).normal(size=(12, 6))
      >>> common_drift(noise) > 0.1, common_drift(noise + np.arange(6)) < 0.001
      (True, True)
    """
    change = half_change(x)
    change = change[np.isfinite(change)]
    degrees = len(change) - 1
    if degrees < 1 or not change.any():
        return 1.0
    squared = change.mean() ** 2 * len(change)
    # P(|t| >= t0) = I(d / (d + t0^2); d / 2, 1 / 2), the regularised incomplete beta function.
    ratio = degrees * change.var(ddof=1) / (degrees * change.var(ddof=1) + squared)
    return float(tf.math.betainc(np.float64(degrees / 2), np.float64(0.5), np.float64(ratio)))


def drifting(x: np.ndarray, deviation: float | None = None) -> np.ndarray:
    """Chains that drift while others do not, or by more than equilibrium allows.

    Two tests that hold with few and autocorrelated transitions: `half_change` against the changes of the other chains, whose
    autocorrelation it shares (Student's t); and, if the standard deviation of the scalar is known, against 4 times that of the
    change, for the memory that makes it largest.

    Args:
      x: [chain, transition].
      deviation: standard deviation of the scalar in equilibrium. Defaults to unknown.

    Returns:
      bool [chain].

    Example:
      >>> x = np.random.default_rng(0).normal(size=(12, 6))
      >>> x[3] += 10 * np.arange(6)
      >>> np.flatnonzero(drifting(x))
      array([3])
    """
    x = np.asarray(x, np.float64)
    change, half = half_change(x), x.shape[1] // 2
    found = np.zeros(len(x), bool)
    if deviation is not None:
        found |= np.abs(change) > 4 * deviation * largest_change(x.shape[1])
    if len(x) > 1 and half:
        # Quarters change by twice the variance of halves, and independently of them, so that few chains say more. If memory is
        # longer than that, they say up to half of the true deviation: a chain then still needs 3.7 of its own.
        quarters = [half_change(part) / np.sqrt(2) for part in (x[:, :half], x[:, -half:])] if half > 1 else []
        squares = np.mean(np.square([change, *quarters]), axis=0)
        others = np.array([np.delete(squares, chain).mean() for chain in range(len(x))])
        limit = max(MIN_CHANGE, student_quantile((1 + len(quarters)) * (len(x) - 1)))
        found |= np.abs(change) > limit * np.sqrt(others)
    return found


def largest_change(transitions: int) -> float:
    """Standard deviation of `half_change` of an autoregressive chain of unit variance, for the memory that makes it largest.

    Args:
      transitions: length of the chain.

    Returns:
      The deviation: sqrt(2) for two transitions, about 1 for more; nan for one.

    Example:
      >>> round(largest_change(2), 2), round(largest_change(8), 2)
      (1.41, 0.91)
    """
    half = min(transitions // 2, 50)
    if not half:
        return np.nan
    # Beyond 100 transitions only the memory in units of the length matters.
    weights = np.concatenate([-np.ones(half), np.ones(half)]) / half
    lags = np.abs(np.subtract.outer(np.arange(2 * half), np.arange(2 * half)))
    return float(np.sqrt(max(weights @ memory**lags @ weights for memory in np.linspace(0, 0.995, 200))))


def stand_out(means: np.ndarray, errors: np.ndarray, expected: float) -> np.ndarray:
    """Chains whose mean is further from its expectation than noise brings it, while those of other chains are not.

    The noise is the larger of two: the standard error of the chain, and the root mean square of the other chains' deviations, which
    knows their autocorrelation.

    Args:
      means: [chain].
      errors: standard errors [chain].
      expected: of all means.

    Returns:
      bool [chain]; True where the mean is nan.

    Example:
      >>> means = np.array([0.98, 1.01, 1.5, 1.0, 0.99, 1.02, 1.01, 0.97])
      >>> np.flatnonzero(stand_out(means, np.full(8, 0.01), 1.0))
      array([2])
    """
    squares = (means - expected) ** 2
    noise = 4 * errors
    if len(means) > 1:
        others = np.array([np.delete(squares, chain).mean() for chain in range(len(means))])
        # Few chains say little; their own errors say the rest.
        noise = np.fmax(noise, min(student_quantile(len(means) - 1), 8.0) * np.sqrt(others))
    return ~(np.abs(means - expected) <= noise)


def split_rhat(x: np.ndarray) -> np.ndarray:
    """R-hat of the two halves of each chain.

    Args:
      x: [chain, transition].

    Returns:
      [chain]: near 1 for a stationary chain that is long against its memory, up to 2.6 for one that drifts; nan for fewer than 4
      transitions or a chain that stands still.

    Example:
      >>> x = np.random.default_rng(0).normal(size=(1, 100))
      >>> split_rhat(x).round(1), split_rhat(x + 0.1 * np.arange(100)).round(1)
      (array([1.]), array([2.1]))
    """
    x = np.asarray(x, np.float64)
    half = x.shape[1] // 2
    if x.shape[1] < MIN_DRAWS:
        return np.full(len(x), np.nan)
    return np.array([potential_reduction(np.stack([chain[:half], chain[-half:]])) for chain in x])


def frozen(latents: np.ndarray) -> np.ndarray:
    """Chains that do not move: a later draw is a copy of an earlier one, or nearly.

    The draws of a chain share their composition, but their grain is new: a chain whose first and last draws correlate by more than
    .995 as latents, where grain counts as much as shapes, has not moved.

    Args:
      latents: [chain, draw, *latent].

    Returns:
      bool [chain]; False for a single draw.

    Example:
      >>> z = np.random.default_rng(0).normal(size=(2, 4, 8, 8))
      >>> z[1] = z[1, 0]
      >>> frozen(z)
      array([False,  True])
    """
    found = np.zeros(len(latents), bool)
    if latents.shape[1] < 2:
        return found
    for chain, draws in enumerate(latents):
        first, last = (np.asarray(draws[i], np.float64).ravel() for i in (0, -1))
        lengths = np.linalg.norm(first) * np.linalg.norm(last)
        found[chain] = first @ last > FROZEN * lengths
    return found


def mean_error(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean of each chain, and its standard error where all chains vary alike.

    The variance within a chain is the median over the chains, so that one of them does not hide itself. Chains of fewer than 40
    values count as one independent value each: their autocorrelation cannot be told.

    Args:
      x: [chain, value].

    Returns:
      Means [chain] and standard errors [chain]; 0 for a single value.

    Example:
      >>> mean_error(np.array([[0.6, 0.8], [0.7, 0.7], [0.5, 0.9]]))[1].round(2)
      array([0.14, 0.14, 0.14])
    """
    x = np.asarray(x, np.float64)
    means = x.mean(axis=1)
    if x.shape[1] < 2:
        return means, np.zeros(len(x))
    deviation = np.median(x.std(axis=1, ddof=1))
    sizes = np.array([ess_bulk(chain[None]) if x.shape[1] >= LONG else 1.0 for chain in x])
    return means, deviation / np.sqrt(np.maximum(np.nan_to_num(sizes, nan=1.0), 1.0))


def run_error(x: np.ndarray) -> float:
    """Standard error of the mean over all chains of a scalar that has one expectation in every chain.

    It is the larger of two estimates: from the spread of the chains' means, and from `mean_error`, so that neither few chains nor
    autocorrelation make it small by chance.

    Args:
      x: [chain, transition].

    Returns:
      The error; nan for a single value.

    Example:
      >>> x = np.random.default_rng(0).normal(size=(16, 40))
      >>> 0.03 < run_error(x) < 0.06
      True
    """
    means, errors = mean_error(x)
    within = np.sqrt(np.mean(errors**2) / len(x)) if np.shape(x)[1] > 1 else np.nan
    between = np.std(means, ddof=1) / np.sqrt(len(means)) if len(means) > 1 else np.nan
    # Of many chains their spread says all; few may be close by chance.
    if len(means) >= 12:
        return float(between)
    return float(np.fmax(within, between))


def student_quantile(degrees: int, tail: float = TAIL) -> float:
    """Upper quantile of Student's t distribution.

    Args:
      degrees: degrees of freedom, >= 1.
      tail: one-sided probability above it. Defaults to that of 4 standard errors.

    Returns:
      The quantile.

    Example:
      >>> round(student_quantile(11), 1), round(student_quantile(3))
      (6.2, 33)
    """
    # The distribution function by quadrature in the angle, t = sqrt(degrees) tan(angle): its density is cos(angle)^(degrees - 1).
    angle = np.linspace(0, np.pi / 2, 20001)
    density = np.cos(angle) ** (degrees - 1)
    above = np.cumsum(density[::-1])[::-1] / (2 * density.sum())
    return float(np.sqrt(degrees) * np.tan(angle[np.searchsorted(-above, -tail)]))


def rhat_limit(chains: int, draws: int, least: float = 1.2) -> float:
    """What R-hat of chains that agree exceeds in 1 of 10,000 cases: far more than 1 where draws are few.

    R-hat of m draws of k chains is sqrt((m - 1 + F) / m), F the ratio of variances between and within chains, whose quantile is
    that of Wilson and Hilferty (1931).

    Args:
      chains: number of chains, >= 2; R-hat compares their halves.
      draws: draws of each chain, >= 4.
      least: what R-hat may be at least. Defaults to 1.2.

    Returns:
      The limit.

    Example:
      >>> round(rhat_limit(12, 4), 1), rhat_limit(4, 100)
      (1.7, 1.2)
    """
    groups, m, z = 2 * chains, draws // 2, 3.72
    a, b = 2 / (9 * (groups - 1)), 2 / (9 * groups * (m - 1))
    # The root x = F^(1/3) of ((1 - b) x - (1 - a))^2 = z^2 (b x^2 + a).
    square, half, rest = (1 - b) ** 2 - z**2 * b, (1 - a) * (1 - b), (1 - a) ** 2 - z**2 * a
    if square <= 0:
        return np.inf
    ratio = ((half + np.sqrt(max(half**2 - square * rest, 0.0))) / square) ** 3
    return max(least, float(np.sqrt((m - 1 + ratio) / m)))
