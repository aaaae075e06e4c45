"""The machine's two-alternative forced choice: does seeing the pictures tell which of two images excites the unit more?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from samplevis.analysis.evaluation.intervals import resample_weights, resampled_interval
from samplevis.analysis.evaluation.result import Measure, Metric
from samplevis.analysis.two_samples import standardized
from samplevis.results.shares import wilson

MEASURE = Measure(
    label="two-alternative forced choice",
    tells="how often an observer who has seen the pictures picks, of two real images, the one that excites the unit more",
    limits="what people would answer: the judge's features stand in for theirs. Its trials can be put to people, see write_trials",
    control="as many real pictures, drawn at random, instead of the pictures",
    source="Borowski et al. 2021; Zimmermann, Klindt & Brendel 2024 (machine interpretability score)",
)
# Sets of random pictures that the control is averaged over.
NUM_CONTROLS = 50


class Queries(NamedTuple):
    """Numbers of real pictures.

    Attributes:
      strong: that excite the unit, int [S].
      weak: that do not, int [W].
      examples: that excite the unit and are not asked about: what the pictures could be, int [K].
    """

    strong: np.ndarray
    weak: np.ndarray
    examples: np.ndarray


def forced_choice(
    features: np.ndarray,
    groups: np.ndarray,
    real: np.ndarray,
    queries: Queries,
    coverage: float,
    rng: np.random.Generator,
) -> Metric:
    """The share of pairs in which the more active image is more like the pictures.

    Likeness is the mean cosine, over the pictures, of features in units of the real pictures' standard deviations. Every strong
    query is paired with every weak one; ties count half.

    Args:
      features: of the pictures, [N, F].
      groups: of the pictures, [N].
      real: of all real pictures, [M, F].
      queries: which of these are asked about.
      coverage: of the interval, in (0, 1).
      rng: of the bootstrap and of the control.

    Returns:
      A `Metric`.
    """
    strong, weak, examples = queries
    scaled = unit_vectors(features, real)
    theirs = unit_vectors(real, real)
    first, second = scaled @ theirs[strong].T, scaled @ theirs[weak].T

    def of(explanation: np.ndarray) -> float:
        # A picture does not explain itself.
        likeness = (
            np.ma.array(theirs[which] @ theirs[explanation].T, mask=which[:, None] == explanation).mean(1).filled(0)
            for which in (strong, weak)
        )
        return share_right(*likeness)

    weights = resample_weights(groups, rng)
    asked = (rng.integers(0, len(which), (len(weights), len(which))) for which in (strong, weak))
    likeness = (np.take_along_axis(weights @ s, q, 1) for s, q in zip((first, second), asked, strict=True))
    resamples = np.array([share_right(*each) for each in zip(*likeness, strict=True)])
    others = np.setdiff1d(np.arange(len(real)), strong)
    chance = np.array([of(rng.choice(others, min(len(features), len(others)), False)) for _ in range(NUM_CONTROLS)])
    value = share_right(first.mean(0), second.mean(0))
    low, high = resampled_interval(value, resamples, groups, coverage)
    if value in (0, 1):
        # No resample differs then. A share of pairs varies no more than that of as many strong pictures.
        ends = map(float, wilson(np.float64(value), len(strong), coverage))
        low, high = (worst(a, b) for worst, a, b in zip((np.minimum, np.maximum), (low, high), ends, strict=True))
    ends = tuple(map(float, np.quantile(chance, ((1 - coverage) / 2, (1 + coverage) / 2))))
    text = f"right in {value:.0%} of {len(strong) * len(weak):,} pairs; guessing is right in 50%"
    return Metric(
        MEASURE, value, *map(float, np.clip((low, high), 0, 1)), float(chance.mean()), ends, of(examples), text
    )


def share_right(strong: np.ndarray, weak: np.ndarray) -> float:
    """The share of pairs of a strong and a weak value in which the strong one is larger (Mann & Whitney 1947).

    Ties count half. nan if a value is nan.

    Example:
      >>> share_right(np.array([1.0, 3.0]), np.array([0.0, 1.0]))
      0.875
    """
    if np.isnan(strong).any() or np.isnan(weak).any():
        return np.nan
    ordered = np.sort(weak)
    below, up_to = (np.searchsorted(ordered, strong, side) for side in ("left", "right"))
    return float(np.mean(below + up_to) / (2 * len(weak)))


def unit_vectors(features: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Features less the mean of real pictures, over their standard deviations, of length 1."""
    scaled = standardized(features, real)
    return scaled / np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-12)
