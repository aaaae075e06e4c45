"""What is wrong with a run, and what the checks look at."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from samplevis.sampling.kernels.registry import INDEPENDENT, KERNELS

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

# What an issue spoils: nothing but time, averages over the draws, the pictures of some chains, or all pictures.
TIME, AVERAGES, CHAINS, PICTURES = range(4)
# Standard errors of an alarm.
ERRORS = 4
# R-hat and effective sample size where averages turn bad: Vehtari et al. 2021 ask for 1.01 and 400 of a posterior, which few images
# of a short run can give.
MAX_RHAT, MIN_ESS = 1.2, 50
# Chains that a sentence names at most.
MAX_NAMED = 6


class Issue(NamedTuple):
    """Something wrong with a run.

    Attributes:
      row: name of the row that shows it, a key of `rows.ROWS`.
      text: what is wrong, in words.
      spoils: TIME, AVERAGES, CHAINS (the pictures of some chains) or PICTURES (of so many that none is to be trusted).
      chains: numbers of the chains that it is about; empty if it is about the run.

    Example:
      >>> [issue.text for issue in samples.summary().issues if issue.row == "level"]
      ['The level asked for was 0.70: chain 3 is at -0.02.']
    """

    row: str
    text: str
    spoils: int
    chains: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class Run:
    """What the checks look at.

    Attributes:
      samples: the run.
      figures: its figures, those of finite chains.
      chains: figures of every chain, name -> [chain].
      worst_scalar: name of the scalar on which the chains agree least, or "".
    """

    samples: Samples
    figures: Mapping[str, float]
    chains: Mapping[str, np.ndarray]
    worst_scalar: str

    def __getitem__(self, name: str) -> float:
        """The figure of that name."""
        return self.figures[name]

    @property
    def adapts(self) -> bool:
        """Whether warm-up adapts the kernel's step size."""
        kernel = self.samples.kernel
        return kernel not in INDEPENDENT and (kernel not in KERNELS or KERNELS[kernel].adapts_step_size)

    @property
    def is_independent(self) -> bool:
        """Whether the draws are independent, and no chains."""
        return self.samples.kernel in INDEPENDENT

    @property
    def is_exact(self) -> bool:
        """Whether the kernel leaves the density invariant; one of the user's own is taken at its word."""
        return self.samples.kernel not in KERNELS or KERNELS[self.samples.kernel].exact


def issue_of_chains(row: str, chains: np.ndarray, text: str, spoils: int = CHAINS) -> Issue:
    """An issue that is about the chains [chain] that are True."""
    return Issue(row, text, spoils, tuple(int(i) for i in np.flatnonzero(chains)))


def name_chains(chains: np.ndarray) -> str:
    """The chains [chain] that are True, in words: "chain 3", "chains 0, 2"; of many, the first."""
    numbers = np.flatnonzero(chains)
    text = ", ".join(map(str, numbers[:MAX_NAMED]))
    more = f" and {len(numbers) - MAX_NAMED} more" if len(numbers) > MAX_NAMED else ""
    return f"chain{'s' if len(numbers) > 1 else ''} {text}{more}"


def values_of_chains(chains: np.ndarray, values: np.ndarray, form: str = ".2f") -> str:
    """The values of the chains that a sentence names."""
    return ", ".join(format(value, form) for value in values[chains][:MAX_NAMED])
