"""Replica exchange: chains at all strengths at once, which swap places so that modes found where it is easy reach the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from samplevis.runtime import seeds
from samplevis.sampling.ais import Path
from samplevis.sampling.kernels.split_hmc import Kernel, SplitHMC, SplitResults


class ExchangeResults(NamedTuple):
    """What a step of `ReplicaExchange` leaves behind.

    Attributes:
      inner: of the trajectories, before the swap, for all rows.
      activation: at the states, after the swap, [replica * chain].
      swap_accept: probability of each neighbours' swap, [replica - 1, chain]; nan where none was tried in this step.
      start: where the row's state was first, index of a replica, int32 [replica * chain].
      step: steps so far, int32.
    """

    inner: SplitResults
    activation: tf.Tensor
    swap_accept: tf.Tensor
    start: tf.Tensor
    step: tf.Tensor


class ReplicaExchange(Kernel):
    """Split HMC at several places of a path at once, then swaps between neighbours: even pairs and odd pairs in turn.

    The alternation is the non-reversible scheme, whose round trips do not slow down as replicas are added (Syed,
    Bouchard-Côté, Deligiannidis and Doucet 2022). The Gaussian part cancels in the swaps. A step takes one gradient more than
    the trajectory, and a forward pass.

    Args:
      activation_fn: state [row, ...] -> activation [row].
      path: tilts, `importance.Path`; places may be a tensor [row].
      places: of the replicas, rising; the last is the density that is wanted.
      step_sizes: of the replicas, in radians.
      num_leapfrog_steps: mean gradients of a trajectory, >= 1.
      chains: chains at each place, >= 1. A state is [replica * chain, ...], the chains of the first place first.
      scale: as in `SplitHMC`.
    """

    def __init__(
        self,
        activation_fn: Callable[[tf.Tensor], tf.Tensor],
        path: Path,
        places: Sequence[float],
        step_sizes: Sequence[float],
        num_leapfrog_steps: int,
        chains: int,
        scale: Any = 1.0,
    ):
        if len(places) != len(step_sizes):
            raise ValueError(f"step_sizes: expected {len(places)}, one for each place. Received: {len(step_sizes)}")
        self._parameters = dict(
            activation_fn=activation_fn,
            path=path,
            places=places,
            step_sizes=step_sizes,
            num_leapfrog_steps=num_leapfrog_steps,
            chains=chains,
            scale=scale,
        )
        self._replicas = len(places)
        self._places = tf.repeat(tf.constant(places, tf.float32), chains)

    def bootstrap_results(self, state: tf.Tensor) -> ExchangeResults:
        """Evaluates the first states, [replica * chain, ...].

        Args:
          state: [replica * chain, ...].

        Returns:
          The results that `one_step` starts from.
        """
        chains = self._parameters["chains"]
        return ExchangeResults(
            self._inner(state).bootstrap_results(state),
            self._parameters["activation_fn"](state),
            tf.fill([self._replicas - 1, chains], float("nan")),
            tf.repeat(tf.range(self._replicas), chains),
            tf.constant(0),
        )

    def one_step(
        self, state: tf.Tensor, previous: ExchangeResults, seed: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, ExchangeResults]:
        """Moves every replica, then tries to swap every other pair of neighbours.

        Args:
          state: [replica * chain, ...].
          previous: results of the step before.
          seed: int32 tensor of shape [2].

        Returns:
          (state, results).
        """
        seed = tfp.random.sanitize_seed(seed)
        inner = self._inner(state)
        # After a swap the tilts are those of other places: evaluated afresh.
        state, moved = inner.one_step(state, inner.bootstrap_results(state), seeds.fold(seed, "move"))
        activation = self._parameters["activation_fn"](state)
        accept, partner = self._swaps(activation, previous.step % 2, seeds.fold(seed, "swap"))
        return tf.gather(state, partner), ExchangeResults(
            moved, tf.gather(activation, partner), accept, tf.gather(previous.start, partner), previous.step + 1
        )

    def _inner(self, state: tf.Tensor) -> SplitHMC:
        path, activation_fn = self._parameters["path"], self._parameters["activation_fn"]
        sizes = tf.repeat(tf.constant(self._parameters["step_sizes"], tf.float32), self._parameters["chains"])
        sizes = tf.reshape(sizes, [-1] + [1] * (state.shape.rank - 1))
        return SplitHMC(
            lambda x: path(activation_fn(x), self._places),
            1.0,
            self._parameters["num_leapfrog_steps"],
            sizes * self._parameters["scale"],
        )

    def _swaps(self, activation: tf.Tensor, parity: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """(probabilities [replica - 1, chain], the row that each row takes its state from)."""
        path, chains, count = self._parameters["path"], self._parameters["chains"], self._replicas
        rows = tf.reshape(tf.range(count * chains), (count, chains))
        values, places = (tf.reshape(x, (count, chains)) for x in (activation, self._places))
        below, above, low, high = values[:-1], values[1:], places[:-1], places[1:]
        log_ratio = path(above, low) + path(below, high) - path(below, low) - path(above, high)
        log_ratio = tf.where(tf.math.is_finite(log_ratio), tf.minimum(log_ratio, 0.0), -float("inf"))
        tried = (tf.range(count - 1) % 2 == parity)[:, None]
        uniform = tf.random.stateless_uniform(tf.shape(log_ratio), seed)
        swap = tried & (tf.math.log(uniform) < log_ratio)
        no = tf.zeros((1, chains), tf.bool)
        up, down = tf.concat([swap, no], 0), tf.concat([no, swap], 0)
        partner = tf.where(up, rows + chains, tf.where(down, rows - chains, rows))
        accept = tf.where(tried, tf.exp(log_ratio), float("nan"))
        return accept, tf.reshape(partner, [-1])
