"""Annealed importance sampling: draws with weights, and from them the normaliser of a density."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from samplevis.runtime import seeds
from samplevis.runtime.progress import Progress
from samplevis.sampling.kernels.split_hmc import SplitHMC, acceptance

# A path of tilts: (activation [chain], place on the path, a scalar from 0 to 1) -> tilt [chain]; zero everywhere at place 0.
Path = Callable[[tf.Tensor, Any], tf.Tensor]
# What a rung's step size is multiplied or divided by after a pilot's transition, and the acceptance that it aims at.
PILOT_FACTOR, PILOT_ACCEPTANCE = 1.3, 0.75


class AISResult(NamedTuple):
    """Draws at the end of a path, with their weights.

    Attributes:
      state: [chain, ...].
      log_weights: log importance weight of each chain, in nats, float64 [chain].
      accept: mean acceptance at each rung, [rung].
      tilts: mean step of the tilt per unit of place at each rung, the integrand of the thermodynamic integral, [rung].
    """

    state: np.ndarray
    log_weights: np.ndarray
    accept: np.ndarray
    tilts: np.ndarray

    @property
    def log_z(self) -> float:
        """Log of the mean weight.

        Of a run from the prior its exponential is an unbiased estimate of the normaliser Z of N(0, I) exp(tilt), which makes it
        a stochastic lower bound of log Z. Of a reversed run it estimates -log Z.
        """
        return log_mean_exp(self.log_weights)

    @property
    def weight_ess(self) -> float:
        """Equally weighted draws that the weighted ones are worth, from 1 to the number of chains (Kish 1965)."""
        return weight_ess(self.log_weights)


def log_mean_exp(log_weights: np.ndarray) -> float:
    """log(mean(exp(x))) of an array, without overflow."""
    largest = np.max(log_weights)
    return float(largest + np.log(np.mean(np.exp(np.asarray(log_weights, np.float64) - largest))))


def weight_ess(log_weights: np.ndarray) -> float:
    """(sum w)^2 / sum w^2 of weights given by their logarithms, [chain]."""
    weights = np.exp(np.asarray(log_weights, np.float64) - np.max(log_weights))
    return float(weights.sum() ** 2 / (weights**2).sum())


def annealed_importance(
    activation_fn: Callable[[tf.Tensor], tf.Tensor],
    path: Path,
    places: Sequence[float],
    state: tf.Tensor,
    step_sizes: Sequence[float],
    num_leapfrog_steps: int,
    seed: tf.Tensor,
    *,
    scale: Any = 1.0,
    progress: bool = False,
) -> AISResult:
    """Moves chains along a path of densities N(0, I) exp(tilt), gathering importance weights (Neal 2001).

    At every rung the weight takes up the step of the tilt, at the state where the chain stands; then a split HMC transition
    keeps the rung's own density. Tilt and gradient are evaluated afresh at each rung: to carry them over is the error of
    TFP's `sample_annealed_importance_chain`.

    Forward, from exact draws of the prior, the mean weight estimates Z. With `places` falling from 1 to 0, from exact draws of
    the end, it estimates 1 / Z, and the two bracket log Z (bidirectional Monte Carlo; Grosse, Ghahramani and Adams 2015).

    Args:
      activation_fn: state [chain, ...] -> activation [chain].
      path: the tilts, as a function of activation and place.
      places: rungs, rising from 0 to 1 or falling from 1 to 0.
      state: exact draws of the density at the first place, [chain, ...].
      step_sizes: of each rung, in radians, one for each place. They must not depend on these chains; `pilot_step_sizes` finds some.
      num_leapfrog_steps: mean gradients of a transition, >= 1.
      seed: int32 tensor of shape [2].
      scale: as in `SplitHMC`.
      progress: whether to show a progress bar.

    Returns:
      `AISResult`.

    Raises:
      ValueError: if the places do not run from one end to the other.
    """
    places = np.asarray(places, np.float64)
    rising = len(places) > 1 and places[0] == 0 and places[-1] == 1 and np.all(np.diff(places) > 0)
    if not rising and not (
        len(places) > 1 and np.all(np.diff(places[::-1]) > 0) and places[0] == 1 and places[-1] == 0
    ):
        raise ValueError(f"places: expected values rising from 0 to 1, or falling from 1 to 0. Received: {places}")
    if len(step_sizes) != len(places):
        raise ValueError(f"step_sizes: expected {len(places)}, one for each place. Received: {len(step_sizes)}")
    rung = compile_rung(activation_fn, path, num_leapfrog_steps, scale)
    log_weights = np.zeros(state.shape[0])
    accept, tilts = [], []

    def move(state: tf.Tensor, i: int) -> tf.Tensor:
        state, accepted = rung(state, places[i], step_sizes[i], seeds.fold(seed, i))
        accept.append(accepted)
        return state

    score = tf.function(activation_fn, autograph=False)
    with Progress("importance", len(places) - 1, "rung", callbacks=progress) as bar:
        for i in range(1, len(places)):
            if not rising:
                state = move(state, i - 1)
            values = score(state)
            before, after = (np.float64(path(values, np.float32(place))) for place in places[i - 1 : i + 1])
            log_weights += after - before
            tilts.append(float(np.mean(after - before) / (places[i] - places[i - 1])))
            if rising:
                state = move(state, i)
            bar.update(1, weight_ess=weight_ess(log_weights), acceptance=accept[-1])
            if bar.interrupted:
                raise KeyboardInterrupt("a path that is cut short has no weights")
    return AISResult(state.numpy(), log_weights, np.array(accept), np.array(tilts))


def pilot_step_sizes(
    activation_fn: Callable[[tf.Tensor], tf.Tensor],
    path: Path,
    places: Sequence[float],
    state: tf.Tensor,
    num_leapfrog_steps: int,
    seed: tf.Tensor,
    *,
    first: float = 0.5,
    scale: Any = 1.0,
) -> np.ndarray:
    """Finds a step size for every rung with chains of their own, rising from the prior; the next rung learns from the last.

    Args:
      activation_fn, path, num_leapfrog_steps, seed, scale: as in `annealed_importance`.
      places: rungs, rising from 0 to 1.
      state: draws of the prior, [chain, ...].
      first: step size of the first rung, in radians. Defaults to 0.5.

    Returns:
      float64 array, one step size for each place.
    """
    rung = compile_rung(activation_fn, path, num_leapfrog_steps, scale)
    sizes, now = [], first
    for i, place in enumerate(places):
        sizes.append(now)
        state, accepted = rung(state, place, now, seeds.fold(seed, "pilot", i))
        now = next_step_size(now, accepted, first)
    return np.array(sizes)


def next_step_size(now: float, accepted: float, largest: float) -> float:
    """The step size of the next rung, after a rung whose mean acceptance was `accepted`."""
    excess = (accepted - PILOT_ACCEPTANCE) / (1 - PILOT_ACCEPTANCE)
    return min(now * PILOT_FACTOR ** max(excess, -2.0), largest)


def compile_rung(
    activation_fn: Callable[[tf.Tensor], tf.Tensor], path: Path, num_leapfrog_steps: int, scale: Any
) -> Callable[[tf.Tensor, float, float, tf.Tensor], tuple[tf.Tensor, float]]:
    """A compiled transition at a place: (state, place, step size, seed) -> (state, mean acceptance)."""

    @tf.function(autograph=False)
    def compiled(state: tf.Tensor, place: tf.Tensor, step_size: tf.Tensor, seed: tf.Tensor):
        kernel = SplitHMC(lambda x: path(activation_fn(x), place), step_size, num_leapfrog_steps, scale)
        state, results = kernel.one_step(state, kernel.bootstrap_results(state), seed)
        return state, acceptance(results.log_accept_ratio)

    def rung(state: tf.Tensor, place: float, step_size: float, seed: tf.Tensor) -> tuple[tf.Tensor, float]:
        state, accept = compiled(state, tf.constant(place, tf.float32), tf.constant(step_size, tf.float32), seed)
        return state, float(accept.numpy().mean())

    return rung
