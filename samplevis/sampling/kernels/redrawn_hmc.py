"""HMC on a bank that is drawn anew for every trajectory: nothing to overfit, and approximate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from samplevis.runtime import seeds
from samplevis.runtime.deprecation import renamed_keywords
from samplevis.sampling.kernels import split_hmc
from samplevis.sampling.kernels.base import Kernel, Redraw, Target
from samplevis.sampling.kernels.free_moves import Move
from samplevis.sampling.kernels.split_hmc import SplitHMC, SplitHMCResults

trace, gradient = split_hmc.trace, split_hmc.gradient


class RedrawnHMC(Kernel):
    """Split HMC that draws a new bank of transforms for every trajectory and its accept step.

    One trajectory and its accept step see one fixed density, so the kernel of that bank is exact; but every bank has its own
    stationary distribution, and a chain that visits many of them has none in closed form. To first order the chain feels the
    mean of the log densities, which is what an infinite bank would give; the rest is its bias, which has to be measured.

    A transition takes one gradient more than its trajectory: its end is evaluated on the bank of the next.

    Args:
      redraw: seed (int32 [2]) -> a target on freshly drawn transforms, state [chain, ...] -> tilt [chain].
      step_size, num_leapfrog_steps, preconditioner: as in `SplitHMC`.

    Example:
      >>> def redraw(seed):
      ...     centre = 2 + 0.1 * tf.random.stateless_normal([3], seed)
      ...     return lambda x: -tf.reduce_sum((x - centre) ** 2, -1)
      >>> kernel = RedrawnHMC(redraw, step_size=0.3, num_leapfrog_steps=4)
      >>> kernel.is_calibrated
      False
    """

    @renamed_keywords(scale="preconditioner")
    def __init__(self, redraw: Redraw, step_size: Any, num_leapfrog_steps: int, preconditioner: Any = 1.0):
        self._parameters = dict(
            redraw=redraw,
            step_size=step_size,
            num_leapfrog_steps=num_leapfrog_steps,
            preconditioner=preconditioner,
        )

    @property
    def is_calibrated(self) -> bool:
        """False: no density is left invariant."""
        return False

    def bootstrap_results(self, state: tf.Tensor) -> SplitHMCResults:
        """Evaluates a first bank, of the seed 0, at the first state.

        Args:
          state: [chain, ...].

        Returns:
          The results that `one_step` starts from.
        """
        return self._evaluated(state, tf.zeros([2], tf.int32), self._parameters["step_size"])

    def one_step(
        self, state: tf.Tensor, previous: SplitHMCResults, seed: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, SplitHMCResults]:
        """Takes a step of `SplitHMC` on the bank that is already evaluated at the state, then draws the next one.

        Args:
          state: [chain, ...].
          previous: results of the step before.
          seed: int32 tensor of shape [2].

        Returns:
          (state [chain, ...], results): tilt and gradient are those of the next bank, whose seed is the results' seed.
        """
        seed = tfp.random.sanitize_seed(seed)
        kernel = self._kernel(previous.seed, previous.step_size)
        state, results = kernel.one_step(state, previous, seeds.fold(seed, "move"))
        evaluated = self._evaluated(state, seeds.fold(seed, "bank"), previous.step_size)
        return state, results._replace(
            tilt=evaluated.tilt,
            gradient=evaluated.gradient,
            num_gradient_evals=results.num_gradient_evals + 1,
            seed=evaluated.seed,
        )

    def _evaluated(self, state: tf.Tensor, seed: tf.Tensor, step_size: Any) -> SplitHMCResults:
        """The results at a state on the bank of a seed."""
        return self._kernel(seed, step_size).bootstrap_results(state)._replace(seed=seed)

    def _kernel(self, seed: tf.Tensor, step_size: Any) -> SplitHMC:
        target_fn = self._parameters["redraw"](seed)
        return SplitHMC(
            target_fn, step_size, self._parameters["num_leapfrog_steps"], self._parameters["preconditioner"]
        )


def make(
    target_fn: Target,
    redraw: Redraw,
    step_size: Any,
    num_leapfrog_steps: int,
    preconditioner: tf.Tensor,
    moves: Sequence[Move] = (),
) -> Kernel:
    """Makes the kernel, see `KernelSpec.make`."""
    return RedrawnHMC(redraw, step_size, num_leapfrog_steps, preconditioner)
