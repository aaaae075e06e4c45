"""surprisal() against Gaussian tails and against counting."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import with_slow
from scipy.stats import norm

import samplevis
from benchmarks.surprisal import NATS, density_at, rows_at
from samplevis import Network, param
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


def test_a_path_that_begins_at_one_is_wrong():
    """The control: the first soft event has probability 1/2; without that factor the same check fails."""
    ratios = np.exp([tail(3.0, i).log_probability - norm.logsf(3) for i in range(8)])
    assert abs(ratios.mean() - 1) < 4 * ratios.std(ddof=1) / np.sqrt(8)
    assert abs(2 * ratios.mean() - 1) > 4 * 2 * ratios.std(ddof=1) / np.sqrt(8)


def test_an_event_out_of_reach_says_so():
    with pytest.raises(RuntimeError, match="only 0 of 256 states reach the target 2"):
        tail(2.0, 0, lambda x: tf.sin(linear(x)))


# Bounds of the bias in nats, and of the coverage of 90 % intervals in 60 studies.
MAX_BIAS, COVERAGE = 1.0, (0.80, 0.97)


@pytest.mark.slow
@pytest.mark.parametrize(
    "nats", [pytest.param(nats, marks=pytest.mark.long if nats != NATS[0] else ()) for nats in NATS]
)
def test_the_bias_is_below_a_nat_and_intervals_cover(nats):
    now, old = rows_at(nats, 60)
    assert abs(now["bias"]) + 2 * now["standard_error"] < MAX_BIAS
    assert COVERAGE[0] <= now["coverage"] <= COVERAGE[1]
    # The control: one reweighting from the soft density to the event, and the range of the repeats.
    assert old["coverage"] < COVERAGE[0]
    assert nats == NATS[0] or old["bias"] - 2 * old["standard_error"] > MAX_BIAS


@pytest.mark.slow
def test_a_large_surprisal_has_a_small_bias():
    now, old = rows_at(132.0, 2)
    assert abs(now["bias"]) < MAX_BIAS
    assert old["effective_states"] < 10 < now["effective_states"], "the control"


@dataclasses.dataclass(frozen=True)
class Raw(param.Parameterization):
    """The latent is the image."""

    image_shape: tuple[int, int, int] = (4, 4, 3)

    def image(self, z):
        return z

    def latent(self, images):
        return images


def linear_network(scale=1.0):
    """Its unit 0 is scale * <w, image> with |w| = 1."""
    image = keras.Input((4, 4, 3))
    model = keras.Model(image, keras.layers.Dense(1, use_bias=False, name="unit")(keras.layers.Flatten()(image)))
    weights = np.random.default_rng(1).normal(size=(48, 1)).astype(np.float32)
    model.layers[-1].set_weights([scale * weights / np.linalg.norm(weights)])
    return Network(model)


def of_linear_network(nats, seed, scale=1.0, **settings):
    density = density_at(nats)
    density = Conditioned(density.target * scale, density.width * scale, density.beta / scale)
    settings = dict(param=Raw(), transforms=None, smooth=None, density=density, progress=False) | settings
    return samplevis.surprisal(linear_network(scale), "unit:0", seed=seed, **settings)


@pytest.mark.long
@pytest.mark.parametrize("nats", NATS)
def test_ten_runs_of_the_call_itself(nats):
    runs = [of_linear_network(nats, seed) for seed in range(10)]
    errors = np.array([run.nats - nats for run in runs])
    assert abs(errors.mean()) < MAX_BIAS
    assert sum(run.interval[0] <= nats <= run.interval[1] for run in runs) >= 7  # 9 expected; fewer than 7 of 10: 1.3 %


QUICK = dict(population=16, repeats=2, num_leapfrog_steps=2)


def test_the_unit_of_the_objective_does_not_matter():
    """Powers of two, so that floats scale exactly."""
    one, *others = (of_linear_network(12.0, 0, 2.0**power, **QUICK) for power in (0, -20, 20))
    for other in others:
        np.testing.assert_array_equal(other.repeats, one.repeats)
        np.testing.assert_array_equal(other.latents, one.latents)


def test_what_ran_before_does_not_matter():
    network, settings = linear_network(), dict(param=Raw(), transforms=None, smooth=None, progress=False)
    density = density_at(12.0)

    def run(seed=0, **other):
        arguments = settings | QUICK | dict(density=density) | other
        return samplevis.surprisal(network, "unit:0", seed=seed, **arguments)

    fresh = run()
    run(1, population=8, density=density_at(8.0), num_leapfrog_steps=3)
    again = run()
    np.testing.assert_array_equal(again.latents, fresh.latents)
    np.testing.assert_array_equal(again.repeats, fresh.repeats)


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
    assert found.nats == pytest.approx(-np.log(np.exp(-found.repeats).mean())) and (found.temperature_steps > 1).all()
    assert found.interval[0] < found.nats < found.interval[1]
    assert (found.effective_states >= 10).all() and (found.effective_states <= 128).all()
    low, high = found.interval
    assert f"surprisal {found.nats:.1f} nats, 90 % interval {low:.1f} to {high:.1f}" in str(found)
    assert "128 states each; effective states of the last weights: " in str(found)
    assert found.warnings == [] and "Do not trust" not in str(found)
    assert len(set(found.repeats)) == 4, "the repeats are independent"


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        (
            dict(effective_states=np.array([40, 3, 50, 2])),
            "The last weights are worth fewer than 10 states in repeats 2, 4",
        ),
        (
            dict(ancestors=np.array([5, 1, 4, 3])),
            "All states descend from one prior image in repeat 2, which has seen one",
        ),
        (dict(repeats=np.array([30.0, 36.0, 31.0, 35.0])), "The repeats scatter by 2.9 nats"),
        (dict(repeats=np.array([30.0, np.inf, 31.0, 31.0])), "No state reached the target in repeat 2."),
        (
            dict(repeats=np.array([30.0]), ancestors=np.array([4]), effective_states=np.array([30])),
            "One repeat shows no spread",
        ),
    ],
)
def test_it_says_when_it_cannot_be_trusted(found, figures, sentence):
    doubtful = found._replace(**figures)
    assert len(doubtful.warnings) == 1 and doubtful.warnings[0].startswith(sentence)
    assert f"Do not trust these figures. {sentence}" in str(doubtful)


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
