"""Free moves: turns of the latent that leave its prior alone, offered to the density."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf
import tensorflow_probability as tfp

from samplevis.param import Parameterization
from samplevis.runtime import seeds
from samplevis.sampling.kernels.split_hmc import (
    Kernel,
    SplitHMC,
    SplitResults,
    Target,
    acceptance,
    choose,
    value_and_gradient,
)

# (state [chain, ...], seed) -> state: orthonormal, and as likely as its inverse.
Move = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class FreeMoves(Kernel):
    """A step of split HMC, then one move drawn from a list, accepted by Metropolis.

    N(0, I) does not change under an orthonormal map, so that the tilt alone decides. A transition takes one gradient more than
    its trajectory.

    Args:
      target_fn: state [chain, ...] -> tilt [chain].
      inner: kernel of the same target.
      moves: maps of states, each orthonormal and as likely as its inverse; at least one.
    """

    def __init__(self, target_fn: Target, inner: SplitHMC, moves: Sequence[Move]):
        if not moves:
            raise ValueError("moves: expected at least one")
        self._parameters = dict(target_fn=target_fn, inner=inner, moves=tuple(moves))

    def bootstrap_results(self, state: tf.Tensor) -> SplitResults:
        """Evaluates the target at the first state, [chain, ...].

        Args:
          state: [chain, ...].

        Returns:
          The results that `one_step` starts from.
        """
        return self._parameters["inner"].bootstrap_results(state)

    def one_step(
        self, state: tf.Tensor, previous: SplitResults, seed: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, SplitResults]:
        """Moves along a trajectory, then offers a free move.

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
        drawn = tf.random.stateless_uniform((), seeds.fold(seed, "which"), 0, len(moves), tf.int32)
        place = seeds.fold(seed, "where")
        there = tf.switch_case(drawn, [lambda move=move: move(state, place) for move in moves])
        there = tf.ensure_shape(there, state.shape)
        tilt, gradient = value_and_gradient(self._parameters["target_fn"], there)
        accept = acceptance(tilt - results.tilt)
        accepted = tf.random.stateless_uniform(tf.shape(accept), seeds.fold(seed, "accept")) < accept
        return choose(accepted, there, state), results._replace(
            tilt=tf.where(accepted, tilt, results.tilt),
            gradient=choose(accepted, gradient, results.gradient),
            move_accept=accept,
            gradients=results.gradients + 1,
        )


def named_moves(param: Parameterization, names: Sequence[str]) -> list[Move]:
    """The moves of a prior, in the coordinates of `param.rotate`.

    Args:
      param: the map from latents to images.
      names: of `param.symmetries()`.

    Returns:
      One function for each name.

    Raises:
      ValueError: for a name that the prior does not have.
    """
    known = param.symmetries()

    def rotated(move: Move) -> Move:
        return lambda state, seed: param.rotate(move(param.rotate(state), seed))

    for name in names:
        if name not in known:
            why = f"it has {', '.join(map(repr, known))}" if known else "its latents are no pictures, and it has none"
            raise ValueError(f"hmc_opts['moves']: {name!r} is no move that {param!r} keeps its prior under: {why}")
    return [rotated(known[name]) for name in names]
