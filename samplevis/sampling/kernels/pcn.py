"""Preconditioned Crank-Nicolson (Cotter et al. 2013): proposals that turn the state towards noise, without a force."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from samplevis.sampling.kernels import split_hmc
from samplevis.sampling.kernels.base import Kernel, Redraw, Target, accepts, choose, half_square, value_and_gradient
from samplevis.sampling.kernels.free_moves import Move
from samplevis.sampling.kernels.split_hmc import SplitHMC, SplitHMCResults

trace, gradient = split_hmc.trace, split_hmc.gradient


class PCN(Kernel):
    """Turns the state by an angle towards noise and accepts by the tilt: a leapfrog step of split HMC without its kicks.

    No proposal depends on the gradient, which is evaluated for the virial alone.

    Args:
      target_fn: state [chain, ...] -> tilt [chain], the log density less the prior's.
      step_size: angle for a preconditioner of 1, in radians, scalar > 0.
      preconditioner: factor of the angle, > 0, broadcasts against the state. Defaults to 1.

    Example:
      >>> kernel = PCN(lambda x: -tf.reduce_sum((x - 2) ** 2, -1), step_size=0.3)
      >>> kernel.is_calibrated
      True
    """

    def __init__(self, target_fn: Target, step_size: Any, preconditioner: Any = 1.0):
        self._parameters = dict(target_fn=target_fn, step_size=step_size, preconditioner=preconditioner)

    def bootstrap_results(self, state: tf.Tensor) -> SplitHMCResults:
        """Evaluates the target at the first state.

        Args:
          state: [chain, ...].

        Returns:
          The results that `one_step` starts from.
        """
        return SplitHMC(self._parameters["target_fn"], self._parameters["step_size"], 1).bootstrap_results(state)

    def one_step(
        self, state: tf.Tensor, previous: SplitHMCResults, seed: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, SplitHMCResults]:
        """Proposes, and accepts or rejects.

        Args:
          state: [chain, ...].
          previous: results of the step before.
          seed: int32 tensor of shape [2].

        Returns:
          (state [chain, ...], results).
        """
        seed = tfp.random.sanitize_seed(seed)
        noise_seed, accept_seed = tf.unstack(tfp.random.split_seed(seed, n=2))
        noise = tf.random.stateless_normal(state.shape, noise_seed, dtype=state.dtype)
        angle = previous.step_size * tf.convert_to_tensor(self._parameters["preconditioner"], state.dtype)
        proposed = state * tf.cos(angle) + noise * tf.sin(angle)
        tilt, gradient = value_and_gradient(self._parameters["target_fn"], proposed)
        log_ratio = tilt - previous.tilt
        accepted = accepts(log_ratio, accept_seed)
        velocity = choose(accepted, noise * tf.cos(angle) - state * tf.sin(angle), noise)
        results = previous._replace(
            tilt=tf.where(accepted, tilt, previous.tilt),
            gradient=choose(accepted, gradient, previous.gradient),
            log_accept_ratio=log_ratio,
            is_accepted=accepted,
            temperature=tf.reduce_mean(tf.square(velocity), list(range(1, state.shape.rank))),
            energy=half_square(state, tf.float64) + half_square(noise, tf.float64) - tf.cast(previous.tilt, tf.float64),
            num_gradient_evals=tf.constant(1),
            seed=seed,
        )
        return choose(accepted, proposed, state), results


def make(
    target_fn: Target,
    redraw: Redraw,
    step_size: Any,
    num_leapfrog_steps: int,
    preconditioner: tf.Tensor,
    moves: Sequence[Move] = (),
) -> Kernel:
    """Makes the kernel, see `KernelSpec.make`."""
    return PCN(target_fn, step_size, preconditioner)
