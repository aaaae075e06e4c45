"""Families of draws: those of SMC descend from a few draws of the prior, and relatives are alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

# Spread of the populations' log normalisers above which they disagree, in standard errors by their families.
MAX_LOG_Z_SPREAD = 3.0


def family_sizes(ancestors: np.ndarray) -> np.ndarray:
    """How many draws descend from each ancestor that has any: ancestors of any shape -> int [families]."""
    return np.unique(ancestors, return_counts=True)[1]


def num_independent(families: np.ndarray) -> float:
    """How many independent draws those of families of these sizes are worth; equally large families count once (Kish 1965).

    Args:
      families: draws in each family, int [families].

    Returns:
      From 1 to the number of families.

    Example:
      >>> num_independent(np.array([2, 2, 2]))
      3.0
    """
    return float(families.sum() ** 2 / np.square(families).sum())


def has_families(samples: Samples) -> bool:
    """Whether draws descend from draws of the prior in populations, as those of "smc" do."""
    return "population" in samples.stats


def num_populations(samples: Samples) -> int:
    """How many populations the draws are from; those of other kernels are from none."""
    return len(np.unique(samples.stats["population"])) if has_families(samples) else 0


def most_independent(samples: Samples) -> float:
    """The most independent draws that the draws can be worth: relatives are not independent."""
    if "ancestor" not in samples.stats:
        return float(samples.activation.size)
    return num_independent(family_sizes(samples.stats["ancestor"]))


def by_population(samples: Samples, values: np.ndarray) -> np.ndarray:
    """Arranges draws by population and family: R-hat and effective sizes of relatives that are shuffled are those of noise.

    Args:
      samples: the run.
      values: of its draws, [chain, draw, ...].

    Returns:
      [population, draw, ...], relatives beside each other, as many of each population as of the smallest; `values` as they are
      for draws without populations.
    """
    if not has_families(samples):
        return values
    flat = values.reshape(-1, *values.shape[2:])
    ancestor, population = (np.ravel(samples.stats[name]) for name in ("ancestor", "population"))
    order = np.lexsort((ancestor, population))
    starts = np.flatnonzero(np.diff(population[order], prepend=-1))
    shortest = np.diff(np.append(starts, len(flat))).min()
    return np.stack([flat[order[start : start + shortest]] for start in starts])


def log_z_spread(samples: Samples) -> tuple[float, float]:
    """How far the populations disagree on how rare what they sample is.

    The log normaliser of a population that is worth n independent draws has a standard error of about 1 / sqrt(n). A population
    that has missed a mode finds the event rarer than the others do.

    Args:
      samples: the run.

    Returns:
      (the largest difference, in nats; their standard deviation, in standard errors); zeros for fewer than two populations.
    """
    if num_populations(samples) < 2:
        return 0.0, 0.0
    ancestor, population, log_z = (np.ravel(samples.stats[name]) for name in ("ancestor", "population", "log_z"))
    numbers = np.unique(population)
    found = np.array([log_z[population == number][0] for number in numbers])
    variances = [1 / num_independent(family_sizes(ancestor[population == number])) for number in numbers]
    return float(np.ptp(found)), float(np.std(found, ddof=1) / np.sqrt(np.mean(variances)))
