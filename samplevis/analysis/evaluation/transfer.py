"""Whether a network that was not asked sees in the pictures what the unit stands for."""

from __future__ import annotations

import numpy as np

from samplevis.analysis.evaluation.result import Measure, Metric
from samplevis.results.shares import wilson

MEASURE = Measure(
    label="named by the judge",
    tells="the share of the pictures in which a network that nothing was optimised for sees what the unit stands for",
    limits="whether people see it: networks share weaknesses, and name what is in no picture",
    control="the pictures with random phases",
    source="Fel et al. 2023, arXiv:2306.06805 (transferability)",
)


def transfer(
    named: np.ndarray, groups: np.ndarray, control: np.ndarray, examples: np.ndarray, label: str, coverage: float
) -> Metric:
    """The share of the pictures that the judge names right, with Wilson's interval for as many pictures as there are groups.

    Args:
      named: whether each picture was named right, bool [N].
      groups: of the pictures, [N].
      control: the same for the pictures with random phases, bool [N].
      examples: the same for the best dataset examples, bool [K].
      label: what is right, for the text.
      coverage: of the interval, in (0, 1).

    Returns:
      A `Metric`.
    """
    share, beside, best = (float(np.mean(found)) for found in (named, control, examples))
    (low, high), ends = (
        tuple(map(float, wilson(np.float64(each), len(np.unique(groups)), coverage))) for each in (share, beside)
    )
    text = f"{int(np.sum(named))} of {len(named)} are called {label}"
    return Metric(MEASURE, share, low, high, beside, ends, best, text)
