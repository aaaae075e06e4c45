"""The summary of a run: its figures as a table, and in words what is wrong with them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from samplevis.results.figures import compute_figures, worst_scalar
from samplevis.results.issues import (
    ACCEPTANCE,
    AVERAGES,
    MAX_LEVEL_ERROR,
    MAX_RHAT,
    MAX_TEMPERATURE_ERROR,
    MIN_BFMI,
    MIN_ESS,
    MIN_FRESH_OVER_BANK,
    PICTURES,
    TIME,
    Issue,
    Run,
    checked_rows,
    find_issues,
    format_rhat,
    nonfinite_issue,
)
from samplevis.runtime.deprecation import renamed_property
from samplevis.sampling import diagnostics

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

__all__ = ["AVERAGES", "PICTURES", "ROWS", "TIME", "VERDICTS", "WORDS", "Issue", "Summary", "summarize"]

# Rows of the table: name -> label, what it says, and when to worry.
ROWS = {
    "level": (
        "level asked for; reached on fresh transforms",
        "whether the pictures excite the unit as much as asked, measured on 16 transforms that no chain has seen",
        f"they differ by more than {MAX_LEVEL_ERROR:g}",
    ),
    "bank": (
        "level on the bank; fresh over bank",
        "how much of the activation is specific to the transforms that the chains did see",
        f"below {MIN_FRESH_OVER_BANK:g}",
    ),
    "network": (
        "level on the network itself, unsmoothed",
        "the level that the pictures reach on the network as it was trained",
        "far below the level asked for",
    ),
    "activation": (
        "activation; prior; optimum",
        "the same in units of the activation, with both ends of the scale",
        "",
    ),
    "strength": (
        "strength (mean force; largest)",
        "the force that the density puts on the activation, and its maximum",
        "",
    ),
    "acceptance": (
        "acceptance (worst chain)",
        "share of proposals that Metropolis accepts",
        f"outside {ACCEPTANCE[0]:g} - {ACCEPTANCE[1]:g}",
    ),
    "step": (
        "step size; kinetic temperature",
        "angle by which a step turns the latent, in radians; mean square of the velocities",
        f"the temperature differs from 1 by more than {MAX_TEMPERATURE_ERROR:g}",
    ),
    "gradients": ("gradients per chain; per effective draw", "what the draws cost", ""),
    "rhat": (
        "R-hat of the activation; of the worst scalar",
        "whether the chains agree on the activation, and on the worst of 12 other scalars: power in three bands, length, "
        "random projections",
        f"above {MAX_RHAT:g}",
    ),
    "ess": (
        "effective sample size (bulk; tail)",
        "how many independent draws the chains are worth, for averages and for extremes",
        f"below {MIN_ESS}",
    ),
    "bfmi": (
        "E-BFMI (worst chain)",
        "whether the momenta explore the distribution of energies",
        f"below {MIN_BFMI:g}",
    ),
    "energy": (
        "energy error (95 % of proposals); divergences; not finite",
        "how well trajectories conserve energy; numerical trouble",
        "divergences or values that are not finite",
    ),
    "pictures": (
        "power slope; pixel correlation of chains",
        f"{diagnostics.PHOTOGRAPHS:g} is typical of photographs, 0 of noise; 1 means that all chains show the same picture",
        "",
    ),
    "time": ("time", "seconds in each stage", ""),
}
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
    return Summary(title, figures, _rows(run), nonfinite + find_issues(run), checked_rows(run))


def _rows(run: Run) -> list[tuple[str, str]]:
    samples, f = run.samples, run.figures
    asked = "none" if samples.level is None else f"{f['level_asked']:.2f}"
    worst = f" ({run.worst_scalar})" if run.worst_scalar else ""
    stages = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in samples.seconds.items())
    texts = {
        "level": f"{asked}; {f['level_fresh']:.2f} (worst chain {f['level_fresh_worst']:.2f})",
        "bank": f"{f['level_bank']:.2f}; {f['fresh_over_bank']:.2f}",
        "network": _number(f["level_network"], ".2f"),
        "activation": f"{f['activation_fresh']:.4g}; {samples.prior_activation:.4g}; {samples.optimum_activation:.4g}",
        "strength": f"{f['strength']:.3g}; {f['beta']:.3g} nats per unit",
        "acceptance": f"{f['acceptance']:.2f} ({f['acceptance_worst']:.2f})",
        "step": f"{f['step_size']:.3g}; {_number(f['temperature'], '.2f')}",
        "gradients": f"{f['gradients']:.0f}; {_number(f['gradients_per_effective_draw'], '.0f')}",
        "rhat": f"{format_rhat(f['rhat'])}; {format_rhat(f['rhat_worst'])}{worst}",
        "ess": f"{_number(f['ess_bulk'], '.0f')}; {_number(f['ess_tail'], '.0f')}",
        "bfmi": _number(f["bfmi_worst"], ".2f"),
        "energy": f"{_number(f['energy_error_95'], '.2g')} nats; {f['divergences']:.0f}; {f['non_finite']:.0f}",
        "pictures": f"{_number(f['power_slope'], '.1f')}; {_number(f['pixel_correlation'], '.2f')}",
        "time": stages,
    }
    return [(label, texts[name]) for name, (label, _, _) in ROWS.items()]


def _number(value: float, form: str) -> str:
    return format(value, form) if np.isfinite(value) else "-"
