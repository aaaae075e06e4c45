"""How far the units of a batch have been annealed: each has a level, a strength and a schedule of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from samplevis.atlas.settings import AtlasSettings
from samplevis.results.level_checks import MAX_LEVEL_ERROR
from samplevis.runtime import seeds
from samplevis.sampling import annealing
from samplevis.sampling.kernels.base import choose
from samplevis.sampling.kernels.langevin import LangevinState
from samplevis.sampling.level_scale import LevelScale

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


class Edges(NamedTuple):
    """The scale of each unit's level, in units of its activation; every array is [unit]."""

    width: np.ndarray
    # Nats per latent coordinate and unit of level -> nats per unit of activation.
    unit: np.ndarray
    prior: np.ndarray
    distance: np.ndarray

    @classmethod
    def of(cls, units: Sequence[UnitProblem], dimension: int) -> Edges:
        prior, optimum = (np.array([unit.scale[end] for unit in units], np.float64) for end in (0, 1))
        distance = optimum - prior
        return cls(annealing.WIDTH * distance, dimension / distance, prior, distance)

    def target(self, levels: np.ndarray) -> np.ndarray:
        """The activations of levels [unit]."""
        return self.prior + levels * self.distance

    def levels(self, values: np.ndarray, chains: int) -> np.ndarray:
        """Levels of activations [unit * chain], as [unit, chain]."""
        return (values.reshape(-1, chains) - self.prior[:, None]) / self.distance[:, None]


@dataclasses.dataclass
class Path:
    """How far the units have been annealed; arrays are [unit], [unit, chain] or [unit * chain] (`now`, `step_size`).

    `gaps` (levels less those that were to be reached) and `strengths` are of the last calls of each unit, [call, unit, chain], the
    newest last; `ratios` [call, unit] are of the last comparisons of the two networks, and `misses` [unit, chain] how far the
    levels are off where they are asked for; nan where there was no comparison.
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
    gaps: np.ndarray
    strengths: np.ndarray
    ratios: np.ndarray
    misses: np.ndarray
    done: int = 0

    @classmethod
    def start(cls, state: tf.Tensor, unit_seeds: tf.Tensor, chains: int, settings: AtlasSettings) -> Path:
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
            gaps=np.zeros((annealing.NUM_RECENT, units, chains)),
            strengths=np.zeros((annealing.NUM_RECENT, units, chains)),
            ratios=np.full((annealing.NUM_RECENT, units), np.nan),
            misses=np.full((units, chains), np.nan),
        )

    @property
    def active(self) -> np.ndarray:
        """Units that still have steps to go, bool [unit]."""
        return self.done < self.most

    @property
    def compares(self) -> bool:
        """Whether the networks are compared: in the second half of the steps, as in `annealing.anneal`."""
        return 2 * self.done >= self.num_steps

    def aims(self) -> np.ndarray:
        """The level that each unit is to come to on the network that is sampled, [unit]."""
        known = np.isfinite(self.ratios)
        ratio = np.where(known, self.ratios, 0.0).sum(0) / np.maximum(known.sum(0), 1)
        return np.where(known.any(0), annealing.corrected(self.level, ratio), self.level)

    def add_levels(self, sampled: np.ndarray, itself: np.ndarray) -> None:
        """Adds levels [unit, chain] on what is sampled and where they are asked for, of units with steps in the last call."""
        now = self.steps == self.done
        ratios = np.array([annealing.level_ratio(*levels) for levels in zip(sampled, itself, strict=True)])
        self.ratios = np.where(now, np.concatenate([self.ratios[1:], ratios[None]]), self.ratios)
        self.misses = np.where(now[:, None], itself - self.level, self.misses)

    def forces(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Force, its rise in a step, and the friction, by which the dynamics are cooled too, each [unit].

        As in `annealing.anneal`, the force rests unless it turns out to be too weak to hold the chains.
        """
        rises = (self.done >= self.num_steps) & self.below().any(1)
        cooling = np.where(self.arrived.all(1) & (self.done >= 2 * self.num_steps // 3), 2.0, 1.0)
        return self.force, np.where(rises, annealing.RAMP, 0.0), cooling * annealing.FRICTION

    def below(self) -> np.ndarray:
        """Whether chains are below the level, by the mean of the last calls, bool [unit, chain]; nan is below."""
        return ~(self._recent(self.gaps) > -annealing.MAX_BELOW)

    def reached(self) -> np.ndarray:
        """Whether chains sit at the level, bool [unit, chain]: neither below it nor on a plateau above."""
        return ~self.below() & (self._recent(self.gaps) < annealing.MAX_ABOVE)

    def strength(self, unit: np.ndarray) -> np.ndarray:
        """The strength that each unit's chains felt at the level, or that of its last force if none came there, [unit]."""
        reached = self.reached()
        felt = np.where(reached, self._recent(self.strengths), 0.0).sum(1) / np.maximum(reached.sum(1), 1)
        return np.where(reached.any(1), felt, self.force * unit / annealing.MARGIN)

    def add(self, now: LangevinState, gaps: np.ndarray, strengths: np.ndarray, unit_seeds: tf.Tensor) -> None:
        """Adds a call. Chains that left their density go back; units that have had all their steps stay where they are."""
        active = self.active
        left = annealing.has_left(self.now, now) | ~np.isfinite(gaps.ravel())
        if left.any():
            velocity = seeds.normal(now.velocity.shape, seeds.fold(unit_seeds, "anneal velocity", self.done))
            now = _chosen(left, self.now._replace(velocity=velocity), now)
            halved = np.maximum(self.step_size / 2, annealing.STEP_SIZE / 2**annealing.MAX_HALVINGS)
            self.step_size = np.where(left & np.repeat(active, self.chains), halved, self.step_size).astype(np.float32)
        self.now = now if active.all() else _chosen(np.repeat(active, self.chains), now, self.now)
        rise = self.forces()[1]
        self.force = np.where(active, self.force + rise * STEPS_PER_CALL, self.force)
        self.steps = np.where(active, self.steps + STEPS_PER_CALL, self.steps)
        self.gaps = np.where(active[:, None], np.concatenate([self.gaps[1:], gaps[None]]), self.gaps)
        self.strengths = np.where(
            active[:, None], np.concatenate([self.strengths[1:], strengths[None]]), self.strengths
        )
        self.done += STEPS_PER_CALL
        self.arrived |= active[:, None] & (gaps > -2 * annealing.WIDTH)

    def prolong(self) -> None:
        """Gives units more steps whose chains are not at the level, on what is sampled or where it is asked for."""
        if self.done >= self.num_steps // 2:
            there = self.arrived & self.reached() & ~(np.abs(self.misses) > MAX_LEVEL_ERROR)
            waiting = (self.steps == self.done) & ~there.all(1)
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
