"""How far pictures are from real ones: the unbiased maximum mean discrepancy in a network's features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from samplevis.analysis.evaluation.intervals import jackknife
from samplevis.analysis.evaluation.result import Measure, Metric
from samplevis.analysis.two_samples import mmd, split_mmds, squared_distances, standardized

MEASURE = Measure(
    label="distance from real pictures (MMD)",
    tells="how far the pictures are from real ones in the judge's features; 0 on average for real ones",
    limits="whether they show the unit: pictures of anything real are near, and those of one class are farther than those of all",
    control="the real pictures with random phases",
    source="Gretton et al. 2012; Jayasumana et al. 2024, arXiv:2401.09603 (unbiased, not FID; Gaussian kernel)",
    better="low",
)
# Real pictures that are compared with.
MAX_REAL = 500
# The share of real sets that lie inside the band.
BAND = 0.95


def plausibility(
    features: np.ndarray,
    groups: np.ndarray,
    real: np.ndarray,
    control: np.ndarray,
    best: np.ndarray,
    coverage: float,
    rng: np.random.Generator,
) -> Metric:
    """The squared MMD between pictures and real ones, beside that of parts of the real ones.

    Pairs of pictures of one group do not count within the pictures: the draws of a chain are alike.

    Args:
      features: of the pictures, [N, F].
      groups: of the pictures, [N].
      real: of real pictures, [M, F].
      control: of real pictures with random phases, [C, F].
      best: numbers of the unit's best examples in `real`, which are compared with the others.
      coverage: of the interval, in (0, 1).
      rng: chooses and splits the real pictures.

    Returns:
      A `Metric`; its text has the band.
    """
    examples, others = real[best], np.delete(real, best, axis=0)
    real, others = (each[np.sort(rng.permutation(len(each))[:MAX_REAL])] for each in (real, others))
    (found, *ends), (beside, *control_ends) = (
        _with_interval(each, real, of, coverage)
        for each, of in ((features, groups), (control, np.arange(len(control))))
    )
    band = band_of_parts(real, len(np.unique(groups)), rng)
    where = "inside" if found <= band else "outside"
    text = f"{where} the band of real pictures, up to {band:.2g}" if np.isfinite(found) else "it needs two chains"
    return Metric(MEASURE, found, *ends, beside, tuple(control_ends), squared_mmd(examples, others), text)


def _with_interval(
    features: np.ndarray, real: np.ndarray, groups: np.ndarray, coverage: float
) -> tuple[float, float, float]:
    """The squared MMD and the ends of its interval."""
    of_some = _of_some(features, real, groups)
    found = of_some(np.arange(len(features)))
    return found, *jackknife(of_some, groups, found, coverage)


def squared_mmd(features: np.ndarray, real: np.ndarray, groups: np.ndarray | None = None) -> float:
    """The unbiased squared MMD of features [N, F] and those of real pictures [M, F]; nan for fewer than two groups."""
    groups = np.arange(len(features)) if groups is None else groups
    return _of_some(features, real, groups)(np.arange(len(features)))


def band_of_parts(real: np.ndarray, count: int, rng: np.random.Generator) -> float:
    """The squared MMD that 95 % of the parts of real pictures do not exceed against the rest of them.

    Args:
      real: features, [M, F].
      count: size of the parts; at most half of the pictures.
      rng: splits them.

    Returns:
      The quantile.
    """
    count = min(max(count, 2), len(real) // 2)
    return float(np.quantile(split_mmds(gaussian_kernel(real, real), count, rng), BAND))


def gaussian_kernel(features: np.ndarray, real: np.ndarray) -> np.ndarray:
    """exp(-|x - y|^2 / m) of all pairs, m the median for real pictures; bounded, so that no few features outweigh the others.

    Args:
      features: [N, F].
      real: of real pictures, in whose standard deviations distances are measured, [M, F].

    Returns:
      float64 [N, N].
    """
    scaled, theirs = standardized(features, real), standardized(real, real)
    between = squared_distances(theirs, theirs)
    return np.exp(-squared_distances(scaled, scaled) / np.median(between[~np.eye(len(real), dtype=bool)]))


def _of_some(features: np.ndarray, real: np.ndarray, groups: np.ndarray) -> Callable[[np.ndarray], float]:
    """The squared MMD of the pictures with some numbers; nan for fewer than two groups. Real pictures are independent."""
    both = np.concatenate([features, real])
    kernel, rest = gaussian_kernel(both, real), np.arange(len(features), len(both))
    apart = np.concatenate([groups, groups.max() + 1 + np.arange(len(real))])
    return lambda kept: mmd(kernel, kept, rest, apart) if len(np.unique(groups[kept])) > 1 else np.nan
