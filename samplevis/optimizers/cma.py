"""CMA-ES: a search that adapts the mean and covariance of a Gaussian. It needs no gradient."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from samplevis.activation import Activation
from samplevis.optimizers.base import Method, Stepper, check_bank
from samplevis.optimizers.population import PopulationStepper
from samplevis.runtime.checks import check_flag, check_number, check_whole

# Above this number of coordinates the default is a diagonal covariance: a full one has a cubic cost and n^2 values to adapt.
MAX_FULL_SIZE = 256


@dataclasses.dataclass(frozen=True)
class CMA(Method):
    """Covariance matrix adaptation (Hansen 2016, "The CMA Evolution Strategy: A Tutorial"), from the package `cmaes`.

    CMA-ES is for at most some hundreds of coordinates: use a parameterization with a small latent. For larger ones the default
    is separable CMA-ES, with a diagonal covariance (Ros and Hansen 2008), which needs thousands of steps.

    Args:
      bank: number of transforms, sampled once, to average over, >= 1. Defaults to 8; 1 is enough if nothing is random.
      sigma: initial standard deviation of the candidates, in units of the latent's prior, > 0. Defaults to 0.5.
      population: candidates per step and image, >= 4. Defaults to 4 + 3 log(size of the latent).
      separable: whether the covariance is diagonal. Defaults to True for latents of more than 256 coordinates.

    Raises:
      ValueError, TypeError: if an argument is out of range.
      ImportError: if `cmaes` is not installed.

    Example:
      >>> from samplevis import optimizers
      >>> optimizers.CMA(population=16)
      CMA(bank=8, sigma=0.5, population=16, separable=None)
    """

    bank: int = 8
    sigma: float = 0.5
    population: int | None = None
    separable: bool | None = None

    def __post_init__(self) -> None:
        check_bank(self.bank)
        check_number("sigma", self.sigma, 0, above=True)
        if self.population is not None:
            check_whole("population", self.population, 4)
        if self.separable is not None:
            check_flag("separable", self.separable)
        _cmaes()

    def stepper(self, activation: Activation, batch: int) -> Stepper:
        """As `Method.stepper`."""
        return _CMAStepper(activation, batch, self)


class _CMAStepper(PopulationStepper):
    def __init__(self, activation: Activation, batch: int, settings: CMA):
        super().__init__(activation, batch, settings.bank)
        self._settings = settings

    def begin(self, flat: np.ndarray, seed: Sequence[int]) -> None:
        settings, size = self._settings, flat.shape[1]
        separable = size > MAX_FULL_SIZE if settings.separable is None else settings.separable
        kind = _cmaes().SepCMA if separable else _cmaes().CMA
        numbers = np.random.SeedSequence(seed).generate_state(len(flat))
        self._searches = [
            kind(mean.astype(np.float64), settings.sigma, seed=int(number), population_size=settings.population)
            for mean, number in zip(flat, numbers, strict=True)
        ]

    def propose(self, step: int) -> np.ndarray:
        return np.stack([[search.ask() for _ in range(search.population_size)] for search in self._searches])

    def learn(self, candidates: np.ndarray, scores: np.ndarray) -> None:
        for search, points, values in zip(self._searches, candidates.astype(np.float64), scores, strict=True):
            # The package minimises.
            search.tell([(point, -float(value)) for point, value in zip(points, values, strict=True)])


def _cmaes() -> Any:
    try:
        import cmaes
    except ImportError as error:
        raise ImportError(
            "optimizer: CMA needs the package cmaes: pip install samplevis[optimizers]. 'genetic' needs none."
        ) from error
    return cmaes
