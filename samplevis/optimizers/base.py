"""What an optimiser that is not Keras's has to offer to the loop of `optimize`."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from samplevis.activation import Activation
from samplevis.runtime import seeds
from samplevis.runtime.checks import check_whole


class Method(abc.ABC):
    """The settings of an optimiser. Its kinds are frozen dataclasses: equal settings share compiled code.

    Such an optimiser climbs one fixed function: the activation averaged over `bank` transform draws, made once from the run's
    seed. What it returns is therefore the image that it scored. Weights of the objective that change with the step are at
    their end. Objectives and parameterizations that couple the images of a batch are refused.
    """

    bank: int
    """Transform draws to average over, >= 1."""

    needs_gradient: bool = False

    @abc.abstractmethod
    def stepper(self, activation: Activation, batch: int) -> Stepper:
        """The optimiser at work on `batch` images.

        Args:
          activation: what is climbed.
          batch: number of images, >= 1.

        Returns:
          A `Stepper`.
        """


class Stepper(abc.ABC):
    """An optimiser at work: `reset`, then `run` until it has made its steps or is `finished`.

    Attributes:
      latents: the best latents so far, [batch, *latent_shape].
      finished: whether further steps would change nothing.
    """

    latents: tf.Tensor
    finished: bool = False

    @abc.abstractmethod
    def reset(self, z: tf.Tensor) -> None:
        """Starts again from latents [batch, *latent_shape].

        Args:
          z: float32 tensor [batch, *latent_shape].
        """

    @abc.abstractmethod
    def run(self, parameters: Sequence[tf.Tensor], seed: tf.Tensor, first: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        """Makes `count` steps from step `first`.

        Args:
          parameters: the objective's numbers.
          seed: the run's seed, int32 [2].
          first: number of steps made before.
          count: number of steps to make.

        Returns:
          float32 [count, batch], the activation at each step.
        """


def check_bank(bank: int) -> None:
    """Raises ValueError or TypeError unless `bank` is a whole number >= 1."""
    check_whole("bank", bank, 1)


def mean_score(activation: Activation, z: tf.Tensor, parameters: Any, seed: tf.Tensor, bank: int) -> tf.Tensor:
    """The fixed function that a `Method` climbs.

    Args:
      activation: what is explored.
      z: latents [N, *latent_shape].
      parameters: the objective's numbers.
      seed: the run's seed, int32 [2].
      bank: number of transform draws.

    Returns:
      float32 [N], the mean over the bank.
    """
    draws = activation.sample_transforms(seeds.fold(seed, "bank"), bank)
    return activation.mean(z, draws, parameters)


def as_method(optimizer: Any) -> Any:
    """The settings that a name stands for: "lbfgs", "cma" or "genetic"; anything but a string comes back as it is.

    Args:
      optimizer: a name, or anything else.

    Returns:
      A `Method` for a name.

    Raises:
      ValueError: for another name.
    """
    if not isinstance(optimizer, str):
        return optimizer
    from samplevis import optimizers

    methods = {"cma": optimizers.CMA, "genetic": optimizers.Genetic, "lbfgs": optimizers.LBFGS}
    if optimizer not in methods:
        raise ValueError(
            f"optimizer: expected one of {', '.join(map(repr, methods))}, settings from samplevis.optimizers, or a Keras "
            f"optimizer such as keras.optimizers.Adam(0.05). Received: {optimizer!r}"
        )
    return methods[optimizer]()
