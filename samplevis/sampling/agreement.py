"""Whether chains forget where they are, as vectors: latents, which are white under the prior, or deep features."""

from __future__ import annotations

import numpy as np

from samplevis.sampling.diagnostics import MIN_DRAWS

#: Directions that are judged.
NUM_COMPONENTS = 4


def persistence_rhat(vectors: np.ndarray) -> float:
    """R-hat of what the chains keep: the differences of their first thirds that are still there in their last thirds.

    Thumbnails average fine stripes away, and random projections of many numbers hardly see a mode. The means of the chains see
    it: the modes of a rare event are several standard deviations apart. The principal axes of the means of the first thirds are
    where chains differ most, by their modes or by chance. In the last thirds only what is not forgotten differs in the same
    direction, and its variance between the chains is compared with that within them. Memory that is short against the third
    between them makes the figure neither larger nor smaller.

    Args:
      vectors: [chain, draw, ...].

    Returns:
      sqrt(1 + kept / within) of the axis where it is largest: 1 for chains that mix; nan for fewer than 2 chains or 12 draws, for
      values that are not finite, and if all are equal.

    Example:
      >>> random = np.random.default_rng(0)
      >>> noise, modes = random.normal(size=(4, 30, 300)), random.normal(size=(4, 1, 300))
      >>> persistence_rhat(noise) < 1.2 < persistence_rhat(noise + modes)
      True
    """
    chains, draws = vectors.shape[:2]
    third = draws // 3
    if chains < 2 or third < MIN_DRAWS:
        return np.nan
    # One draw at a time: all of them may be larger than memory.
    means = _flat(vectors, 0)
    for draw in range(1, third):
        means = means + _flat(vectors, draw)
    means = means / third
    if not np.isfinite(means).all():
        return np.nan
    places = means - means.mean(axis=0)
    # Chains are fewer than values: their products give the axes. `first` are unit vectors of places, [chain, axis].
    first = np.linalg.eigh(places @ places.T)[1][:, ::-1][:, : min(NUM_COMPONENTS, chains - 1)]
    axes = first.T @ places
    axes /= np.maximum(np.linalg.norm(axes, axis=1, keepdims=True), 1e-12)
    last = np.stack([_flat(vectors, draw) @ axes.T for draw in range(draws - third, draws)])
    within = last.var(axis=0, ddof=1).mean(axis=0)
    kept = np.maximum(np.sum(first * last.mean(axis=0), axis=0), 0.0) ** 2 / (chains - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.sqrt(1 + kept / within)
    return float(np.max(found)) if np.isfinite(last).all() and not np.isnan(found).any() else np.nan


def persistence_limit(chains: int, least: float) -> float:
    """What `persistence_rhat` of chains that mix exceeds by chance alone: 3 standard errors of means that are worth 5 draws.

    Args:
      chains: their number, >= 2.
      least: what the limit is at least.

    Returns:
      The limit.

    Example:
      >>> round(persistence_limit(2, 1.2), 2), persistence_limit(8, 1.2)
      (1.67, 1.2)
    """
    return max(least, float(np.sqrt(1 + 9 / (5 * (chains - 1)))))


def _flat(vectors: np.ndarray, draw: int) -> np.ndarray:
    """One draw of each chain, float64 [chain, value]: vectors may be mapped from a file that is larger than memory."""
    return np.asarray(vectors[:, draw], np.float64).reshape(len(vectors), -1)
