"""HMC on a bank that is drawn anew for every trajectory: nothing to overfit, and approximate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from samplevis.runtime import seeds
from samplevis.sampling.kernels.split_hmc import Kernel, SplitHMC, SplitResults, Target


class RedrawnHMC(Kernel):
    """Split HMC whose trajectories are each accepted against a bank of their own.

    One trajectory and its accept step see one fixed density, so the kernel of that bank is exact; but every bank has its own
    stationary law, and a chain that visits many of them has none in closed form. To first order the chain feels the mean of
    the log densities, which is what an endless bank would give; the rest is its bias, which has to be measured.

    A transition takes one gradient more than its trajectory: the start has to be judged by the new bank.

    Args:
      redraw: seed (int32 [2]) -> a target on freshly drawn transforms, state [chain, ...] -> tilt [chain].
      step_size, num_leapfrog_steps, scale: as in `SplitHMC`.
    """

    def __init__(
        self, redraw: Callable[[tf.Tensor], Target], step_size: Any, num_leapfrog_steps: int, scale: Any = 1.0
    ):
        self._parameters = dict(redraw=redraw, step_size=step_size, num_leapfrog_steps=num_leapfrog_steps, scale=scale)

    @property
    def is_calibrated(self) -> bool:
        """False: no density is left invariant."""
        return False

    def bootstrap_results(self, state: tf.Tensor) -> SplitResults:
        """Evaluates a first bank at the first state, [chain, ...].

        Args:
          state: [chain, ...].

        Returns:
          The results that `one_step` starts from.
        """
        return self._kernel(tf.zeros([2], tf.int32), self._parameters["step_size"]).bootstrap_results(state)

    def one_step(
        self, state: tf.Tensor, previous: SplitResults, seed: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, SplitResults]:
        """Draws a bank, evaluates it at the state, and takes a step of `SplitHMC` on it.

        Args:
          state: [chain, ...].
          previous: results of the step before; only the step size is used.
          seed: int32 tensor of shape [2].

        Returns:
          (state [chain, ...], results).
        """
        seed = tfp.random.sanitize_seed(seed)
        kernel = self._kernel(seeds.fold(seed, "bank"), previous.step_size)
        state, results = kernel.one_step(state, kernel.bootstrap_results(state), seeds.fold(seed, "move"))
        return state, results._replace(gradients=results.gradients + 1)

    def _kernel(self, seed: tf.Tensor, step_size: Any) -> SplitHMC:
        target_fn = self._parameters["redraw"](seed)
        return SplitHMC(target_fn, step_size, self._parameters["num_leapfrog_steps"], self._parameters["scale"])
