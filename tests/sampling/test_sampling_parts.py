"""Densities, the learned mass and the annealing dynamics against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from samplevis.runtime import seeds
from samplevis.sampling import density
from samplevis.sampling.kernels.langevin import LangevinState, langevin_step
from samplevis.sampling.mass import learn_preconditioner
from samplevis.sampling.tuning import MAX_OPTIMISM, _calibrated

ACTIVATION = tf.constant([-3.0, 0.2, 1.0, 1.05, 4.0])


@pytest.mark.parametrize(
    ("law", "tilt"),
    [
        (
            density.Conditioned(1.0, 0.1, 5.0),
            lambda a: -5.0 * 0.1 * np.logaddexp(0, (1.0 - a) / 0.1),
        ),
        (density.Tilted(2.5), lambda a: 2.5 * a),
        (density.LogActivation(), lambda a: np.where(a > 0, np.log(np.maximum(a, 1e-30)), -np.inf)),
    ],
)
def test_tilt_is_the_formula_and_strength_its_derivative(law, tilt):
    np.testing.assert_allclose(law.tilt(ACTIVATION), tilt(ACTIVATION.numpy().astype(float)), rtol=1e-5, atol=1e-6)
    with tf.GradientTape() as tape:
        tape.watch(ACTIVATION)
        value = law.tilt(ACTIVATION)
    np.testing.assert_allclose(tape.gradient(value, ACTIVATION), law.strength(ACTIVATION), rtol=1e-4, atol=1e-6)


def test_conditioned_is_finite_where_it_matters():
    law = density.Conditioned(1e3, 1e-3, 1e4)
    assert np.isfinite(law.tilt(tf.constant([-1e5, 0.0, 1e5]))).all()
    # Far above the target the density is the prior, far below the force is the declared strength.
    np.testing.assert_allclose(law.strength(tf.constant([-1e5, 1e5])), [1e4, 0.0])


def test_names():
    assert density.check_density("tilted") == "tilted"
    with pytest.raises(ValueError, match="Did you mean 'tilted'"):
        density.check_density("tilt")


def test_learned_scale_of_a_known_curvature():
    shape, curvature = (6, 5, 2), np.array([0.5, 8.0, 200.0])
    bands = np.random.default_rng(0).integers(0, 3, shape)
    stiffness = tf.constant(curvature[bands], tf.float32)
    state = tf.random.stateless_normal((4, *shape), [1, 2])
    scale = learn_preconditioner(lambda x: -tf.reduce_sum(stiffness * x**2, (1, 2, 3)) / 2, state, bands, seeds.root(0))
    np.testing.assert_allclose(scale, (1 / np.sqrt(1 + curvature))[bands], rtol=1e-3)
    flat = learn_preconditioner(lambda x: tf.reduce_sum(x, (1, 2, 3)), state, bands, seeds.root(0))
    np.testing.assert_allclose(flat, 1, atol=1e-3)


def run_langevin(strength, steps=400, noise=0.0):
    """Dynamics on A(z) = z_0 with a force of constant strength; returns states and velocities of late steps."""
    shape = (64, 4, 4, 1)
    now = LangevinState(
        tf.random.stateless_normal(shape, [0, 1]), tf.random.stateless_normal(shape, [0, 2]), tf.zeros(64), tf.zeros(64)
    )

    def score(state, seed):
        wobble = tf.random.stateless_normal(shape, seed, stddev=noise)
        return state[:, 0, 0, 0] + tf.reduce_sum(wobble * state, (1, 2, 3))

    @tf.function(autograph=False)
    def step(now, seed):
        return langevin_step(now, score, lambda a: strength * tf.ones_like(a), seed, 0.2, 2.0)

    kept = []
    for i in range(steps):
        now = step(now, seeds.fold(seeds.root(0), i))
        # Memory fades in 1 / friction units of time: 10 steps here are nearly independent.
        if i >= 100 and i % 10 == 0:
            kept.append((now.state.numpy(), now.velocity.numpy()))
    return (np.stack(part) for part in zip(*kept, strict=True))


def test_langevin_keeps_the_prior_and_finds_a_shifted_mean():
    states, velocities = run_langevin(1.5)
    count = len(states) * 64
    # Twice the naive standard error allows for what is left of the correlation.
    assert abs(states[..., 0, 0, 0].mean() - 1.5) < 8 / np.sqrt(count)
    assert abs(states[..., 1:, 1:, :].mean()) < 8 / np.sqrt(count * 9)
    assert abs(states[..., 1:, 1:, :].var() - 1) < 8 * np.sqrt(2 / (count * 9))
    assert abs((velocities**2).mean() - 1) < 0.03


def test_a_stochastic_force_heats():
    _, velocities = run_langevin(1.0, noise=3.0)
    assert (velocities**2).mean() > 1.2, "which is why these dynamics are no sampler"


@pytest.mark.parametrize(
    ("other", "target"),
    [
        (6.0, 6.0),
        (5.0, 2 + 4 * 4 / 3),
        (7.0, 2 + 4 * 4 / 5),
        (2.5, 2 + 4 * MAX_OPTIMISM),
        (1.0, 6.0),
        (20.0, 2 + 4 / MAX_OPTIMISM),
    ],
)
def test_calibration_moves_the_target_by_what_chains_miss_on_other_transforms(other, target):
    law = _calibrated(density.Conditioned(6.0, 0.1, 3.0), 2.0, 6.0 - 2.0, other - 2.0)
    assert law.target == pytest.approx(min(target, 2 + 4 * MAX_OPTIMISM))
    assert (law.width, law.beta) == (0.1, 3.0)
