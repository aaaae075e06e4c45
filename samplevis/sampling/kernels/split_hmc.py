"""Kernels for a Gaussian prior times a tilt, as TFP transition kernels: split HMC, MALT and preconditioned Crank-Nicolson."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from samplevis.runtime import seeds

# state [chain, ...] -> tilt [chain]: the log density less that of N(0, I).
Target = Callable[[tf.Tensor], tf.Tensor]


class SplitResults(NamedTuple):
    """What a step of `SplitHMC` leaves behind.

    Attributes:
      tilt: tilt at the state, [chain].
      gradient: its gradient, shape of the state.
      log_accept_ratio: log of the Metropolis ratio of the proposal, [chain]; not finite where the proposal was not.
      is_accepted: bool, [chain].
      kinetic: kinetic energy per coordinate at the end of the trajectory, times two: the kinetic temperature, [chain].
      energy: potential plus kinetic energy after the momentum was drawn, [chain], float64, in nats.
      step_size: the angle of one leapfrog step, in radians; scalar.
      move_accept: acceptance probability of the free move that followed, [chain]; nan if none was offered.
      gradients: gradients that the step took, int32 scalar.
      seed: the seed of the step, int32 [2].
    """

    tilt: tf.Tensor
    gradient: tf.Tensor
    log_accept_ratio: tf.Tensor
    is_accepted: tf.Tensor
    kinetic: tf.Tensor
    energy: tf.Tensor
    step_size: tf.Tensor
    move_accept: tf.Tensor
    gradients: tf.Tensor
    seed: tf.Tensor


class Kernel(tfp.mcmc.TransitionKernel):
    """What our kernels share: the constructor's arguments, in `_parameters`, and that they are exact unless they say otherwise."""

    _parameters: dict[str, Any]

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return self._parameters

    @property
    def is_calibrated(self) -> bool:
        """Whether the kernel leaves its density invariant."""
        return True


class SplitHMC(Kernel):
    """HMC for N(0, I) * exp(tilt): the Gaussian part is an exact rotation, the tilt gives the kicks.

    One leapfrog step of size h on coordinate i with scale s_i: kick v_i += h/2 s_i d tilt / d x_i; rotate (x_i, v_i) by the
    angle h s_i; kick again. The rotation keeps (x^2 + v^2) / 2, so only the kicks enter the Metropolis ratio, no large
    sums cancel, and acceptance does not depend on the number of coordinates (Beskos, Pinski, Sanz-Serna and Stuart 2011,
    "Hybrid Monte Carlo on Hilbert spaces"). `scale` is the square root of an inverse diagonal mass.

    Every transition draws the length of its trajectory, from half to one and a half times the mean: a fixed one would return
    coordinates whose period it meets to where they were. All chains share the length.

    With a friction, velocities are refreshed in part before and after every leapfrog step, and only the energy errors of the
    leapfrog steps enter the ratio: Metropolis adjusted Langevin trajectories (MALT; Riou-Durand and Vogrinc 2022).

    Args:
      target_fn: state [chain, ...] -> tilt [chain], the log density less the prior's.
      step_size: angle of a leapfrog step for scale 1, in radians, scalar > 0.
      num_leapfrog_steps: mean number of steps of a trajectory, >= 1.
      scale: positive, broadcasts against the state. Defaults to 1.
      friction: rate at which the velocity is forgotten, in units of 1 / radian, >= 0. Defaults to 0.
    """

    def __init__(
        self,
        target_fn: Callable[[tf.Tensor], tf.Tensor],
        step_size: Any,
        num_leapfrog_steps: int,
        scale: Any = 1.0,
        friction: float = 0.0,
    ):
        self._parameters = dict(
            target_fn=target_fn,
            step_size=step_size,
            num_leapfrog_steps=num_leapfrog_steps,
            scale=scale,
            friction=friction,
        )

    def bootstrap_results(self, state: tf.Tensor) -> SplitResults:
        """Evaluates the target at the first state, [chain, ...].

        Args:
          state: [chain, ...].

        Returns:
          The results that `one_step` starts from.
        """
        tilt, gradient = value_and_gradient(self._parameters["target_fn"], state)
        chains = tf.shape(tilt)
        return SplitResults(
            tilt,
            gradient,
            tf.zeros(chains),
            tf.ones(chains, tf.bool),
            tf.ones(chains),
            tf.zeros(chains, tf.float64),
            tf.convert_to_tensor(self._parameters["step_size"], tf.float32),
            tf.fill(chains, float("nan")),
            tf.constant(0),
            tf.zeros([2], tf.int32),
        )

    def one_step(
        self, state: tf.Tensor, previous: SplitResults, seed: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, SplitResults]:
        """Draws a momentum, follows a trajectory, accepts or rejects.

        Args:
          state: [chain, ...].
          previous: results of the step before.
          seed: int32 tensor of shape [2].

        Returns:
          (state [chain, ...], results).
        """
        seed = tfp.random.sanitize_seed(seed)
        momentum_seed, accept_seed = tf.unstack(tfp.random.split_seed(seed, n=2))
        mean = self._parameters["num_leapfrog_steps"]
        length = tf.random.stateless_uniform(
            (), seeds.fold(seed, "length"), mean - mean // 2, mean + mean // 2 + 1, tf.int32
        )
        velocity = tf.random.stateless_normal(state.shape, momentum_seed, dtype=state.dtype)
        axes = list(range(1, state.shape.rank))
        energy = (_square(state, axes) + _square(velocity, axes)) / 2 - tf.cast(previous.tilt, tf.float64)

        end = trajectory(
            self._parameters["target_fn"],
            state,
            velocity,
            (previous.tilt, previous.gradient),
            previous.step_size,
            length,
            self._parameters["scale"],
            self._parameters["friction"],
            seeds.fold(seed, "friction"),
        )
        # Differences first: the tilt and the work are each small beside the total energy.
        log_ratio = tf.cast(end.tilt, tf.float64) - tf.cast(previous.tilt, tf.float64) - end.work
        log_ratio = tf.cast(log_ratio, tf.float32)
        uniform = tf.random.stateless_uniform(tf.shape(log_ratio), accept_seed)
        accepted = tf.math.is_finite(log_ratio) & (tf.math.log(uniform) < log_ratio)
        results = SplitResults(
            tf.where(accepted, end.tilt, previous.tilt),
            choose(accepted, end.gradient, previous.gradient),
            log_ratio,
            accepted,
            tf.cast(_square(end.velocity, axes) / tf.cast(tf.size(velocity[0]), tf.float64), tf.float32),
            energy,
            previous.step_size,
            tf.fill(tf.shape(log_ratio), float("nan")),
            length,
            seed,
        )
        return choose(accepted, end.state, state), results


class Trajectory(NamedTuple):
    """The end of a trajectory. `work` is the change of kinetic plus Gaussian energy, [chain], float64."""

    state: tf.Tensor
    velocity: tf.Tensor
    tilt: tf.Tensor
    gradient: tf.Tensor
    work: tf.Tensor


def trajectory(
    target_fn: Callable[[tf.Tensor], tf.Tensor],
    state: tf.Tensor,
    velocity: tf.Tensor,
    at_start: tuple[tf.Tensor, tf.Tensor],
    step_size: Any,
    num_leapfrog_steps: Any,
    scale: Any = 1.0,
    friction: float = 0.0,
    seed: tf.Tensor | None = None,
) -> Trajectory:
    """Follows the split Hamiltonian dynamics: reversible, volume preserving, exact where the tilt is constant.

    Args:
      target_fn: as in `SplitHMC`.
      state: positions, [chain, ...].
      velocity: scaled momenta, N(0, I) under the joint density, shape of the state.
      at_start: (tilt [chain], gradient) at `state`.
      step_size: radians for scale 1, scalar.
      num_leapfrog_steps: int or scalar int tensor >= 1.
      scale: positive, broadcasts against the state.
      friction: as in `SplitHMC`.
      seed: int32 tensor of shape [2], for the friction's noise.

    Returns:
      A `Trajectory`.
    """
    angle = step_size * tf.convert_to_tensor(scale, state.dtype)
    cos, sin = tf.cos(angle), tf.sin(angle)
    axes = list(range(1, state.shape.rank))

    def kick(velocity: tf.Tensor, gradient: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        change = 0.5 * angle * gradient
        return velocity + change, _dot(change, velocity + 0.5 * change, axes)

    def refresh(velocity: tf.Tensor, *place: Any) -> tf.Tensor:
        """Half a step of friction. It keeps N(0, I), so its change of the kinetic energy is no error."""
        if not friction:
            return velocity
        keep = tf.exp(-friction * angle / 2)
        noise = tf.random.stateless_normal(velocity.shape, seeds.fold(seed, *place), dtype=velocity.dtype)
        return keep * velocity + tf.sqrt(1 - tf.square(keep)) * noise

    def step(count: tf.Tensor, now: Trajectory) -> tuple[tf.Tensor, Trajectory]:
        velocity, first = kick(refresh(now.velocity, count, "before"), now.gradient)
        state = now.state * cos + velocity * sin
        velocity = velocity * cos - now.state * sin
        tilt, gradient = value_and_gradient(target_fn, state)
        velocity, second = kick(velocity, gradient)
        velocity = refresh(velocity, count, "after")
        # Not a sum of three: where memory is short, TensorFlow 2.21 turns one into a temporary variable, whose name two loops
        # can share (AlreadyExistsError).
        work = tf.reduce_sum(tf.stack([now.work, first, second]), 0)
        return count + 1, Trajectory(state, velocity, tilt, gradient, work)

    start = Trajectory(state, velocity, *at_start, work=tf.zeros(state.shape[:1], tf.float64))
    _, end = tf.while_loop(
        lambda count, _: count < num_leapfrog_steps, step, (tf.constant(0), start), parallel_iterations=1
    )
    return end


def value_and_gradient(target_fn: Callable[[tf.Tensor], tf.Tensor], state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Evaluates a target.

    Returns:
      (tilt [chain], gradient of the tilt in the shape of the state).
    """
    with tf.GradientTape() as tape:
        tape.watch(state)
        tilt = target_fn(state)
    return tilt, tape.gradient(tilt, state, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def _dot(a: tf.Tensor, b: tf.Tensor, axes: list[int]) -> tf.Tensor:
    """Sum of a * b over the axes of one chain, in float64."""
    return tf.reduce_sum(tf.cast(a, tf.float64) * tf.cast(b, tf.float64), axes)


def _square(x: tf.Tensor, axes: list[int]) -> tf.Tensor:
    return _dot(x, x, axes)


def acceptance(log_ratio: tf.Tensor) -> tf.Tensor:
    """Metropolis' acceptance probability of a log ratio, elementwise; 0 where it is not finite."""
    return tf.where(tf.math.is_finite(log_ratio), tf.exp(tf.minimum(log_ratio, 0.0)), 0.0)


def choose(accepted: tf.Tensor, new: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
    """New states where accepted, old ones elsewhere; `accepted` is bool [chain], states are [chain, ...]."""
    shape = tf.concat([tf.shape(accepted), tf.ones([new.shape.rank - 1], tf.int32)], 0)
    return tf.where(tf.reshape(accepted, shape), new, old)
