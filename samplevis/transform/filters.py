"""Transforms that keep pixels in their places: blur and noise."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.checks import check_number
from samplevis.transform.base import Draw, Shape, Transform


@dataclasses.dataclass(frozen=True)
class Blur(Transform):
    """Made by `blur`."""

    sigma: float

    @property
    def radius(self) -> int:
        return int(4 * self.sigma + 0.5)  # where scipy.ndimage.gaussian_filter truncates, too

    def apply(self, draw: Any, images: tf.Tensor) -> tf.Tensor:
        self.output_shape(images.shape[1:])
        margin = [self.radius, self.radius]
        weights = np.exp(-0.5 * (np.arange(-self.radius, self.radius + 1) / self.sigma) ** 2)
        kernel = tf.constant(np.tile((weights / weights.sum())[:, None], images.shape[3]), images.dtype)
        images = tf.pad(images, [[0, 0], margin, margin, [0, 0]], "REFLECT")
        images = tf.nn.depthwise_conv2d(images, kernel[:, None, :, None], [1, 1, 1, 1], "VALID")
        return tf.nn.depthwise_conv2d(images, kernel[None, :, :, None], [1, 1, 1, 1], "VALID")

    def output_shape(self, image_shape: Shape) -> Shape:
        if self.radius >= min(image_shape[:2]):
            raise ValueError(
                f"blur sigma: its reach, int(4 sigma + 0.5), must be less than the {min(image_shape[:2])} "
                f"pixels of the image. Received: sigma {self.sigma}, reach {self.radius}"
            )
        return tuple(image_shape)


def blur(sigma: float) -> Transform:
    """Convolves with a Gaussian, cut off at 4 sigma, edges reflected.

    Args:
      sigma: standard deviation in pixels, > 0; int(4 sigma + 0.5) must be less than the image's shorter side.

    Returns:
      Transform that keeps the size. Its draw is empty.

    Raises:
      ValueError, TypeError: if `sigma` is outside its range.
    """
    check_number("sigma", sigma, 0, above=True)
    return Blur(sigma)


@dataclasses.dataclass(frozen=True)
class Noise(Transform):
    """Made by `noise`."""

    standard_deviation: float

    def draw(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> Draw:
        noise = tf.random.stateless_normal([batch, *image_shape], seed, stddev=self.standard_deviation)
        return {"noise": noise}

    def apply(self, draw: Draw, images: tf.Tensor) -> tf.Tensor:
        return images + tf.cast(draw["noise"], images.dtype)


def noise(standard_deviation: float) -> Transform:
    """Adds white Gaussian noise. The result is not clipped, so that the gradient stays exact.

    Args:
      standard_deviation: >= 0, on the scale of the image, [0, 1].

    Returns:
      Transform that keeps the size. Its draw: {"noise": [batch, H, W, C]}.

    Raises:
      ValueError, TypeError: if `standard_deviation` is outside its range.
    """
    check_number("standard_deviation", standard_deviation, 0)
    return Noise(standard_deviation)
