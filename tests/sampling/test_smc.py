"""Sequential Monte Carlo against normalisers and mode weights that are known."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from samplevis.runtime import seeds
from samplevis.sampling import smc
from samplevis.sampling.smc import log_mean_exp, sequential_monte_carlo, weight_ess

DIMENSIONS, FAR, SHARE = 6, 4.0, 0.2
DIRECTION = np.random.default_rng(3).normal(size=DIMENSIONS).astype(np.float32)
DIRECTION *= 3 / np.linalg.norm(DIRECTION)


def scaled(activation, temperature):
    return temperature * activation


def linear(x):
    """N(0, I) exp(linear) is N(DIRECTION, I), log Z = |DIRECTION|^2 / 2 = 4.5."""
    return tf.linalg.matvec(x, DIRECTION)


def conjugate(x):
    """-(x - 2)^2 / (2 * .5) in every coordinate: log Z = d (log sqrt(1/3) - 2^2 / (2 * 1.5))."""
    return -tf.reduce_sum(tf.square(x - 2.0), -1)


def two_modes(x):
    """A mixture of N(+4, I) with weight .2 and N(-4, I) with .8 along the first coordinate, log Z = 8."""
    along = FAR * x[:, 0]
    return tf.reduce_logsumexp(tf.stack([along + np.log(SHARE), -along + np.log(1 - SHARE)]), 0)


TARGETS = [
    (linear, 4.5),
    (conjugate, DIMENSIONS * (-0.5 * np.log(3) - 4 / 3)),
    (two_modes, 8.0),
]


def prior(chains, seed=0):
    return tf.random.stateless_normal((chains, DIMENSIONS), [5, seed])


def log_z_error(log_weights):
    """Standard error of the log of the mean weight."""
    weights = np.exp(log_weights - log_weights.max())
    return weights.std(ddof=1) / weights.mean() / np.sqrt(len(weights))


def test_stale_tilts_are_what_is_wrong_with_tfp():
    """`sample_annealed_importance_chain` keeps the tilt of the step before; ours is made afresh. If this fails, TFP is mended."""

    def log_prior(x):
        return -0.5 * tf.reduce_sum(x**2, -1) - DIMENSIONS / 2 * np.log(2 * np.pi)

    def log_target(x):
        return log_prior(x) + conjugate(x)

    _, weights, _ = tfp.mcmc.sample_annealed_importance_chain(
        num_steps=50,
        proposal_log_prob_fn=log_prior,
        target_log_prob_fn=log_target,
        current_state=prior(400),
        make_kernel_fn=lambda fn: tfp.mcmc.HamiltonianMonteCarlo(fn, 0.4, 3),
        seed=(1, 2),
    )
    truth = TARGETS[1][1]
    assert abs(log_mean_exp(weights.numpy()) - truth) > 4 * log_z_error(weights.numpy()), "TFP is mended"


def population(target, seed, chains=256):
    return sequential_monte_carlo(target, scaled, prior(chains, seed), 3, seeds.root(seed), num_moves=4)


def is_unbiased(runs, log_z):
    """Whether the mean estimate of Z is right within 4 standard errors, of less than the truth itself."""
    estimates = np.exp(np.array([run.log_z for run in runs]) - log_z)
    return abs(estimates.mean() - 1) < 4 * estimates.std(ddof=1) / np.sqrt(len(runs)) < 1


@pytest.mark.parametrize(("target", "log_z"), TARGETS)
def test_the_normaliser_is_found(target, log_z):
    # The estimate of Z is unbiased (but for the adaptation); six runs give its error.
    runs = [population(target, seed) for seed in range(6)]
    assert is_unbiased(runs, log_z)
    for run in runs:
        assert run.schedule[0] == 0 and run.schedule[-1] == 1 and np.all(np.diff(run.schedule) > 0)
        assert len(run.log_means) == len(run.schedule) - 1 and run.log_z == pytest.approx(run.log_means.sum())
        assert 1 < run.num_ancestors < 256


class Backwards(smc.SplitHMC):
    """Broken: the kicks are turned round."""

    def __init__(self, target_fn, *arguments, **named):
        super().__init__(lambda x: -target_fn(x), *arguments, **named)


@pytest.mark.slow
def test_a_broken_kernel_is_noticed(monkeypatch):
    monkeypatch.setattr(smc, "SplitHMC", Backwards)
    assert not is_unbiased([population(conjugate, seed) for seed in range(6)], TARGETS[1][1])


def shares_of_the_lighter_mode():
    return np.array([np.mean(population(two_modes, seed, 512).state[:, 0] > 0) for seed in range(6)])


def test_modes_have_their_weights():
    shares = shares_of_the_lighter_mode()
    assert abs(shares.mean() - SHARE) < 4 * shares.std(ddof=1) / np.sqrt(6) < 0.2


def test_without_resampling_modes_keep_what_the_prior_gave_them(monkeypatch):
    """The control: the prior puts half of the chains on either side."""
    monkeypatch.setattr(smc, "systematic_resample", lambda log_weights, seed: np.arange(len(log_weights)))
    shares = shares_of_the_lighter_mode()
    assert shares.mean() > SHARE + 4 * shares.std(ddof=1) / np.sqrt(6)


def test_bad_arguments():
    with pytest.raises(ValueError, match="ess_fraction: expected"):
        sequential_monte_carlo(linear, scaled, prior(4), 3, seeds.root(0), ess_fraction=1.0)
    with pytest.raises(ValueError, match="activation_fn: expected finite"):
        sequential_monte_carlo(lambda x: x[:, 0] * float("nan"), scaled, prior(4), 3, seeds.root(0))
    with pytest.raises(RuntimeError, match="of the path after 1 temperature steps"):
        sequential_monte_carlo(conjugate, scaled, prior(64), 3, seeds.root(0), max_temperature_steps=1)


def test_old_arguments_still_work():
    with pytest.warns(DeprecationWarning, match="moves is now num_moves"):
        old = sequential_monte_carlo(linear, scaled, prior(16), 3, seeds.root(0), moves=1)
    new = sequential_monte_carlo(linear, scaled, prior(16), 3, seeds.root(0), num_moves=1)
    np.testing.assert_array_equal(old.state, new.state)


def test_weights_do_not_overflow():
    assert log_mean_exp(np.array([1e4, 1e4])) == 1e4
    assert weight_ess(np.array([-1e5, -1e5, -2e5])) == 2
