"""The summary of a run: its figures as a table, and in words what is wrong with them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from samplevis.results.figures import compute_figures, worst_scalar
from samplevis.results.issues import AVERAGES, PICTURES, TIME, Issue, Run
from samplevis.results.rows import ROWS, checked_rows, find_issues, format_rhat, nonfinite_issue, table
from samplevis.runtime.deprecation import renamed_property

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

__all__ = ["AVERAGES", "PICTURES", "ROWS", "TIME", "VERDICTS", "WORDS", "Issue", "Summary", "summarize"]

# What to think of a run whose worst issue spoils TIME (or that has none), AVERAGES or PICTURES.
VERDICTS = (
    "Trust it: the pictures excite the unit as much as asked, and the chains agree.",
    "Look at the pictures, but do not trust averages over them, or how often something appears in them.",
    "Do not trust these pictures: they are not draws from the density that was asked for.",
)
# The same for captions.
WORDS = ("trust it", "trust pictures only", "do not trust it")


@dataclasses.dataclass(frozen=True)
class Summary:
    """What `Samples.summary` returns; printing it shows the table.

    Attributes:
      title: what was sampled.
      figures: name -> value; nan where it could not be computed.
      rows: (label, text) of the table, in the order of `ROWS`.
      issues: what is wrong, where it shows and what it spoils; empty if nothing is.
      checked: names of the rows, keys of `ROWS`, that were checked.

    Example:
      >>> summary = samples.summary()
      >>> summary.figures["rhat"], summary.verdict
      (1.06, 'Trust it: the pictures excite the unit as much as asked, and the chains agree.')
    """

    title: str
    figures: dict[str, float]
    rows: list[tuple[str, str]]
    issues: list[Issue]
    checked: frozenset[str]

    doubts = renamed_property("doubts", "issues")
    judged = renamed_property("judged", "checked")

    @property
    def warnings(self) -> list[str]:
        """What is wrong, in words; empty if nothing is."""
        return [issue.text for issue in self.issues]

    @property
    def worst(self) -> int:
        """What is spoilt: TIME (nothing else), AVERAGES or PICTURES."""
        return max((issue.spoils for issue in self.issues), default=TIME)

    @property
    def verdict(self) -> str:
        """Whether to trust the run, in one sentence."""
        return VERDICTS[self.worst]

    @property
    def caption(self) -> str:
        """In three short lines: level, R-hat (of the activation or the worst scalar, whichever is larger) and verdict."""
        asked, reached, *rhats = (self.figures[name] for name in ("level_asked", "level_fresh", "rhat", "rhat_worst"))
        level = f"level {reached:.2f}" + ("" if np.isnan(asked) else f" of {asked:.2f}")
        return f"{level}\nR-hat {format_rhat(np.fmax(*rhats))}\n{WORDS[self.worst]}"

    def judgement(self, row: str) -> str:
        """What is wrong with a row of `ROWS`, "fine", or nothing if it was not checked.

        Args:
          row: a key of `ROWS`.

        Returns:
          Sentences, "fine" or "".

        Example:
          >>> samples.summary().judgement("rhat")
          'fine'
        """
        wrong = " ".join(issue.text for issue in self.issues if issue.row == row)
        return wrong or ("fine" if row in self.checked else "")

    def __str__(self) -> str:
        width = max(len(label) for label, _ in self.rows)
        lines = [self.title, *(f"  {label:<{width}}  {text}" for label, text in self.rows)]
        lines += [f"  ! {warning}" for warning in self.warnings] or ["  No warnings."]
        return "\n".join(lines)


def summarize(samples: Samples) -> Summary:
    """Summarises a run. Chains with activations that are not finite are named, and left out of the figures.

    Args:
      samples: the run.

    Returns:
      A `Summary`.

    Example:
      >>> print(summarize(samples))
    """
    nonfinite = nonfinite_issue(samples)
    finite = samples.of_chains(~samples.nonfinite_chains) if nonfinite else samples
    figures = compute_figures(finite) | {"non_finite": float(samples.non_finite)}
    run = Run(samples, figures, worst_scalar(finite)[0])
    chains, draws = samples.activation.shape
    title = (
        f"{samples.objective} on {samples.model}: {chains} chains x {draws} draws, density {samples.density}, "
        f"init {samples.init}, {samples.kernel}, seed {samples.seed}"
    )
    return Summary(title, figures, table(run), nonfinite + find_issues(run), checked_rows(run))
