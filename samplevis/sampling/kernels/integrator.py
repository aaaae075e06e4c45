"""The trajectories of split HMC: exact rotations for the Gaussian prior, kicks for the tilt."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from samplevis.runtime import seeds
from samplevis.sampling.kernels.base import Target, value_and_gradient


class IntegratorState(NamedTuple):
    """A point of a trajectory.

    Attributes:
      state: position, [chain, ...].
      velocity: scaled momentum, N(0, I) under the joint density, shape of the state.
      tilt: tilt at the state, [chain].
      gradient: its gradient, shape of the state.
      work: change of kinetic plus Gaussian energy since the start, [chain], float64, in nats.
    """

    state: tf.Tensor
    velocity: tf.Tensor
    tilt: tf.Tensor
    gradient: tf.Tensor
    work: tf.Tensor

    @classmethod
    def start(cls, state: tf.Tensor, velocity: tf.Tensor, tilt: tf.Tensor, gradient: tf.Tensor) -> IntegratorState:
        """The first point of a trajectory: no work is done yet."""
        return cls(state, velocity, tilt, gradient, tf.zeros(state.shape[:1], tf.float64))


def integrate(
    target_fn: Target,
    start: IntegratorState,
    step_size: Any,
    num_leapfrog_steps: Any,
    preconditioner: Any = 1.0,
    friction: float = 0.0,
    seed: tf.Tensor | None = None,
) -> IntegratorState:
    """Follows the split Hamiltonian dynamics: reversible, volume preserving, exact where the tilt is constant.

    Args:
      target_fn: state [chain, ...] -> tilt [chain].
      start: where the trajectory starts.
      step_size: angle of a leapfrog step for a preconditioner of 1, in radians, scalar.
      num_leapfrog_steps: int or scalar int tensor >= 1.
      preconditioner: root of the inverse diagonal mass, > 0, broadcasts against the state. Defaults to 1.
      friction: rate at which the velocity is forgotten, in units of 1 / radian, >= 0. Defaults to 0.
      seed: int32 tensor of shape [2], for the friction's noise.

    Returns:
      The end of the trajectory.
    """
    angle = step_size * tf.convert_to_tensor(preconditioner, start.state.dtype)
    cos, sin = tf.cos(angle), tf.sin(angle)
    axes = list(range(1, start.state.shape.rank))

    def kick(velocity: tf.Tensor, gradient: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        change = 0.5 * angle * gradient
        return velocity + change, dot(change, velocity + 0.5 * change, axes)

    def refresh(velocity: tf.Tensor, *path: Any) -> tf.Tensor:
        """Half a step of friction. It keeps N(0, I), so its change of the kinetic energy is no error."""
        if not friction:
            return velocity
        decay = tf.exp(-friction * angle / 2)
        noise = tf.random.stateless_normal(velocity.shape, seeds.fold(seed, *path), dtype=velocity.dtype)
        return decay * velocity + tf.sqrt(1 - tf.square(decay)) * noise

    def step(count: tf.Tensor, now: IntegratorState) -> tuple[tf.Tensor, IntegratorState]:
        velocity, first = kick(refresh(now.velocity, count, "before"), now.gradient)
        state = now.state * cos + velocity * sin
        velocity = velocity * cos - now.state * sin
        tilt, gradient = value_and_gradient(target_fn, state)
        velocity, second = kick(velocity, gradient)
        velocity = refresh(velocity, count, "after")
        # Not a sum of three: where memory is short, TensorFlow 2.21 turns one into a temporary variable, whose name two loops
        # can share (AlreadyExistsError).
        work = tf.reduce_sum(tf.stack([now.work, first, second]), 0)
        return count + 1, IntegratorState(state, velocity, tilt, gradient, work)

    _, end = tf.while_loop(
        lambda count, _: count < num_leapfrog_steps, step, (tf.constant(0), start), parallel_iterations=1
    )
    return end


def dot(a: tf.Tensor, b: tf.Tensor, axes: list[int]) -> tf.Tensor:
    """Sum of a * b over the axes of one chain, in float64."""
    return tf.reduce_sum(tf.cast(a, tf.float64) * tf.cast(b, tf.float64), axes)
