"""Scalars and streaming statistics against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import samplevis
from samplevis import param
from samplevis.runtime import seeds
from samplevis.runtime.context import RunContext
from samplevis.sampling.chains import ChainProblem, Monitors, run_chains
from samplevis.sampling.options import HMCOptions
from samplevis.sampling.scalars import scalar_fn
from samplevis.sampling.streaming import Moments, merged

SHAPE = (4, 3, 2)


def test_powers_split_the_radius():
    p = param.fourier(32)
    scalars = scalar_fn(p.latent_shape, p.bands())(p.rotate(p.prior(seeds.root(0), 64)))
    assert set(scalars) == {"radius", "power_low", "power_middle", "power_high", *(f"projection_{i}" for i in range(8))}
    # Under the prior all powers are 1 and all projections N(0, 1).
    for name, values in scalars.items():
        error = 4 * np.std(values, ddof=1) / 8
        assert abs(np.mean(values) - (0 if "projection" in name else 1)) < error, name
    loud = p.rotate(p.prior(seeds.root(0), 2)).numpy()
    loud[:, p.bands() > p.bands().max() * 2 // 3] *= 3
    changed = scalar_fn(p.latent_shape, p.bands())(tf.constant(loud))
    assert np.all(np.abs(changed["power_high"] - 9) < 1) and np.all(np.abs(changed["power_low"] - 1) < 0.9)


def test_a_prior_of_one_band_has_no_powers():
    found = scalar_fn((5,), np.zeros(5, int))(tf.ones((3, 5)))
    assert "power_low" not in found and np.allclose(found["radius"], 1)


def test_projections_are_fixed_and_of_unit_length():
    one, two = (scalar_fn((6,), np.zeros(6, int)) for _ in range(2))
    basis = tf.eye(6)
    directions = np.stack([one(basis)[f"projection_{i}"] for i in range(8)])
    np.testing.assert_allclose((directions**2).sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(two(basis)["projection_3"], directions[3])


@settings(deadline=None, max_examples=30)
@given(parts=st.lists(st.integers(1, 5), min_size=1, max_size=6), far=st.sampled_from([0.0, 1e6]))
def test_merged_moments_are_those_of_the_whole(parts, far):
    values = np.random.default_rng(len(parts)).normal(size=(sum(parts), 3)) + far
    moments, first = None, 0
    for count in parts:
        part = values[first : first + count]
        moments = merged(moments, Moments(count, part.mean(0), ((part - part.mean(0)) ** 2).sum(0)))
        first += count
    assert moments.count == len(values)
    np.testing.assert_allclose(moments.mean, values.mean(0))
    if len(values) > 1:
        np.testing.assert_allclose(moments.deviation, values.std(0, ddof=1), rtol=1e-6)


@pytest.mark.slow
def test_all_transitions_are_streamed():
    watched = Monitors(scalars=lambda x: {"first": x[:, 0, 0, 0]}, image=lambda x: x)
    first = lambda x: x[:, 0, 0, 0]  # noqa: E731
    plain, monitored = ChainProblem(first, 0.5), ChainProblem(first, 0.5, monitors=watched)
    context = lambda: RunContext(seeds.root(0))  # noqa: E731
    state = tf.random.stateless_normal((3, *SHAPE), [1, 2])
    for kernel in ("split_hmc", "hmc"):
        settings = dict(num_leapfrog_steps=2, num_burnin_steps=2, kernel=kernel, step_size=0.5)
        every = run_chains(plain, state, HMCOptions(num_results=6, **settings), context())
        options = HMCOptions(num_results=6, **settings)
        chains = run_chains(monitored, state, options, context())
        np.testing.assert_array_equal(chains.states, every.states)
        np.testing.assert_allclose(chains.scalars["first"], every.states[:, :, 0, 0, 0], atol=1e-6)
        np.testing.assert_allclose(chains.moments.mean, every.states.mean(0), atol=1e-6)
        np.testing.assert_allclose(chains.moments.deviation, every.states.std(0, ddof=1), atol=1e-5)
        thinned = HMCOptions(num_results=2, num_steps_between_results=2, **settings)
        chains = run_chains(monitored, state, thinned, context())
        assert chains.scalars["first"].shape == (6, 3) and chains.moments.count == 6


def test_render_keeps_means_of_what_it_leaves_out(tiny_network):
    options = dict(num_results=4, num_chains=2, num_burnin_steps=2, num_leapfrog_steps=2, num_transforms=2)
    settings = dict(im_size=16, optimize_steps=8, anneal_steps=25, progress=False)
    samples = samplevis.render(tiny_network, "conv1:1", options, **settings)
    np.testing.assert_allclose(samples.chain_means, samples.images.mean(1), atol=1e-5)
    np.testing.assert_allclose(samples.sd_images, samples.images.std(1, ddof=1), atol=1e-4)
    assert samples.scalars["radius"].shape == (2, 4)
