"""Draft samples of many units at once: annealing from optimised images, then Langevin transitions, in one compiled batch.

The dynamics are those of `samplevis.sampling.annealing` and of the kernel "langevin". Here every unit of a batch has a level, a
strength, a schedule and a stream of random numbers of its own, so that a unit gets the same in every batch.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from samplevis.activation import Activation
from samplevis.atlas.settings import AtlasSettings
from samplevis.atlas.unit_rows import with_units
from samplevis.runtime import seeds
from samplevis.sampling import annealing
from samplevis.sampling.density import Conditioned
from samplevis.sampling.kernels.base import choose
from samplevis.sampling.kernels.langevin import Langevin, LangevinState
from samplevis.sampling.kernels.registry import KERNELS
from samplevis.sampling.level_scale import LevelScale

# Gradients in a transition of the kernel, the default of `HMCOptions`.
NUM_STEPS = 6
STEPS_PER_CALL = annealing.STEPS_PER_CALL


class UnitProblem(NamedTuple):
    """What is drawn of a unit.

    Attributes:
      key: its name, "layer:unit", which its random numbers depend on.
      vector: its direction in the layer, float32 [channels].
      scale: ends of the scale of its activation, on the network that is sampled.
      starts: an optimised latent for each chain, float32 [chain, *latent_shape].
    """

    key: str
    vector: np.ndarray
    scale: LevelScale
    starts: np.ndarray


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
    activation: Activation, units: Sequence[UnitProblem], unit_seeds: tf.Tensor, settings: AtlasSettings
) -> list[Draft]:
    """Draws samples of several units of a layer in one batch.

    Args:
      activation: of the layer, on the network that is sampled.
      units: what is drawn; always as many as `settings.units_per_batch`, so that nothing is traced twice.
      unit_seeds: int32 [units, 2].
      settings: of the atlas.

    Returns:
      A `Draft` for each unit. What a unit gets does not depend on the others.
    """
    chains, all_seeds = settings.num_chains, (unit_seeds, seeds.root(settings.seed))
    vectors = np.repeat([unit.vector for unit in units], chains, axis=0)
    batch = with_units(activation, vectors)
    edges = _Edges.of(units, settings.level, int(np.prod(activation.param.latent_shape)))
    starts = batch.param.rotate(tf.constant(np.concatenate([unit.starts for unit in units])))
    path = _Path.start(starts, unit_seeds, chains, settings)
    run = batch.compiler("atlas", chains)("anneal", _anneal_steps(batch))
    while path.active.any():
        force, rise, friction = path.forces()
        state, mean, strength = run(
            path.now,
            all_seeds,
            tf.constant(path.done),
            tuple(_rows(x * edges.unit, chains) for x in (force, rise)),
            (_rows(edges.target, chains), _rows(edges.width, chains)),
            # Cooled dynamics step as much shorter as they have more friction.
            (
                path.step_size * annealing.FRICTION / np.repeat(friction, chains).astype(np.float32),
                _rows(friction, chains),
            ),
            batch.parameters,
        )
        path.add(state, edges.levels(mean.numpy(), chains), strength.numpy().reshape(-1, chains), unit_seeds)
    reached, strengths = path.reached(), path.strength(edges.unit)
    density = Conditioned(edges.target, edges.width, annealing.MARGIN * strengths)
    numbers = {name: _rows(value, chains) for name, value in vars(density).items()}
    sample = batch.compiler("atlas", chains, settings.num_transitions)("sample", _transitions(batch, settings))
    latents, images, means = (x.numpy() for x in sample(path.now, all_seeds, numbers, batch.parameters))
    per_transition = NUM_STEPS * KERNELS["langevin"].num_transforms
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
    path = _Path.start(state, unit_seeds, chains, settings)
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


class _Edges(NamedTuple):
    """The level of each unit, in units of its activation; every array is [unit]."""

    target: np.ndarray
    width: np.ndarray
    # Nats per latent coordinate and unit of level -> nats per unit of activation.
    unit: np.ndarray
    prior: np.ndarray
    distance: np.ndarray

    @classmethod
    def of(cls, units: Sequence[UnitProblem], level: float, dimension: int) -> _Edges:
        prior, optimum = (np.array([unit.scale[end] for unit in units], np.float64) for end in (0, 1))
        distance = optimum - prior
        return cls(prior + level * distance, annealing.WIDTH * distance, dimension / distance, prior, distance)

    def levels(self, values: np.ndarray, chains: int) -> np.ndarray:
        """Levels of activations [unit * chain], as [unit, chain]."""
        return (values.reshape(-1, chains) - self.prior[:, None]) / self.distance[:, None]


@dataclasses.dataclass
class _Path:
    """How far the units have been annealed; arrays are [unit], [unit, chain] or [unit * chain] (`now`, `step_size`).

    `levels` and `strengths` are those of the last calls of each unit, [call, unit, chain], the newest last.
    """

    now: LangevinState
    chains: int
    level: float
    num_steps: int
    force: np.ndarray
    most: np.ndarray
    steps: np.ndarray
    arrived: np.ndarray
    step_size: np.ndarray
    levels: np.ndarray
    strengths: np.ndarray
    done: int = 0

    @classmethod
    def start(cls, state: tf.Tensor, unit_seeds: tf.Tensor, chains: int, settings: AtlasSettings) -> _Path:
        units = unit_seeds.shape[0]
        velocity = seeds.normal(state.shape, seeds.fold(unit_seeds, "anneal velocity"))
        zeros = tf.zeros(units * chains)
        steps = _whole_calls(settings.anneal_steps)
        return cls(
            LangevinState(state, velocity, zeros, zeros),
            chains,
            settings.level,
            steps,
            force=np.full(units, annealing.FIRST_FORCE),
            most=np.full(units, steps),
            steps=np.zeros(units, int),
            arrived=np.zeros((units, chains), bool),
            step_size=np.full(units * chains, annealing.STEP_SIZE, np.float32),
            levels=np.zeros((annealing.NUM_RECENT, units, chains)),
            strengths=np.zeros((annealing.NUM_RECENT, units, chains)),
        )

    @property
    def active(self) -> np.ndarray:
        """Units that still have steps to go, bool [unit]."""
        return self.done < self.most

    def forces(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Force, its rise in a step, and the friction, by which the dynamics are cooled too, each [unit].

        As in `annealing.anneal`, the force rests unless it turns out to be too weak to hold the chains.
        """
        rises = (self.done >= self.num_steps) & self.below().any(1)
        cooling = np.where(self.arrived.all(1) & (self.done >= 2 * self.num_steps // 3), 2.0, 1.0)
        return self.force, np.where(rises, annealing.RAMP, 0.0), cooling * annealing.FRICTION

    def below(self) -> np.ndarray:
        """Whether chains are below the level, by the mean of the last calls, bool [unit, chain]; nan is below."""
        return ~(self._recent(self.levels) > self.level - annealing.MAX_BELOW)

    def reached(self) -> np.ndarray:
        """Whether chains sit at the level, bool [unit, chain]: neither below it nor on a plateau above."""
        return ~self.below() & (self._recent(self.levels) < self.level + annealing.MAX_ABOVE)

    def strength(self, unit: np.ndarray) -> np.ndarray:
        """The strength that each unit's chains felt at the level, or that of its last force if none came there, [unit]."""
        reached = self.reached()
        felt = np.where(reached, self._recent(self.strengths), 0.0).sum(1) / np.maximum(reached.sum(1), 1)
        return np.where(reached.any(1), felt, self.force * unit / annealing.MARGIN)

    def add(self, now: LangevinState, levels: np.ndarray, strengths: np.ndarray, unit_seeds: tf.Tensor) -> None:
        """Adds a call. Chains that left their density go back; units that have had all their steps stay where they are."""
        active = self.active
        left = annealing.has_left(self.now, now) | ~np.isfinite(levels.ravel())
        if left.any():
            velocity = seeds.normal(now.velocity.shape, seeds.fold(unit_seeds, "anneal velocity", self.done))
            now = _chosen(left, self.now._replace(velocity=velocity), now)
            halved = np.maximum(self.step_size / 2, annealing.STEP_SIZE / 2**annealing.MAX_HALVINGS)
            self.step_size = np.where(left & np.repeat(active, self.chains), halved, self.step_size).astype(np.float32)
        self.now = now if active.all() else _chosen(np.repeat(active, self.chains), now, self.now)
        rise = self.forces()[1]
        self.force = np.where(active, self.force + rise * STEPS_PER_CALL, self.force)
        self.steps = np.where(active, self.steps + STEPS_PER_CALL, self.steps)
        self.levels = np.where(active[:, None], np.concatenate([self.levels[1:], levels[None]]), self.levels)
        self.strengths = np.where(
            active[:, None], np.concatenate([self.strengths[1:], strengths[None]]), self.strengths
        )
        self.done += STEPS_PER_CALL
        self.arrived |= active[:, None] & (levels > self.level - 2 * annealing.WIDTH)
        if self.done >= self.num_steps // 2:
            waiting = active & ~(self.arrived & self.reached()).all(1)
            longer = np.minimum(3 * self.num_steps, self.done + _whole_calls(self.num_steps // 2))
            self.most = np.where(waiting, longer, self.most)

    def _recent(self, values: np.ndarray) -> np.ndarray:
        """Mean of the last calls of each unit, of which there may be fewer, [unit, chain]."""
        calls = np.clip(self.steps // STEPS_PER_CALL, 1, len(values))
        return values.sum(0) / calls[:, None]


def _whole_calls(steps: int) -> int:
    """Steps, rounded up to whole calls of the compiled code."""
    return -(-steps // STEPS_PER_CALL) * STEPS_PER_CALL


def _chosen(rows: np.ndarray, first: LangevinState, second: LangevinState) -> LangevinState:
    """Some rows of one state, the others of another."""
    rows = tf.constant(rows)
    return LangevinState(*(choose(rows, one, other) for one, other in zip(first, second, strict=True)))


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
