"""Whether draws are at the level asked for, on the network itself: as a run, chain by chain, and each draw."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from samplevis.results.chain_figures import level_misses
from samplevis.results.issues import (
    ERRORS,
    PICTURES,
    Issue,
    Run,
    issue_of_chains,
    name_chains,
    values_of_chains,
)
from samplevis.sampling.density import Conditioned

# How far the mean of a run may be from the level asked for, the draws of a chain (root mean square), and a single draw. What the
# density itself scatters comes on top where it is more.
MAX_RUN_ERROR, MAX_LEVEL_ERROR, MAX_DRAW_ERROR = 0.05, 0.1, 0.25
# Deviations of a normal distribution, by the median distance of draws from the median of their chain, that make one an outlier: the
# levels of a density may fall off as slowly as an exponential function.
OUTLIER, NORMAL_MAD = 12, 1.4826
# The largest standard deviation of a level that a density is granted: beyond it, it does not hold a level.
MAX_SPREAD = 0.04
# The level on the network itself and on the copy that is sampled differ by no more than this, in levels and as a share.
MAX_DISTANCE, MAX_SHARE = 0.1, 0.5


def check_levels(run: Run) -> Iterator[Issue]:
    """What is wrong with the levels of all draws together, and with the network that they are levels on."""
    if run.samples.options.get("same_weights") is False:
        text = "The copy that was sampled and the network itself differ in weights or preprocessing."
        yield Issue(
            "network", f"{text} They may have changed during the run: sample again, or use smooth=None.", PICTURES
        )
    levels = _finite_levels(run)
    if not len(levels):
        return
    if not np.isfinite(levels).all():
        text = "The network itself gives some draws no level: no image excites the unit there, or its values are not finite."
        yield Issue("level", f"{text} What was sampled is a copy.", PICTURES)
        return
    if levels.size > 1 and np.ptp(levels) == 0:
        text = f"The network itself gives the same value to all draws, at level {levels.mean():.2f}."
        yield Issue("level", text, PICTURES)
    itself, sampled = run["level_fresh"], run["level_sampled"]
    if abs(itself - sampled) > _distance(sampled):
        text = f"The draws are at level {itself:.2f} on the network itself, and at {sampled:.2f} on the copy that is sampled:"
        yield Issue("network", f"{text} the two networks disagree. Try smooth=None.", PICTURES)
    # Chains that are elsewhere are named by themselves.
    held = ~run.samples.nonfinite_chains & ~_off(run)
    if run.samples.level is None or not held.any():
        return
    error = np.mean(level_misses(run.samples)[held])
    if abs(error) > max(MAX_RUN_ERROR, ERRORS * allowed_spread(run) / np.sqrt(held.sum())):
        itself = np.mean(run.chains["level"][held])
        text = f"The level asked for was {run.samples.level:.2f}: the draws are at {itself:.2f} on average."
        yield Issue("level", text, PICTURES)


def check_chain_levels(run: Run) -> Iterator[Issue]:
    """Which chains are not at the level asked for, or hold draws that are not."""
    if not np.isfinite(_finite_levels(run)).all():
        return  # Nothing can be said of chains, and the run says so.
    level, sampled = run.chains["level"], run.chains["level_sampled"]
    apart = np.abs(level - sampled) > _distance(sampled)
    if apart.any():
        text = f"{name_chains(apart).capitalize()}: level {values_of_chains(apart, level)} on the network itself,"
        yield issue_of_chains(
            "network", apart, f"{text} {values_of_chains(apart, sampled)} on the copy that is sampled."
        )
    off = _off(run)
    if off.any():
        yield issue_of_chains("level", off, _off_level(run, off))
    yield from _check_single_draws(run, off)


def _check_single_draws(run: Run, off: np.ndarray) -> Iterator[Issue]:
    """Chains that are at the level as a whole, with draws that are not; without a level, draws that are far from all others."""
    finite, levels = ~run.samples.nonfinite_chains, np.asarray(run.samples.levels, np.float64)
    if not finite.any():
        return
    apart = np.abs(levels - np.median(levels, axis=1, keepdims=True))
    typical = max(MAX_LEVEL_ERROR, OUTLIER * NORMAL_MAD * float(np.median(apart[finite])))
    allowed = ERRORS * allowed_spread(run)
    if run.samples.level is None:
        furthest = apart.max(axis=1)
        single = finite & (furthest > max(typical, allowed))
        if single.any():
            text = f"Draws of {name_chains(single)} are off the level of the others in their chain by up to"
            yield issue_of_chains("level", single, f"{text} {values_of_chains(single, furthest)}.")
        return
    furthest = np.abs(level_misses(run.samples)).max(axis=1)
    # Many draws that are off widen what is typical, but not beyond what any draw may be off.
    single = finite & ~off & (furthest > max(min(typical, MAX_DRAW_ERROR), allowed))
    if single.any():
        text = f"The level asked for was {run.samples.level:.2f}: draws of {name_chains(single)} are off by up to"
        yield issue_of_chains("level", single, f"{text} {values_of_chains(single, furthest)}.")


def allowed_spread(run: Run) -> float:
    """Standard deviation of the level of a draw that the density itself makes, whatever the draws do; 0 if it is not known.

    Near the level, the prior falls by exp(-s A) per unit of activation, with s the strength that balances it: the mean force of
    the draws. The logistic edge of a conditioned density, times that, is a beta distribution of the sigmoid of its argument (the
    generalised logistic distribution of type IV), whose variance is a sum of trigamma functions.

    Args:
      run: the run.

    Returns:
      The deviation in levels, at most `MAX_SPREAD`.
    """
    samples = run.samples
    density = samples.target_density
    if not isinstance(density, Conditioned):
        return 0.0
    edge = density.beta * density.width
    strength = np.asarray(samples.strength, np.float64)
    pull = float(np.mean(strength[np.isfinite(strength)])) * density.width if np.isfinite(strength).any() else 0.0
    if not 0 < pull:
        return MAX_SPREAD
    # Draws that lie below the edge feel more than the force that balances the prior: they must not widen what is allowed.
    pull = min(pull, edge / 2)
    spread = density.width * np.sqrt(_trigamma(pull) + _trigamma(edge - pull))
    return float(min(spread / (samples.optimum_activation - samples.prior_activation), MAX_SPREAD))


def _trigamma(x: float) -> float:
    """Derivative of the digamma function, x > 0: its series, and the rest by Euler and Maclaurin."""
    terms = x + np.arange(64)
    return float(np.sum(terms**-2.0) + 1 / (x + 64) + 0.5 / (x + 64) ** 2)


def _finite_levels(run: Run) -> np.ndarray:
    """Levels on the network itself, of the chains whose activation is finite where it is sampled, [chain, draw]."""
    return np.asarray(run.samples.levels, np.float64)[~run.samples.nonfinite_chains]


def _off(run: Run) -> np.ndarray:
    """Chains whose draws are not at the level asked for, bool [chain]; none if none was asked."""
    limit = max(MAX_LEVEL_ERROR, ERRORS * allowed_spread(run))
    return run.chains["level_miss"] > limit


def _distance(sampled: np.ndarray | float) -> np.ndarray | float:
    """How far the level on the network itself may be from the level on the copy."""
    return np.maximum(MAX_DISTANCE, MAX_SHARE * np.abs(sampled))


def _off_level(run: Run, bad: np.ndarray) -> str:
    verb = "is" if bad.sum() == 1 else "are"
    level = values_of_chains(bad, run.chains["level"])
    text = f"The level asked for was {run.samples.level:.2f}: {name_chains(bad)} {verb} at {level}."
    if (bad & ~run.samples.reached).any():
        text += " Annealing did not bring them there: lower the level or raise anneal_steps."
    return text
