"""The probability P(A >= target) under N(0, I), from populations that climb to the event."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from samplevis.runtime import compiled, seeds
from samplevis.runtime.progress import Progress
from samplevis.sampling.density import Conditioned
from samplevis.sampling.mass import learn_preconditioner
from samplevis.sampling.smc import Population, StepSize, Transitions, log_mean_exp, weight_ess

# Transitions at each strength, and the largest angle of a leapfrog step, in radians: a trajectory of four is 1.2 on average.
NUM_MOVES, MAX_ANGLE = 2, 0.3
# Effective states over all states, after a rise of the strength, and of the last weights, those of the event.
ESS_FRACTION = 0.6
# How far the strength may rise, over that of the density, before the target counts as out of reach.
MAX_RISE = 64
# States from which the pilot learns a preconditioner at each strength.
NUM_MASS_STATES = 8


class Schedule(NamedTuple):
    """What a pilot population found, for others to follow.

    Attributes:
      strengths: the strengths, rising, in nats per unit of activation, [step].
      step_sizes: of the transitions at each strength, in radians, [step, move].
      preconditioners: at each strength, [step, ...], see `SplitHMC`.
    """

    strengths: np.ndarray
    step_sizes: np.ndarray
    preconditioners: np.ndarray


class RareEvent(NamedTuple):
    """What one population found.

    Attributes:
      log_probability: log P(A >= target) under N(0, I); -inf if no state reached the target.
      log_z: log normaliser of the soft event that the population ended in.
      state: the population, [chain, ...].
      activation: at its states, [chain].
      ancestors: how many first states have descendants that reach the target.
      temperature_steps: strengths of the path.
      effective_states: how many equally weighted states the last weights are worth, from the soft event to the hard one.
      schedule: the path.
    """

    log_probability: float
    log_z: float
    state: np.ndarray
    activation: np.ndarray
    ancestors: int
    temperature_steps: int
    effective_states: float
    schedule: Schedule


class Tail:
    """P(A >= target) under N(0, I), by a path of soft events that sharpen to the hard one.

    At strength b the soft event has the probability Z(b) = E[sigmoid(b (A - target))] under the prior: 1/2 at b = 0, P at b = inf.
    Below the target its log is b (A - target), a tilt; above it is 0. P = Z(b) E[1(A >= target) / sigmoid(b (A - target))],
    where the expectation is under the soft event and its weights lie between 1 and 2 wherever they are not zero.

    A pilot population chooses strengths, step sizes and preconditioners. A population that follows its schedule has no adaptation,
    so that its estimate of P is unbiased (Del Moral 2004).

    Args:
      activation_fn: state [chain, ...] -> activation [chain].
      density: the soft form of the event; its `beta` is the scale on which a strength counts as too high.
      num_leapfrog_steps: mean gradients of a transition, >= 1.
      bands: int, shape of one state: coordinates of one label share a mass. Defaults to one label.

    Example:
      >>> tail = Tail(lambda x: x[:, 0], Conditioned(target=3.0, width=0.1, beta=10.0), 4)
      >>> def prior(seed):
      ...     return tf.random.stateless_normal((256, 5), seed)
      >>> pilot = tail.climb(prior((0, 1)), seeds.root(1))
      >>> event = tail.climb(prior((0, 2)), seeds.root(2), pilot.schedule)
      >>> bool(abs(event.log_probability - np.log(0.00135)) < 0.5)
      True
    """

    def __init__(
        self,
        activation_fn: Callable[[tf.Tensor], tf.Tensor],
        density: Conditioned,
        num_leapfrog_steps: int,
        bands: np.ndarray | None = None,
    ):
        target = tf.constant(density.target, tf.float32)

        def path(activation: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
            return tf.math.log_sigmoid(strength * (activation - target))

        def tilt(state: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
            return path(activation_fn(state), strength)

        self._target, self._limit = float(density.target), MAX_RISE * float(density.beta)
        self._transitions = Transitions(activation_fn, path, num_leapfrog_steps)
        self._tilt, self._bands, self._compile = tilt, bands, compiled.cached({})

    def climb(
        self, state: tf.Tensor, seed: tf.Tensor, schedule: Schedule | None = None, progress: bool = False
    ) -> RareEvent:
        """Takes a population from the prior to the event.

        Args:
          state: draws of the prior, [chain, ...].
          seed: int32 tensor of shape [2].
          schedule: that of a pilot. By default the population finds its own, which biases it slightly.
          progress: whether to show a progress bar. Defaults to False.

        Returns:
          `RareEvent`.

        Raises:
          RuntimeError: if there is no schedule and the population does not reach the target.
          ValueError: if an activation is not finite.
        """
        population = Population(self._transitions, state, 0.0)
        first, adapted, path = float(np.mean(population.values)), StepSize(MAX_ANGLE, MAX_ANGLE), []
        way = self._target - first or 1.0
        with Progress("splitting", 1000, "per mille", callbacks=progress) as bar:
            while not self._arrived(population) if schedule is None else len(path) < len(schedule.strengths):
                step_seed = seeds.fold(seed, "rung", len(path))
                if schedule is None:
                    strength, step_sizes, preconditioner = self._next_strength(population), [adapted] * NUM_MOVES, None
                else:
                    strength, sizes, preconditioner = (values[len(path)] for values in schedule)
                    step_sizes = [StepSize(size, size, frozen=True) for size in sizes]
                population.resample(strength, seeds.fold(step_seed, "resample"))
                if preconditioner is None:
                    preconditioner = self._preconditioner(population, step_seed)
                used = population.move(step_sizes, preconditioner, step_seed)
                path.append((strength, used, preconditioner))
                climbed = np.clip((np.mean(population.values) - first) / way, 0, 1)
                figures = dict(log_z=population.log_z + np.log(0.5), step_size=used[-1])
                bar.update(max(int(1000 * climbed) - bar.done, 0), **figures)
                if bar.interrupted:
                    raise KeyboardInterrupt("a path that is cut short has no normaliser")
            bar.update(1000 - bar.done)
        followed = Schedule(*map(np.array, zip(*path, strict=True))) if path else Schedule(*np.zeros((3, 0)))
        return self._result(population, followed)

    def _arrived(self, population: Population) -> bool:
        """Whether the last weights are worth enough states."""
        return weight_ess(self._last_log_weights(population)) >= ESS_FRACTION * len(population.values)

    def _last_log_weights(self, population: Population) -> np.ndarray:
        """Log of the weights from the soft event to the hard one, [chain]."""
        log_sigmoid = np.float64(self._transitions.path(population.values, np.float32(population.temperature)))
        return np.where(population.values >= self._target, -log_sigmoid, -np.inf)

    def _next_strength(self, population: Population) -> float:
        if population.temperature >= self._limit:
            values = population.values.numpy()
            raise RuntimeError(
                f"density: only {(values >= self._target).sum()} of {len(values)} states reach the target {self._target:g} "
                f"(highest: {values.max():g}), even under {MAX_RISE} times the strength. Lower the level, or give more leapfrog "
                "steps"
            )
        return population.next_temperature(ESS_FRACTION, self._limit)

    def _preconditioner(self, population: Population, seed: tf.Tensor) -> np.ndarray:
        """Learned where the population is; 1 for the fastest coordinates, so that the step size is their angle."""
        state = population.state[:: max(1, population.state.shape[0] // NUM_MASS_STATES)][:NUM_MASS_STATES]
        bands = np.zeros(state.shape[1:], np.int32) if self._bands is None else self._bands
        strength = tf.constant(population.temperature, tf.float32)
        learned = learn_preconditioner(self._tilt, state, bands, seed, [strength], self._compile)
        return learned / learned.max()

    def _result(self, population: Population, schedule: Schedule) -> RareEvent:
        log_weights, log_z = self._last_log_weights(population), np.log(0.5) + population.log_z
        return RareEvent(
            log_probability=log_z + log_mean_exp(log_weights),
            log_z=log_z,
            state=population.state.numpy(),
            activation=population.values.numpy(),
            ancestors=len(set(population.ancestor_indices[np.isfinite(log_weights)])),
            temperature_steps=len(schedule.strengths),
            effective_states=weight_ess(log_weights),
            schedule=schedule,
        )


def log_probability_interval(log_probabilities: np.ndarray, coverage: float = 0.9) -> tuple[float, float]:
    """An interval for log P from independent, unbiased and roughly log-normal estimates of P.

    Logs of such estimates scatter around log P - v / 2 with variance v, so that the mean of the logs plus half their variance
    estimates log P. Its standard error is sqrt(v / n + v^2 / (2 (n - 1))) (Cox's method; Zhou and Gao 1997), taken here with
    Student's t for n - 1 degrees of freedom. One estimate shows no scatter: then the lower end is Markov's inequality, which
    holds for any law, and the upper end is log 1.

    Args:
      log_probabilities: logs of the estimates, [n].
      coverage: share of intervals that contain log P. Defaults to 0.9.

    Returns:
      (low, high), high at most 0; low is -inf if an estimate is zero.

    Example:
      >>> low, high = log_probability_interval(np.array([-50.2, -49.8, -50.4]))
      >>> low < -50 < high
      True
    """
    count = len(log_probabilities)
    if not np.isfinite(log_probabilities).all():
        return -np.inf, 0.0
    mean = float(np.mean(log_probabilities))
    if count == 1:
        return mean + float(np.log1p(-coverage)), 0.0
    variance = float(np.var(log_probabilities, ddof=1))
    error = np.sqrt(variance / count + variance**2 / (2 * (count - 1)))
    half = float(_student_quantile(count - 1, (1 + coverage) / 2) * error)
    middle = mean + variance / 2
    return min(middle - half, 0.0), min(middle + half, 0.0)


@functools.cache
def _student_quantile(freedom: int, probability: float) -> float:
    """The quantile of Student's t."""
    law = tfp.distributions.StudentT(np.float64(freedom), np.float64(0), np.float64(1))
    return float(law.quantile(np.float64(probability)))
