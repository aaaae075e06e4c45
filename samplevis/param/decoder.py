"""Decoder parameterization: the latent is the input of a generator network."""

from __future__ import annotations

import dataclasses

import keras
import tensorflow as tf

from samplevis.param import base
from samplevis.param.inverse import closest_latents


@dataclasses.dataclass(frozen=True)
class Decoder(base.Parameterization):
    """The image is the output of a Keras model. See `decoder`."""

    model: keras.Model
    value_range: tuple[float, float]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.model.output_shape[1:]

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return self.model.input_shape[1:]

    def image(self, z: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(self._pixels(z), 0.0, 1.0)

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        """Latents whose images come closest, by optimisation: see `inverse.closest_latents`."""
        return closest_latents(self._pixels, tf.cast(images, tf.float32), self.latent_shape)

    def _pixels(self, z: tf.Tensor) -> tf.Tensor:
        """Pixels from 0 to 1, or a little outside."""
        low, high = self.value_range
        return (tf.cast(self.model(z, training=False), tf.float32) - low) / (high - low)

    def __repr__(self) -> str:
        return f"Decoder({self.model.name!r}, value_range={self.value_range})"


def decoder(model: keras.Model, *, value_range: tuple[float, float] = (0.0, 1.0)) -> Decoder:
    """Uses a generator (of a GAN, a VAE, ...) as the prior over images: its input is the latent, N(0, I).

    Args:
      model: a Keras model with one input [N, ...] and one output [N, height, width, channels], all sizes fixed.
      value_range: darkest and brightest value of its output; (-1, 1) for a generator that ends in tanh. Defaults to (0, 1).

    Returns:
      A `Decoder`. Runs can start from pictures: their latents are found by optimisation, and are those of the nearest images
      that the generator makes.

    Raises:
      TypeError: if `model` is not a Keras model.
      ValueError: if its shapes do not fit, or the range is empty.

    Example:
      >>> layers = [keras.Input((10,)), keras.layers.Dense(8 * 8 * 3, "tanh"), keras.layers.Reshape((8, 8, 3))]
      >>> p = samplevis.param.decoder(keras.Sequential(layers), value_range=(-1, 1))
      >>> p.latent_shape, p.image_shape
      ((10,), (8, 8, 3))
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"model: expected a Keras model. Received: {model!r}")
    for name, count in (("inputs", len(model.inputs)), ("outputs", len(model.outputs))):
        if count != 1:
            raise ValueError(f"model: expected one tensor in {name}. Received: {count}")
    if len(model.output_shape) != 4 or None in model.output_shape[1:] or None in model.input_shape[1:]:
        raise ValueError(
            "model: expected an output [N, height, width, channels] and fixed sizes. "
            f"Received: {model.input_shape} -> {model.output_shape}"
        )
    low, high = (float(value) for value in value_range)
    if not low < high:
        raise ValueError(f"value_range: expected (darkest, brightest). Received: {value_range!r}")
    return Decoder(model, (low, high))
