"""surprisal() against Gaussian tails and against counting."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from conftest import with_slow
from scipy.stats import norm

import samplevis
from samplevis import param
from samplevis.runs.rare_events import rare_event
from samplevis.runtime import seeds
from samplevis.sampling.density import Conditioned

DIRECTION = np.random.default_rng(0).normal(size=20).astype(np.float32)
DIRECTION /= np.linalg.norm(DIRECTION)


def linear(x):
    """A ~ N(0, 1) under the prior."""
    return tf.linalg.matvec(x, DIRECTION)


def tail(threshold, repeat, activation_fn=linear, beta=4.0):
    density = Conditioned(threshold, 0.15 / threshold, beta * threshold)
    state = tf.random.stateless_normal((256, 20), [7, repeat])
    return rare_event(activation_fn, density, state, 4, seeds.root(repeat))


@pytest.mark.parametrize("threshold", with_slow([1.0, 3.0, 6.0], [1.0, 6.0]))
def test_gaussian_tails(threshold):
    ratios = np.exp([tail(threshold, i).log_probability - norm.logsf(threshold) for i in range(8)])
    # The estimate of P is unbiased (but for the adaptation); eight runs give its error.
    assert abs(ratios.mean() - 1) < 4 * ratios.std(ddof=1) / np.sqrt(8) < 1.5


def test_the_soft_end_alone_is_wrong():
    """The control: the normaliser of the soft density is not the probability of the hard event."""
    runs = [tail(3.0, i, beta=1.5) for i in range(8)]
    soft = np.array([run.log_z for run in runs]) - norm.logsf(3)
    hard = np.array([run.log_probability for run in runs]) - norm.logsf(3)
    assert abs(np.exp(hard).mean() - 1) < 4 * np.exp(hard).std(ddof=1) / np.sqrt(8)
    assert abs(np.exp(soft).mean() - 1) > 4 * np.exp(soft).std(ddof=1) / np.sqrt(8)


def test_an_event_out_of_reach_says_so():
    with pytest.raises(RuntimeError, match="only 0 of 256 states reach the target 2"):
        tail(2.0, 0, lambda x: tf.sin(linear(x)))


@pytest.fixture(scope="module")
def found(tiny_network):
    settings = dict(im_size=16, transforms=None, level=0.015, population=128, repeats=4, progress=False)
    return samplevis.surprisal(tiny_network, "conv2:1", **settings)


def test_the_whole_way_agrees_with_counting(found, tiny_network):
    images = param.fourier(16).image(param.fourier(16).prior(seeds.root(5), 40_000)).numpy()
    values = tiny_network.activations(images, "conv2")["conv2"].numpy()[..., 1].mean((1, 2))
    counted = np.mean(values >= found.target)
    assert 20 < counted * len(values) < 0.2 * len(values), "choose a level that counting can see"
    estimates = np.exp(-found.repeats)
    error = np.hypot(estimates.std(ddof=1) / 2, np.sqrt(counted / len(values)))
    assert abs(estimates.mean() - counted) < 4 * error < counted


def test_what_it_returns(found, tiny_network):
    assert found.images.shape == found.latents.shape == (4, 128, 16, 16, 3) and found.activation.shape == (4, 128)
    values = tiny_network.activations(found.images[0], "conv2")["conv2"].numpy()[..., 1].mean((1, 2))
    np.testing.assert_allclose(values, found.activation[0], atol=1e-5)
    assert found.nats == found.repeats.mean() and (found.temperature_steps > 1).all()
    assert f"surprisal {found.nats:.1f} nats" in str(found) and "128 states each" in str(found)
    assert len(set(found.repeats)) == 4, "the repeats are independent"


@pytest.mark.slow
def test_samples_can_ask(found, tiny_network):
    law = Conditioned(found.target, 0.01, 500.0)
    settings = dict(im_size=16, transforms=None, population=128, repeats=1, progress=False)
    again = samplevis.surprisal(tiny_network, "conv2:1", density=law, seed=3, **settings)
    assert again.target == found.target and abs(again.nats - found.nats) < 1.5


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (dict(population=1), "population: expected a whole number >= 2. Received: 1"),
        (dict(repeats=0), "repeats: expected a whole number >= 1"),
        (dict(num_transforms=0), "num_transforms: expected a whole number >= 1"),
        (dict(smooth=0.0), "smooth: expected a finite number > 0. Received: 0.0"),
        (dict(level=2), "level: expected a number from 0 to 1. Received: 2"),
    ],
)
def test_errors_before_any_work(bad, message, tiny_network):
    with pytest.raises(ValueError, match=message):
        samplevis.surprisal(tiny_network, "conv2:1", im_size=16, **bad)


def test_only_conditioned_densities(tiny_network):
    with pytest.raises(TypeError, match="density: expected a conditioned density"):
        samplevis.surprisal(tiny_network, "conv2:1", im_size=16, density="tilted")
