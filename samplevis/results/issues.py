"""What is wrong with a run, in words: one small check for each row of the summary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from samplevis.sampling.diagnostics import MIN_DRAWS
from samplevis.sampling.kernels.registry import KERNELS

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

# Where figures turn bad. Acceptance: Beskos et al. 2013 put the optimum at .65; E-BFMI: Betancourt 2016; R-hat and effective
# sample size: Vehtari et al. 2021 ask for 1.01 and 400 of a posterior, which few images of a short run can give.
ACCEPTANCE = (0.6, 0.95)
MAX_RHAT = 1.2
MIN_ESS = 50
MIN_BFMI = 0.3
MAX_LEVEL_ERROR = 0.1
MIN_FRESH_OVER_BANK = 0.9
MAX_TEMPERATURE_ERROR = 0.03
# R-hat of chains that stand still has no bound: above this, its value says nothing more.
LARGEST_RHAT_SHOWN = 1000

# What an issue spoils: nothing but time, averages over the draws, or the pictures themselves.
TIME, AVERAGES, PICTURES = range(3)


class Issue(NamedTuple):
    """Something wrong with a run.

    Attributes:
      row: name of the row that shows it, a key of `summary.ROWS`.
      text: what is wrong, in words.
      spoils: TIME, AVERAGES or PICTURES.

    Example:
      >>> [issue.text for issue in samples.summary().issues if issue.row == "rhat"]
      ['R-hat is 1.53: the chains disagree. They show different pictures (modes), or are too short.']
    """

    row: str
    text: str
    spoils: int


class Run(NamedTuple):
    """What the checks look at.

    Attributes:
      samples: the run.
      figures: its figures, those of finite chains.
      worst_scalar: name of the scalar on which the chains agree least, or "".
    """

    samples: Samples
    figures: Mapping[str, float]
    worst_scalar: str

    @property
    def adapts(self) -> bool:
        """Whether warm-up adapts the kernel's step size."""
        return KERNELS[self.samples.kernel].adapts_step_size


Check = Callable[[Run], Iterator[Issue]]


def find_issues(run: Run) -> list[Issue]:
    """What is wrong with a run, in the order of `CHECKS`; empty if nothing is."""
    return [issue for check in CHECKS for issue in check(run)]


def nonfinite_issue(samples: Samples) -> list[Issue]:
    """Names the chains that the figures leave out; nothing if there are none, or no others."""
    if samples.nonfinite_chains.all() or not samples.nonfinite_chains.any():
        return []
    text = f"The activation of chain {_named(samples.nonfinite_chains)} is not finite: the figures leave it out."
    return [Issue("level", text, AVERAGES)]


def checked_rows(run: Run) -> frozenset[str]:
    """Rows that were checked, so that they are fine unless an issue names them."""
    figures = run.figures
    checked = {
        "level": run.samples.level is not None,
        "bank": np.isfinite(figures["fresh_over_bank"]),
        "acceptance": run.adapts,
        "step": True,
        "rhat": np.isfinite(figures["rhat"]),
        "ess": np.isfinite(figures["ess_bulk"]),
        "bfmi": run.adapts and np.isfinite(figures["bfmi_worst"]),
        "energy": True,
    }
    return frozenset(name for name, was_checked in checked.items() if was_checked)


def format_rhat(value: float) -> str:
    """R-hat with two digits; "-" if it could not be computed."""
    if value > LARGEST_RHAT_SHOWN:
        return f"over {LARGEST_RHAT_SHOWN}"
    return f"{value:.2f}" if np.isfinite(value) else "-"


def _check_kernel(run: Run) -> Iterator[Issue]:
    if not KERNELS[run.samples.kernel].exact:
        text = "is approximate: it draws new transforms at every step, so it leaves no density invariant."
        yield Issue("rhat", f"{run.samples.kernel} {text}", AVERAGES)


def _check_temperature(run: Run) -> Iterator[Issue]:
    # 4 standard errors of a mean square, where latents are small.
    coordinates = run.samples.stats["temperature"].size * run.samples.latents[0, 0].size
    temperature = run.figures["temperature"]
    if abs(temperature - 1) > max(MAX_TEMPERATURE_ERROR, 4 * np.sqrt(2 / coordinates)):
        text = f"The kinetic temperature is {temperature:.2f} and should be 1: the chains are not in equilibrium."
        yield Issue("step", text, PICTURES)


def _check_annealing(run: Run) -> Iterator[Issue]:
    if not run.samples.reached.all():
        text = f"Annealing did not bring chain {_named(~run.samples.reached)} to the level."
        yield Issue("level", f"{text} Lower the level or raise anneal_steps.", PICTURES)


def _check_level(run: Run) -> Iterator[Issue]:
    asked, reached = run.samples.level, run.figures["level_fresh"]
    if asked is not None and abs(reached - asked) > MAX_LEVEL_ERROR:
        yield Issue("level", f"The level asked for was {asked:.2f}, the draws are at {reached:.2f}.", PICTURES)


def _check_bank(run: Run) -> Iterator[Issue]:
    share = run.figures["fresh_over_bank"]
    if share < MIN_FRESH_OVER_BANK:
        text = f"The chains overfit their bank of transforms by {1 - share:.0%}. Raise num_transforms."
        yield Issue("bank", text, PICTURES)


def _check_acceptance(run: Run) -> Iterator[Issue]:
    lowest, highest = ACCEPTANCE
    worst = run.figures["acceptance_worst"]
    if worst < lowest:
        yield Issue(
            "acceptance", f"A chain accepts only {worst:.0%} of its proposals. Raise num_burnin_steps.", AVERAGES
        )
    if run.adapts and run.figures["acceptance"] > highest:
        yield Issue("acceptance", "Nearly every proposal is accepted: the step size could be larger.", TIME)


def _check_proposals(run: Run) -> Iterator[Issue]:
    count = run.figures["non_finite"]
    if count:
        chains = _named((~np.isfinite(run.samples.stats["energy_error"])).any(1))
        yield Issue("energy", f"{count:.0f} proposals were not finite and were rejected, in chain {chains}.", AVERAGES)


def _check_mixing(run: Run) -> Iterator[Issue]:
    figures, (chains, draws) = run.figures, run.samples.activation.shape
    # A comparison with nan is false: without the first check, the worst run of all would pass.
    if not np.isfinite([figures["level_fresh"], figures["level_bank"]]).all():
        text = "Some activations are not finite: the figures that need them could not be computed."
        yield Issue("level", text, PICTURES)
    elif draws < MIN_DRAWS:
        yield Issue("rhat", f"Fewer than {MIN_DRAWS} draws per chain: too few to judge mixing.", AVERAGES)
    elif np.isnan(figures["ess_bulk"]):
        yield Issue("ess", "The activation is the same in every draw: the chains are stuck.", PICTURES)
    else:
        if chains < 2:
            yield Issue("rhat", "One chain has no other to agree with. Set num_chains to 2 or more.", AVERAGES)
        yield from _check_rhat(run)
        yield from _check_ess(run)


def _check_rhat(run: Run) -> Iterator[Issue]:
    whole, worst = run.figures["rhat"], run.figures["rhat_worst"]
    if whole > MAX_RHAT:
        text = "the chains disagree. They show different pictures (modes), or are too short."
        yield Issue("rhat", f"R-hat is {format_rhat(whole)}: {text}", AVERAGES)
    elif worst > MAX_RHAT:
        text = "the chains agree on the activation, but show different pictures."
        yield Issue("rhat", f"R-hat of {run.worst_scalar} is {format_rhat(worst)}: {text}", AVERAGES)


def _check_ess(run: Run) -> Iterator[Issue]:
    size = run.figures["ess_bulk"]
    if size < MIN_ESS:
        text = "look at the pictures, but do not trust averages over them."
        yield Issue("ess", f"The effective sample size is only {size:.0f}: {text}", AVERAGES)


def _check_energy(run: Run) -> Iterator[Issue]:
    lowest = run.figures["bfmi_worst"]
    if run.adapts and run.samples.activation.shape[1] >= MIN_DRAWS and lowest < MIN_BFMI:
        text = f"E-BFMI is {lowest:.2f}: the momenta explore the distribution of energies slowly."
        yield Issue("bfmi", text, AVERAGES)


def _named(chains: np.ndarray) -> str:
    """The numbers of the chains [chain] that are True."""
    return ", ".join(map(str, np.flatnonzero(chains)))


CHECKS: tuple[Check, ...] = (
    _check_kernel,
    _check_temperature,
    _check_annealing,
    _check_level,
    _check_bank,
    _check_acceptance,
    _check_proposals,
    _check_mixing,
    _check_energy,
)
