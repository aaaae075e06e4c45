"""Densities over latents: the prior N(0, I) times a function of the activation."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, Literal, get_args

import tensorflow as tf

from samplevis.runtime.checks import did_you_mean

DensityName = Literal["conditioned", "tilted", "activation"]


class Density(abc.ABC):
    """log p(z) = log N(z; 0, I) + tilt(A(z)). The Gaussian part is left to the kernels, which treat it exactly.

    Example:
      >>> isinstance(Tilted(2.0), Density)
      True
    """

    @property
    def numbers(self) -> dict[str, tf.Tensor]:
        """Its attributes as tensors: arguments of compiled code, which makes a density of the same class from them."""
        return {name: tf.constant(value, tf.float32) for name, value in vars(self).items()}

    @abc.abstractmethod
    def tilt(self, activation: tf.Tensor) -> tf.Tensor:
        """Log density, less the prior's, as a function of the activation. Keeps the shape [chain].

        Args:
          activation: float tensor [chain].

        Returns:
          float tensor [chain], in nats.
        """

    @abc.abstractmethod
    def strength(self, activation: tf.Tensor) -> tf.Tensor:
        """The force that the density puts on the activation: the derivative of `tilt`. Keeps the shape [chain].

        Args:
          activation: float tensor [chain].

        Returns:
          float tensor [chain], in nats per unit of activation.
        """


@dataclasses.dataclass(frozen=True, eq=False)
class Conditioned(Density):
    """The prior conditioned softly on the activation reaching `target`: -beta * width * softplus((target - A) / width).

    For a large `beta` this is the distribution of prior images given A >= target. The force on A fades once the target is
    reached, which keeps the density soft where the chain lives.

    Attributes:
      target: activation asked for, scalar.
      width: softness of the edge, in units of the activation, > 0, scalar.
      beta: force on A far below the target, in nats per unit of activation, >= 0, scalar.

    Example:
      >>> density = Conditioned(target=5.0, width=0.1, beta=20.0)
      >>> density.strength(tf.constant([0.0, 5.0])).numpy()
      array([20., 10.], dtype=float32)
    """

    target: Any
    width: Any
    beta: Any

    def tilt(self, activation: tf.Tensor) -> tf.Tensor:
        """As `Density.tilt`."""
        return -self.beta * self.width * tf.math.softplus((self.target - activation) / self.width)

    def strength(self, activation: tf.Tensor) -> tf.Tensor:
        """As `Density.strength`."""
        return self.beta * tf.sigmoid((self.target - activation) / self.width)


@dataclasses.dataclass(frozen=True, eq=False)
class Tilted(Density):
    """The prior tilted by the activation, beta * A: the distribution of largest entropy with a given mean activation.

    Attributes:
      beta: nats per unit of activation, scalar.

    Example:
      >>> Tilted(beta=2.0).tilt(tf.constant([1.0, 3.0])).numpy()
      array([2., 6.], dtype=float32)
    """

    beta: Any

    def tilt(self, activation: tf.Tensor) -> tf.Tensor:
        """As `Density.tilt`."""
        return self.beta * activation

    def strength(self, activation: tf.Tensor) -> tf.Tensor:
        """As `Density.strength`."""
        return self.beta * tf.ones_like(activation)


@dataclasses.dataclass(frozen=True, eq=False)
class LogActivation(Density):
    """The density of 2018, proportional to the activation itself: log A where A > 0, nothing elsewhere.

    On its own prior, uniform pixels (`param.uniform`), its draws are noise: a factor of ten in activation is worth 2.3
    nats, and structure costs hundreds. It is the negative control.

    Example:
      >>> float(LogActivation().strength(tf.constant(4.0)))
      0.25
    """

    def tilt(self, activation: tf.Tensor) -> tf.Tensor:
        """As `Density.tilt`."""
        alive = activation > 0
        return tf.where(alive, tf.math.log(tf.where(alive, activation, 1.0)), -float("inf"))

    def strength(self, activation: tf.Tensor) -> tf.Tensor:
        """As `Density.strength`."""
        return tf.math.divide_no_nan(1.0, tf.nn.relu(activation))


CLASSES: dict[str, type[Density]] = {"conditioned": Conditioned, "tilted": Tilted, "activation": LogActivation}
NAMES = get_args(DensityName)


def check_density(density: DensityName | Density) -> DensityName:
    """Checks a density or the name of one.

    Args:
      density: a name, or a density.

    Returns:
      The name.

    Raises:
      ValueError: if it is none of `NAMES`; the nearest spelling comes first.
    """
    for name, kind in CLASSES.items():
        if isinstance(density, kind):
            return name
    if not isinstance(density, str) or density not in NAMES:
        hint = did_you_mean(density, NAMES)
        raise ValueError(
            f"density: expected one of {', '.join(map(repr, NAMES))} or a density.{hint} Received: {density!r}"
        )
    return density
