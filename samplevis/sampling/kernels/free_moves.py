"""Free moves: orthonormal maps of the latent, which leave its prior unchanged, proposed after a trajectory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import tensorflow as tf
import tensorflow_probability as tfp

from samplevis.param import Parameterization
from samplevis.runtime import seeds
from samplevis.sampling.kernels.base import Kernel, Target, acceptance_probability, accepts, choose, value_and_gradient

if TYPE_CHECKING:
    from samplevis.sampling.kernels.split_hmc import SplitHMC, SplitHMCResults

# (state [chain, ...], seed) -> state: orthonormal, and as likely as its inverse.
Move = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class FreeMoves(Kernel):
    """A step of split HMC, then one move drawn from a list and accepted by Metropolis.

    N(0, I) does not change under an orthonormal map, so the tilt alone decides. A transition takes one gradient more than its
    trajectory.

    Args:
      target_fn: state [chain, ...] -> tilt [chain].
      inner: kernel of the same target.
      moves: maps of states, each orthonormal and as likely as its inverse; at least one.

    Raises:
      ValueError: if there are no moves.

    Example:
      >>> def target(x):
      ...     return tf.math.softplus(-10 * x[:, 0]) + 5 * x[:, 0]  # Two modes that mirror each other.
      >>> kernel = FreeMoves(target, SplitHMC(target, 0.3, 4), [lambda x, seed: -x])
    """

    def __init__(self, target_fn: Target, inner: SplitHMC, moves: Sequence[Move]):
        if not moves:
            raise ValueError("moves: expected at least one")
        self._parameters = dict(target_fn=target_fn, inner=inner, moves=tuple(moves))

    def bootstrap_results(self, state: tf.Tensor) -> SplitHMCResults:
        """Evaluates the target at the first state.

        Args:
          state: [chain, ...].

        Returns:
          The results that `one_step` starts from.
        """
        return self._parameters["inner"].bootstrap_results(state)

    def one_step(
        self, state: tf.Tensor, previous: SplitHMCResults, seed: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, SplitHMCResults]:
        """Moves along a trajectory, then proposes a free move.

        Args:
          state: [chain, ...].
          previous: results of the step before.
          seed: int32 tensor of shape [2].

        Returns:
          (state [chain, ...], results).
        """
        seed = tfp.random.sanitize_seed(seed)
        state, results = self._parameters["inner"].one_step(state, previous, seeds.fold(seed, "inner"))
        moves = self._parameters["moves"]
        index = tf.random.stateless_uniform((), seeds.fold(seed, "which"), 0, len(moves), tf.int32)
        move_seed = seeds.fold(seed, "where")
        proposed = tf.switch_case(index, [lambda move=move: move(state, move_seed) for move in moves])
        proposed = tf.ensure_shape(proposed, state.shape)
        tilt, gradient = value_and_gradient(self._parameters["target_fn"], proposed)
        log_ratio = tilt - results.tilt
        accepted = accepts(log_ratio, seeds.fold(seed, "accept"))
        return choose(accepted, proposed, state), results._replace(
            tilt=tf.where(accepted, tilt, results.tilt),
            gradient=choose(accepted, gradient, results.gradient),
            move_acceptance_rate=acceptance_probability(log_ratio),
            num_gradient_evals=results.num_gradient_evals + 1,
        )


def with_free_moves(kernel: SplitHMC, moves: Sequence[Move]) -> Kernel:
    """The kernel, followed by free moves of its target if there are any."""
    return FreeMoves(kernel.parameters["target_fn"], kernel, moves) if moves else kernel


def named_moves(param: Parameterization, names: Sequence[str]) -> list[Move]:
    """The moves of a prior by name, in the coordinates of `param.rotate`.

    Args:
      param: the map from latents to images.
      names: keys of `param.symmetries()`.

    Returns:
      One function for each name.

    Raises:
      ValueError: for a name that the prior does not have.

    Example:
      >>> moves = named_moves(param.fourier(64), ["shift", "mirror"])
    """
    symmetries = param.symmetries()

    def rotated(move: Move) -> Move:
        return lambda state, seed: param.rotate(move(param.rotate(state), seed))

    for name in names:
        if name not in symmetries:
            has = ", ".join(map(repr, symmetries))
            why = f"it has {has}" if symmetries else "its latents are no pictures, and it has none"
            raise ValueError(f"hmc_opts['moves']: {name!r} is no move that {param!r} keeps its prior under: {why}")
    return [rotated(symmetries[name]) for name in names]
