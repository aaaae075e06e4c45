"""Underdamped Langevin dynamics with stochastic transforms: crosses from noise to the level, approximately."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from samplevis import seeds


class LangevinState(NamedTuple):
    """Where the dynamics stand.

    Attributes:
      state: [chain, ...].
      velocity: shape of the state.
      activation: activation of the last gradient, [chain].
      strength: force on the activation of the last gradient, [chain].
    """

    state: tf.Tensor
    velocity: tf.Tensor
    activation: tf.Tensor
    strength: tf.Tensor


def langevin_step(
    now: LangevinState,
    score_fn: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    strength_fn: Callable[[tf.Tensor], tf.Tensor],
    seed: tf.Tensor,
    step_size: float,
    friction: float,
) -> LangevinState:
    """One step, symmetric: rotate by half an angle, refresh, kick, refresh, rotate by the other half.

    The gradient is taken of fresh scores, so it is a stochastic force: it heats the chain, and there is no accept step. These
    dynamics lead to the neighbourhood of the density; an adjusted kernel has to take over there.

    Args:
      now: where the dynamics stand.
      score_fn: (state, seed) -> activation [chain] on freshly drawn transforms.
      strength_fn: activation [chain] -> force on it [chain].
      seed: int32 tensor of shape [2].
      step_size: radians, > 0.
      friction: rate at which the velocity is forgotten, >= 0, per unit of time.

    Returns:
      The state one step later.
    """
    cos, sin = tf.cos(step_size / 2), tf.sin(step_size / 2)

    def rotate(state: tf.Tensor, velocity: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return state * cos + velocity * sin, velocity * cos - state * sin

    # Half of the friction on either side of the kick: on one side it would weaken the force by half of its rate.
    keep = tf.exp(-friction * step_size / 2)

    def refresh(velocity: tf.Tensor, half: str) -> tf.Tensor:
        noise = tf.random.stateless_normal(velocity.shape, seeds.fold(seed, half))
        return keep * velocity + tf.sqrt(1 - keep**2) * noise

    state, velocity = rotate(now.state, now.velocity)
    with tf.GradientTape() as tape:
        tape.watch(state)
        activation = score_fn(state, seeds.fold(seed, "transforms"))
    gradient = tape.gradient(activation, state)
    strength = strength_fn(activation)
    force = gradient * tf.reshape(strength, [-1] + [1] * (state.shape.rank - 1))
    # A proposal that is not finite must not spoil the chain: it coasts on the prior for a step.
    force = tf.where(tf.math.is_finite(force), force, 0.0)
    velocity = refresh(refresh(velocity, "before") + step_size * force, "after")
    state, velocity = rotate(state, velocity)
    return LangevinState(state, velocity, activation, strength)
