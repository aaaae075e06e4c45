"""TFP's Hamiltonian Monte Carlo, which treats the prior as any other part of the density."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from samplevis.sampling.kernels.adaptation import step_size_of
from samplevis.sampling.kernels.base import Redraw, Target, choose, half_square, unit_mass_log_density
from samplevis.sampling.kernels.free_moves import Move
from samplevis.sampling.kernels.stats import TransitionStats, log_acceptance

# Log of the smallest uniform number above 0: what is less probable is rejected.
LEAST_LOG_RATIO = -23 * math.log(2)


class HMC(tfp.mcmc.HamiltonianMonteCarlo):
    """TFP's kernel, except that it accepts nothing impossible.

    TFP accepts if the logarithm of a uniform number is below the log ratio. One number in 2^23 is exactly 0, and accepts
    whatever was proposed.

    Example:
      >>> kernel = HMC(lambda x: -tf.reduce_sum(x**2, -1) / 2, 0.1, 4, store_parameters_in_results=True)
    """

    def one_step(self, current_state: tf.Tensor, previous_kernel_results: Any, seed: Any = None) -> tuple:
        """Makes a step of TFP's kernel, and takes an acceptance back whose log ratio no uniform number above 0 allows.

        Args:
          current_state: [chain, ...].
          previous_kernel_results: results of the step before.
          seed: int32 tensor of shape [2].

        Returns:
          (state [chain, ...], results).
        """
        state, results = super().one_step(current_state, previous_kernel_results, seed)
        accepted = results.is_accepted & (results.log_accept_ratio >= LEAST_LOG_RATIO)
        taken_back = results.is_accepted & ~accepted

        def restore(new: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
            return choose(taken_back, old, new) if new.shape.rank else new

        rested = tf.nest.map_structure(restore, results.accepted_results, previous_kernel_results.accepted_results)
        return restore(state, current_state), results._replace(is_accepted=accepted, accepted_results=rested)


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
    return HMC(log_density, step_size, num_leapfrog_steps, store_parameters_in_results=True)


def gradient(state: tf.Tensor, results: Any) -> tf.Tensor:
    """Reads the gradient of the log density, see `KernelSpec.gradient`."""
    (found,) = results.accepted_results.grads_target_log_prob
    return found


def trace(num_leapfrog_steps: int, state: tf.Tensor, results: Any) -> TransitionStats:
    """Reads the statistics of a step, see `KernelSpec.trace`."""
    proposed, rested = results.proposed_results, results.accepted_results
    first, last = (
        half_square(momentum[0], tf.float64) for momentum in (proposed.initial_momentum, proposed.final_momentum)
    )
    # Where the proposal was accepted, the density at the start is no longer there: it follows from the energy error.
    ends = tf.cast(results.log_accept_ratio, tf.float64) + last - tf.cast(proposed.target_log_prob, tf.float64)
    energy = tf.where(results.is_accepted, ends, first - tf.cast(rested.target_log_prob, tf.float64))
    size = tf.cast(tf.size(proposed.final_momentum[0][0]), tf.float64)
    return TransitionStats(
        acceptance_rate=tf.exp(log_acceptance(results.log_accept_ratio)),
        is_accepted=results.is_accepted,
        energy_error=-results.log_accept_ratio,
        energy=energy,
        log_density=tf.cast(rested.target_log_prob, tf.float64),
        temperature=tf.cast(2 * tf.where(results.is_accepted, last, first) / size, tf.float32),
        move_acceptance_rate=tf.fill(tf.shape(last), float("nan")),
        step_size=step_size_of(results),
        num_gradient_evals=tf.constant(num_leapfrog_steps),
    )
