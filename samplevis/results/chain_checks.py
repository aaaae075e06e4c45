"""What is wrong with single chains. Each chain is one composition: one that failed is named, whatever the others do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from samplevis.results.answer_checks import check_answers
from samplevis.results.chain_figures import POWERS, VIRIALS, sampled_levels, virial_excess
from samplevis.results.independence import check_independence
from samplevis.results.issues import (
    CHAINS,
    ERRORS,
    PICTURES,
    Issue,
    Run,
    issue_of_chains,
    name_chains,
    values_of_chains,
)
from samplevis.results.kernel_checks import check_kernel_steps
from samplevis.results.level_checks import check_chain_levels
from samplevis.sampling.stationarity import common_drift, drifting, half_change, mean_error, stand_out

MIN_FRESH_OVER_BANK = 0.9
# Smallest overfit, in levels, that matters: near level 0 the ratio to the bank is noise.
MIN_OVERFIT = 0.02
MAX_TEMPERATURE_ERROR = 0.03
# Of the size of a band: 5 % in its variance is 2.5 % in its contrast, which nobody sees.
MAX_VIRIAL_ERROR = 0.05
# Changes between the halves of a chain that matter: a level as above; a band's power of an eighth, 6 % of its contrast; and of the
# log density half its standard deviation in equilibrium.
MAX_LEVEL_CHANGE, MAX_POWER_CHANGE, MAX_LOG_DENSITY_CHANGE = 0.1, 0.125, 0.5
# Chance of a false alarm of the test for a drift that all chains share, for each scalar.
COMMON_DRIFT = 0.001
# Share of bad chains above which none is to be trusted.
MAX_BAD_SHARE = 0.25


def find_chain_issues(run: Run) -> list[Issue]:
    """What is wrong with chains, in the order of `CHAIN_CHECKS`; a run with many bad chains is bad as a whole."""
    found = [issue for check in CHAIN_CHECKS for issue in check(run)]
    bad = {chain for issue in found if issue.spoils >= CHAINS for chain in issue.chains}
    if len(bad) > MAX_BAD_SHARE * len(run.samples.activation):
        found = [issue._replace(spoils=PICTURES) for issue in found]
    return found


def bad_chains(issues: Iterable[Issue]) -> list[int]:
    """Numbers of the chains whose pictures an issue spoils."""
    return sorted({chain for issue in issues if issue.spoils >= CHAINS for chain in issue.chains})


def _check_finite(run: Run) -> Iterator[Issue]:
    bad = run.samples.nonfinite_chains
    if bad.all():
        text = "Some activations are not finite in every chain: the figures that need them could not be computed."
        yield issue_of_chains("level", bad, text)
    elif bad.any():
        yield issue_of_chains(
            "level", bad, f"The activation of {name_chains(bad)} is not finite: the figures leave it out."
        )
    latents = np.array([not np.isfinite(chain).all() for chain in run.samples.latents])
    density = ~np.isfinite(run.samples.stats["log_density"]).all(1)
    for what, chains in (("latents", latents & ~bad), ("log density", density & ~bad)):
        if chains.any():
            yield issue_of_chains("level", chains, f"The {what} of {name_chains(chains)} is not finite everywhere.")


def _check_bank(run: Run) -> Iterator[Issue]:
    bank, gap, error = (run.chains[name] for name in ("level_bank", "overfit", "overfit_error"))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = gap / bank
    bad = (share > 1 - MIN_FRESH_OVER_BANK) & (gap > np.maximum(MIN_OVERFIT, ERRORS * error))
    if bad.any():
        text = f"overfit their bank of transforms by {np.mean(share[bad]):.0%}. Raise num_transforms."
        yield issue_of_chains("bank", bad, f"{name_chains(bad).capitalize()} {text}")


def _check_frozen(run: Run) -> Iterator[Issue]:
    bad = run.chains["frozen"] == 1
    if bad.any():
        text = "The draws are copies of one picture, or nearly: the chain does not move"
        yield issue_of_chains("chains", bad, f"{text} ({name_chains(bad)}).")


def _check_temperature(run: Run) -> Iterator[Issue]:
    # 4 standard errors of a mean square, where latents are small.
    transitions, temperature = run.samples.stats["temperature"].shape[1], run.chains["temperature"]
    error = np.sqrt(2 / (transitions * run.samples.latents[0, 0].size))
    bad = np.abs(temperature - 1) > max(MAX_TEMPERATURE_ERROR, ERRORS * error)
    if bad.any():
        text = f"The kinetic temperature is {values_of_chains(bad, temperature)} in {name_chains(bad)} and should be 1:"
        yield issue_of_chains("step", bad, f"{text} not in equilibrium.")


def _check_drift(run: Run) -> Iterator[Issue]:
    finite = ~run.samples.nonfinite_chains
    if not finite.any():
        return
    bad, names = np.zeros(len(finite), bool), []
    for name, values, deviation, matters in _drifting_scalars(run):
        change = half_change(values[finite])
        chains = drifting(values[finite], deviation) & (np.abs(change) > matters)
        if abs(change.mean()) > matters and common_drift(values[finite]) < COMMON_DRIFT:
            chains[:] = True
        bad[finite] |= chains
        names += [name] if chains.any() else []
    if bad.any():
        yield issue_of_chains(
            "chains", bad, f"Not in equilibrium yet: {', '.join(names)} still drifts in {name_chains(bad)}."
        )


def _drifting_scalars(run: Run) -> Iterator[tuple[str, np.ndarray, float | None, float]]:
    """Name, values [chain, transition], standard deviation in equilibrium if known, and the change that matters."""
    samples, size = run.samples, run.samples.latents[0, 0].size
    # Where the density is near Gaussian, whatever its covariance, the energy of d coordinates has the variance d / 2.
    deviation = np.sqrt(size / 2)
    yield "the log density", samples.stats["log_density"], deviation, MAX_LOG_DENSITY_CHANGE * deviation
    yield "the level", sampled_levels(samples)[0], None, MAX_LEVEL_CHANGE
    for name in POWERS:
        if name in samples.scalars:
            values = np.asarray(samples.scalars[name], np.float64)
            yield name, values, None, MAX_POWER_CHANGE * float(np.nanmedian(np.abs(values)))


def _check_virial(run: Run) -> Iterator[Issue]:
    bad, names = np.zeros(len(run.samples.activation), bool), []
    for name in (name for name in VIRIALS if name in run.samples.scalars):
        excess = virial_excess(run.samples, name)
        if excess.shape[1] < 2:
            continue
        means, errors = mean_error(excess)
        # Written so that nan is bad.
        chains = stand_out(means, errors, 0.0) & ~(np.abs(means) <= MAX_VIRIAL_ERROR)
        bad |= chains
        names += [f"{name} {values_of_chains(chains, run.chains[name])}"] if chains.any() else []
    if bad.any():
        text = f"Out of equilibrium in {name_chains(bad)}: {'; '.join(names)} should be 1."
        yield issue_of_chains("virial", bad, f"{text} Lower step_size, or choose an exact kernel.")


CHAIN_CHECKS: tuple[Callable[[Run], Iterator[Issue]], ...] = (
    _check_finite,
    check_independence,
    check_chain_levels,
    check_answers,
    _check_bank,
    _check_frozen,
    check_kernel_steps,
    _check_temperature,
    _check_drift,
    _check_virial,
)
