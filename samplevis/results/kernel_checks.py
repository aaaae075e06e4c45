"""What shows a broken kernel: exact identities that hold in any density, whatever the chains look like."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from samplevis.results.chain_figures import SIZES
from samplevis.results.issues import (
    ERRORS,
    PICTURES,
    Issue,
    Run,
    issue_of_chains,
    name_chains,
    values_of_chains,
)
from samplevis.sampling.balance import BY_CHANCE
from samplevis.sampling.kernels.registry import KERNELS
from samplevis.sampling.stationarity import student_quantile

# Relative error of a gradient that rounding does not explain: a gradient of another state is off by its own size.
MAX_GRADIENT_ERROR = 0.05
# Square of the mean force that all chains share, per coordinate and relative to its size, that matters: a shift of the coordinates
# by a sixteenth of their standard deviation. And the chance of a false alarm where there is none, for each third of the bands.
MAX_FORCE, BY_FORCE = 0.004, 0.001
# Chains whose mean forces can be compared.
MIN_CHAINS = 3


def check_kernel_steps(run: Run) -> Iterator[Issue]:
    """Coordinates that never move, and gradients of another state: exact, in each chain."""
    checks = run.samples.kernel_checks
    still = checks.get("still", np.zeros(0))
    # A chain that does not move at all is named as such.
    held = (still > BY_CHANCE) & (still < 1)
    if held.any():
        text = f"{values_of_chains(held, still, '.0%')} of the coordinates are the same in all draws of {name_chains(held)}:"
        yield issue_of_chains("chains", held, f"{text} the kernel does not move them.")
    # Written so that nan, where the density has no gradient at all, passes.
    stale = checks.get("gradient_error", np.zeros(0)) > MAX_GRADIENT_ERROR
    if stale.any():
        text = f"The kernel's gradient is not that of the density at draws of {name_chains(stale)}:"
        yield issue_of_chains("virial", stale, f"{text} its trajectories start with a force of another state.")


def check_forces(run: Run) -> Iterator[Issue]:
    """A mean force that all chains share, though it is 0 in equilibrium."""
    found = []
    for name in ("force", "force_low", "force_middle", "force_high"):
        shared = run.samples.kernel_checks.get(name, np.zeros(0))
        shared = shared[np.isfinite(shared)]
        if len(shared) < MIN_CHAINS:
            continue
        # Each product of two chains counts for both of them, so that their mean has twice the variance.
        error = np.sqrt(2 / len(shared)) * np.std(shared, ddof=1)
        limit = student_quantile(len(shared) - 1, BY_FORCE)
        if shared.mean() > max(limit * error, MAX_FORCE * _size(run, name)):
            found.append(f"{name} is {np.sqrt(shared.mean()):.3f}")
    if found:
        text = "per coordinate, and should be 0: the chains are pushed in one direction. Raise num_burnin_steps."
        yield Issue("virial", f"The mean {', '.join(found)} {text}", PICTURES)


def check_momenta(run: Run) -> Iterator[Issue]:
    """Momenta that are drawn too hot or too cold: their mean square is 1 whatever the state, so that all chains count as one."""
    samples = run.samples
    if samples.kernel not in KERNELS or not KERNELS[samples.kernel].redraws_momentum:
        return
    # The energy at the start of a trajectory, less the potential energy at the end of the one before.
    energy, log_density = (np.asarray(samples.stats[name], np.float64) for name in ("energy", "log_density"))
    kinetic = energy[:, 1:] + log_density[:, :-1]
    kinetic = kinetic[np.isfinite(kinetic)]
    degrees = kinetic.size * samples.latents[0, 0].size
    if not degrees:
        return
    temperature = 2 * kinetic.sum() / degrees
    # The cube root of a mean square is near normal (Wilson and Hilferty 1931).
    variance = 2 / (9 * degrees)
    if abs(np.cbrt(temperature) - (1 - variance)) > ERRORS * np.sqrt(variance):
        text = f"The mean square of the momenta that the kernel draws is {temperature:.3f} and should be 1."
        yield Issue("step", text, PICTURES)


def _size(run: Run, name: str) -> float:
    """Mean square of the coordinates that a force is about, at least 1: the force of the prior there, see `virial_excess`."""
    scalars = run.samples.scalars.get(SIZES[name.replace("force", "virial")])
    return 1.0 if scalars is None else max(float(np.nanmean(scalars)), 1.0)
