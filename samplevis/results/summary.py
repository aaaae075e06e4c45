"""The summary of a run: its figures as a table, and in words what is wrong with them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from samplevis.results.chain_checks import bad_chains
from samplevis.results.chain_figures import chain_figures
from samplevis.results.checks import find_issues, find_limits, format_rhat
from samplevis.results.conclusions import plain_lines
from samplevis.results.figures import compute_figures, worst_scalar
from samplevis.results.issues import AVERAGES, CHAINS, PICTURES, TIME, Issue, Run
from samplevis.results.rows import ROWS, checked_rows, table
from samplevis.results.verdicts import (
    APPROXIMATE_PICTURES,
    AVERAGES_TEXTS,
    PICTURES_TEXTS,
    Verdict,
    judge_averages,
    judge_pictures,
)
from samplevis.runtime.deprecation import renamed_property
from samplevis.runtime.plain_text import printable

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

__all__ = [
    "AVERAGES",
    "CHAINS",
    "PICTURES",
    "ROWS",
    "TIME",
    "VERDICTS",
    "WORDS",
    "Issue",
    "Summary",
    "Verdict",
    "summarize",
]

# Every sentence that a verdict begins with, on pictures and on averages, the best first.
VERDICTS = (*PICTURES_TEXTS.values(), APPROXIMATE_PICTURES, *AVERAGES_TEXTS.values())
# What to think of a run whose worst issue spoils TIME (or that has none), AVERAGES, CHAINS or PICTURES, for captions.
WORDS = ("trust it", "trust pictures only", "look again", "do not trust it")
# Figures of a bad chain that the table shows, and their formats.
SHOWN = {"level": ".2f", "acceptance": ".2f", "virial": ".2f", "log_density_change": "+.0f", "composition": ".0f"}


@dataclasses.dataclass(frozen=True)
class Summary:
    """What `Samples.summary` returns; printing it shows the table.

    Attributes:
      title: what was sampled.
      figures: name -> value; nan where it could not be computed.
      chains: figures of every chain, name -> [chain], see `chain_figures`.
      lines: what the network itself says of the draws, what the draws share, and what not to conclude from them.
      rows: (label, text) of the table, by their keys in `ROWS`; rows that have nothing to show are left out.
      issues: what is wrong, where it shows and what it spoils; empty if nothing is.
      checked: names of the rows, keys of `ROWS`, that were checked.
      pictures: the verdict on the pictures, each by itself: "valid", "look again" or "invalid".
      averages: the verdict on averages over them, and on how often something appears in them: "usable", "approximate" or "not
        usable". Chains that hold different compositions, as those of most runs do, are no fault and no issue.
      interrupted: where Ctrl-C stopped the run, in a sentence; "" if the run is whole.

    Example:
      >>> summary = samples.summary()
      >>> summary.figures["level_fresh"], summary.pictures.verdict, summary.averages.verdict
      (0.71, 'valid', 'not usable')
      >>> summary.chains["level"].round(2)
      array([0.7 , 0.72, 0.69, 0.73])
    """

    title: str
    figures: dict[str, float]
    chains: dict[str, np.ndarray]
    lines: tuple[str, str, str]
    rows: dict[str, tuple[str, str]]
    issues: list[Issue]
    checked: frozenset[str]
    pictures: Verdict
    averages: Verdict
    interrupted: str = ""

    doubts = renamed_property("doubts", "issues")
    judged = renamed_property("judged", "checked")

    @property
    def warnings(self) -> list[str]:
        """What is wrong, in words; empty if nothing is."""
        return [issue.text for issue in self.issues]

    @property
    def worst(self) -> int:
        """What is spoilt: TIME (nothing else), AVERAGES, CHAINS (pictures of some) or PICTURES."""
        return max((issue.spoils for issue in (*self.issues, *self.averages.issues)), default=TIME)

    @property
    def verdict(self) -> str:
        """Whether to trust the pictures, and averages over them, in two sentences, after one on Ctrl-C if that ended the run."""
        return f"{self.interrupted} {self.pictures.text} {self.averages.text}".strip()

    @property
    def bad_chains(self) -> list[int]:
        """Numbers of the chains whose pictures are not to be trusted."""
        return bad_chains(self.issues)

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
        width = max(len(label) for label, _ in self.rows.values())
        lines = [*self.lines, "", self.title]
        lines += [f"  {label:<{width}}  {text}" for label, text in self.rows.values()]
        lines += [f"  {verdict}" for verdict in (self.interrupted, self.pictures, self.averages) if str(verdict)]
        # What leaves each picture sound is no alarm.
        lines += [f"  {'!' if issue.spoils >= CHAINS else '-'} {issue.text}" for issue in self.issues] or [
            "  No warnings."
        ]
        lines += [f"    chain {chain}: {self._shown(chain)}" for chain in self.bad_chains]
        return printable("\n".join(lines), lines=True)

    def _shown(self, chain: int) -> str:
        """The figures of a bad chain."""
        found = {name: (self.chains[name][chain], form) for name, form in SHOWN.items() if name in self.chains}
        return ", ".join(f"{name} {value:{form}}" for name, (value, form) in found.items())


def summarize(samples: Samples) -> Summary:
    """Summarises a run, chain by chain and as a whole. Chains with activations that are not finite are left out of the figures.

    Args:
      samples: the run.

    Returns:
      A `Summary`.

    Example:
      >>> print(summarize(samples))
    """
    nonfinite = samples.nonfinite_chains
    finite = samples.of_chains(~nonfinite) if nonfinite.any() and not nonfinite.all() else samples
    figures = compute_figures(finite) | {"non_finite": float(samples.non_finite)}
    run = Run(samples, figures, chain_figures(samples), worst_scalar(finite)[0])
    issues, limits = find_issues(run), find_limits(run)
    chains, draws = samples.activation.shape
    title = (
        f"{samples.objective} on {samples.model}: {chains} chains x {draws} draws, density {samples.density}, "
        f"init {samples.init}, {samples.kernel}, seed {samples.seed}"
    )
    pictures, averages = judge_pictures(issues, run.is_exact), judge_averages(run, issues, limits)
    return Summary(
        title,
        figures,
        dict(run.chains),
        plain_lines(finite, figures, pictures, averages),
        table(run),
        issues,
        checked_rows(run),
        pictures,
        averages,
        samples.options.get("interrupted", ""),
    )
