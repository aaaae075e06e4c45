"""What is wrong with a run, and what the checks look at."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from samplevis.sampling.kernels.registry import KERNELS

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

# What an issue spoils: nothing but time, averages over the draws, or the pictures themselves.
TIME, AVERAGES, PICTURES = range(3)


class Issue(NamedTuple):
    """Something wrong with a run.

    Attributes:
      row: name of the row that shows it, a key of `rows.ROWS`.
      text: what is wrong, in words.
      spoils: TIME, AVERAGES or PICTURES.

    Example:
      >>> [issue.text for issue in samples.summary().issues if issue.row == "rhat"]
      ['R-hat is 1.53: the chains disagree. They show different pictures (modes), or are too short.']
    """

    row: str
    text: str
    spoils: int


@dataclasses.dataclass(frozen=True)
class Run:
    """What the checks look at.

    Attributes:
      samples: the run.
      figures: its figures, those of finite chains.
      worst_scalar: name of the scalar on which the chains agree least, or "".
    """

    samples: Samples
    figures: Mapping[str, float]
    worst_scalar: str

    def __getitem__(self, name: str) -> float:
        """The figure of that name."""
        return self.figures[name]

    @property
    def adapts(self) -> bool:
        """Whether warm-up adapts the kernel's step size."""
        return self.samples.kernel not in KERNELS or KERNELS[self.samples.kernel].adapts_step_size
