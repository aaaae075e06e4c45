"""Tests of equilibrium on chains whose law is known: they fire where they should, and as seldom as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from samplevis.sampling.stationarity import (
    common_drift,
    drifting,
    frozen,
    half_change,
    mean_error,
    rhat_limit,
    run_error,
    split_rhat,
    student_quantile,
)


def chains(seed: int, number: int, transitions: int, memory: float) -> np.ndarray:
    """Stationary autoregressive chains of unit variance, [chain, transition]."""
    random = np.random.default_rng(seed)
    x, found = random.normal(size=number), []
    for _ in range(transitions):
        x = memory * x + np.sqrt(1 - memory**2) * random.normal(size=number)
        found.append(x)
    return np.stack(found, 1)


@pytest.mark.parametrize("memory", [0.0, 0.9, 0.98])
@pytest.mark.parametrize("number, transitions", [(4, 8), (12, 4), (12, 8), (12, 60)])
def test_chains_in_equilibrium_do_not_drift(number, transitions, memory):
    """Whatever their memory: of 50 runs, at most one alarm; a common drift has a chance of .001 a run."""
    alarms, common = 0, 0
    for seed in range(50):
        x = chains(seed, number, transitions, memory)
        alarms += drifting(x, deviation=1.0).any()
        common += common_drift(x) < 0.001
    assert alarms <= 1 and common <= 1


@pytest.mark.parametrize("memory", [0.0, 0.9])
@pytest.mark.parametrize("transitions", [4, 8, 60])
def test_a_chain_that_drifts_is_found(transitions, memory):
    for seed in range(10):
        x = chains(seed, 12, transitions, memory)
        x[5] += np.linspace(0, 24, transitions)
        assert drifting(x)[5] and drifting(x).sum() == 1
        # One chain alone is judged by the deviation that is known.
        assert drifting(x[5:6], deviation=1.0).all() and not drifting(x[5:6]).any()


@pytest.mark.parametrize("number", [3, 8, 12, 16, 40])
def test_a_drift_of_all_is_found_with_any_number_of_chains(number):
    rise = 12 if number == 3 else 4
    x = chains(0, number, 6, 0.98) + np.linspace(0, rise, 6)
    assert common_drift(x) < 0.001
    # More chains see a drift that few do not.
    small = [common_drift(chains(1, n, 60, 0.9) + np.linspace(0, 0.8, 60)) for n in (4, 400)]
    assert small[1] < 0.001 < small[0]


def test_the_probability_of_a_common_drift_is_students():
    x = chains(3, 7, 8, 0.5)
    assert common_drift(x) == pytest.approx(stats.ttest_1samp(half_change(x), 0).pvalue)
    assert common_drift(np.tile([[0.0, 1.0], [1.0, 0.0]], (6, 1))) == 1
    assert common_drift(np.tile([0.0, 1.0], (12, 1))) == 0
    assert common_drift(np.zeros((4, 1))) == 1 and np.isnan(half_change(np.zeros((4, 1)))).all()


def test_copies_are_frozen_and_correlated_draws_are_not():
    random = np.random.default_rng(0)
    first, grain = random.normal(size=(3, 1, 500)), random.normal(size=(3, 4, 500))
    # Correlations of first and last draw: .95, .999 and 1.
    z = first + np.array([0.23, 0.03, 0.0])[:, None, None] * grain
    np.testing.assert_array_equal(frozen(z), [False, True, True])
    assert not frozen(z[:, :1]).any()


@pytest.mark.parametrize("degrees, expected", [(3, 32.504), (5, 12.2554), (11, 6.2343), (63, 4.2838), (1000, 4.0146)])
def test_student_quantile(degrees, expected):
    """Expected values are those of scipy.stats.t.isf(3.2e-5, degrees)."""
    assert student_quantile(degrees) == pytest.approx(expected, rel=2e-3)


def test_errors_of_means_cover():
    """A mean over independent chains lies within 4 errors; the error is that of theory within its own."""
    within = sum(abs(chains(seed, 16, 6, 0.9).mean()) < 4 * run_error(chains(seed, 16, 6, 0.9)) for seed in range(100))
    assert within == 100
    x = chains(0, 400, 60, 0.0)
    assert run_error(x) == pytest.approx(1 / np.sqrt(x.size), rel=4 / np.sqrt(2 * 400))
    means, errors = mean_error(x)
    np.testing.assert_array_equal(means, x.mean(1))
    assert errors.mean() == pytest.approx(1 / np.sqrt(60), rel=0.3)
    # A chain that scatters widely does not hide itself.
    x[7] *= 100
    assert mean_error(x[:, :6])[1][7] < 1.5


@pytest.mark.parametrize("number, draws", [(12, 4), (4, 8), (4, 100)])
def test_rhat_of_noise_stays_below_its_limit(number, draws):
    from samplevis.sampling.diagnostics import rhat

    limit = rhat_limit(number, draws)
    assert max(rhat(chains(seed, number, draws, 0.0)) for seed in range(100)) < limit
    assert limit < 3 and rhat_limit(4, 1000) == 1.2


def test_split_rhat_of_a_chain_by_itself():
    assert split_rhat(chains(0, 3, 400, 0.0)).max() < 1.05
    assert split_rhat(np.arange(100.0)[None])[0] > 2
    assert np.isnan(split_rhat(np.zeros((1, 3)))).all() and np.isnan(split_rhat(np.zeros((1, 8)))).all()
