"""Sequential Monte Carlo: a population that climbs a path of densities, and the normaliser of the last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from samplevis.runtime import seeds
from samplevis.runtime.callbacks import Callback
from samplevis.runtime.compiled import uncached
from samplevis.runtime.deprecation import renamed_keywords
from samplevis.runtime.progress import Progress
from samplevis.sampling.kernels.base import acceptance_probability, uniform_above_zero
from samplevis.sampling.kernels.split_hmc import SplitHMC, SplitHMCResults

# A path of tilts: (activation [chain], inverse temperature, a scalar from 0 to 1, further arguments) -> tilt [chain].
Path = Callable[..., tf.Tensor]
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
    transitions = Transitions(activation_fn, path, num_leapfrog_steps)
    population = Population(transitions, state, 0.0)
    schedule = climb(
        population,
        [StepSize(step_size, step_size)] * num_moves,
        seed,
        ess_fraction=ess_fraction,
        preconditioner=preconditioner,
        max_temperature_steps=max_temperature_steps,
        progress=progress,
    )
    log_means = np.concatenate(population.log_means)
    return SMCResult(population.state.numpy(), population.log_z, schedule, log_means, population.ancestor_indices)


def climb(
    population: Population,
    step_sizes: Sequence[StepSize],
    seed: tf.Tensor,
    *,
    ess_fraction: float = 0.5,
    preconditioner: Any = 1.0,
    max_temperature_steps: int = 1000,
    progress: bool | Sequence[Callback] = False,
) -> np.ndarray:
    """Takes chains from where they are on their path to its end.

    Args:
      population: the chains, which are changed.
      step_sizes: of the transitions at each temperature step, which adapt.
      seed: int32 tensor of shape [2].
      ess_fraction, preconditioner, max_temperature_steps: as in `sequential_monte_carlo`.
      progress: whether to show a progress bar, or callbacks. Defaults to False.

    Returns:
      The inverse temperatures that were chosen, from the first to 1, [temperature step + 1].

    Raises:
      RuntimeError, ValueError: as in `sequential_monte_carlo`.
      KeyboardInterrupt: after Ctrl-C.
    """
    schedule = [population.temperature]
    with Progress("splitting", 1000, "per mille", progress, int(1000 * population.temperature)) as bar:
        while schedule[-1] < 1:
            if len(schedule) > max_temperature_steps:
                raise RuntimeError(
                    f"the population is at {schedule[-1]:.3g} of the path after {max_temperature_steps} temperature steps"
                )
            temperature = population.next_temperature(ess_fraction, 1.0)
            step_seed = seeds.fold(seed, "rung", len(schedule))
            population.resample(temperature, seeds.fold(step_seed, "resample"))
            population.move(step_sizes, preconditioner, step_seed)
            schedule.append(temperature)
            done = int(1000 * temperature) - int(1000 * schedule[-2])
            bar.update(done, log_z=population.log_z, step_size=step_sizes[-1].value)
            if bar.interrupted:
                raise KeyboardInterrupt("a path that is cut short has no normaliser")
    return np.array(schedule)


class StepSize:
    """A step size that follows the acceptance rate, up to a largest one.

    Args:
      value: the first, in radians.
      largest: in radians; infinite for none.
      frozen: whether it stays as it is. Defaults to False.
    """

    def __init__(self, value: float, largest: float, frozen: bool = False):
        self.value, self.largest, self.frozen = value, largest, frozen

    def update(self, acceptance_rate: float) -> None:
        """Adapts to the mean acceptance rate of a transition."""
        if not self.frozen:
            excess = (acceptance_rate - TARGET_ACCEPTANCE) / (1 - TARGET_ACCEPTANCE)
            self.value = min(self.value * STEP_SIZE_FACTOR ** max(excess, -2.0), self.largest)


class Transitions:
    """The compiled functions of a path: one set serves several populations.

    Args:
      activation_fn, path, num_leapfrog_steps: as in `sequential_monte_carlo`, but for the range of the inverse temperature, and
        for further arguments of the path, which are the population's.
    """

    def __init__(self, activation_fn: Callable[[tf.Tensor], tf.Tensor], path: Path, num_leapfrog_steps: int):
        def kernel(temperature: tf.Tensor, step_size: tf.Tensor, preconditioner: tf.Tensor, *others: Any) -> SplitHMC:
            def tilt(x: tf.Tensor) -> tf.Tensor:
                return path(activation_fn(x), temperature, *others)

            return SplitHMC(tilt, step_size, num_leapfrog_steps, preconditioner)

        def start(state: tf.Tensor, *numbers: tf.Tensor) -> SplitHMCResults:
            return kernel(*numbers).bootstrap_results(state)

        def step(state: tf.Tensor, results: SplitHMCResults, seed: tf.Tensor, *numbers: tf.Tensor):
            results = results._replace(step_size=numbers[1])
            state, results = kernel(*numbers).one_step(state, results, seed)
            return state, results, acceptance_probability(results.log_accept_ratio)

        self.path = path
        self.score, self.start, self.step = (uncached(f.__name__, f) for f in (activation_fn, start, step))


class Population:
    """Chains on a path of densities: each step reweights, resamples and moves all of them.

    Args:
      transitions: the compiled functions.
      state: draws of the density at the first inverse temperature, [chain, ...].
      temperature: the first inverse temperature.
      parts: indices of chains that are resampled among themselves, so that the parts are populations of their own, on one
        schedule. Defaults to one part.
      arguments: further arguments of the path, nests of tensors. Defaults to none.

    Attributes:
      state: [chain, ...], equally weighted within each part.
      values: activation at the states, [chain].
      temperature: where the population is on the path.
      arguments: further arguments of the path.
      log_means: log of the mean incremental weight of each step so far, [part] each.
      ancestor_indices: the first chain that each state descends from, int [chain].
      num_gradient_evals: gradients of each chain so far.
    """

    def __init__(
        self,
        transitions: Transitions,
        state: tf.Tensor,
        temperature: float,
        parts: Sequence[np.ndarray] | None = None,
        arguments: Sequence[Any] = (),
    ):
        self._transitions, self.temperature, self.arguments = transitions, temperature, tuple(arguments)
        self._parts = [np.arange(state.shape[0])] if parts is None else parts
        self.log_means: list[np.ndarray] = []
        self.ancestor_indices = np.arange(state.shape[0])
        self.num_gradient_evals = 0
        self._arrive(state)

    @property
    def log_zs(self) -> np.ndarray:
        """Log of the normaliser by each part, relative to that of the first density, [part]."""
        return np.sum([np.zeros(len(self._parts)), *self.log_means], axis=0)

    @property
    def log_z(self) -> float:
        """Log of the normaliser by all parts: of the mean of their estimates."""
        return log_mean_exp(self.log_zs)

    def next_temperature(self, ess_fraction: float, end: float) -> float:
        """The inverse temperature where the weights of a part are worth `ess_fraction` of its chains; at most `end`."""

        def worth(temperature: float) -> float:
            return least_worth(self.log_weights(temperature), self._parts)

        return furthest_temperature(worth, self.temperature, end, ess_fraction)

    def log_weights(self, temperature: float) -> np.ndarray:
        """Log of the incremental weights to an inverse temperature, float64 [chain]."""
        before, after = (
            np.float64(self._transitions.path(self.values, np.float32(t), *self.arguments))
            for t in (self.temperature, temperature)
        )
        return after - before

    def resample(self, temperature: float, seed: tf.Tensor) -> None:
        """Reweights to an inverse temperature and resamples."""
        log_weights = self.log_weights(temperature)
        self.log_means.append(np.array([log_mean_exp(log_weights[part]) for part in self._parts]))
        chosen = np.arange(len(log_weights))
        for number, part in enumerate(self._parts):
            part_seed = seeds.fold(seed, number) if number else seed
            chosen[part] = part[systematic_resample(log_weights[part], part_seed)]
        self.state, self.ancestor_indices = tf.gather(self.state, chosen), self.ancestor_indices[chosen]
        self.temperature = temperature

    def move(self, step_sizes: Sequence[StepSize], preconditioner: Any, seed: tf.Tensor) -> list[float]:
        """Makes a transition for each of the step sizes, which adapt to it.

        Returns:
          The step sizes that the transitions had.
        """
        state, results, used = self.state, None, []
        preconditioner = tf.convert_to_tensor(preconditioner, tf.float32)
        for i, step_size in enumerate(step_sizes):
            used.append(step_size.value)
            numbers = (tf.constant(x, tf.float32) for x in (self.temperature, step_size.value))
            numbers = (*numbers, preconditioner, *self.arguments)
            if results is None:
                results = self._transitions.start(state, *numbers)
                self.num_gradient_evals += 1
            state, results, probability = self._transitions.step(state, results, seeds.fold(seed, i), *numbers)
            self.num_gradient_evals += int(results.num_gradient_evals)
            step_size.update(float(probability.numpy().mean()))
        self._arrive(state)
        return used

    def _arrive(self, state: tf.Tensor) -> None:
        values = self._transitions.score(state)
        if not np.isfinite(values).all():
            raise ValueError(f"activation_fn: expected finite values. Received: {values.numpy()}")
        self.state, self.values = state, values


def systematic_resample(log_weights: np.ndarray, seed: tf.Tensor, count: int | None = None) -> np.ndarray:
    """Indices of a population in proportion to its weights, from one uniform number (Carpenter, Clifford and Fearnhead 1999).

    Args:
      log_weights: float64 [chain], at least one of them finite.
      seed: int32 tensor of shape [2].
      count: how many to choose. Defaults to the number of chains.

    Returns:
      int [count], ascending. A weight of zero is never chosen.
    """
    shares, count = np.cumsum(np.exp(log_weights - np.max(log_weights))), count or len(log_weights)
    shares /= shares[-1]
    offset = float(uniform_above_zero((), seed))
    return np.searchsorted(shares, (np.arange(count) + offset) / count)


def log_mean_exp(log_weights: np.ndarray) -> float:
    """log(mean(exp(x))) of an array, without overflow; -inf if all of them are."""
    largest = np.max(log_weights)
    if largest == -np.inf:
        return -np.inf
    return float(largest + np.log(np.mean(np.exp(np.asarray(log_weights, np.float64) - largest))))


def weight_ess(log_weights: np.ndarray) -> float:
    """Effective sample size (sum w)^2 / sum w^2 of weights given by their logarithms, [chain] (Kish 1965); 0 if all are zero."""
    largest = np.max(log_weights)
    if largest == -np.inf:
        return 0.0
    weights = np.exp(np.asarray(log_weights, np.float64) - largest)
    return float(weights.sum() ** 2 / (weights**2).sum())


def least_worth(log_weights: np.ndarray, parts: Sequence[np.ndarray]) -> float:
    """The effective sample size of the weights over the number of chains, in the part where that is least."""
    return min(weight_ess(log_weights[part]) / len(part) for part in parts)


def furthest_temperature(worth: Callable[[float], float], now: float, end: float, wanted: float) -> float:
    """Finds the inverse temperature to which weights stay worth what is wanted, by bisection; or the end of the path.

    Args:
      worth: inverse temperature -> what the weights to it are worth, which falls.
      now: the inverse temperature where the chains are.
      end: the last one.
      wanted: what the weights must be worth.

    Returns:
      The inverse temperature, above `now`.
    """
    if worth(end) >= wanted:
        return end
    low, high = now, end
    while high - low > 1e-3 * (high - now):
        middle = (low + high) / 2
        low, high = (middle, high) if worth(middle) >= wanted else (low, middle)
    return high
