"""CPPN parameterization: a small network from the coordinates of a pixel to its colour; its weights are the latent."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

import numpy as np
import tensorflow as tf

from samplevis.param import base
from samplevis.runtime.checks import check_choice, check_whole

# Largest coordinate: uniform coordinates up to it have unit variance over the longer side.
EXTENT = 3**0.5
# Standard deviation of the biases under the prior.
BIAS = 0.1


def composite(x: tf.Tensor) -> tf.Tensor:
    """atan and its square, concatenated, each scaled to unit root mean square on N(0, 1)."""
    bent = tf.atan(x)
    return tf.concat([bent / 0.67, tf.square(bent) / 0.6], -1)


def unbiased(x: tf.Tensor) -> tf.Tensor:
    """`composite`, scaled to mean 0 and unit variance on N(0, 1)."""
    bent = tf.atan(x)
    return tf.concat([bent / 0.67, (tf.square(bent) - 0.45) / 0.396], -1)


def relu(x: tf.Tensor) -> tf.Tensor:
    """The ReLU, scaled to mean 0 and unit variance on N(0, 1)."""
    return (tf.nn.relu(x) - 0.40) / 0.58


Activation = Literal["composite", "unbiased", "relu"]
# Name -> (function, features for each input).
ACTIVATIONS: dict[Activation, tuple[Callable[[tf.Tensor], tf.Tensor], int]] = {
    "composite": (composite, 2),
    "unbiased": (unbiased, 2),
    "relu": (relu, 1),
}


@dataclasses.dataclass(frozen=True)
class CPPN(base.Parameterization):
    """The image is sigmoid(network(coordinates)); the weights of the network are the scaled latents. See `cppn`."""

    image_shape: tuple[int, int, int]
    hidden: int
    layers: int
    activation: Activation

    @property
    def latent_shape(self) -> tuple[int]:
        """Layer after layer: weights [inputs, outputs], then biases [outputs]."""
        return (sum(inputs * outputs + outputs for inputs, outputs in self.widths()),)

    def widths(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of each layer."""
        features = self.hidden * ACTIVATIONS[self.activation][1]
        inner = [(features, self.hidden)] * (self.layers - 1)
        return [(2, self.hidden), *inner, (features, self.image_shape[2])]

    def image(self, z: tf.Tensor) -> tf.Tensor:
        z = tf.cast(z, tf.float32)
        bend, batch = ACTIVATIONS[self.activation][0], z.shape[0]
        height, width, channels = self.image_shape
        x = tf.tile(tf.constant(coordinates(height, width))[None], (batch, 1, 1))
        sizes = [size for inputs, outputs in self.widths() for size in (inputs * outputs, outputs)]
        parts = iter(tf.split(z, sizes, 1))
        for number, (inputs, outputs) in enumerate(self.widths()):
            x = bend(x) if number else x
            weights = tf.reshape(next(parts), (batch, inputs, outputs)) * np.float32(inputs**-0.5)
            x = x @ weights + BIAS * next(parts)[:, None]
        return tf.reshape(tf.sigmoid(x), (batch, height, width, channels))

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        raise ValueError("param: a CPPN has no inverse. Start from its prior, or fit its latents to the picture")

    def at(self, size: int | tuple[int, int]) -> CPPN:
        """The same pictures, from the same latents, at another size.

        Args:
          size: pixels, one int for a square or (height, width), each >= 4.

        Returns:
          A parameterization of that size.

        Example:
          >>> p = samplevis.param.cppn(32)
          >>> p.at(64).image(p.prior(seeds.root(0), 1)).shape
          TensorShape([1, 64, 64, 3])
        """
        return dataclasses.replace(self, image_shape=base.image_size(size, self.image_shape[2]))

    def start(self, seed: tf.Tensor, batch: int) -> tf.Tensor:
        """A sample of the prior whose last layer is 0: an even grey, which any layer can change."""
        inputs, outputs = self.widths()[-1]
        mask = np.ones(self.latent_shape, np.float32)
        mask[-(inputs * outputs + outputs) :] = 0
        return mask * self.prior(seed, batch)

    def bands(self) -> np.ndarray:
        """One band for the weights and one for the biases of each layer."""
        sizes = [size for inputs, outputs in self.widths() for size in (inputs * outputs, outputs)]
        return np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)


def cppn(
    size: int | tuple[int, int],
    *,
    channels: int = 3,
    hidden: int = 24,
    layers: int = 8,
    activation: Activation = "composite",
) -> CPPN:
    """A compositional pattern-producing network: smooth pictures that can be rendered at any resolution (Stanley 2007).

    The coordinates of each pixel, from -sqrt(3) to sqrt(3) along the longer side, pass through dense layers with an activation in
    between and end in a sigmoid. The latent is the vector of all weights and biases of one image's network. Under the prior,
    weights have standard deviation 1 / sqrt(inputs), biases 0.1. Optimisers start with a last layer of 0, and need smaller steps
    than with other parameterizations, as in the example: large ones end in a few uniform areas.

    Source: lucid/optvis/param/cppn.py.

    Args:
      size: pixels, one int for a square or (height, width), each >= 4. Pixels are square.
      channels: number of channels, >= 1. Defaults to 3.
      hidden: outputs of each hidden layer, >= 1. Defaults to 24.
      layers: number of hidden layers, >= 1. Defaults to 8.
      activation: "composite" (atan and its square, concatenated), "unbiased" (the same with mean 0) or "relu". Defaults to
        "composite".

    Returns:
      A `CPPN`. With the default arguments its latents have 8,451 numbers.

    Raises:
      ValueError: if an argument is out of range.

    Example:
      >>> p = samplevis.param.cppn(32, activation="unbiased")
      >>> result = samplevis.optimize(model, "conv2:1", param=p, optimizer=keras.optimizers.Adam(0.003))
      >>> p.at(64).image(tf.constant(result.latents)).shape
      TensorShape([1, 64, 64, 3])
    """
    for name, value in (("hidden", hidden), ("layers", layers)):
        check_whole(name, value, 1)
    check_choice("activation", activation, ACTIVATIONS)
    return CPPN(base.image_size(size, channels), int(hidden), int(layers), activation)


def coordinates(height: int, width: int) -> np.ndarray:
    """(x, y) of every pixel, from -sqrt(3) to sqrt(3) along the longer side.

    Returns:
      float32 array of shape [height * width, 2], row by row.
    """
    longest = max(height, width) - 1
    x, y = ((np.arange(n) * 2 - (n - 1)) / longest * EXTENT for n in (width, height))
    return np.stack(np.meshgrid(x, y), -1).reshape(-1, 2).astype(np.float32)
