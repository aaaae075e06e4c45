"""HMC for a Gaussian prior times a tilt: the prior's part of the dynamics is an exact rotation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from samplevis.runtime import seeds
from samplevis.runtime.deprecation import renamed_keywords
from samplevis.sampling.kernels.base import Kernel, Redraw, Target, accepts, choose, half_square, value_and_gradient
from samplevis.sampling.kernels.free_moves import Move, with_free_moves
from samplevis.sampling.kernels.integrator import IntegratorState, dot, integrate
from samplevis.sampling.kernels.stats import TransitionStats, log_acceptance


class SplitHMCResults(NamedTuple):
    """The results of a step of `SplitHMC`.

    Attributes:
      tilt: tilt at the state, [chain].
      gradient: its gradient, shape of the state.
      log_accept_ratio: log of the Metropolis ratio of the proposal, [chain]; not finite where the proposal was not.
      is_accepted: bool, [chain].
      temperature: mean square of the velocities after the Metropolis decision, [chain]; 1 in equilibrium.
      energy: potential plus kinetic energy after the momentum was drawn, [chain], float64, in nats.
      step_size: the angle of one leapfrog step, in radians; scalar.
      move_acceptance_rate: acceptance probability of the free move that followed, [chain]; nan if none was offered.
      num_gradient_evals: gradients that the step evaluated, int32 scalar.
      seed: the seed of the step, int32 [2].
    """

    # Checkpoints store these by their position.
    tilt: tf.Tensor
    gradient: tf.Tensor
    log_accept_ratio: tf.Tensor
    is_accepted: tf.Tensor
    temperature: tf.Tensor
    energy: tf.Tensor
    step_size: tf.Tensor
    move_acceptance_rate: tf.Tensor
    num_gradient_evals: tf.Tensor
    seed: tf.Tensor


class SplitHMC(Kernel):
    """HMC for N(0, I) * exp(tilt): the Gaussian part is an exact rotation, the tilt gives the kicks.

    One leapfrog step of size h on coordinate i with preconditioner s_i: kick v_i += h/2 s_i d tilt / d x_i; rotate (x_i, v_i) by
    the angle h s_i; kick again. The rotation keeps (x^2 + v^2) / 2, so only the kicks enter the Metropolis ratio, no large
    sums cancel, and acceptance does not depend on the number of coordinates (Beskos, Pinski, Sanz-Serna and Stuart 2011,
    "Hybrid Monte Carlo on Hilbert spaces").

    Every transition draws the length of its trajectory, from half to one and a half times the mean: a fixed one would return
    coordinates whose period it meets to where they were. All chains share the length.

    With a friction, velocities are refreshed in part before and after every leapfrog step, and only the energy errors of the
    leapfrog steps enter the ratio: Metropolis adjusted Langevin trajectories (MALT; Riou-Durand and Vogrinc 2022).

    Args:
      target_fn: state [chain, ...] -> tilt [chain], the log density less the prior's.
      step_size: angle of a leapfrog step for a preconditioner of 1, in radians, scalar > 0.
      num_leapfrog_steps: mean number of steps of a trajectory, >= 1.
      preconditioner: root of the inverse diagonal mass, > 0, broadcasts against the state. Defaults to 1.
      friction: rate at which the velocity is forgotten, in units of 1 / radian, >= 0. Defaults to 0.

    Example:
      >>> kernel = SplitHMC(lambda x: -tf.reduce_sum((x - 2) ** 2, -1), step_size=0.3, num_leapfrog_steps=4)
      >>> states = tfp.mcmc.sample_chain(100, tf.zeros([8, 3]), kernel=kernel, trace_fn=None, seed=(0, 1))
      >>> states.shape  # N(4 / 3, 1 / 3) in each of 3 coordinates
      TensorShape([100, 8, 3])
    """

    @renamed_keywords(scale="preconditioner")
    def __init__(
        self,
        target_fn: Target,
        step_size: Any,
        num_leapfrog_steps: int,
        preconditioner: Any = 1.0,
        friction: float = 0.0,
    ):
        self._parameters = dict(
            target_fn=target_fn,
            step_size=step_size,
            num_leapfrog_steps=num_leapfrog_steps,
            preconditioner=preconditioner,
            friction=friction,
        )

    def bootstrap_results(self, state: tf.Tensor) -> SplitHMCResults:
        """Evaluates the target at the first state.

        Args:
          state: [chain, ...].

        Returns:
          The results that `one_step` starts from.
        """
        tilt, gradient = value_and_gradient(self._parameters["target_fn"], state)
        chains = tf.shape(tilt)
        return SplitHMCResults(
            tilt=tilt,
            gradient=gradient,
            log_accept_ratio=tf.zeros(chains),
            is_accepted=tf.ones(chains, tf.bool),
            temperature=tf.ones(chains),
            energy=tf.zeros(chains, tf.float64),
            step_size=tf.convert_to_tensor(self._parameters["step_size"], tf.float32),
            move_acceptance_rate=tf.fill(chains, float("nan")),
            num_gradient_evals=tf.constant(0),
            seed=tf.zeros([2], tf.int32),
        )

    def one_step(
        self, state: tf.Tensor, previous: SplitHMCResults, seed: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, SplitHMCResults]:
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
        energy = (dot(state, state, axes) + dot(velocity, velocity, axes)) / 2 - tf.cast(previous.tilt, tf.float64)

        end = integrate(
            self._parameters["target_fn"],
            IntegratorState.start(state, velocity, previous.tilt, previous.gradient),
            previous.step_size,
            length,
            self._parameters["preconditioner"],
            self._parameters["friction"],
            seeds.fold(seed, "friction"),
        )
        # Differences first: the tilt and the work are each small beside the total energy.
        log_ratio = tf.cast(end.tilt, tf.float64) - tf.cast(previous.tilt, tf.float64) - end.work
        log_ratio = tf.cast(log_ratio, tf.float32)
        accepted = accepts(log_ratio, accept_seed)
        size = tf.cast(tf.size(velocity[0]), tf.float64)
        # Rejected proposals are no draws: in equilibrium they are hotter or colder than 1, the more so the larger the step.
        kinetic = tf.where(accepted, dot(end.velocity, end.velocity, axes), dot(velocity, velocity, axes))
        results = SplitHMCResults(
            tilt=tf.where(accepted, end.tilt, previous.tilt),
            gradient=choose(accepted, end.gradient, previous.gradient),
            log_accept_ratio=log_ratio,
            is_accepted=accepted,
            temperature=tf.cast(kinetic / size, tf.float32),
            energy=energy,
            step_size=previous.step_size,
            move_acceptance_rate=tf.fill(tf.shape(log_ratio), float("nan")),
            num_gradient_evals=length,
            seed=seed,
        )
        return choose(accepted, end.state, state), results


def make(
    target_fn: Target,
    redraw: Redraw,
    step_size: Any,
    num_leapfrog_steps: int,
    preconditioner: tf.Tensor,
    moves: Sequence[Move] = (),
) -> Kernel:
    """Makes the kernel, see `KernelSpec.make`."""
    return with_free_moves(SplitHMC(target_fn, step_size, num_leapfrog_steps, preconditioner), moves)


def gradient(state: tf.Tensor, results: SplitHMCResults) -> tf.Tensor:
    """Reads the gradient of the log density, see `KernelSpec.gradient`."""
    return results.gradient - state


def trace(num_leapfrog_steps: int, state: tf.Tensor, results: SplitHMCResults) -> TransitionStats:
    """Reads the statistics of a step, see `KernelSpec.trace`."""
    return TransitionStats(
        acceptance_rate=tf.exp(log_acceptance(results.log_accept_ratio)),
        is_accepted=results.is_accepted,
        energy_error=-results.log_accept_ratio,
        energy=results.energy,
        log_density=tf.cast(results.tilt, tf.float64) - half_square(state, tf.float64),
        temperature=results.temperature,
        move_acceptance_rate=results.move_acceptance_rate,
        step_size=results.step_size,
        num_gradient_evals=results.num_gradient_evals,
    )
