"""Sequential Monte Carlo: a population that climbs a path of densities, and the normaliser of the last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from samplevis.runtime import seeds
from samplevis.runtime.deprecation import renamed_keywords
from samplevis.runtime.progress import Progress
from samplevis.sampling.kernels.base import acceptance_probability
from samplevis.sampling.kernels.split_hmc import SplitHMC

# A path of tilts: (activation [chain], inverse temperature, a scalar from 0 to 1) -> tilt [chain].
Path = Callable[[tf.Tensor, Any], tf.Tensor]
# By what a step size is multiplied or divided after a transition, and the acceptance rate that it aims at.
STEP_SIZE_FACTOR, TARGET_ACCEPTANCE = 1.3, 0.75


class SMCResult(NamedTuple):
    """The population at the end of a path.

    Attributes:
      state: [chain, ...], equally weighted.
      log_z: log of the normaliser of N(0, I) exp(tilt) at the end of the path.
      schedule: the inverse temperatures that were chosen, from 0 to 1, [temperature step + 1].
      log_means: log of the mean incremental weight of each temperature step; their sum is `log_z`.
      ancestor_indices: the first chain that each state descends from, int [chain].
    """

    state: np.ndarray
    log_z: float
    schedule: np.ndarray
    log_means: np.ndarray
    ancestor_indices: np.ndarray

    @property
    def num_ancestors(self) -> int:
        """How many of the first chains have descendants at the end."""
        return len(set(self.ancestor_indices))


@renamed_keywords(
    moves="num_moves",
    keep="ess_fraction",
    first_step_size="step_size",
    scale="preconditioner",
    max_rungs="max_temperature_steps",
)
def sequential_monte_carlo(
    activation_fn: Callable[[tf.Tensor], tf.Tensor],
    path: Path,
    state: tf.Tensor,
    num_leapfrog_steps: int,
    seed: tf.Tensor,
    *,
    num_moves: int = 2,
    ess_fraction: float = 0.5,
    step_size: float = 0.5,
    preconditioner: Any = 1.0,
    max_temperature_steps: int = 1000,
    progress: bool = False,
) -> SMCResult:
    """Multilevel splitting with soft levels: reweight, resample, move (Del Moral, Doucet and Jasra 2006).

    The next inverse temperature is where the effective sample size of the weights falls to `ess_fraction` of the population.
    Every step has seeds of its own, unlike in TFP's `sample_sequential_monte_carlo`.

    Args:
      activation_fn: state [chain, ...] -> activation [chain].
      path: (activation [chain], inverse temperature from 0 to 1) -> tilt [chain]; where the tilt at 0 is not zero, `log_z` is
        relative to it.
      state: draws of the density at inverse temperature 0, the prior, [chain, ...]; a few hundred chains at least for a normaliser
        to be trusted.
      num_leapfrog_steps: mean gradients of a transition, >= 1.
      seed: int32 tensor of shape [2].
      num_moves: transitions at each temperature step, >= 1. Defaults to 2.
      ess_fraction: effective sample size of the weights over the size of the population, in (0, 1). Defaults to 0.5.
      step_size: the first, and the largest, in radians. Later ones follow the acceptance rate. Defaults to 0.5.
      preconditioner: as in `SplitHMC`. Defaults to 1.
      max_temperature_steps: steps after which to give up. Defaults to 1000.
      progress: whether to show a progress bar.

    Returns:
      `SMCResult`.

    Raises:
      ValueError: if `ess_fraction` is out of range or a state's activation is not finite.
      RuntimeError: if the end is not reached within `max_temperature_steps`.

    Example:
      >>> def activation_fn(x):
      ...     return 3 * x[:, 0]
      >>> prior = tf.random.stateless_normal((256, 6), (0, 1))
      >>> result = sequential_monte_carlo(activation_fn, lambda a, t: t * a, prior, 3, seed=tf.constant([0, 2]))
      >>> abs(result.log_z - 3**2 / 2) < 0.5
      True
    """
    if not 0 < ess_fraction < 1:
        raise ValueError(f"ess_fraction: expected a number in (0, 1). Received: {ess_fraction!r}")
    move = _compile_move(activation_fn, path, num_leapfrog_steps, preconditioner)
    score = tf.function(activation_fn, autograph=False)
    count, largest = state.shape[0], step_size
    schedule, log_means, ancestor_indices = [0.0], [], np.arange(count)
    with Progress("splitting", 1000, "per mille", callbacks=progress) as bar:
        while schedule[-1] < 1:
            if len(schedule) > max_temperature_steps:
                raise RuntimeError(
                    f"the population is at {schedule[-1]:.3g} of the path after {max_temperature_steps} temperature steps"
                )
            values = score(state)
            if not np.isfinite(values).all():
                raise ValueError(f"activation_fn: expected finite values. Received: {values.numpy()}")

            def log_weights(temperature: float, values: tf.Tensor = values) -> np.ndarray:
                before, after = (np.float64(path(values, np.float32(t))) for t in (schedule[-1], temperature))
                return after - before

            temperature = _next_temperature(log_weights, schedule[-1], ess_fraction * count)
            log_means.append(log_mean_exp(log_weights(temperature)))
            step_seed = seeds.fold(seed, "rung", len(schedule))
            chosen = tfp.experimental.mcmc.resample_systematic(
                tf.constant(log_weights(temperature) - log_means[-1] - np.log(count), tf.float32),
                count,
                [],
                seed=seeds.fold(step_seed, "resample"),
            )
            state, ancestor_indices = tf.gather(state, chosen), ancestor_indices[chosen.numpy()]
            for i in range(num_moves):
                state, acceptance_rate = move(state, temperature, step_size, seeds.fold(step_seed, i))
                step_size = _next_step_size(step_size, acceptance_rate, largest)
            bar.update(int(1000 * temperature) - int(1000 * schedule[-1]), log_z=sum(log_means), step_size=step_size)
            schedule.append(temperature)
            if bar.interrupted:
                raise KeyboardInterrupt("a path that is cut short has no normaliser")
    return SMCResult(state.numpy(), float(sum(log_means)), np.array(schedule), np.array(log_means), ancestor_indices)


def log_mean_exp(log_weights: np.ndarray) -> float:
    """log(mean(exp(x))) of an array, without overflow."""
    largest = np.max(log_weights)
    return float(largest + np.log(np.mean(np.exp(np.asarray(log_weights, np.float64) - largest))))


def weight_ess(log_weights: np.ndarray) -> float:
    """Effective sample size (sum w)^2 / sum w^2 of weights given by their logarithms, [chain] (Kish 1965)."""
    weights = np.exp(np.asarray(log_weights, np.float64) - np.max(log_weights))
    return float(weights.sum() ** 2 / (weights**2).sum())


def _next_temperature(log_weights: Callable[[float], np.ndarray], now: float, wanted_ess: float) -> float:
    """The inverse temperature at which the weights are worth `wanted_ess` chains, by bisection; or the end of the path."""
    if weight_ess(log_weights(1.0)) >= wanted_ess:
        return 1.0
    low, high = now, 1.0
    while high - low > 1e-3 * (high - now):
        middle = (low + high) / 2
        low, high = (middle, high) if weight_ess(log_weights(middle)) >= wanted_ess else (low, middle)
    return high


def _next_step_size(step_size: float, acceptance_rate: float, largest: float) -> float:
    """The step size after a transition with this mean acceptance rate."""
    excess = (acceptance_rate - TARGET_ACCEPTANCE) / (1 - TARGET_ACCEPTANCE)
    return min(step_size * STEP_SIZE_FACTOR ** max(excess, -2.0), largest)


def _compile_move(
    activation_fn: Callable[[tf.Tensor], tf.Tensor], path: Path, num_leapfrog_steps: int, preconditioner: Any
) -> Callable[[tf.Tensor, float, float, tf.Tensor], tuple[tf.Tensor, float]]:
    """A compiled transition: (state, inverse temperature, step size, seed) -> (state, mean acceptance rate)."""

    @tf.function(autograph=False)
    def compiled(state: tf.Tensor, temperature: tf.Tensor, step_size: tf.Tensor, seed: tf.Tensor):
        # Evaluated afresh: the results of the step before are those of another temperature.
        kernel = SplitHMC(lambda x: path(activation_fn(x), temperature), step_size, num_leapfrog_steps, preconditioner)
        state, results = kernel.one_step(state, kernel.bootstrap_results(state), seed)
        return state, acceptance_probability(results.log_accept_ratio)

    def move(state: tf.Tensor, temperature: float, step_size: float, seed: tf.Tensor) -> tuple[tf.Tensor, float]:
        temperature, step_size = tf.constant(temperature, tf.float32), tf.constant(step_size, tf.float32)
        state, probability = compiled(state, temperature, step_size, seed)
        return state, float(probability.numpy().mean())

    return move
