"""Importance sampling, splitting and replica exchange against normalisers and mode weights that are known."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from samplevis.runtime import seeds
from samplevis.sampling import ais
from samplevis.sampling.ais import annealed_importance, log_mean_exp, pilot_step_sizes, weight_ess
from samplevis.sampling.exchange import ReplicaExchange
from samplevis.sampling.smc import sequential_monte_carlo

DIMENSIONS, FAR, SHARE = 6, 4.0, 0.2
DIRECTION = np.random.default_rng(3).normal(size=DIMENSIONS).astype(np.float32)
DIRECTION *= 3 / np.linalg.norm(DIRECTION)


def scaled(activation, place):
    return place * activation


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


def importance_run(target, chains=400, rungs=40, **named):
    places = np.linspace(0, 1, rungs)
    sizes = pilot_step_sizes(target, scaled, places, prior(32, 9), 3, seeds.root(8))
    return annealed_importance(target, scaled, places, prior(chains), sizes, 3, seeds.root(1), **named)


@pytest.mark.parametrize(("target", "log_z"), TARGETS)
def test_importance_sampling_finds_the_normaliser(target, log_z):
    run = importance_run(target)
    assert abs(run.log_z - log_z) < 4 * log_z_error(run.log_weights) < 1
    assert 40 < run.weight_ess <= 400
    # The thermodynamic integral of the same run: biased by the lag of the chains, so only roughly equal.
    assert abs(np.mean(run.tilts) - log_z) < 1


def test_weights_are_needed():
    """The control: weights that ignore the rungs' moves are those of plain importance sampling, worth next to nothing."""
    run = importance_run(conjugate)
    assert run.weight_ess > 3 * weight_ess(conjugate(prior(400)).numpy())


def test_stale_tilts_are_what_is_wrong_with_tfp():
    """`sample_annealed_importance_chain` keeps the tilt of the rung before; we evaluate afresh. If this fails, TFP is mended."""

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


def test_forward_and_reverse_bracket_the_normaliser():
    exact = (4 / 3 + np.sqrt(1 / 3) * np.random.default_rng(0).normal(size=(64, DIMENSIONS))).astype(np.float32)
    places = np.linspace(0, 1, 40)
    sizes = pilot_step_sizes(conjugate, scaled, places, prior(32, 9), 3, seeds.root(8))
    # Single chains: averages of log weights are true bounds in expectation.
    low = annealed_importance(conjugate, scaled, places, prior(64), sizes, 3, seeds.root(1)).log_weights
    high = -annealed_importance(
        conjugate, scaled, places[::-1], tf.constant(exact), sizes[::-1], 3, seeds.root(2)
    ).log_weights
    truth = TARGETS[1][1]
    errors = [x.std() / 8 for x in (low, high)]
    assert low.mean() < truth + 4 * errors[0] and high.mean() > truth - 4 * errors[1]
    assert 0 < high.mean() - low.mean() < 1


class Backwards(ais.SplitHMC):
    """Broken: the kicks are turned round."""

    def __init__(self, target_fn, *arguments, **named):
        super().__init__(lambda x: -target_fn(x), *arguments, **named)


def test_a_broken_kernel_opens_the_bracket(monkeypatch):
    monkeypatch.setattr(ais, "SplitHMC", Backwards)
    run = importance_run(conjugate)
    assert run.weight_ess < 40 or abs(run.log_z - TARGETS[1][1]) > 4 * log_z_error(run.log_weights)


@pytest.mark.parametrize(("target", "log_z"), TARGETS)
def test_splitting_finds_the_normaliser(target, log_z):
    runs = [sequential_monte_carlo(target, scaled, prior(256, seed), 3, seeds.root(seed), moves=4) for seed in range(6)]
    estimates = np.exp(np.array([run.log_z for run in runs]) - log_z)
    # The estimate of Z is unbiased (but for the adaptation); six runs give its error.
    assert abs(estimates.mean() - 1) < 4 * estimates.std(ddof=1) / np.sqrt(6) < 1
    assert all(run.places[0] == 0 and run.places[-1] == 1 and 1 < run.ancestors < 256 for run in runs)


def test_splitting_weighs_modes():
    states = [
        sequential_monte_carlo(two_modes, scaled, prior(512, seed), 3, seeds.root(seed), moves=4).state
        for seed in range(6)
    ]
    shares = np.array([np.mean(state[:, 0] > 0) for state in states])
    assert abs(shares.mean() - SHARE) < 4 * shares.std(ddof=1) / np.sqrt(6) < 0.2
    # The control: chains that only climb keep the halves that the prior dealt them.
    places = np.linspace(0, 1, 40)
    climbed = annealed_importance(two_modes, scaled, places, prior(512), np.full(40, 0.3), 3, seeds.root(3))
    assert np.mean(climbed.state[:, 0] > 0) > SHARE + 4 * np.sqrt(SHARE * (1 - SHARE) / 512)
    weights = np.exp(climbed.log_weights - climbed.log_weights.max())
    share = np.sum(weights * (climbed.state[:, 0] > 0)) / weights.sum()
    assert abs(share - SHARE) < 4 * np.sqrt(SHARE * (1 - SHARE) / climbed.weight_ess), "but their weights know"


def exchange(places, seed=0, results=1500, chains=4):
    sizes = [0.4] * len(places)
    kernel = ReplicaExchange(two_modes, scaled, places, sizes, 4, chains)
    # All replicas start in the lighter mode.
    state = prior(len(places) * chains) + tf.constant([FAR] + [0.0] * (DIMENSIONS - 1))

    @tf.function(autograph=False)
    def run():
        return tfp.mcmc.sample_chain(
            results,
            state,
            kernel=kernel,
            num_burnin_steps=100,
            trace_fn=lambda _, r: (r.swap_accept, r.start),
            seed=seeds.root(seed),
        )

    states, (accept, start) = run()
    split = states.numpy().reshape(results, len(places), chains, DIMENSIONS)
    return split, accept.numpy(), start.numpy().reshape(results, len(places), chains)


def test_exchange_weighs_modes():
    states, accept, start = exchange([0.0, 0.1, 0.2, 0.35, 0.6, 1.0])
    shares = (states[:, -1, :, 0] > 0).mean(0)
    assert abs(shares.mean() - SHARE) < 4 * shares.std(ddof=1) / 2 < 0.3
    # Each place has its own density: the first is the prior.
    assert abs(states[:, 0].mean()) < 0.1 and abs(states[:, 0].var() - 1) < 0.1
    assert np.nanmin(np.nanmean(accept, (0, 2))) > 0.1
    assert np.isnan(accept).mean() > 0.4, "every other pair rests"
    assert all(np.array_equal(np.sort(row), np.arange(6)) for row in start[-1].T), "states are never copied"
    # The control: alone, the end never leaves the mode that it started in.
    assert np.mean(exchange([1.0])[0][..., 0] > 0) > 0.99


def test_bad_arguments():
    with pytest.raises(ValueError, match="places: expected values rising"):
        annealed_importance(linear, scaled, [0.0, 0.5], prior(2), [0.1, 0.1], 3, seeds.root(0))
    with pytest.raises(ValueError, match="step_sizes: expected 2"):
        annealed_importance(linear, scaled, [0.0, 1.0], prior(2), [0.1], 3, seeds.root(0))
    with pytest.raises(ValueError, match="keep: expected"):
        sequential_monte_carlo(linear, scaled, prior(4), 3, seeds.root(0), keep=1.0)
    with pytest.raises(ValueError, match="activation_fn: expected finite"):
        sequential_monte_carlo(lambda x: x[:, 0] * float("nan"), scaled, prior(4), 3, seeds.root(0))
    with pytest.raises(ValueError, match="step_sizes: expected 1"):
        ReplicaExchange(linear, scaled, [1.0], [0.1, 0.1], 3, 1)


def test_weights_do_not_overflow():
    assert log_mean_exp(np.array([1e4, 1e4])) == 1e4
    assert weight_ess(np.array([-1e5, -1e5, -2e5])) == 2
