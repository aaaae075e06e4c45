"""Both ends are compared in what the density does not pin: the log density and all scalars."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from conftest import made_samples

from samplevis.results.both_ends import TwoEnded
from samplevis.sampling import diagnostics


def ends(seed: int, apart: float = 0.0, within: float = 0.0) -> TwoEnded:
    """Two runs of 4 chains with one level; band powers differ by `apart` between the ends, by `within` between chains."""
    random, found = np.random.default_rng(seed), []
    for sign in (1, -1):
        samples = made_samples(4, 40)
        power = random.normal(size=(4, 40)) + sign * apart / 2 + within * random.normal(size=(4, 1))
        scalars = {"radius": random.normal(1, 0.05, (4, 40)), "power_low": power}
        stats = dict(samples.stats) | {"log_density": random.normal(size=(4, 40))}
        fresh = random.normal(5, 0.3, (4, 40)).astype(np.float32)
        found.append(dataclasses.replace(samples, scalars=scalars, stats=stats, fresh_activation=fresh))
    return TwoEnded(*found)


@pytest.mark.parametrize("seed", range(5))
def test_ends_of_one_law_have_met(seed):
    both = ends(seed)
    assert both.verdict == "met" and both.worst[1] < 1.2 and "the ends have met" in str(both)
    assert set(both.rhats) == set(both.gaps) == {"level", "log_density", "radius", "power_low"}


@pytest.mark.parametrize("seed", range(5))
def test_a_scalar_that_has_not_forgotten_its_start_is_named(seed):
    """The level, which the density pins, says that all is well."""
    both = ends(seed, apart=3.0)
    assert abs(both.gap) < 0.02 and both.rhat < 1.2
    assert both.verdict == "apart" and both.worst[0] == "power_low" and "(power_low); the ends are apart" in str(both)
    assert both.worst[1] == diagnostics.rhat(np.concatenate(both.scalars["power_low"]))
    assert both.gaps["power_low"] > 8 > abs(both.gaps["level"])


@pytest.mark.parametrize("seed", range(5))
def test_chains_that_differ_within_an_end_do_not_set_the_ends_apart(seed):
    both = ends(seed, within=3.0)
    assert both.verdict == "not told" and both.worst[1] > 1.2 and "not told" in str(both)


def test_gaps_are_standard_errors_and_the_longer_end_gives_its_last_transitions():
    both = ends(0)
    means = [values.mean(1) for values in both.scalars["radius"]]
    error = np.sqrt((means[0].var(ddof=1) + means[1].var(ddof=1)) / 4)
    assert both.gaps["radius"] == pytest.approx((means[0].mean() - means[1].mean()) / error)
    short = dataclasses.replace(both.prior, scalars={"radius": both.prior.scalars["radius"]})
    one = TwoEnded(both.optimized, short.of_chains(np.array([True, False, False, False])))
    assert set(one.scalars) == {"level", "log_density", "radius"} and np.isfinite(one.gaps["radius"])
