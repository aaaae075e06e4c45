"""How strongly pictures excite the unit: their level on fresh transforms."""

from __future__ import annotations

import numpy as np

from samplevis.analysis.evaluation.intervals import bootstrap_mean
from samplevis.analysis.evaluation.result import Measure, Metric
from samplevis.sampling.level_scale import LevelScale

MEASURE = Measure(
    label="level on fresh transforms",
    tells="how strongly the pictures excite the unit, from 0 (noise of the prior) to 1 (the best optimised image)",
    limits="whether they look like anything: optimised noise excites units, too",
    control="the pictures with random phases: their colours and spectrum without their shapes",
    source="Olah, Mordvintsev & Schubert 2017 (transformation robustness)",
)


def level(
    scores: np.ndarray,
    groups: np.ndarray,
    control: np.ndarray,
    examples: np.ndarray,
    scale: LevelScale,
    coverage: float,
    rng: np.random.Generator,
) -> Metric:
    """The mean level of pictures.

    Args:
      scores: activations of the pictures on transforms that they were not made with, [N].
      groups: of the pictures, [N].
      control: activations of the pictures with random phases, [N].
      examples: activations of the best dataset examples, [K].
      scale: what is level 0 and what is level 1.
      coverage: of the interval, in (0, 1).
      rng: of the bootstrap.

    Returns:
      A `Metric`.
    """
    found, beside, best = (float(np.mean(scale.levels(values))) for values in (scores, control, examples))
    (low, high), ends = (bootstrap_mean(scale.levels(each), groups, coverage, rng) for each in (scores, control))
    text = f"{np.mean(scores > np.median(examples)):.0%} of the pictures excite the unit more than the median of its best examples"
    return Metric(MEASURE, found, low, high, beside, ends, best, text)
