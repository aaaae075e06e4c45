"""Underdamped Langevin dynamics with stochastic transforms: no accept step, so approximate.

`langevin_step` is what annealing uses on its way to the level; `Langevin` samples with it, under a thermostat.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from samplevis.runtime import seeds
from samplevis.sampling.kernels.base import Kernel, Redraw, Target, half_square
from samplevis.sampling.kernels.free_moves import Move
from samplevis.sampling.kernels.stats import TransitionStats

# Of the thermostat: noise that goes with a friction of 2 per radian, and a mass that damps it critically (8 / (2 * 2)^2).
HEAT = 2.0
THERMAL_MASS = 0.5


class LangevinState(NamedTuple):
    """The state of the dynamics.

    Attributes:
      state: [chain, ...].
      velocity: shape of the state.
      activation: activation at the last gradient, [chain].
      strength: force on the activation at the last gradient, [chain].
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
    friction: float | tf.Tensor,
    heat: float | None = None,
) -> LangevinState:
    """One step: rotate by half an angle, refresh the velocity, rotate by the other half, kick.

    The refreshment is in the middle and the kick at the end (BAOAB; Leimkuhler and Matthews 2013, "Rational construction of
    stochastic numerical methods for molecular sampling"): positions of a Gaussian density are right at any stable step, where a
    kick in the middle makes stiff directions too narrow. The gradient is that of fresh scores, so it is a stochastic force: it
    heats the chain, and there is no accept step. These dynamics lead to the neighbourhood of the density; an adjusted kernel
    has to take over there.

    Args:
      now: state of the dynamics.
      score_fn: (state, seed) -> activation [chain] on freshly drawn transforms.
      strength_fn: activation [chain] -> force on it [chain].
      seed: int32 tensor of shape [2], or [groups, 2] for one seed per group of consecutive chains.
      step_size: radians, > 0.
      friction: rate at which the velocity is forgotten, per radian; scalar or [chain]. May be negative under a thermostat.
      heat: friction that the noise balances. Defaults to `friction`, which keeps a temperature of 1.

    Returns:
      The state one step later.
    """
    return _step(now, score_fn, strength_fn, seed, (step_size, friction, heat))[0]


def _step(
    now: LangevinState,
    score_fn: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    strength_fn: Callable[[tf.Tensor], tf.Tensor],
    seed: tf.Tensor,
    settings: tuple[Any, Any, float | None],
) -> tuple[LangevinState, tf.Tensor, tf.Tensor]:
    """What `langevin_step` does: (state, force at it in its shape, temperature of the positions [chain])."""
    step_size, friction, heat = settings
    axes = list(range(1, now.state.shape.rank))
    cos, sin = tf.cos(step_size / 2), tf.sin(step_size / 2)

    def rotate(state: tf.Tensor, velocity: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return state * cos + velocity * sin, velocity * cos - state * sin

    rate = tf.reshape(tf.cast(friction, tf.float32), [-1] + [1] * (now.state.shape.rank - 1))
    rate = tf.where(tf.abs(rate) < 1e-6, 1e-6, rate)
    decay = tf.exp(-rate * step_size)
    spread = tf.sqrt((1 - decay**2) * (1.0 if heat is None else heat / rate))
    state, before = rotate(now.state, now.velocity)
    after = decay * before + spread * seeds.normal(before.shape, seeds.fold(seed, "noise"))
    # A stochastic force makes velocities faster before the refreshment than after. Positions, which move with their mean, diffuse
    # at this temperature (the ratio of diffusion to mobility; the mean of the two squares for a decay of 1).
    weighted = (1 + 3 * decay) * tf.square(before) + (3 + decay) * tf.square(after)
    temperature = tf.reduce_mean(weighted / (4 * (1 + decay)), axes)
    state, velocity = rotate(state, after)
    with tf.GradientTape() as tape:
        tape.watch(state)
        activation = score_fn(state, seeds.fold(seed, "transforms"))
    gradient = tape.gradient(activation, state)
    strength = strength_fn(activation)
    force = gradient * tf.reshape(strength, [-1] + [1] * (state.shape.rank - 1))
    # A force that is not finite must not spoil the chain: it coasts on the prior for a step.
    velocity += step_size * tf.where(tf.math.is_finite(force), force, 0.0)
    return LangevinState(state, velocity, activation, strength), force, temperature


class LangevinResults(NamedTuple):
    """The results of a step of `Langevin`.

    Attributes:
      velocity: shape of the state.
      friction: of each chain, set by the thermostat, per radian, [chain].
      tilt: at the last gradient, on the transforms of that moment, [chain].
      temperature: that at which velocities drive the positions, averaged over the transition, [chain].
      step_size: radians, scalar.
      gradient: of the tilt at the state, on the transforms of that moment, shape of the state.
    """

    # Checkpoints store these by their position; those of 0.1.0 end before the gradient.
    velocity: tf.Tensor
    friction: tf.Tensor
    tilt: tf.Tensor
    temperature: tf.Tensor
    step_size: tf.Tensor
    gradient: tf.Tensor


class Langevin(Kernel):
    """Langevin dynamics on transforms that are drawn anew at every step, held at temperature 1 by a thermostat.

    A stochastic force heats a chain. The friction of each chain rises while its velocities are too fast and falls while they
    are too slow, until the heat is carried off (Nosé-Hoover; Jones and Leimkuhler 2011, "Adaptive stochastic methods for
    sampling driven molecular systems"). No step is rejected: the density is approximate. Where the noise of the force is uneven,
    the thermostat holds the mean only, and noisy coordinates stay too hot; the virial of each band shows it.

    Args:
      redraw: seed (int32 [2]) -> a target on freshly drawn transforms, state [chain, ...] -> tilt [chain].
      step_size: radians, scalar > 0.
      num_steps: gradients in a transition, >= 1.

    Example:
      >>> kernel = Langevin(lambda seed: lambda x: -tf.reduce_sum((x - 2) ** 2, -1), step_size=0.1, num_steps=10)
      >>> kernel.is_calibrated
      False
    """

    def __init__(self, redraw: Redraw, step_size: Any, num_steps: int):
        self._parameters = dict(redraw=redraw, step_size=step_size, num_steps=num_steps)

    @property
    def is_calibrated(self) -> bool:
        """False: there is no accept step."""
        return False

    def bootstrap_results(self, state: tf.Tensor) -> LangevinResults:
        """Draws the first velocities from N(0, I), with a fixed seed.

        Args:
          state: [chain, ...].

        Returns:
          The results that `one_step` starts from.
        """
        zeros = tf.zeros(state.shape[:1])
        return LangevinResults(
            velocity=tf.random.stateless_normal(state.shape, seeds.fold(seeds.root(0), "velocity")),
            friction=zeros + HEAT,
            tilt=zeros,
            temperature=zeros + 1,
            step_size=tf.convert_to_tensor(self._parameters["step_size"], tf.float32),
            gradient=tf.zeros_like(state),
        )

    def one_step(
        self, state: tf.Tensor, previous: LangevinResults, seed: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, LangevinResults]:
        """Follows the dynamics for `num_steps` steps.

        Args:
          state: [chain, ...].
          previous: results of the step before.
          seed: int32 tensor of shape [2].

        Returns:
          (state [chain, ...], results).
        """
        seed, step_size = tfp.random.sanitize_seed(seed), previous.step_size

        def score(x: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
            return self._parameters["redraw"](seed)(x)

        def step(count: tf.Tensor, now: LangevinState, _: tf.Tensor, friction: tf.Tensor, total: tf.Tensor):
            settings = step_size, friction, HEAT
            now, force, temperature = _step(now, score, tf.ones_like, seeds.fold(seed, count), settings)
            return count + 1, now, force, friction + step_size * (temperature - 1) / THERMAL_MASS, total + temperature

        first = LangevinState(state, previous.velocity, previous.tilt, tf.ones_like(previous.tilt))
        count, now, force, friction, total = tf.while_loop(
            lambda count, *_: count < self._parameters["num_steps"],
            step,
            (tf.constant(0), first, previous.gradient, previous.friction, tf.zeros_like(previous.tilt)),
            parallel_iterations=1,
        )
        temperature = total / tf.cast(count, tf.float32)
        return now.state, LangevinResults(now.velocity, friction, now.activation, temperature, step_size, force)


def make(
    target_fn: Target,
    redraw: Redraw,
    step_size: Any,
    num_leapfrog_steps: int,
    preconditioner: tf.Tensor,
    moves: Sequence[Move] = (),
) -> Kernel:
    """Makes the kernel, see `KernelSpec.make`."""
    return Langevin(redraw, step_size, num_leapfrog_steps)


def gradient(state: tf.Tensor, results: LangevinResults) -> tf.Tensor:
    """Reads the gradient of the log density, see `KernelSpec.gradient`."""
    return results.gradient - state


def trace(num_leapfrog_steps: int, state: tf.Tensor, results: LangevinResults) -> TransitionStats:
    """Reads the statistics of a step, see `KernelSpec.trace`."""
    potential = half_square(state, tf.float64) - tf.cast(results.tilt, tf.float64)
    # No step is rejected, and the energy error is not known.
    return TransitionStats(
        acceptance_rate=tf.ones_like(results.tilt),
        is_accepted=tf.ones_like(results.tilt, tf.bool),
        energy_error=tf.zeros_like(results.tilt),
        energy=potential + half_square(results.velocity, tf.float64),
        log_density=-potential,
        temperature=results.temperature,
        move_acceptance_rate=tf.fill(tf.shape(results.tilt), float("nan")),
        step_size=results.step_size,
        num_gradient_evals=tf.constant(num_leapfrog_steps),
    )
