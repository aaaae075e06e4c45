"""The rows of the summary: what each shows, what it means, when to worry, and the checks that raise issues.

A new diagnostic is a function in `sampling.diagnostics`, a figure of it in `figures.py`, and an entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from samplevis.results.issues import AVERAGES, PICTURES, TIME, Issue, Run
from samplevis.sampling import diagnostics
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


class Row(NamedTuple):
    """A row of the summary.

    Attributes:
      label: its name in the table.
      meaning: what it says.
      worry: when to worry; "" for a row that is only information.
      text: what it shows of a run.
      was_checked: whether a run was checked for it, so that no issue means that it is fine. Defaults to never.
    """

    label: str
    meaning: str
    worry: str
    text: Callable[[Run], str]
    was_checked: Callable[[Run], bool] = lambda run: False


def table(run: Run) -> list[tuple[str, str]]:
    """(label, text) of every row."""
    return [(row.label, row.text(run)) for row in ROWS.values()]


def checked_rows(run: Run) -> frozenset[str]:
    """Rows that were checked, so that they are fine unless an issue names them."""
    return frozenset(name for name, row in ROWS.items() if row.was_checked(run))


def find_issues(run: Run) -> list[Issue]:
    """What is wrong with a run, in the order of `CHECKS`; empty if nothing is."""
    return [issue for check in CHECKS for issue in check(run)]


def nonfinite_issue(samples: Samples) -> list[Issue]:
    """Names the chains that the figures leave out; nothing if there are none, or no others."""
    if samples.nonfinite_chains.all() or not samples.nonfinite_chains.any():
        return []
    text = f"The activation of chain {_named(samples.nonfinite_chains)} is not finite: the figures leave it out."
    return [Issue("level", text, AVERAGES)]


def format_rhat(value: float) -> str:
    """R-hat with two digits; "-" if it could not be computed."""
    if value > LARGEST_RHAT_SHOWN:
        return f"over {LARGEST_RHAT_SHOWN}"
    return f"{value:.2f}" if np.isfinite(value) else "-"


def _number(value: float, form: str) -> str:
    return format(value, form) if np.isfinite(value) else "-"


def _asked(run: Run) -> str:
    return "none" if run.samples.level is None else f"{run['level_asked']:.2f}"


def _in_brackets(name: str) -> str:
    return f" ({name})" if name else ""


def _check_kernel(run: Run) -> Iterator[Issue]:
    # A kernel of the user's own is taken at its word.
    if run.samples.kernel in KERNELS and not KERNELS[run.samples.kernel].exact:
        text = "is approximate: it draws new transforms as it goes, so it leaves no density invariant."
        yield Issue("rhat", f"{run.samples.kernel} {text}", AVERAGES)


def _check_temperature(run: Run) -> Iterator[Issue]:
    # 4 standard errors of a mean square, where latents are small.
    coordinates = run.samples.stats["temperature"].size * run.samples.latents[0, 0].size
    temperature = run["temperature"]
    if abs(temperature - 1) > max(MAX_TEMPERATURE_ERROR, 4 * np.sqrt(2 / coordinates)):
        text = f"The kinetic temperature is {temperature:.2f} and should be 1: the chains are not in equilibrium."
        yield Issue("step", text, PICTURES)


def _check_annealing(run: Run) -> Iterator[Issue]:
    if not run.samples.reached.all():
        text = f"Annealing did not bring chain {_named(~run.samples.reached)} to the level."
        yield Issue("level", f"{text} Lower the level or raise anneal_steps.", PICTURES)


def _check_level(run: Run) -> Iterator[Issue]:
    asked, reached = run.samples.level, run["level_fresh"]
    if asked is not None and abs(reached - asked) > MAX_LEVEL_ERROR:
        yield Issue("level", f"The level asked for was {asked:.2f}, the draws are at {reached:.2f}.", PICTURES)


def _check_bank(run: Run) -> Iterator[Issue]:
    share = run["fresh_over_bank"]
    if share < MIN_FRESH_OVER_BANK:
        text = f"The chains overfit their bank of transforms by {1 - share:.0%}. Raise num_transforms."
        yield Issue("bank", text, PICTURES)


def _check_acceptance(run: Run) -> Iterator[Issue]:
    lowest, highest = ACCEPTANCE
    worst = run["acceptance_worst"]
    if worst < lowest:
        yield Issue(
            "acceptance", f"A chain accepts only {worst:.0%} of its proposals. Raise num_burnin_steps.", AVERAGES
        )
    if run.adapts and run["acceptance"] > highest:
        yield Issue("acceptance", "Nearly every proposal is accepted: the step size could be larger.", TIME)


def _check_proposals(run: Run) -> Iterator[Issue]:
    count = run["non_finite"]
    if count:
        chains = _named((~np.isfinite(run.samples.stats["energy_error"])).any(1))
        yield Issue("energy", f"{count:.0f} proposals were not finite and were rejected, in chain {chains}.", AVERAGES)


def _check_mixing(run: Run) -> Iterator[Issue]:
    chains, draws = run.samples.activation.shape
    # A comparison with nan is false: without the first check, the worst run of all would pass.
    if not np.isfinite([run["level_fresh"], run["level_bank"]]).all():
        text = "Some activations are not finite: the figures that need them could not be computed."
        yield Issue("level", text, PICTURES)
    elif draws < MIN_DRAWS:
        yield Issue("rhat", f"Fewer than {MIN_DRAWS} draws per chain: too few to judge mixing.", AVERAGES)
    elif np.isnan(run["ess_bulk"]):
        yield Issue("ess", "The activation is the same in every draw: the chains are stuck.", PICTURES)
    else:
        if chains < 2:
            yield Issue("rhat", "One chain has no other to agree with. Set num_chains to 2 or more.", AVERAGES)
        yield from _check_rhat(run)
        yield from _check_ess(run)


def _check_rhat(run: Run) -> Iterator[Issue]:
    whole, worst = run["rhat"], run["rhat_worst"]
    if whole > MAX_RHAT:
        text = "the chains disagree. They show different pictures (modes), or are too short."
        yield Issue("rhat", f"R-hat is {format_rhat(whole)}: {text}", AVERAGES)
    elif worst > MAX_RHAT:
        text = "the chains agree on the activation, but show different pictures."
        yield Issue("rhat", f"R-hat of {run.worst_scalar} is {format_rhat(worst)}: {text}", AVERAGES)


def _check_ess(run: Run) -> Iterator[Issue]:
    size = run["ess_bulk"]
    if size < MIN_ESS:
        text = "look at the pictures, but do not trust averages over them."
        yield Issue("ess", f"The effective sample size is only {size:.0f}: {text}", AVERAGES)


def _check_energy(run: Run) -> Iterator[Issue]:
    lowest = run["bfmi_worst"]
    if run.adapts and run.samples.activation.shape[1] >= MIN_DRAWS and lowest < MIN_BFMI:
        text = f"E-BFMI is {lowest:.2f}: the momenta explore the distribution of energies slowly."
        yield Issue("bfmi", text, AVERAGES)


def _named(chains: np.ndarray) -> str:
    """The numbers of the chains [chain] that are True."""
    return ", ".join(map(str, np.flatnonzero(chains)))


ROWS: dict[str, Row] = {
    "level": Row(
        "level asked for; reached on fresh transforms",
        "whether the pictures excite the unit as much as asked, measured on 16 transforms that no chain has seen",
        f"they differ by more than {MAX_LEVEL_ERROR:g}",
        lambda run: f"{_asked(run)}; {run['level_fresh']:.2f} (worst chain {run['level_fresh_worst']:.2f})",
        lambda run: run.samples.level is not None,
    ),
    "bank": Row(
        "level on the bank; fresh over bank",
        "how much of the activation is specific to the transforms that the chains did see",
        f"below {MIN_FRESH_OVER_BANK:g}",
        lambda run: f"{run['level_bank']:.2f}; {run['fresh_over_bank']:.2f}",
        lambda run: np.isfinite(run["fresh_over_bank"]),
    ),
    "network": Row(
        "level on the network itself, unsmoothed",
        "the level that the pictures reach on the network as it was trained",
        "far below the level asked for",
        lambda run: _number(run["level_network"], ".2f"),
    ),
    "activation": Row(
        "activation; prior; optimum",
        "the same in units of the activation, with both ends of the scale",
        "",
        lambda run: (
            f"{run['activation_fresh']:.4g}; {run.samples.prior_activation:.4g}; {run.samples.optimum_activation:.4g}"
        ),
    ),
    "strength": Row(
        "strength (mean force; largest)",
        "the force that the density puts on the activation, and its maximum",
        "",
        lambda run: f"{run['strength']:.3g}; {run['beta']:.3g} nats per unit",
    ),
    "acceptance": Row(
        "acceptance (worst chain)",
        "share of proposals that Metropolis accepts",
        f"outside {ACCEPTANCE[0]:g} - {ACCEPTANCE[1]:g}",
        lambda run: f"{run['acceptance']:.2f} ({run['acceptance_worst']:.2f})",
        lambda run: run.adapts,
    ),
    "step": Row(
        "step size; kinetic temperature",
        "angle by which a step turns the latent, in radians; mean square of the velocities",
        f"the temperature differs from 1 by more than {MAX_TEMPERATURE_ERROR:g}",
        lambda run: f"{run['step_size']:.3g}; {_number(run['temperature'], '.2f')}",
        lambda run: True,
    ),
    "gradients": Row(
        "gradients per chain; per effective draw",
        "what the draws cost",
        "",
        lambda run: f"{run['gradients']:.0f}; {_number(run['gradients_per_effective_draw'], '.0f')}",
    ),
    "rhat": Row(
        "R-hat of the activation; of the worst scalar",
        "whether the chains agree on the activation, and on the worst of 12 other scalars: power in three bands, length, "
        "random projections",
        f"above {MAX_RHAT:g}",
        lambda run: f"{format_rhat(run['rhat'])}; {format_rhat(run['rhat_worst'])}{_in_brackets(run.worst_scalar)}",
        lambda run: np.isfinite(run["rhat"]),
    ),
    "ess": Row(
        "effective sample size (bulk; tail)",
        "how many independent draws the chains are worth, for averages and for extremes",
        f"below {MIN_ESS}",
        lambda run: f"{_number(run['ess_bulk'], '.0f')}; {_number(run['ess_tail'], '.0f')}",
        lambda run: np.isfinite(run["ess_bulk"]),
    ),
    "bfmi": Row(
        "E-BFMI (worst chain)",
        "whether the momenta explore the distribution of energies",
        f"below {MIN_BFMI:g}",
        lambda run: _number(run["bfmi_worst"], ".2f"),
        lambda run: run.adapts and np.isfinite(run["bfmi_worst"]),
    ),
    "energy": Row(
        "energy error (95 % of proposals); divergences; not finite",
        "how well trajectories conserve energy; numerical trouble",
        "divergences or values that are not finite",
        lambda run: f"{_number(run['energy_error_95'], '.2g')} nats; {run['divergences']:.0f}; {run['non_finite']:.0f}",
        lambda run: True,
    ),
    "pictures": Row(
        "power slope; pixel correlation of chains",
        f"{diagnostics.PHOTOGRAPHS:g} is typical of photographs, 0 of noise; 1 means that all chains show the same picture",
        "",
        lambda run: f"{_number(run['power_slope'], '.1f')}; {_number(run['pixel_correlation'], '.2f')}",
    ),
    "time": Row(
        "time",
        "seconds in each stage",
        "",
        lambda run: ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in run.samples.seconds.items()),
    ),
}

CHECKS: tuple[Callable[[Run], Iterator[Issue]], ...] = (
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
