"""Transforms that do not move pixels: blur, noise and gain."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.runtime.checks import check_between, check_number
from samplevis.transform.base import Params, Shape, Transform
from samplevis.transform.variates import uniform


@dataclasses.dataclass(frozen=True)
class Blur(Transform):
    """See `blur`."""

    sigma: float

    @property
    def radius(self) -> int:
        return int(4 * self.sigma + 0.5)  # As in scipy.ndimage.gaussian_filter.

    def apply(self, params: Any, images: tf.Tensor) -> tf.Tensor:
        self.output_shape(images.shape[1:])
        margins = [[0, 0], *([[self.radius, self.radius]] * (len(images.shape) - 2)), [0, 0]]
        weights = np.exp(-0.5 * (np.arange(-self.radius, self.radius + 1) / self.sigma) ** 2)
        images = tf.pad(images, margins, "REFLECT")
        for axis in range(1, len(images.shape) - 1):
            images = _convolve(images, weights / weights.sum(), axis)
        return images

    def output_shape(self, image_shape: Shape) -> Shape:
        if self.radius >= min(image_shape[:-1]):
            raise ValueError(
                f"blur sigma: its reach, int(4 sigma + 0.5), must be less than the {min(image_shape[:-1])} "
                f"pixels of the image. Received: sigma {self.sigma}, reach {self.radius}"
            )
        return tuple(image_shape)


def blur(sigma: float) -> Transform:
    """Convolves with a Gaussian that is truncated at 4 sigma; edges are reflected.

    Args:
      sigma: standard deviation in pixels, > 0; int(4 sigma + 0.5) must be less than the image's shorter side.

    Returns:
      Transform that keeps the size. Its parameters are empty.

    Raises:
      ValueError, TypeError: if `sigma` is out of range.

    Example:
      >>> import tensorflow as tf
      >>> from samplevis import transform
      >>> transform.blur(1.5)(tf.zeros([2, 32, 32, 3]), seed=[0, 1]).shape
      TensorShape([2, 32, 32, 3])
    """
    check_number("sigma", sigma, 0, above=True)
    return Blur(sigma)


def _convolve(images: tf.Tensor, weights: np.ndarray, axis: int) -> tf.Tensor:
    """Convolves each channel of images [batch, *size, C] along one axis, without padding."""
    batch, *sizes, channels = images.shape
    *before, side = sizes[:axis]
    after = sizes[axis:]
    kernel = tf.constant(np.tile(weights[:, None], channels), images.dtype)
    # As a 2-D convolution: of columns, or along the last axis of rows.
    shape, kernel = (
        ([batch * math.prod(before), side, math.prod(after), channels], kernel[:, None, :, None])
        if after
        else ([batch, math.prod(before), side, channels], kernel[None, :, :, None])
    )
    result = tf.nn.depthwise_conv2d(tf.reshape(images, shape), kernel, [1, 1, 1, 1], "VALID")
    return tf.reshape(result, [batch, *before, side - len(weights) + 1, *after, channels])


@dataclasses.dataclass(frozen=True)
class Noise(Transform):
    """See `noise`."""

    standard_deviation: float

    def sample_params(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> Params:
        noise = tf.random.stateless_normal([batch, *image_shape], seed, stddev=self.standard_deviation)
        return {"noise": noise}

    def apply(self, params: Params, images: tf.Tensor) -> tf.Tensor:
        return images + tf.cast(params["noise"], images.dtype)


def noise(standard_deviation: float) -> Transform:
    """Adds white Gaussian noise. The result is not clipped, so that the gradient stays exact.

    Args:
      standard_deviation: of the noise, >= 0; image values are in [0, 1].

    Returns:
      Transform that keeps the size. Its parameters: {"noise": [batch, H, W, C]}.

    Raises:
      ValueError, TypeError: if `standard_deviation` is out of range.

    Example:
      >>> import tensorflow as tf
      >>> from samplevis import transform
      >>> noisy = transform.noise(0.1)(tf.fill([2, 32, 32, 3], 0.5), seed=[0, 1])
      >>> round(float(tf.math.reduce_std(noisy)), 1)
      0.1
    """
    check_number("standard_deviation", standard_deviation, 0)
    return Noise(standard_deviation)


@dataclasses.dataclass(frozen=True)
class Gain(Transform):
    """See `gain`."""

    decibels: float
    silence: float

    def sample_params(self, seed: tf.Tensor, batch: int, image_shape: Shape, strata: int = 1) -> Params:
        decibels = uniform(seed, (batch,), -self.decibels, self.decibels, strata)
        return {"factor": 10 ** (decibels / 20)}

    def apply(self, params: Params, images: tf.Tensor) -> tf.Tensor:
        factor = tf.reshape(tf.cast(params["factor"], images.dtype), [-1] + [1] * (len(images.shape) - 1))
        return self.silence + factor * (images - self.silence)


def gain(decibels: float = 6.0, silence: float = 0.5) -> Transform:
    """Amplifies or attenuates a signal, or the contrast of an image. The result is not clipped.

    Args:
      decibels: >= 0; the gain is uniform on [-decibels, decibels]; 20 decibels are a factor of ten. Defaults to 6, a factor of
        about two.
      silence: the value that does not change, from 0 to 1. Defaults to 0.5, which is silence for a network with
        `value_range=(-1, 1)`.

    Returns:
      Transform that keeps the size. Its parameters: {"factor": [batch]}.

    Raises:
      ValueError, TypeError: if an argument is out of range.

    Example:
      >>> import tensorflow as tf
      >>> from samplevis import transform
      >>> transform.gain(6)(tf.zeros([2, 1000, 1]), seed=[0, 1]).shape
      TensorShape([2, 1000, 1])
    """
    check_number("decibels", decibels, 0)
    check_between("silence", silence, 0.0, 1.0)
    return Gain(float(decibels), float(silence))
