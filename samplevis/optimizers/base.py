"""The interface of optimisers other than those of Keras."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from samplevis.activation import Activation
from samplevis.runtime import seeds
from samplevis.runtime.checks import check_whole


class Method(abc.ABC):
    """The settings of an optimiser. Subclasses are frozen dataclasses, so that equal settings share compiled code.

    Such an optimiser maximises one fixed function: the activation averaged over a bank of transforms, whose parameters are
    sampled once from the run's seed. The score that it reports is therefore that of the image that it returns. Scheduled
    weights of the objective have their final values. Objectives and parameterizations that couple the images of a batch are
    refused.

    Example:
      >>> from samplevis import optimizers
      >>> isinstance(optimizers.LBFGS(bank=4), optimizers.Method)
      True
    """

    bank: int
    """Number of transforms to average over, >= 1."""

    needs_gradient: bool = False
    """Whether it needs the gradient of the activation."""

    @abc.abstractmethod
    def stepper(self, activation: Activation, batch: int) -> Stepper:
        """Starts the optimiser on `batch` images.

        Args:
          activation: the function to maximise.
          batch: number of images, >= 1.

        Returns:
          A `Stepper`.
        """


class Stepper(abc.ABC):
    """The state of an optimiser: call `reset`, then `run` until all steps are made or it is `finished`.

    Attributes:
      latents: the best latents so far, [batch, *latent_shape].
      finished: whether further steps would change nothing.

    Example:
      >>> from samplevis import activation, modelzoo, optimizers, param
      >>> a = activation.make_activation(modelzoo.Shapes(), "logits:4", param.fourier(32), None)
      >>> isinstance(optimizers.Genetic(population=8).stepper(a, batch=1), optimizers.Stepper)
      True
    """

    latents: tf.Tensor
    finished: bool = False

    @abc.abstractmethod
    def reset(self, z: tf.Tensor) -> None:
        """Restarts from given latents.

        Args:
          z: float32 tensor [batch, *latent_shape].
        """

    @abc.abstractmethod
    def run(self, parameters: Sequence[tf.Tensor], seed: tf.Tensor, first: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        """Makes `count` steps.

        Args:
          parameters: the objective's parameters.
          seed: the run's seed, int32 [2].
          first: number of steps made before.
          count: number of steps to make.

        Returns:
          float32 [count, batch], the activation at each step.
        """


def check_bank(bank: int) -> None:
    """Raises ValueError unless `bank` is a whole number >= 1."""
    check_whole("bank", bank, 1)


def mean_score(activation: Activation, z: tf.Tensor, parameters: Any, seed: tf.Tensor, bank: int) -> tf.Tensor:
    """The fixed function that a `Method` maximises.

    Args:
      activation: the activation.
      z: latents [N, *latent_shape].
      parameters: the objective's parameters.
      seed: the run's seed, int32 [2].
      bank: number of transforms.

    Returns:
      float32 [N], the mean over the bank.
    """
    transform_params = activation.sample_transforms(seeds.fold(seed, "bank"), bank)
    return activation.mean(z, transform_params, parameters)
