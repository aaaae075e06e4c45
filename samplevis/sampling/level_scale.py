"""The scale of the activation: 0 is its mean under the prior, 1 the best optimised image's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from samplevis.activation import Activation
from samplevis.runtime import seeds

# Transforms that no chain has seen, for judging robustness.
NUM_FRESH_TRANSFORMS = 16
NUM_PRIOR_LATENTS = 32


class LevelScale(NamedTuple):
    """Activations on fresh transforms.

    Attributes:
      prior: mean over latents from the prior.
      optimum: that of the best optimised image.
    """

    prior: float
    optimum: float

    def levels(self, values: np.ndarray | float) -> np.ndarray | float:
        """Levels of some activations: 0 for the prior's mean, 1 for the optimum.

        Args:
          values: activations, of any shape.

        Returns:
          Levels, in the same shape.

        Example:
          >>> LevelScale(prior=1.0, optimum=5.0).levels(4.0)
          0.75
        """
        return (values - self.prior) / (self.optimum - self.prior)


class Gauge(NamedTuple):
    """Where a level is measured: the unit on the network as it is, when what is sampled is a smoothed copy.

    Attributes:
      activation: the unit there.
      scale: the ends of its scale there.

    Example:
      >>> gauge = Gauge(activation, measure_scale(activation, optimized.latents))
      >>> gauge.level_on(activation.sample_bank(seeds.root(1), 8))(optimized.latents)
    """

    activation: Activation
    scale: LevelScale

    def level_on(self, bank: Any) -> Callable[[tf.Tensor], np.ndarray]:
        """Makes the function latents [N, *latent_shape] -> levels [N].

        Args:
          bank: parameters of the transforms that the activation is averaged over.

        Returns:
          The function.
        """
        mean = mean_activation(self.activation, bank)
        return lambda latents: self.scale.levels(mean(latents).numpy())


def measure_scale(
    activation: Activation,
    optimized: np.ndarray,
    seed: int | tf.Tensor = 0,
    num_transforms: int = NUM_FRESH_TRANSFORMS,
) -> LevelScale:
    """Measures the two ends of the scale.

    Args:
      activation: what is explored.
      optimized: latents of optimised images, [N, *latent_shape].
      seed: int from 0 to 2**31 - 1, or an int32 tensor of shape [2].
      num_transforms: transforms that the activation is averaged over, >= 1. Defaults to 16.

    Returns:
      A `LevelScale`.

    Example:
      >>> measure_scale(activation, samplevis.optimize(model, "fire9:10", batch=4).latents)

    Raises:
      ValueError: if the optimiser did not raise the activation above the prior's mean: the unit gives no gradient.
    """
    seed = seeds.as_seed(seed)
    fresh, chains = mean_activation(activation, fresh_transforms(activation, seed, num_transforms)), len(optimized)
    batches = -(-NUM_PRIOR_LATENTS // chains)
    noise = (activation.param.prior(seeds.fold(seed, "prior mean", i), chains) for i in range(batches))
    prior = finite_mean([fresh(z).numpy() for z in noise])
    optimum = best_activation(activation, optimized, seed, num_transforms)
    if not optimum > prior:
        raise ValueError(
            f"obj: optimising {activation.objective} does not raise it: {optimum:g} after, {prior:g} for prior noise. The unit "
            "may be dead there; try its pre-activation layer, another seed or more steps of optimisation"
        )
    return LevelScale(prior, optimum)


def best_activation(
    activation: Activation, latents: np.ndarray, seed: tf.Tensor, num_transforms: int = NUM_FRESH_TRANSFORMS
) -> float:
    """Return the largest activation of some latents [N, *latent_shape] on fresh transforms; -inf if none is finite."""
    found = mean_activation(activation, fresh_transforms(activation, seed, num_transforms))(
        tf.constant(latents)
    ).numpy()
    return float(np.max(found[np.isfinite(found)], initial=-np.inf))


def finite_mean(values: Any) -> float:
    """Mean of the finite values; nan if there are none."""
    values = np.asarray(values)
    return float(np.mean(values[np.isfinite(values)])) if np.isfinite(values).any() else np.nan


def finite_median(values: Any) -> float:
    """Median of the finite values; nan if there are none. A chain that is stuck somewhere does not move it."""
    values = np.asarray(values)
    return float(np.median(values[np.isfinite(values)])) if np.isfinite(values).any() else np.nan


def fresh_transforms(activation: Activation, seed: tf.Tensor, count: int = NUM_FRESH_TRANSFORMS) -> Any:
    """Samples a bank that no chain sees."""
    return activation.sample_bank(seeds.fold(seed, "fresh"), count)


def mean_activation(activation: Activation, bank: Any) -> Callable[[tf.Tensor], tf.Tensor]:
    """A compiled function: latents [N, *latent_shape] -> mean activation over a bank, [N].

    It is cached with the network, for the next objective of the same kind.
    """

    def mean(z: tf.Tensor, bank: Any, parameters: list[tf.Tensor]) -> tf.Tensor:
        return activation.mean(z, bank, parameters)

    run, parameters = activation.compiler()("mean", mean), activation.parameters
    return lambda z: run(z, bank, parameters)


def of_draws(mean: Callable[[tf.Tensor], tf.Tensor], latents: np.ndarray) -> np.ndarray:
    """Applies a function of latents [chain, ...] to draws [chain, draw, ...], one draw at a time: float32 [chain, draw]."""
    return np.stack([mean(tf.constant(z)).numpy() for z in latents.swapaxes(0, 1)], axis=1)
