"""Kernels by name: how each is made, and what is traced of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from samplevis.runtime.checks import did_you_mean
from samplevis.sampling.kernels.free_moves import FreeMoves, Move
from samplevis.sampling.kernels.langevin import Langevin, LangevinResults
from samplevis.sampling.kernels.redrawn_hmc import RedrawnHMC
from samplevis.sampling.kernels.split_hmc import SplitHMC, SplitResults, Target

# Seed -> a target on freshly drawn transforms.
Redraw = Callable[[tf.Tensor], Target]

NAMES = ("split_hmc", "malt", "hmc", "nuts", "pcn", "redrawn_hmc", "langevin")
# They leave no density invariant.
APPROXIMATE = ("redrawn_hmc", "langevin")
# TFP's own, with a unit mass.
PLAIN = ("hmc", "nuts")
# Free moves can follow their steps.
MOVABLE = ("split_hmc", "malt")
# They accept everything, so that there is nothing to adapt to.
FIXED_STEP = ("langevin",)
# Rate of partial refreshment in `malt`, per radian: of the order of the prior's own frequency, which is 1.
FRICTION = 1.0
# Doublings of a NUTS trajectory: at most 63 gradients.
TREE_DEPTH = 6
# Stands for the log acceptance of a proposal that is not finite: zero acceptance, but finite for the adaptation.
LOG_ZERO = -1e4
# Energy lost on a proposal, in nats, by which a chain shows that it still falls towards its density. At rest, where errors are
# nearly normal with half their variance as mean (Beskos et al. 2013), fewer than one in twelve are such, however long the step.
FALL = 1.0


class TransitionStats(NamedTuple):
    """What is traced at every transition: float arrays [transition, chain], but for the last two, [transition].

    Attributes:
      accept: acceptance probability of the proposal.
      is_accepted: bool.
      energy_error: energy gained along the trajectory, in nats; not finite where the proposal was not.
      energy: total energy at the start of the trajectory, in nats, float64.
      log_density: tilt plus the prior's -|z|^2 / 2, in nats, float64.
      temperature: mean square of the velocities, 1 in equilibrium; nan for NUTS.
      move_accept: acceptance probability of the free move that was offered; nan if none was.
      step_size: radians.
      gradients: gradients of the longest chain.
    """

    accept: Any
    is_accepted: Any
    energy_error: Any
    energy: Any
    log_density: Any
    temperature: Any
    move_accept: Any
    step_size: Any
    gradients: Any


def check_name(kernel: str) -> str:
    """Checks the name of a kernel.

    Raises:
      ValueError: if it is none of `NAMES`; the nearest spelling comes first.
    """
    if not isinstance(kernel, str) or kernel not in NAMES:
        hint = did_you_mean(kernel, NAMES)
        raise ValueError(f"kernel: expected one of {', '.join(map(repr, NAMES))}.{hint} Received: {kernel!r}")
    return kernel


def make_kernel(
    name: str,
    num_leapfrog_steps: int,
    target_fn: Target,
    redraw: Redraw,
    step_size: Any,
    scale: tf.Tensor,
    moves: Sequence[Move] = (),
) -> tfp.mcmc.TransitionKernel:
    """Makes a kernel.

    Args:
      name: one of `NAMES`.
      num_leapfrog_steps: gradients in a trajectory.
      target_fn: state [chain, ...] -> tilt [chain].
      redraw: seed -> a target on other transforms, for the kernels that draw them anew.
      step_size: radians.
      scale: root of the inverse diagonal mass, shape of one state. States of the kernels in `PLAIN` are divided by it.
      moves: free moves, for the kernels in `MOVABLE`. Defaults to none.

    Returns:
      The kernel.
    """
    if name in MOVABLE:
        friction = FRICTION if name == "malt" else 0.0
        kernel = SplitHMC(target_fn, step_size, num_leapfrog_steps, scale, friction=friction)
        return FreeMoves(target_fn, kernel, moves) if moves else kernel
    if name == "pcn":
        # Without a force a step only turns the state towards noise: preconditioned Crank-Nicolson (Cotter et al. 2013).
        return SplitHMC(lambda x: tf.stop_gradient(target_fn(x)), step_size, 1, scale)
    if name == "redrawn_hmc":
        return RedrawnHMC(redraw, step_size, num_leapfrog_steps, scale)
    if name == "langevin":
        return Langevin(redraw, step_size, num_leapfrog_steps)

    def log_density(x: tf.Tensor) -> tf.Tensor:
        return target_fn(x * scale) - half_square(x * scale, tf.float32)

    if name == "nuts":
        return tfp.mcmc.NoUTurnSampler(log_density, step_size, max_tree_depth=TREE_DEPTH)
    return tfp.mcmc.HamiltonianMonteCarlo(log_density, step_size, num_leapfrog_steps, store_parameters_in_results=True)


def trace(name: str, num_leapfrog_steps: int, state: tf.Tensor, results: Any) -> TransitionStats:
    """Reads a kernel's results after a step.

    Args:
      name: one of `NAMES`.
      num_leapfrog_steps: gradients in a trajectory.
      state: [chain, ...].
      results: the kernel's.

    Returns:
      A `TransitionStats` of tensors without the dimension of the transition.
    """
    if name == "hmc":
        return _trace_hmc(num_leapfrog_steps, results)
    if name == "nuts":
        return _trace_nuts(results)
    if name == "langevin":
        return _trace_langevin(num_leapfrog_steps, state, results)
    return _trace_split(state, results)


def step_size_of(results: Any) -> Any:
    """The step size in the results of any kernel."""
    return results.step_size if hasattr(results, "step_size") else results.accepted_results.step_size


def with_step_size(results: Any, step_size: Any) -> Any:
    """The same results with another step size."""
    if hasattr(results, "step_size"):
        return results._replace(step_size=step_size)
    return results._replace(accepted_results=results.accepted_results._replace(step_size=step_size))


def log_accept(results: Any) -> tf.Tensor:
    """Log of the acceptance probability, [chain]; `LOG_ZERO` where the proposal was not finite."""
    ratio = results.log_accept_ratio
    return tf.where(tf.math.is_finite(ratio), tf.clip_by_value(ratio, LOG_ZERO, 0.0), LOG_ZERO)


def adaptation_log_accept(results: Any, target: float) -> tf.Tensor:
    """Log of the acceptance that a step size is adapted by, [chain]: `target`, which leaves it alone, where nothing is told of it.

    A chain that still falls towards its density is accepted whatever the step, which would grow until it is far too long: who
    loses more than `FALL` has no say. Nor has a chain that can never move.

    Args:
      results: a kernel's.
      target: acceptance aimed at, in (0, 1).

    Returns:
      float32 [chain], <= 0; `LOG_ZERO` where the proposal was not finite.
    """
    falls = tf.math.is_finite(results.log_accept_ratio) & (results.log_accept_ratio > FALL)
    return tf.where(falls | is_lost(results), np.float32(np.log(target)), log_accept(results))


def is_lost(results: Any) -> tf.Tensor:
    """Whether the density of a chain's own state is not finite, bool [chain]: it can never move."""
    if hasattr(results, "accepted_results"):
        return is_lost(results.accepted_results)
    return ~tf.math.is_finite(results.tilt if hasattr(results, "tilt") else results.target_log_prob)


def half_square(x: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """|x|^2 / 2 of each chain."""
    return tf.reduce_sum(tf.square(tf.cast(x, dtype)), list(range(1, x.shape.rank))) / 2


def _trace_split(state: tf.Tensor, results: SplitResults) -> TransitionStats:
    return TransitionStats(
        tf.exp(log_accept(results)),
        results.is_accepted,
        -results.log_accept_ratio,
        results.energy,
        tf.cast(results.tilt, tf.float64) - half_square(state, tf.float64),
        results.kinetic,
        results.move_accept,
        results.step_size,
        results.gradients,
    )


def _trace_hmc(spent: int, results: Any) -> TransitionStats:
    proposed = results.proposed_results
    kinetic = half_square(proposed.final_momentum[0], tf.float64)
    size = tf.cast(tf.size(proposed.final_momentum[0][0]), tf.float64)
    return TransitionStats(
        tf.exp(log_accept(results)),
        results.is_accepted,
        -results.log_accept_ratio,
        kinetic - tf.cast(proposed.target_log_prob, tf.float64),
        tf.cast(results.accepted_results.target_log_prob, tf.float64),
        tf.cast(2 * kinetic / size, tf.float32),
        tf.fill(tf.shape(kinetic), float("nan")),
        step_size_of(results),
        tf.constant(spent),
    )


def _trace_nuts(results: Any) -> TransitionStats:
    # NUTS averages the acceptance over its tree; it has no single proposal to judge.
    return TransitionStats(
        tf.exp(log_accept(results)),
        results.is_accepted,
        -results.log_accept_ratio,
        -tf.cast(results.energy, tf.float64),
        tf.cast(results.target_log_prob, tf.float64),
        tf.fill(tf.shape(results.log_accept_ratio), float("nan")),
        tf.fill(tf.shape(results.log_accept_ratio), float("nan")),
        step_size_of(results),
        tf.reduce_max(results.leapfrogs_taken),
    )


def _trace_langevin(spent: int, state: tf.Tensor, results: LangevinResults) -> TransitionStats:
    potential = half_square(state, tf.float64) - tf.cast(results.tilt, tf.float64)
    # No step is judged: all are taken, and their energy error is not known.
    return TransitionStats(
        tf.ones_like(results.tilt),
        tf.ones_like(results.tilt, tf.bool),
        tf.zeros_like(results.tilt),
        potential + half_square(results.velocity, tf.float64),
        -potential,
        results.kinetic,
        tf.fill(tf.shape(results.tilt), float("nan")),
        results.step_size,
        tf.constant(spent),
    )
