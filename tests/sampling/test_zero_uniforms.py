"""A uniform number of exactly 0, which TensorFlow draws once in 2^23 times, accepts nothing that the density excludes."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from conftest import with_slow
from tensorflow_probability.python.internal import samplers

from samplevis import param
from samplevis.runtime import seeds
from samplevis.runtime.context import RunContext
from samplevis.sampling import independent
from samplevis.sampling.chains import ChainProblem, run_chains
from samplevis.sampling.density import Conditioned
from samplevis.sampling.kernels import base, hmc
from samplevis.sampling.kernels.free_moves import named_moves
from samplevis.sampling.kernels.registry import KERNELS
from samplevis.sampling.options import HMCOptions
from samplevis.sampling.smc import systematic_resample

METROPOLIS = [name for name in KERNELS if name != "langevin"]
# Nats by which the density excludes a state, up to where float32 has no number left.
EXCLUDED = (30.0, 90.0, 500.0, float("inf"))


def ones(shape, seed):
    """The control: a uniform number of 0 that is compared as it is."""
    return tf.zeros(shape)


@pytest.fixture
def zeros(monkeypatch):
    """All uniform numbers are 0; whole numbers are drawn as ever."""
    draw, draw_of_tfp = tf.random.stateless_uniform, samplers.uniform

    def uniform(shape, seed, minval=0, maxval=None, dtype=tf.float32, **rest):
        drawn = draw(shape, seed, minval, maxval, dtype, **rest)
        return tf.zeros_like(drawn) if drawn.dtype.is_floating else drawn

    def uniform_of_tfp(shape, minval=0, maxval=None, dtype=tf.float32, seed=None, name=None):
        drawn = draw_of_tfp(shape, minval, maxval, dtype, seed, name)
        return tf.zeros_like(drawn) if drawn.dtype.is_floating else drawn

    monkeypatch.setattr(tf.random, "stateless_uniform", uniform)
    monkeypatch.setattr(samplers, "uniform", uniform_of_tfp)


def positive_states(kernel, nats, moves=()):
    """Whether states stay where the first number is positive, from just inside: half of all trajectories lead out."""

    def target(x):
        # Without a force: the gradient of a step is 0.
        return tf.where(x[:, 0, 0, 0] > 0, 0.0, -nats)

    state = tf.abs(tf.random.stateless_normal((64, 4, 4, 1), [1, 2])) * 0.1
    options = HMCOptions(num_results=6, step_size=0.3, num_leapfrog_steps=3, num_burnin_steps=0, kernel=kernel)
    states = run_chains(ChainProblem(target, moves=moves), state, options, RunContext(seeds.root(0))).states
    first = states[:, :, 0, 0, 0]
    return bool((first > 0).all()), states


@pytest.mark.parametrize("nats", with_slow(EXCLUDED, [30.0, 500.0]))
@pytest.mark.parametrize("kernel", with_slow(METROPOLIS, ["nuts"]))
def test_no_kernel_accepts_what_the_density_excludes(zeros, kernel, nats):
    stays, states = positive_states(kernel, nats)
    assert stays
    # TFP's trees do not grow where a density is 0.
    assert len(np.unique(states)) > states[0].size or (kernel == "nuts" and nats == np.inf)


@pytest.mark.parametrize("kernel", with_slow(["split_hmc", "malt", "pcn", "redrawn_hmc"], ["malt", "redrawn_hmc"]))
def test_zeros_that_are_compared_as_they_are_accept_it(zeros, monkeypatch, kernel):
    for module in (base, independent):
        monkeypatch.setattr(module, "uniform_above_zero", ones)
    assert not positive_states(kernel, 500.0)[0], "the control must fail"


def test_tfps_own_kernel_accepts_it(zeros, monkeypatch):
    monkeypatch.setattr(hmc, "HMC", tfp.mcmc.HamiltonianMonteCarlo)
    assert not positive_states("hmc", 500.0)[0], "the control must fail"


@pytest.mark.parametrize("nats", with_slow(EXCLUDED, [30.0, 500.0]))
def test_no_free_move_accepts_it(zeros, nats):
    moves = named_moves(param.pixel((4, 4), channels=1), ["invert"])
    assert positive_states("split_hmc", nats, moves)[0]


class _Mean:
    """An activation that is the mean of white latents."""

    def __init__(self):
        self.param = param.pixel((4, 4), channels=1)


def rejected_values(nats):
    """The means of the draws that rejection accepts, of an event at .5 whose other side is excluded by so many nats."""
    density = Conditioned(0.5, 1e-3, nats)

    class Step(Conditioned):
        def tilt(self, activation):
            return tf.where(activation > 0.5, 0.0, -nats)

    draws = independent._rejection(
        _Mean(),
        lambda z: tf.reduce_mean(z, (1, 2, 3)),
        Step(*vars(density).values()),
        40,
        seeds.root(0),
        RunContext(seeds.root(0)),
    )
    return draws.state.mean((1, 2, 3))


@pytest.mark.parametrize("nats", EXCLUDED)
def test_rejection_accepts_no_excluded_draw(zeros, monkeypatch, nats):
    assert rejected_values(nats).min() > 0.5
    if np.isfinite(nats):
        monkeypatch.setattr(independent, "uniform_above_zero", ones)
        assert rejected_values(nats).min() < 0.5, "the control must fail"


def test_such_a_number_is_drawn_by_the_default_seed():
    seed = seeds.fold(seeds.fold(seeds.root(0), "rejection"), 638 // 64)
    drawn = tf.random.stateless_uniform((64,), seeds.fold(seed, "accept"))
    assert float(drawn[638 % 64]) == 0.0
    assert float(base.uniform_above_zero((64,), seeds.fold(seed, "accept"))[638 % 64]) == 1.0


def test_acceptance_has_the_probability_of_the_ratio():
    ratios = tf.repeat(tf.math.log(tf.constant([0.01, 0.3, 0.9, 1.0, 2.0])), 20_000)
    share = tf.reduce_mean(tf.reshape(tf.cast(base.accepts(ratios, seeds.root(3)), tf.float32), (5, -1)), 1)
    np.testing.assert_allclose(share, [0.01, 0.3, 0.9, 1, 1], atol=0.012)
    assert not base.accepts(tf.constant([np.nan, -np.inf]), seeds.root(3)).numpy().any()


@pytest.mark.parametrize("places", [[0], [3], [0, 1], [6, 7], [0, 7], list(range(7))])
def test_resampling_never_takes_a_weight_of_zero(zeros, places):
    log_weights = np.zeros(8)
    log_weights[places] = -np.inf
    chosen = systematic_resample(log_weights, seeds.root(0))
    assert not set(chosen) & set(places) and len(chosen) == 8


def test_resampling_takes_each_in_proportion_to_its_weight():
    weights = np.array([0.5, 1.5, 0.1, 2.9, 0.0])
    counts = sum(
        np.bincount(systematic_resample(np.log(np.maximum(weights, 1e-300)), seeds.fold(seeds.root(0), n)), minlength=5)
        for n in range(400)
    )
    np.testing.assert_allclose(counts / counts.sum(), weights / weights.sum(), atol=0.01)
