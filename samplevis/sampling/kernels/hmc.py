"""TFP's Hamiltonian Monte Carlo, which treats the prior as any other part of the density."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from samplevis.sampling.kernels.adaptation import step_size_of
from samplevis.sampling.kernels.base import Redraw, Target, half_square, unit_mass_log_density
from samplevis.sampling.kernels.free_moves import Move
from samplevis.sampling.kernels.stats import TransitionStats, log_acceptance


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
    return tfp.mcmc.HamiltonianMonteCarlo(log_density, step_size, num_leapfrog_steps, store_parameters_in_results=True)


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
        temperature=tf.cast(2 * last / size, tf.float32),
        move_acceptance_rate=tf.fill(tf.shape(last), float("nan")),
        step_size=step_size_of(results),
        num_gradient_evals=tf.constant(num_leapfrog_steps),
    )
