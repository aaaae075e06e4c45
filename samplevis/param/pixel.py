"""Pixel parameterization: every pixel by itself."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from samplevis.param import base, color


@dataclasses.dataclass(frozen=True)
class Pixel(base.Picture):
    """The image is sigmoid(contrast * color(z)). See `pixel`."""

    image_shape: tuple[int, int, int]
    contrast: float
    correlated: bool

    def image(self, z: tf.Tensor) -> tf.Tensor:
        x = self.contrast * z
        return tf.sigmoid(color.correlate(x) if self.correlated else x)

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        x = base.unsquash(images)
        return (color.decorrelate(x) if self.correlated else x) / self.contrast


def pixel(size: int | tuple[int, int], *, channels: int = 3, contrast: float = 1.0, decorrelate: bool = False) -> Pixel:
    """One latent number for each pixel and channel: white noise under the prior.

    Args:
      size: pixels, one int for a square or (height, width), each >= 4.
      channels: number of channels, >= 1.
      contrast: standard deviation of a pixel before the sigmoid under the prior, > 0. Defaults to 1.
      decorrelate: whether the channels of the latent are independent colour components (Lucid's param/color.py).
        Only for 3 channels; ignored otherwise.

    Returns:
      A `Pixel` parameterization whose latents have the shape of the image.

    Raises:
      ValueError: if an argument is out of range.
    """
    if not (np.isfinite(contrast) and contrast > 0):
        raise ValueError(f"contrast: expected a number > 0. Received: {contrast!r}")
    return Pixel(base.image_size(size, channels), float(contrast), bool(decorrelate) and channels == 3)


@dataclasses.dataclass(frozen=True)
class Uniform(base.Picture):
    """The image is Phi(z), the normal distribution function of every pixel. See `uniform`."""

    image_shape: tuple[int, int, int]

    def image(self, z: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(0.5 * (1 + tf.math.erf(z * np.float32(np.sqrt(0.5)))), 0.0, 1.0)

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        inside = tf.clip_by_value(tf.cast(images, tf.float32), base.EPSILON, 1 - base.EPSILON)
        return tf.math.ndtri(inside)


def uniform(size: int | tuple[int, int], *, channels: int = 3) -> Uniform:
    """Pixels that are independent and uniform on [0, 1] under the prior: the base measure of the 2018 density.

    Args:
      size: pixels, one int for a square or (height, width), each >= 4.
      channels: number of channels, >= 1.

    Returns:
      A `Uniform` parameterization whose latents have the shape of the image.

    Raises:
      ValueError: if an argument is out of range.
    """
    return Uniform(base.image_size(size, channels))
