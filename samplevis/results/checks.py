"""What is wrong with a run as a whole: its pictures, and averages over its draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from samplevis.results.chain_checks import MAX_VIRIAL_ERROR, find_chain_issues
from samplevis.results.chain_figures import VIRIALS, virial_excess
from samplevis.results.families import by_population, has_families
from samplevis.results.issues import (
    AVERAGES,
    CHAINS,
    ERRORS,
    MAX_RHAT,
    MIN_ESS,
    PICTURES,
    TIME,
    Issue,
    Run,
    name_chains,
)
from samplevis.results.kernel_checks import check_forces, check_momenta
from samplevis.results.level_checks import check_levels
from samplevis.results.population_checks import check_populations
from samplevis.sampling.agreement import persistence_limit
from samplevis.sampling.diagnostics import MIN_DRAWS
from samplevis.sampling.stationarity import rhat_limit, run_error

# Where figures turn bad. Acceptance: Beskos et al. 2013 put the optimum at .65; E-BFMI: Betancourt 2016.
MIN_ACCEPTANCE = 0.6
MIN_BFMI = 0.3
# Imbalance of a band, relative to its size, above which its contrast is off by more than a tenth, which a person sees.
INVALID_VIRIAL_ERROR = 0.2
# Path similarity below which pictures are nearer to the paths of other pictures than to those of the unit's own.
OFF_PATH = 0.5
# What chains of one composition differ in, by the scalar whose R-hat is high.
DIFFERENCES = {
    "power_low": "the contrast of large shapes",
    "power": "the contrast of fine shapes",
    "radius": "contrast",
}
# R-hat of chains that stand still has no bound: above this, its value says nothing more.
LARGEST_RHAT_SHOWN = 1000


def find_issues(run: Run) -> list[Issue]:
    """What is wrong with a run, its chains first, then in the order of `CHECKS`; empty if nothing is."""
    return find_chain_issues(run) + [issue for check in CHECKS for issue in check(run)]


def find_limits(run: Run) -> list[Issue]:
    """Why averages over a sound run are not usable: its chains hold different compositions. That is no fault of the run."""
    number = run["compositions"]
    # A comparison with nan is false.
    if not number > 1 or run.is_independent:
        return []
    text = f"the {len(run.samples.activation)} chains hold {number:.0f} different compositions"
    if run["log_density_range"] >= 1:
        text += f", whose log densities differ by up to {run['log_density_range']:.0f} nats"
    return [Issue("compositions", text + ": how often each occurs cannot be told", AVERAGES)]


def format_rhat(value: float) -> str:
    """R-hat with two digits; "-" if it could not be computed."""
    if value > LARGEST_RHAT_SHOWN:
        return f"over {LARGEST_RHAT_SHOWN}"
    return f"{value:.2f}" if np.isfinite(value) else "-"


def _check_density(run: Run) -> Iterator[Issue]:
    if run.samples.density == "activation":
        text = f"The density of 2018 hardly prefers high activation: in equilibrium its draws, at level {run['level_fresh']:.2f},"
        yield Issue("level", f"{text} are noise.", PICTURES)


def _check_virial(run: Run) -> Iterator[Issue]:
    found, largest = [], 0.0
    for name in (name for name in VIRIALS if name in run.samples.scalars):
        excess = virial_excess(run.samples, name)[~run.samples.nonfinite_chains]
        if abs(excess.mean()) > max(MAX_VIRIAL_ERROR, ERRORS * run_error(excess)):
            largest = max(largest, abs(excess.mean()))
            found.append(f"{name} is {run[name]:.2f}")
    if found:
        text = (
            f"and should be 1: the chains are {largest:.0%} from equilibrium. Raise anneal_steps, or lower step_size."
        )
        spoils = PICTURES if largest > INVALID_VIRIAL_ERROR else CHAINS
        yield Issue("virial", f"The {', '.join(found)} {text}", spoils)


def _check_transforms(run: Run) -> Iterator[Issue]:
    shares = run.samples.options.get("retained") or [1.0]
    if len(shares) > 1:
        text = f"Under the default transforms the unit keeps {shares[0]:.0%} of its activation: they were weakened to"
        yield Issue("transforms", f"{text} {0.5 ** (len(shares) - 1):g}, where it keeps {shares[-1]:.0%}.", TIME)


def _check_path(run: Run) -> Iterator[Issue]:
    value, _, high = run.samples.options.get("path_similarity", (np.nan, np.nan, np.nan))
    if high < OFF_PATH:
        text = (
            f"Path similarity is {value:.2f}: the draws are off the network's usual paths. What they show may not be what excites "
            "the unit in real pictures."
        )
        yield Issue("path", text, TIME)


def _check_kernel(run: Run) -> Iterator[Issue]:
    if not run.is_exact:
        text = "is approximate: it draws new transforms as it goes, so it leaves no density invariant."
        yield Issue("rhat", f"{run.samples.kernel} {text}", AVERAGES)


def _check_acceptance(run: Run) -> Iterator[Issue]:
    rates = np.asarray(run.samples.stats["acceptance_rate"], np.float64)
    worst = rates.mean(axis=1).min()
    # Few transitions scatter about the rate that warm-up aims at.
    error = np.median(rates.std(axis=1)) / np.sqrt(rates.shape[1])
    aim = float(run.samples.options.get("target_accept_prob", 0.85))
    if worst < min(MIN_ACCEPTANCE, aim - ERRORS * error):
        chain = name_chains(rates.mean(axis=1) == worst)
        text = f"A chain accepts only {worst:.0%} of its proposals ({chain}). Raise num_burnin_steps."
        yield Issue("acceptance", text, AVERAGES)


def _check_proposals(run: Run) -> Iterator[Issue]:
    count = run["non_finite"]
    if count:
        chains = name_chains((~np.isfinite(run.samples.stats["energy_error"])).any(1))
        yield Issue("energy", f"{count:.0f} proposals were not finite and were rejected, in {chains}.", AVERAGES)


def _check_mixing(run: Run) -> Iterator[Issue]:
    chains, draws = by_population(run.samples, run.samples.activation).shape
    if run.samples.nonfinite_chains.all():
        return
    if draws < MIN_DRAWS:
        yield Issue("rhat", f"Fewer than {MIN_DRAWS} draws per chain: too few to judge mixing.", AVERAGES)
    elif np.ptp(run.samples.activation[~run.samples.nonfinite_chains]) == 0:
        yield Issue("ess", "The activation is the same in every draw: the chains are stuck.", PICTURES)
    elif has_families(run.samples):
        yield from check_populations(run)
    elif find_limits(run):
        # Chains of different compositions disagree, and their draws are few: said once.
        return
    else:
        if chains < 2:
            yield Issue("rhat", "One chain has no other to agree with. Set num_chains to 2 or more.", AVERAGES)
        yield from _check_rhat(run)
        yield from _check_ess(run)


def _check_rhat(run: Run) -> Iterator[Issue]:
    chains, draws = run.samples.activation.shape
    transitions = len(run.samples.stats["step_size"])
    whole, worst, pictures = run["rhat"], run["rhat_worst"], run["rhat_thumbnails"]
    if whole > rhat_limit(chains, draws, MAX_RHAT):
        text = "the chains disagree. They show different pictures (modes), or are too short."
        yield Issue("rhat", f"R-hat is {format_rhat(whole)}: {text}", AVERAGES)
    elif pictures > max(MAX_RHAT, run["rhat_thumbnails_shuffled"]):
        text = "the chains agree on the activation, but show different pictures."
        yield Issue("compositions", f"R-hat of thumbnails is {format_rhat(pictures)}: {text}", AVERAGES)
    elif name := _unforgotten(run):
        text = "the chains agree on large shapes, but each keeps details of its own."
        yield Issue("rhat", f"R-hat of {name} is {format_rhat(run['rhat_' + name])}: {text}", AVERAGES)
    elif worst > rhat_limit(chains, transitions, MAX_RHAT):
        what = next((words for start, words in DIFFERENCES.items() if run.worst_scalar.startswith(start)), "detail")
        text = f"the chains show one composition, and differ in {what}. They are too short for averages."
        yield Issue("rhat", f"R-hat of {run.worst_scalar} is {format_rhat(worst)}: {text}", AVERAGES)


def _unforgotten(run: Run) -> str:
    """The vectors, "latents" or "features", in which chains keep details of their own; empty if they forget them."""
    chains = len(run.samples.activation)
    if chains < 2:
        return ""
    limit = persistence_limit(chains, MAX_RHAT)
    return next((name for name in ("latents", "features") if run[f"rhat_{name}"] > limit), "")


def _check_ess(run: Run) -> Iterator[Issue]:
    pictures, chains = run["effective_pictures"], len(run.samples.activation)
    if chains < 2:
        return
    if (np.isnan(pictures) or np.isnan(run["rhat_latents"])) and not run.is_independent:
        text = "Too few draws to tell how many independent pictures they are worth:"
        yield Issue("ess", f"{text} it takes {3 * MIN_DRAWS} per chain.", AVERAGES)
        return
    size = np.fmin(run["ess_bulk"], pictures)
    if size < MIN_ESS:
        text = "look at the pictures, but do not trust averages over them."
        yield Issue("ess", f"The effective sample size is only {size:.0f}: {text}", AVERAGES)


def _check_energy(run: Run) -> Iterator[Issue]:
    lowest = run["bfmi_worst"]
    # Few transitions cannot tell how widely the energy varies.
    if run.adapts and len(run.samples.stats["step_size"]) >= 10 * MIN_DRAWS and lowest < MIN_BFMI:
        text = f"E-BFMI is {lowest:.2f}: the momenta explore the distribution of energies slowly."
        yield Issue("bfmi", text, AVERAGES)


CHECKS: tuple[Callable[[Run], Iterator[Issue]], ...] = (
    _check_density,
    check_levels,
    _check_transforms,
    _check_path,
    _check_virial,
    check_forces,
    check_momenta,
    _check_kernel,
    _check_acceptance,
    _check_proposals,
    _check_mixing,
    _check_energy,
)
