"""Populations of SMC that climb side by side, from many draws of the prior, so that what one of them misses can show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from samplevis.runtime import seeds
from samplevis.runtime.callbacks import Callback
from samplevis.sampling.density import Density
from samplevis.sampling.smc import (
    Population,
    StepSize,
    Transitions,
    climb,
    furthest_temperature,
    least_worth,
    log_mean_exp,
    systematic_resample,
)

# Populations that are compared, and the fewest draws of one: with fewer there is a single population.
NUM_POPULATIONS, MIN_POPULATION = 4, 32
# Draws of the prior that are evaluated for each draw asked for. They take no gradients: all of them cost about as much as one step
# of the path. A mode that fewer of them lead to than a few is not found, however long the path.
NUM_PRIOR_DRAWS = 64
# What the weights of these draws are worth where the populations begin, over the draws asked for: the choice then adds little to
# the error, and hardly any two draws are copies.
FIRST_WORTH = 4.0
# Transitions at each temperature: enough that hardly a draw is the copy of another.
NUM_MOVES = 4
# The first step size, and the largest, in radians.
STEP_SIZE = 0.5
# How often the density may be moved once the populations have reached it.
MAX_RECALIBRATIONS = 3

# (state [draw, ...], activation [draw], density) -> the density to go on to; None to stay.
Recalibrate = Callable[[tf.Tensor, np.ndarray, Density], Density | None]


class PopulationProblem(NamedTuple):
    """What populations sample.

    Attributes:
      activation_fn: state [draw, ...] -> activation [draw].
      prior_fn: (seed, count) -> draws of the prior, [count, ...].
      density: where the path ends.
    """

    activation_fn: Callable[[tf.Tensor], tf.Tensor]
    prior_fn: Callable[[tf.Tensor, int], tf.Tensor]
    density: Density


class Populations(NamedTuple):
    """Several populations at one density.

    Attributes:
      state: float32 [draw, ...], equally weighted, one population after the other.
      ancestor: number of the draw of the prior that each descends from, int [draw].
      population: number of the population of each, int [draw].
      log_z: log of the mean of exp(tilt) under the prior, by each population, [population].
      density: the density that they are draws of.
      num_gradient_evals: gradients of each draw.
    """

    state: np.ndarray
    ancestor: np.ndarray
    population: np.ndarray
    log_z: np.ndarray
    density: Density
    num_gradient_evals: int


def run_populations(
    problem: PopulationProblem,
    count: int,
    num_leapfrog_steps: int,
    seed: tf.Tensor,
    recalibrate: Recalibrate | None = None,
    progress: bool | Sequence[Callback] = False,
) -> Populations:
    """Takes populations from the prior to a density.

    The first step of the path needs no transitions, since the prior can be drawn from: many draws are evaluated, and those with
    the largest weights found the populations. Then all populations are moved as one batch, on one schedule, but each is resampled
    by itself: they share no ancestors, and their estimates are independent but for the step sizes.

    Args:
      problem: what is sampled.
      count: draws of all populations together, >= 1.
      num_leapfrog_steps: mean gradients of a transition, >= 1.
      seed: int32 tensor of shape [2].
      recalibrate: called at the density, up to `MAX_RECALIBRATIONS` times: where to move it. Defaults to never.
      progress: whether to show a progress bar, or callbacks. Defaults to False.

    Returns:
      `Populations`.

    Raises:
      ValueError: if an activation is not finite.
      RuntimeError: if the density is not reached.
      KeyboardInterrupt: after Ctrl-C.

    Example:
      >>> def prior_fn(seed, count):
      ...     return tf.random.stateless_normal((count, 2), seed)
      >>> problem = PopulationProblem(lambda x: x[:, 0], prior_fn, Conditioned(3.0, 0.02, 200.0))
      >>> found = run_populations(problem, 128, 4, seeds.root(0))
      >>> found.log_z.shape, bool(abs(found.log_z.mean() - np.log(0.00135)) < 0.3)
      ((4,), True)
    """

    def path(value: tf.Tensor, temperature: tf.Tensor, before: dict, is_left: tf.Tensor, after: dict) -> tf.Tensor:
        left, reached = (type(problem.density)(**numbers).tilt(value) for numbers in (before, after))
        return is_left * (1 - temperature) * left + temperature * reached

    density = problem.density
    transitions = Transitions(problem.activation_fn, path, num_leapfrog_steps)
    number = NUM_POPULATIONS if count >= NUM_POPULATIONS * MIN_POPULATION else 1
    parts = np.array_split(np.arange(count), number)
    step_sizes = [StepSize(STEP_SIZE, STEP_SIZE)] * NUM_MOVES
    population = _founded(transitions, problem, parts, seeds.fold(seed, "population"))
    population.move(step_sizes, 1.0, seeds.fold(seed, "founded"))
    climb(population, step_sizes, seed, progress=progress)
    for attempt in range(MAX_RECALIBRATIONS if recalibrate else 0):
        moved = recalibrate(population.state, population.values.numpy(), density)
        if moved is None:
            break
        population.temperature, population.arguments = 0.0, (density.numbers, tf.constant(1.0), moved.numbers)
        climb(population, step_sizes, seeds.fold(seed, "recalibrate", attempt), progress=progress)
        density = moved
    return Populations(
        population.state.numpy(),
        population.ancestor_indices,
        np.repeat(np.arange(number), [len(part) for part in parts]),
        population.log_zs,
        density,
        population.num_gradient_evals,
    )


def _founded(
    transitions: Transitions,
    problem: PopulationProblem,
    parts: Sequence[np.ndarray],
    seed: tf.Tensor,
) -> Population:
    """Populations of the draws of the prior with the largest weights, as far on the path as they are worth their number."""
    count, numbers = sum(map(len, parts)), problem.density.numbers
    arguments = numbers, tf.constant(0.0), numbers

    def batch(number: int) -> tf.Tensor:
        return problem.prior_fn(seeds.fold(seed, number), count)

    values = np.stack([transitions.score(batch(number)).numpy() for number in range(NUM_PRIOR_DRAWS)])
    if not np.isfinite(values).all():
        raise ValueError(f"activation_fn: expected finite values. Received: {values[~np.isfinite(values)]}")

    def log_weights(temperature: float) -> np.ndarray:
        return np.float64(transitions.path(tf.constant(values), np.float32(temperature), *arguments))

    # Each part has the same place in all batches.
    own = [np.ravel(np.arange(NUM_PRIOR_DRAWS)[:, None] * count + part) for part in parts]

    def worth(temperature: float) -> float:
        return NUM_PRIOR_DRAWS * least_worth(log_weights(temperature).ravel(), own)

    temperature = furthest_temperature(worth, 0.0, 1.0, FIRST_WORTH)
    reached, chosen = log_weights(temperature).ravel(), np.empty(count, int)
    for number, (part, mine) in enumerate(zip(parts, own, strict=True)):
        part_seed = seeds.fold(seed, "found", number)
        chosen[part] = mine[systematic_resample(reached[mine], part_seed, len(part))]
    found: list[np.ndarray] = [np.empty(0)] * count
    # Drawn again, since all of them may not fit in memory.
    for number in np.unique(chosen // count):
        drawn = batch(int(number)).numpy()
        for place in np.flatnonzero(chosen // count == number):
            found[place] = drawn[chosen[place] % count]
    population = Population(transitions, tf.constant(np.stack(found)), temperature, parts, arguments)
    population.log_means.append(np.array([log_mean_exp(reached[mine]) for mine in own]))
    population.ancestor_indices = chosen
    return population
