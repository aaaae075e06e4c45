"""Draft samples of many units at once: annealing from optimised images, then Langevin transitions, in one compiled batch.

The dynamics are those of `samplevis.sampling.annealing` and of the kernel "langevin". Here every unit of a batch has a level, a
strength, a schedule and a stream of random numbers of its own, so that a unit gets the same in every batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from samplevis.activation import Activation
from samplevis.atlas.draft_path import STEPS_PER_CALL, Edges, Path, UnitProblem
from samplevis.atlas.settings import AtlasSettings
from samplevis.atlas.unit_rows import with_units
from samplevis.runtime import seeds
from samplevis.sampling import annealing
from samplevis.sampling.density import Conditioned
from samplevis.sampling.kernels.langevin import Langevin, LangevinState
from samplevis.sampling.kernels.registry import KERNELS

# Gradients in a transition of the kernel, the default of `HMCOptions`.
NUM_STEPS = 6


class Draft(NamedTuple):
    """Draft samples of a unit.

    Attributes:
      latents: float32 [chain, *latent_shape].
      images: of the latents, float32 [chain, *image_shape].
      chain_means: mean image of each chain over its transitions, in the same shape.
      strength: force on the activation at the level, in nats per unit.
      reached: bool [chain], whether annealing reached the level.
      gradients: gradients of each chain, a transform counting once.
    """

    latents: np.ndarray
    images: np.ndarray
    chain_means: np.ndarray
    strength: float
    reached: np.ndarray
    gradients: int


def draft_units(
    activation: Activation,
    units: Sequence[UnitProblem],
    unit_seeds: tf.Tensor,
    settings: AtlasSettings,
    compare: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None,
    notify: Callable[[int], None] = lambda gradients: None,
) -> list[Draft]:
    """Draws samples of several units of a layer in one batch.

    Args:
      activation: of the layer, on the network that is sampled.
      units: what is drawn; always as many as `settings.units_per_batch`, so that nothing is traced twice.
      unit_seeds: int32 [units, 2].
      settings: of the atlas.
      compare: latents [unit * chain, *latent_shape] -> their levels on the network that is sampled, and where the level is
        asked for, each [unit, chain]. Defaults to none: they are the same.
      notify: called with the gradients of each chain in every call of compiled code. Defaults to nothing.

    Returns:
      A `Draft` for each unit. What a unit gets does not depend on the others.
    """
    chains, all_seeds = settings.num_chains, (unit_seeds, seeds.root(settings.seed))
    vectors = np.repeat([unit.vector for unit in units], chains, axis=0)
    batch = with_units(activation, vectors)
    edges = Edges.of(units, int(np.prod(activation.param.latent_shape)))
    starts = batch.param.rotate(tf.constant(np.concatenate([unit.starts for unit in units])))
    path = Path.start(starts, unit_seeds, chains, settings)
    run = batch.compiler("atlas", chains)("anneal", _anneal_steps(batch))
    while path.active.any():
        force, rise, friction = path.forces()
        aims = path.aims()
        state, mean, strength = run(
            path.now,
            all_seeds,
            tf.constant(path.done),
            tuple(_rows(x * edges.unit, chains) for x in (force, rise)),
            (_rows(edges.target(aims), chains), _rows(edges.width, chains)),
            # Cooled dynamics step as much shorter as they have more friction.
            (
                path.step_size * annealing.FRICTION / np.repeat(friction, chains).astype(np.float32),
                _rows(friction, chains),
            ),
            batch.parameters,
        )
        gaps = edges.levels(mean.numpy(), chains) - aims[:, None]
        path.add(state, gaps, strength.numpy().reshape(-1, chains), unit_seeds)
        if compare is not None and path.compares:
            path.add_levels(*compare(batch.param.rotate(path.now.state).numpy()))
        path.prolong()
        notify(STEPS_PER_CALL * annealing.NUM_TRANSFORMS)
    reached, strengths = path.reached(), path.strength(edges.unit)
    density = Conditioned(edges.target(path.aims()), edges.width, annealing.MARGIN * strengths)
    numbers = {name: _rows(value, chains) for name, value in vars(density).items()}
    sample = batch.compiler("atlas", chains, settings.num_transitions)("sample", _transitions(batch, settings))
    latents, images, means = (x.numpy() for x in sample(path.now, all_seeds, numbers, batch.parameters))
    per_transition = NUM_STEPS * KERNELS["langevin"].num_transforms
    notify(settings.num_transitions * per_transition)
    return [
        Draft(
            *(x[n * chains : (n + 1) * chains] for x in (latents, images, means)),
            float(strengths[n]),
            reached[n],
            int(path.steps[n]) * annealing.NUM_TRANSFORMS + settings.num_transitions * per_transition,
        )
        for n in range(len(units))
    ]


def measure_rate(activation: Activation, vectors: np.ndarray, settings: AtlasSettings) -> float:
    """Times annealing steps of a batch.

    Args:
      activation: of a layer, on the network that is sampled.
      vectors: directions of units, [unit, channels]; `settings.units_per_batch` of them.
      settings: of the atlas.

    Returns:
      Image gradients per second, without the time that compiling takes.
    """
    chains = settings.num_chains
    batch = with_units(activation, np.repeat(vectors, chains, axis=0))
    unit_seeds = tf.stack([seeds.fold(seeds.root(0), n) for n in range(len(vectors))])
    state, zeros = activation.param.prior(seeds.root(0), len(vectors) * chains), tf.zeros(len(vectors) * chains)
    path = Path.start(state, unit_seeds, chains, settings)
    run, ones = batch.compiler("atlas", chains)("anneal", _anneal_steps(batch)), tf.ones_like(zeros)
    arguments = (
        path.now,
        (unit_seeds, seeds.root(0)),
        tf.constant(0),
        (zeros, zeros),
        (zeros, ones),
        (0.1 * ones, ones),
        batch.parameters,
    )
    run(*arguments)
    start = time.monotonic()
    run(*arguments)[1].numpy()
    return len(vectors) * chains * STEPS_PER_CALL * annealing.NUM_TRANSFORMS / (time.monotonic() - start)


def _rows(values: np.ndarray, chains: int) -> tf.Tensor:
    """A value for each unit as one for each row."""
    return tf.constant(np.repeat(np.asarray(values, np.float32), chains))


def _fresh_mean(activation: Activation, units: int, num_transforms: int) -> Callable[..., tf.Tensor]:
    """(state, parameters, seed) -> activation [row], averaged over fresh transforms; all units get the same, as in a sweep."""

    def score(state: tf.Tensor, parameters: list[tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
        count = num_transforms * (state.shape[0] // units)
        transforms = activation.sample_transforms(seed, count, strata=num_transforms)
        tiled = tf.nest.map_structure(lambda leaf: tf.tile(leaf, [units] + [1] * (leaf.shape.rank - 1)), transforms)
        return tf.reduce_mean(activation.paired(activation.param.rotate(state), tiled, parameters), axis=1)

    return score


def _anneal_steps(activation: Activation) -> Callable[..., tuple[LangevinState, tf.Tensor, tf.Tensor]]:
    """Some annealing steps, to be compiled: (state, mean activation [row], mean strength [row]) after them."""

    def run(
        now: LangevinState,
        all_seeds: tuple[tf.Tensor, tf.Tensor],
        first: tf.Tensor,
        forces: tuple[tf.Tensor, tf.Tensor],
        edge: tuple[tf.Tensor, tf.Tensor],
        pace: tuple[tf.Tensor, tf.Tensor],
        parameters: list[tf.Tensor],
    ) -> tuple[LangevinState, tf.Tensor, tf.Tensor]:
        unit_seeds, shared = all_seeds
        fresh = _fresh_mean(activation, unit_seeds.shape[0], annealing.NUM_TRANSFORMS)

        def score_at(place: tf.Tensor) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
            transforms = seeds.fold(shared, "anneal", place)
            return lambda state, _: fresh(state, parameters, transforms)

        return annealing.annealing_steps(now, score_at, unit_seeds, (first, STEPS_PER_CALL), forces, edge, pace)

    return run


def _transitions(activation: Activation, settings: AtlasSettings) -> Callable[..., tuple[tf.Tensor, ...]]:
    """The kernel's transitions, to be compiled: (latents, images, mean images over all steps), [row, ...]."""
    param, spec = activation.param, KERNELS["langevin"]

    def run(
        now: LangevinState,
        all_seeds: tuple[tf.Tensor, tf.Tensor],
        density_params: dict[str, tf.Tensor],
        parameters: list[tf.Tensor],
    ) -> tuple[tf.Tensor, ...]:
        unit_seeds, shared = all_seeds
        density, fresh = (
            Conditioned(**density_params),
            _fresh_mean(activation, unit_seeds.shape[0], spec.num_transforms),
        )

        def kernel(i: tf.Tensor | int) -> Langevin:
            transforms = seeds.fold(shared, "sample", i)
            return Langevin(lambda _: lambda z: density.tilt(fresh(z, parameters, transforms)), spec.step_size, 1)

        def step(i: tf.Tensor, state: tf.Tensor, results: Any, total: tf.Tensor):
            state, results = kernel(i).one_step(state, results, seeds.fold(unit_seeds, "sample", i))
            return i + 1, state, results, total + param.image(param.rotate(state))

        # The kernel's own first velocities depend on the place in the batch.
        results = kernel(0).bootstrap_results(now.state)._replace(velocity=now.velocity)
        steps, zeros = settings.num_transitions * NUM_STEPS, tf.zeros([now.state.shape[0], *param.image_shape])
        _, state, _, total = tf.while_loop(
            lambda i, *_: i < steps, step, (tf.constant(0), now.state, results, zeros), parallel_iterations=1
        )
        latents = param.rotate(state)
        return latents, param.image(latents), total / steps

    return run
