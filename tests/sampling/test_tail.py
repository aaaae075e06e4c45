"""The tail's estimates: unbiased on a fixed schedule, and intervals that cover."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import norm

from samplevis.runtime import seeds
from samplevis.sampling.density import Conditioned
from samplevis.sampling.tail import Tail, log_probability_interval

THRESHOLD = 5.0


def prior(seed, chains=256):
    return tf.random.stateless_normal((chains, 6), [11, seed])


@pytest.fixture(scope="module")
def tail():
    return Tail(lambda x: x[:, 0], Conditioned(THRESHOLD, 0.1, 4 * THRESHOLD), 4)


@pytest.fixture(scope="module")
def pilot(tail):
    return tail.climb(prior(0), seeds.root(0))


def test_populations_follow_the_schedule(tail, pilot):
    event = tail.climb(prior(1), seeds.root(1), pilot.schedule)
    for theirs, ours in zip(event.schedule, pilot.schedule, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-6)
    assert np.all(np.diff(pilot.schedule.strengths) > 0)
    assert pilot.effective_states >= 0.6 * 256 and event.effective_states > 0.3 * 256
    assert 1 < event.ancestors < 256


def test_a_fixed_schedule_is_unbiased(tail, pilot):
    events = [tail.climb(prior(i), seeds.root(i), pilot.schedule) for i in range(1, 17)]
    ratios = np.exp(np.array([event.log_probability for event in events]) - norm.logsf(THRESHOLD))
    error = ratios.std(ddof=1) / 4
    assert abs(ratios.mean() - 1) < 4 * error < 0.5
    # The control: without the probability 1/2 of the first soft event.
    assert abs(2 * ratios.mean() - 1) > 4 * 2 * error


def test_the_path_begins_at_one_half(tail):
    """A target that half of the prior reaches needs no path: P is counted."""
    event = Tail(lambda x: x[:, 0], Conditioned(-3.0, 0.1, 1.0), 4).climb(prior(0), seeds.root(0))
    assert event.temperature_steps == 0 and event.log_z == np.log(0.5)
    assert np.exp(event.log_probability) == pytest.approx(np.mean(prior(0).numpy()[:, 0] >= -3))


def coverage(interval, spread, repeats, studies=4000):
    """Share of intervals that contain log P = 0, for log-normal estimates of P."""
    logs = np.random.default_rng(0).normal(-(spread**2) / 2, spread, (studies, repeats))
    intervals = np.array([interval(x) for x in logs - 500]) + 500
    return np.mean((intervals[:, 0] <= 0) & (intervals[:, 1] >= 0))


@pytest.mark.parametrize("repeats", [3, 4, 8])
@pytest.mark.parametrize("spread", [0.3, 1.0, 2.0])
def test_intervals_cover(spread, repeats):
    assert 0.85 < coverage(log_probability_interval, spread, repeats) < 0.97


def test_the_range_of_the_repeats_does_not_cover():
    """The control: what two repeats span."""
    assert coverage(lambda x: (x.min(), x.max()), 1.0, 2) < 0.6


def test_an_interval_of_one_estimate_is_markovs_inequality():
    low, high = log_probability_interval(np.array([-20.0]))
    assert low == pytest.approx(-20 + np.log(0.1)) and high == 0
    assert coverage(lambda x: (log_probability_interval(x)[0], 0), 2.0, 1) > 0.9


def test_an_estimate_of_zero_leaves_the_lower_end_open():
    assert log_probability_interval(np.array([-20.0, -np.inf, -21.0])) == (-np.inf, 0.0)
