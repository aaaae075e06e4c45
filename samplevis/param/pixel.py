"""Pixel parameterization: every pixel is independent."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from samplevis.param import base, color


@dataclasses.dataclass(frozen=True)
class Pixel(base.Picture):
    """The image is sigmoid(contrast * color(z)). See `pixel`."""

    image_shape: tuple[int, ...]
    contrast: float
    correlated: bool | color.Matrix

    def image(self, z: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(color.correlate(self.contrast * tf.cast(z, tf.float32), self.correlated))

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        return color.decorrelate(base.unsquash(images), self.correlated) / self.contrast


def pixel(
    size: int | tuple[int, ...],
    *,
    channels: int = 3,
    dimensions: base.Dimensions | None = None,
    contrast: float = 1.0,
    decorrelate: bool | np.ndarray = False,
) -> Pixel:
    """One latent number for each pixel and channel: white noise under the prior.

    Args:
      size: pixels, one int for a square, or a tuple of 1, 2 or 3 sides, each >= 4, as in `fourier`.
      channels: number of channels, >= 1. Defaults to 3.
      dimensions: as in `fourier`. Defaults to the number of sides in `size`; one int is the side of a square.
      contrast: standard deviation of a pixel before the sigmoid under the prior, > 0. Defaults to 1.
      decorrelate: whether the channels of the latent are independent colour components (Lucid's param/color.py); True is
        ignored for signals and unless there are 3 channels. Or a matrix, as in `fourier`. Defaults to False.

    Returns:
      A `Pixel`, whose latents have the shape of the image.

    Raises:
      ValueError: if an argument is out of range.

    Example:
      >>> samplevis.param.pixel((16, 24), channels=1).latent_shape
      (16, 24, 1)
    """
    base.check_contrast(contrast)
    shape = base.image_size(size, channels, dimensions)
    return Pixel(shape, float(contrast), color.check_decorrelate(decorrelate, channels, len(shape) - 1))


@dataclasses.dataclass(frozen=True)
class Uniform(base.Picture):
    """The image is Phi(z), the normal distribution function of each latent number. See `uniform`."""

    image_shape: tuple[int, ...]

    def image(self, z: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(0.5 * (1 + tf.math.erf(tf.cast(z, tf.float32) * np.float32(np.sqrt(0.5)))), 0.0, 1.0)

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        inside = tf.clip_by_value(tf.cast(images, tf.float32), base.EPSILON, 1 - base.EPSILON)
        return tf.math.ndtri(inside)


def uniform(size: int | tuple[int, ...], *, channels: int = 3, dimensions: base.Dimensions | None = None) -> Uniform:
    """Pixels that are independent and uniform on [0, 1] under the prior: the base measure of the 2018 density.

    Args:
      size: pixels, one int for a square, or a tuple of 1, 2 or 3 sides, each >= 4, as in `fourier`.
      channels: number of channels, >= 1. Defaults to 3.
      dimensions: as in `fourier`. Defaults to the number of sides in `size`; one int is the side of a square.

    Returns:
      A `Uniform`, whose latents have the shape of the image.

    Raises:
      ValueError: if an argument is out of range.

    Example:
      >>> p = samplevis.param.uniform(64)
      >>> abs(float(tf.reduce_mean(p.image(p.prior(seeds.root(0), 4)))) - 0.5) < 0.01
      True
    """
    return Uniform(base.image_size(size, channels, dimensions))
