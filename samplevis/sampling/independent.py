"""Independent draws of a density: rejection from the prior, and sequential Monte Carlo."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from samplevis.activation import Activation
from samplevis.runtime import seeds
from samplevis.runtime.context import RunContext
from samplevis.runtime.progress import Progress
from samplevis.sampling.annealing import corrected, level_ratio
from samplevis.sampling.chains import ChainResult
from samplevis.sampling.density import Conditioned, Density, Tilted, check_density
from samplevis.sampling.kernels.base import uniform_above_zero
from samplevis.sampling.kernels.stats import TransitionStats
from samplevis.sampling.level_scale import LevelScale, finite_median, mean_activation
from samplevis.sampling.options import HMCOptions
from samplevis.sampling.populations import PopulationProblem, Recalibrate, run_populations
from samplevis.sampling.scalars import scalar_fn
from samplevis.sampling.streaming import Moments
from samplevis.sampling.tuning import NUM_CALIBRATION_TRANSFORMS, Aim, Tuning, bank_of

# The edge of the default density, relative to the distance between levels 0 and 1, and the power of its sigmoid: an image at
# the target has 1 / 16 of the density of one well above it.
EDGE_WIDTH, EDGE_POWER = 0.01, 4.0
# Draws of the prior that rejection evaluates at a time, and at most.
BATCH_SIZE, MAX_PROPOSALS = 64, 200_000
# How far SMC's draws may be from the level asked for before their density is moved.
LEVEL_TOLERANCE = 0.01


class IndependentDraws(NamedTuple):
    """Draws with equal weights.

    Attributes:
      state: float32 [draw, ...].
      ancestor: number of the draw of the prior that each descends from, int [draw]; all differ after rejection.
      population: number of the population of each, int [draw], rising; 0 after rejection.
      log_z: log of the mean of exp(tilt) under the prior, by each population, [population]: of the probability of the event, if
        that is what the density says.
      gradients: gradients of one draw; after rejection, evaluations of one draw.
      density_params: attributes of the density that they are draws of, in their order.
    """

    state: np.ndarray
    ancestor: np.ndarray
    population: np.ndarray
    log_z: np.ndarray
    gradients: int
    density_params: np.ndarray


class IndependentRun(NamedTuple):
    """Draws in the form of chains.

    Attributes:
      result: the draws and their figures.
      density: the density that they are draws of.
      families: name -> [chain, draw]: "ancestor" is the number of the draw of the prior that each descends from. SMC also has
        "population", the number of its population, and "log_z", the log of the normaliser by that population.
    """

    result: ChainResult
    density: Density
    families: dict[str, np.ndarray]


def default_density(density: str | Density, scale: LevelScale, level: float, beta: float | None) -> Density:
    """The density that independent draws come from.

    Args:
      density: a density as it is, or "conditioned", which becomes A >= level with a narrow edge, or "tilted" with a `beta`.
      scale: the ends of the activation's scale.
      level: level asked for.
      beta: strength in nats per unit of activation; None for what the edge needs.

    Returns:
      A density.

    Raises:
      ValueError: for another density, or a tilted one without a strength.
    """
    if isinstance(density, Density):
        return density
    if check_density(density) == "tilted" and beta is not None:
        return Tilted(beta)
    if density != "conditioned":
        raise ValueError(
            f"density: expected 'conditioned', a density, or 'tilted' with beta for independent draws. Received: {density!r}"
        )
    distance = scale.optimum - scale.prior
    width = EDGE_WIDTH * distance
    return Conditioned(scale.prior + level * distance, width, EDGE_POWER / width if beta is None else beta)


def run_independent(
    activation: Activation,
    tuning: Tuning,
    scale: LevelScale,
    chains: int,
    options: HMCOptions,
    aim: Aim | None,
    context: RunContext,
) -> IndependentRun:
    """Draws by `options.kernel`, in the form of chains whose draws are as independent as the chains.

    Args:
      activation: what is explored.
      tuning: seed and density.
      scale: the ends of the activation's scale.
      chains: number of chains.
      options: the sampler's options; there are `num_results` draws in a chain.
      aim: the level asked for, and where it is measured: SMC moves its density there. None leaves the density as it is.
      context: of the run.

    Returns:
      `IndependentRun`. Chains follow the populations: with four of them and eight chains, each population is two chains.
    """
    count = chains * options.num_results
    bank = bank_of(activation, tuning, options)
    mean, rotate = mean_activation(activation, bank), activation.param.rotate

    def draw() -> dict[str, Any]:
        seed = seeds.fold(context.seed, options.kernel)
        if options.kernel == "rejection":
            return _rejection(activation, lambda x: mean(rotate(x)), tuning.density, count, seed, context)._asdict()
        problem = PopulationProblem(
            lambda state: activation.mean(rotate(state), bank),
            lambda seed, number: rotate(activation.param.prior(seed, number)),
            tuning.density,
        )
        recalibrate = None if aim is None else _recalibration(activation, scale, aim, context.seed)
        found = run_populations(problem, count, options.num_leapfrog_steps, seed, recalibrate, context.callbacks)
        gradients, params = found.num_gradient_evals, _params(found.density)
        draws = IndependentDraws(found.state, found.ancestor, found.population, found.log_z, gradients, params)
        return draws._asdict()

    stored = context.checkpoint.get_or_compute(f"{context.scope}{options.kernel} populations {count}", draw)
    found = IndependentDraws(**{name: stored[name] for name in IndependentDraws._fields})
    density = type(tuning.density)(*map(float, found.density_params))
    # Populations are sorted by ancestor: shuffled, so that draws are in no order, but each population stays together.
    order = np.lexsort((np.random.default_rng(0).random(count), found.population))
    shape = chains, options.num_results
    states = found.state[order].reshape(*shape, *found.state.shape[1:]).swapaxes(0, 1)
    families = {"ancestor": found.ancestor[order].reshape(shape)}
    if options.kernel == "smc":
        population = found.population[order].reshape(shape)
        families |= {"population": population, "log_z": np.asarray(found.log_z)[population]}
    return IndependentRun(_as_chains(activation, mean, density, states, int(found.gradients)), density, families)


def _rejection(
    activation: Activation,
    activation_fn: Callable[[tf.Tensor], tf.Tensor],
    density: Density,
    count: int,
    seed: tf.Tensor,
    context: RunContext,
) -> IndependentDraws:
    """Draws of the prior that are accepted with the probability exp(tilt)."""
    if not isinstance(density, Conditioned):
        raise ValueError("density: rejection needs a conditioned one, whose tilt is bounded. Use the kernel 'smc'")
    param, accepted, proposed = activation.param, [], 0
    found = 0
    with Progress("sample", count, "draw", context.callbacks) as bar:
        while found < count:
            if bar.interrupted:
                raise KeyboardInterrupt(f"stopped after {found} of {count} draws")
            if proposed >= MAX_PROPOSALS:
                cost = f"about {np.log(proposed / found):.1f}" if found else f"more than {np.log(proposed):.0f}"
                raise RuntimeError(
                    f"kernel: rejection accepted {found} of {proposed} draws of the prior: the event costs {cost} nats. Lower the "
                    "level, or use the kernel 'smc'"
                )
            batch_seed = seeds.fold(seed, proposed // BATCH_SIZE)
            state = param.rotate(param.prior(batch_seed, BATCH_SIZE))
            tilt = density.tilt(activation_fn(state)).numpy().astype(np.float64)
            uniform = uniform_above_zero((BATCH_SIZE,), seeds.fold(batch_seed, "accept")).numpy()
            # Written so that nan is rejected.
            where = np.flatnonzero(uniform <= np.exp(tilt))
            accepted.append((state.numpy()[where], proposed + where))
            proposed += BATCH_SIZE
            bar.update(min(len(where), count - found), acceptance_rate=(found + len(where)) / proposed)
            found += len(where)
    state, number = (np.concatenate(parts)[:count] for parts in zip(*accepted, strict=True))
    log_z = np.array([np.log(found / proposed)])
    return IndependentDraws(state, number, np.zeros(count, int), log_z, proposed // count, _params(density))


def _params(density: Density) -> np.ndarray:
    """The attributes of a density, in their order."""
    return np.array([float(value) for value in vars(density).values()])


def _recalibration(activation: Activation, scale: LevelScale, aim: Aim, seed: tf.Tensor) -> Recalibrate:
    """Moves the target by the ratio of the levels that draws have where they are sampled and on the gauge, on other transforms."""
    other = activation.sample_bank(seeds.fold(seed, "calibration"), NUM_CALIBRATION_TRANSFORMS)
    level_on_gauge = aim.gauge.level_on(other)

    def recalibrate(state: tf.Tensor, values: np.ndarray, density: Density) -> Density | None:
        sampled = scale.levels(values)
        if not finite_median(sampled) > 0:
            return None  # Noise says nothing of a ratio.
        level = float(corrected(aim.level, level_ratio(sampled, level_on_gauge(activation.param.rotate(state)))))
        if abs(level - scale.levels(density.target)) < LEVEL_TOLERANCE:
            return None
        return dataclasses.replace(density, target=scale.prior + level * (scale.optimum - scale.prior))

    return recalibrate


def _as_chains(
    activation: Activation,
    mean: Callable[[tf.Tensor], tf.Tensor],
    density: Density,
    states: np.ndarray,
    gradients: int,
) -> ChainResult:
    """Draws [draw, chain, ...] with the statistics of transitions that accept everything."""
    param = activation.param
    draws, chains = states.shape[:2]
    latents = [param.rotate(tf.constant(state)) for state in states]
    tilt = np.stack([density.tilt(mean(z)).numpy() for z in latents]).astype(np.float64)
    log_density = tilt - np.square(states.astype(np.float64)).sum(tuple(range(2, states.ndim))) / 2
    ones, unknown = np.ones((draws, chains), np.float32), np.full((draws, chains), np.nan, np.float32)
    stats = TransitionStats(
        acceptance_rate=ones,
        is_accepted=ones.astype(bool),
        energy_error=np.zeros((draws, chains), np.float32),
        energy=-log_density,
        log_density=log_density,
        temperature=unknown,
        move_acceptance_rate=unknown,
        step_size=np.full(draws, np.nan, np.float32),
        num_gradient_evals=np.full(draws, -(-gradients // draws), np.int32),
    )
    scalars_of = scalar_fn(param.latent_shape, param.bands())
    scalars = [scalars_of(tf.constant(state)) for state in states]
    images = np.stack([param.image(z).numpy() for z in latents]).astype(np.float64)
    moments = Moments(draws, images.mean(0), np.square(images - images.mean(0)).sum(0))
    none = TransitionStats(*(np.zeros((0, 0)) for _ in TransitionStats._fields))
    return ChainResult(
        states, none, stats, {name: np.stack([s[name].numpy() for s in scalars]) for name in scalars[0]}, moments
    )
