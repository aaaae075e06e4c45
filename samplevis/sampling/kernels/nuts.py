"""TFP's No-U-Turn sampler, for small problems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from samplevis.sampling.kernels.adaptation import step_size_of
from samplevis.sampling.kernels.base import Redraw, Target, unit_mass_log_density
from samplevis.sampling.kernels.free_moves import Move
from samplevis.sampling.kernels.stats import TransitionStats, log_acceptance

# Doublings of a trajectory: at most 63 gradients.
MAX_TREE_DEPTH = 6


def make(
    target_fn: Target,
    redraw: Redraw,
    step_size: Any,
    num_leapfrog_steps: int,
    preconditioner: tf.Tensor,
    moves: Sequence[Move] = (),
) -> tfp.mcmc.TransitionKernel:
    """Makes the kernel, see `KernelSpec.make`."""
    log_density = unit_mass_log_density(target_fn, preconditioner)
    return tfp.mcmc.NoUTurnSampler(log_density, step_size, max_tree_depth=MAX_TREE_DEPTH)


def gradient(state: tf.Tensor, results: Any) -> tf.Tensor:
    """Reads the gradient of the log density, see `KernelSpec.gradient`."""
    (found,) = results.grads_target_log_prob
    return found


def trace(num_leapfrog_steps: int, state: tf.Tensor, results: Any) -> TransitionStats:
    """Reads the statistics of a step, see `KernelSpec.trace`."""
    # The acceptance is averaged over the tree: there is no single proposal, and no velocity at its end.
    unknown = tf.fill(tf.shape(results.log_accept_ratio), float("nan"))
    return TransitionStats(
        acceptance_rate=tf.exp(log_acceptance(results.log_accept_ratio)),
        is_accepted=results.is_accepted,
        energy_error=-results.log_accept_ratio,
        energy=-tf.cast(results.energy, tf.float64),
        log_density=tf.cast(results.target_log_prob, tf.float64),
        temperature=unknown,
        move_acceptance_rate=unknown,
        step_size=step_size_of(results),
        num_gradient_evals=tf.reduce_max(results.leapfrogs_taken),
    )
