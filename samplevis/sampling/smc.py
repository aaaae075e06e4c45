"""Sequential Monte Carlo: a population that climbs a path of densities, the best branching and the worst dying out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from samplevis.runtime import seeds
from samplevis.runtime.progress import Progress
from samplevis.sampling.ais import Path, compile_rung, log_mean_exp, next_step_size, weight_ess


class SMCResult(NamedTuple):
    """Draws at the end of a path.

    Attributes:
      state: [chain, ...], equally weighted.
      log_z: log of the normaliser of N(0, I) exp(tilt) at the end of the path.
      places: the rungs that were chosen, from 0 to 1.
      log_means: log of the mean incremental weight of each rung; their sum is `log_z`.
      family: the first chain that each state descends from, int [chain].
    """

    state: np.ndarray
    log_z: float
    places: np.ndarray
    log_means: np.ndarray
    family: np.ndarray

    @property
    def ancestors(self) -> int:
        """How many of the first chains have descendants at the end."""
        return len(set(self.family))


def sequential_monte_carlo(
    activation_fn: Callable[[tf.Tensor], tf.Tensor],
    path: Path,
    state: tf.Tensor,
    num_leapfrog_steps: int,
    seed: tf.Tensor,
    *,
    moves: int = 2,
    keep: float = 0.5,
    first_step_size: float = 0.5,
    scale: Any = 1.0,
    max_rungs: int = 1000,
    progress: bool = False,
) -> SMCResult:
    """Multilevel splitting with soft levels: reweight, resample, move (Del Moral, Doucet and Jasra 2006).

    The next rung is where the weights of the population are worth `keep` of its size. Every stage has seeds of its own, which
    those of TFP's `sample_sequential_monte_carlo` have not.

    Args:
      activation_fn: state [chain, ...] -> activation [chain].
      path: tilts as in `annealed_importance`; where the tilt at place 0 is not zero, `log_z` is relative to it.
      state: draws of the density at place 0, the prior, [chain, ...]; a few hundred chains at least for a normaliser to be trusted.
      num_leapfrog_steps: mean gradients of a transition, >= 1.
      seed: int32 tensor of shape [2].
      moves: transitions at each rung, >= 1. Defaults to 2.
      keep: fraction of the population that the weights at a rung are worth, in (0, 1). Defaults to 0.5.
      first_step_size: radians. Later ones follow the acceptance. Defaults to 0.5.
      scale: as in `SplitHMC`.
      max_rungs: rungs after which to give up. Defaults to 1000.
      progress: whether to show a progress bar.

    Returns:
      `SMCResult`.

    Raises:
      ValueError: if `keep` is out of range or a state's activation is not finite.
      RuntimeError: if the end is not reached within `max_rungs`.
    """
    if not 0 < keep < 1:
        raise ValueError(f"keep: expected a number in (0, 1). Received: {keep!r}")
    rung = compile_rung(activation_fn, path, num_leapfrog_steps, scale)
    score = tf.function(activation_fn, autograph=False)
    count, step_size = state.shape[0], first_step_size
    places, log_means, family = [0.0], [], np.arange(count)
    with Progress("splitting", 1000, "per mille", callbacks=progress) as bar:
        while places[-1] < 1:
            if len(places) > max_rungs:
                raise RuntimeError(f"the population is at {places[-1]:.3g} of the path after {max_rungs} rungs")
            values = score(state)
            if not np.isfinite(values).all():
                raise ValueError(f"activation_fn: expected finite values. Received: {values.numpy()}")

            def increments(place: float, values: tf.Tensor = values) -> np.ndarray:
                return np.float64(path(values, np.float32(place))) - np.float64(path(values, np.float32(places[-1])))

            place = _next_place(increments, places[-1], keep * count)
            weights = increments(place)
            log_means.append(log_mean_exp(weights))
            stage = seeds.fold(seed, "rung", len(places))
            chosen = tfp.experimental.mcmc.resample_systematic(
                tf.constant(weights - log_means[-1] - np.log(count), tf.float32),
                count,
                [],
                seed=seeds.fold(stage, "resample"),
            )
            state, family = tf.gather(state, chosen), family[chosen.numpy()]
            for i in range(moves):
                state, accepted = rung(state, place, step_size, seeds.fold(stage, i))
                step_size = next_step_size(step_size, accepted, first_step_size)
            bar.update(int(1000 * place) - int(1000 * places[-1]), log_z=sum(log_means), step_size=step_size)
            places.append(place)
            if bar.interrupted:
                raise KeyboardInterrupt("a path that is cut short has no normaliser")
    return SMCResult(state.numpy(), float(sum(log_means)), np.array(places), np.array(log_means), family)


def _next_place(increments: Callable[[float], np.ndarray], place: float, wanted: float) -> float:
    """Where the weights are worth `wanted` chains, or the end."""
    if weight_ess(increments(1.0)) >= wanted:
        return 1.0
    low, high = place, 1.0
    while high - low > 1e-3 * (high - place):
        middle = (low + high) / 2
        low, high = (middle, high) if weight_ess(increments(middle)) >= wanted else (low, middle)
    return high
