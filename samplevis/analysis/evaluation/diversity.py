"""How many different pictures there are among those that excite the unit as its best dataset examples do."""

from __future__ import annotations

import numpy as np

from samplevis.analysis.evaluation.intervals import jackknife
from samplevis.analysis.evaluation.result import Measure, Metric
from samplevis.sampling.compositions import vendi_score

MEASURE = Measure(
    label="different pictures",
    tells="the effective number of different pictures, of those that excite the unit as much as its best dataset examples do",
    limits="whether they are all that the unit responds to; it grows with the number of pictures",
    control="one of the pictures under random transforms, as often as there are pictures",
    source="Friedman & Dieng 2023 (Vendi score), in features of a layer that nothing optimised",
)


def diversity(
    features: np.ndarray,
    groups: np.ndarray,
    strong: np.ndarray,
    real: np.ndarray,
    control: np.ndarray,
    examples: np.ndarray,
    coverage: float,
) -> Metric:
    """The Vendi score of the pictures that excite the unit enough.

    Args:
      features: of the pictures, [N, F].
      groups: of the pictures, [N].
      strong: whether each picture excites the unit enough, bool [N].
      real: of real pictures, whose mean is subtracted, [M, F].
      control: of one picture under as many transforms as pictures excite the unit enough, [C, F].
      examples: of as many dataset examples that do, [K, F]; fewer if there are no more.
      coverage: of the interval, in (0, 1).

    Returns:
      A `Metric`; 0 if no picture excites the unit enough.
    """
    mean = real.mean(0)

    def score(kept: np.ndarray) -> float:
        kept = kept[strong[kept]]
        return vendi_score(features[kept] - mean) if len(kept) else 0.0

    value = score(np.arange(len(features)))
    low, high = jackknife(score, groups, value, coverage)
    beside = vendi_score(control - mean)
    ends = jackknife(lambda kept: vendi_score(control[kept] - mean), np.arange(len(control)), beside, coverage)
    text = f"{int(strong.sum())} of {len(strong)} pictures excite the unit enough to count"
    return Metric(MEASURE, value, max(low, 0.0), high, beside, ends, vendi_score(examples - mean), text)
