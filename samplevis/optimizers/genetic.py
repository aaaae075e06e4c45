"""Genetic search: selection, crossover and self-adaptive mutation. It needs no gradient."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from samplevis.activation import Activation
from samplevis.optimizers.base import Method, Stepper, check_bank
from samplevis.optimizers.population import PopulationStepper
from samplevis.runtime.checks import check_number, check_whole

# Size of the tournaments: a parent is the best of so many survivors, chosen at random.
TOURNAMENT = 3
# Standard deviation of the logarithm of a child's mutation strength about its parents'.
LEARNING_RATE = 0.3


@dataclasses.dataclass(frozen=True)
class Genetic(Method):
    """Genetic search over latents, with a separate population for each image of the batch.

    In each step, every child takes each coordinate from one of two parents, the winners of tournaments of three, and is mutated
    by Gaussian noise. The strength of the mutation is inherited and mutated, too (Schwefel's self-adaptation; Beyer and
    Schwefel 2002, "Evolution strategies"). The best of parents and children survive.

    Args:
      bank: number of transforms, sampled once, to average over, >= 1. Defaults to 8; 1 is enough if nothing is random.
      population: candidates per step and image, >= 4. Defaults to 64.
      mutation: initial standard deviation of mutations, in units of the latent's prior, > 0. Defaults to 0.5.

    Raises:
      ValueError, TypeError: if an argument is out of range.

    Example:
      >>> from samplevis import optimizers
      >>> optimizers.Genetic(population=128)
      Genetic(bank=8, population=128, mutation=0.5)
    """

    bank: int = 8
    population: int = 64
    mutation: float = 0.5

    def __post_init__(self) -> None:
        check_bank(self.bank)
        check_whole("population", self.population, 4)
        check_number("mutation", self.mutation, 0, above=True)

    def stepper(self, activation: Activation, batch: int) -> Stepper:
        """As `Method.stepper`."""
        return _GeneticStepper(activation, batch, self)


class _GeneticStepper(PopulationStepper):
    """Survivors are sorted, best first: genes [batch, population, size], strengths and scores [batch, population]."""

    def __init__(self, activation: Activation, batch: int, settings: Genetic):
        super().__init__(activation, batch, settings.bank)
        self._settings = settings

    def begin(self, flat: np.ndarray, seed: Sequence[int]) -> None:
        self._seed = seed
        # The starting point is the only parent of the first generation.
        self._genes, self._strengths = flat[:, None], np.full((len(flat), 1), self._settings.mutation)
        self._scores = np.full((len(flat), 1), -np.inf)

    def propose(self, step: int) -> np.ndarray:
        rng = np.random.default_rng((*self._seed, step))
        batch, survivors, size = self._genes.shape
        count = self._settings.population
        # Survivors are sorted, so the winner of a tournament is the one with the smallest index.
        parents = rng.integers(survivors, size=(2, TOURNAMENT, batch, count)).min(1)
        mother, father = (np.take_along_axis(self._genes, chosen[..., None], 1) for chosen in parents)
        strengths = np.mean([np.take_along_axis(self._strengths, chosen, 1) for chosen in parents], axis=0)
        self._proposed = strengths * np.exp(LEARNING_RATE * rng.normal(size=strengths.shape))
        children = np.where(rng.random((batch, count, size)) < 0.5, mother, father)
        return children + self._proposed[..., None] * rng.normal(size=children.shape)

    def learn(self, candidates: np.ndarray, scores: np.ndarray) -> None:
        genes = np.concatenate([self._genes, candidates], 1)
        strengths = np.concatenate([self._strengths, self._proposed], 1)
        scores = np.concatenate([self._scores, scores], 1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, : self._settings.population]
        self._genes = np.take_along_axis(genes, order[..., None], 1)
        self._strengths, self._scores = (np.take_along_axis(values, order, 1) for values in (strengths, scores))
