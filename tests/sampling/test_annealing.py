"""Annealing: chains that leave their density are put back, and what is said of where they arrived."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from samplevis import param
from samplevis.activation import make_activation
from samplevis.runtime import seeds
from samplevis.runtime.context import RunContext
from samplevis.sampling import LevelScale, annealing
from samplevis.sampling.annealing import STEP_SIZE, anneal
from samplevis.sampling.kernels.langevin import LangevinState

SIZE = 6
WEIGHTS = np.random.default_rng(0).normal(size=(SIZE * SIZE, 1))
WEIGHTS /= np.linalg.norm(WEIGHTS)


def activation_of(objective="unit:0"):
    """An objective of <w, z> for a unit vector w, without transforms."""
    import keras

    from samplevis import Network

    image = keras.Input((SIZE, SIZE, 1))
    model = keras.Model(image, keras.layers.Dense(1, use_bias=False, name="unit")(keras.layers.Flatten()(image)))
    model.get_layer("unit").set_weights([WEIGHTS])
    return make_activation(Network(model), objective, Latent((SIZE, SIZE, 1)), None)


@dataclasses.dataclass(frozen=True)
class Latent(param.Parameterization):
    """The latent itself, which no network can tell from an image."""

    image_shape: tuple[int, ...]

    def image(self, z):
        return tf.cast(z, tf.float32)

    def latent(self, images):
        return images


def annealed(activation, start, level=0.5, steps=500, from_prior=False):
    context = RunContext(seeds.root(3))
    return anneal(activation, tf.constant(start, tf.float32), LevelScale(0.0, 8.0), level, steps, from_prior, context)


@pytest.fixture(scope="module")
def prior():
    return np.random.default_rng(1).normal(size=(8, 6, 6, 1)).astype(np.float32)


@pytest.mark.parametrize("from_prior", [True, False])
def test_a_linear_unit_comes_to_the_level(prior, from_prior):
    activation = activation_of()
    found = annealed(activation, prior, from_prior=from_prior)
    assert found.reached.all()
    np.testing.assert_array_equal(found.step_size, np.float32(STEP_SIZE))
    values = activation.mean(found.state, ()).numpy()
    # The law at the level is the tail of a normal: 4 and a little more, with a deviation below 1 / 4.
    assert (values > 3.5).all() and (values < 5.0).all()


def test_chains_that_fall_below_the_level_have_not_reached_it(prior):
    # Nothing holds the activation where it is at first: it has no gradient.
    high = prior + 6.0 * WEIGHTS.reshape(SIZE, SIZE, 1)
    stopped = activation_of(lambda T: tf.stop_gradient(T("unit")[:, 0]) + 0.0 * T("unit")[:, 0])  # noqa: N803
    assert not annealed(stopped, high, level=0.7, steps=150).reached.any()
    # The control: with its gradient, the same unit holds.
    assert annealed(activation_of(), high, level=0.7, steps=150).reached.all()


def test_a_chain_that_leaves_is_put_back_with_half_the_step(prior):
    before = LangevinState(tf.constant(prior), tf.zeros_like(prior), tf.zeros(8), tf.zeros(8))
    hot, lost = prior.copy(), prior.copy()
    hot[2] *= 10
    lost[5] = np.nan
    velocity = np.random.default_rng(2).normal(size=prior.shape).astype(np.float32)
    velocity[2] *= 10
    after = LangevinState(tf.constant(lost), tf.constant(velocity), tf.zeros(8), tf.zeros(8))
    left = annealing.has_left(before, after)
    np.testing.assert_array_equal(np.flatnonzero(left), [2, 5])
    back = annealing._put_back(before, after, left, seeds.root(0))
    assert np.isfinite(back.state.numpy()).all()
    np.testing.assert_array_equal(back.state[5], prior[5])
    np.testing.assert_array_equal(back.velocity[0], velocity[0])
    assert np.abs(back.velocity[2]).max() < 6


def test_a_stiff_unit_is_annealed_with_shorter_steps(prior, monkeypatch):
    # A quadratic well with a curvature of 4e4 at first: a step of .04 is unstable, one of .01 is not.
    well = activation_of(lambda T: 8.0 - 80.0 * tf.square(T("unit")[:, 0] - 1.0))  # noqa: N803
    found = annealed(well, prior, level=0.9, steps=500)
    assert np.isfinite(found.state.numpy()).all()
    assert (found.step_size < STEP_SIZE).all() and (found.step_size > 0).all()
    assert np.square(found.state.numpy()).mean() < 2
    # The control: without the guard the chains leave.
    monkeypatch.setattr(annealing, "has_left", lambda before, now: np.zeros(8, bool))
    free = annealed(well, prior, level=0.9, steps=100).state.numpy()
    assert not np.isfinite(free).all() or np.square(free).mean() > 2


def saturated(u):
    """A sigmoid of scale 8: .5 where u is 4, flat from 10 on."""
    return 8.0 * tf.sigmoid(2.0 * (u - 4.0))


FLAT = {
    "sigmoid": saturated,
    "hard sigmoid": lambda u: 8.0 * tf.clip_by_value((u - 2.0) / 4.0, 0.0, 1.0),
    "tanh": lambda u: 4.0 + 4.0 * tf.tanh(u - 4.0),
    "clipped": lambda u: tf.minimum(u, 8.0),
}


@pytest.mark.parametrize("shape", FLAT)
def test_the_strength_of_a_saturated_unit_is_measured_where_the_density_holds_it(prior, shape):
    """Chains that start on a plateau feel nothing there, whatever the level needs."""
    activation = activation_of(lambda T: FLAT[shape](T("unit")[:, 0]))  # noqa: N803
    high = prior + 12.0 * WEIGHTS.reshape(SIZE, SIZE, 1)
    found = annealed(activation, high, level=0.5, steps=150)
    assert found.reached.mean() >= 0.75
    # The tail of a normal at 4 needs 4.2 nats per unit of u; its slope there is that of the shape.
    u = tf.Variable([4.0])
    with tf.GradientTape() as tape:
        value = FLAT[shape](u)
    needed = 4.2 / float(tape.gradient(value, u)[0])
    assert needed / 3 < found.strength < 3 * needed
    assert float(found.density.beta) == annealing.MARGIN * found.strength


def test_chains_that_fall_off_a_cliff_have_not_reached_the_level(prior):
    """Nothing on the lower plateau brings them back."""
    activation = activation_of(lambda T: 8.0 * tf.sigmoid(40.0 * (T("unit")[:, 0] - 4.0)))  # noqa: N803
    high = prior + 12.0 * WEIGHTS.reshape(SIZE, SIZE, 1)
    found = annealed(activation, high, level=0.5, steps=50)
    values = activation.mean(found.state, ()).numpy()
    assert not found.reached[values < 1].any()


def test_chains_on_a_plateau_that_never_ends_have_not_reached_the_level(prior):
    """One step brings none of them down: what is sampled then is the level that was asked for, and not the prior."""
    activation = activation_of(lambda T: saturated(T("unit")[:, 0]))  # noqa: N803
    high = prior + 1e4 * WEIGHTS.reshape(SIZE, SIZE, 1)
    found = annealed(activation, high, level=0.5, steps=4)
    assert not found.reached.any()
    assert found.strength * 8 > 10
