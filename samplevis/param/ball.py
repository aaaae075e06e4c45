"""Ball parameterization: all images within a distance of a chosen one."""

from __future__ import annotations

import dataclasses
from typing import Literal, get_args

import numpy as np
import tensorflow as tf

from samplevis.param import base
from samplevis.runtime.checks import check_array, check_choice, check_number

Norm = Literal["l2", "linf"]
# Images on the edge of the ball, or outside, are moved to this share of the radius before they are inverted.
INSIDE = 1 - 1e-3


@dataclasses.dataclass(frozen=True)
class Ball(base.Parameterization):
    """A fixed image plus a perturbation of bounded norm. See `ball`."""

    centre: base.Constant
    radius: float
    norm: Norm

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.centre.values.shape

    def image(self, z: tf.Tensor) -> tf.Tensor:
        z = tf.cast(z, tf.float32)
        if self.norm == "linf":
            low, high = self._limits()
            return low + (high - low) * (0.5 + 0.5 * tf.math.erf(z * np.float32(0.5**0.5)))
        squares = tf.reduce_sum(tf.square(z), (1, 2, 3), keepdims=True)
        perturbation = self.radius * z * tf.math.rsqrt(squares + self.centre.values.size)
        return tf.clip_by_value(self.centre.values + perturbation, 0.0, 1.0)

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        """The latents of images in the ball.

        Images outside are first moved to it, straight towards the centre ("l2") or pixel by pixel ("linf").
        """
        images = tf.cast(images, tf.float32)
        if self.norm == "linf":
            low, high = self._limits()
            part = tf.math.divide_no_nan(images - low, high - low)
            return tf.math.ndtri(tf.clip_by_value(part, base.EPSILON, 1 - base.EPSILON))
        perturbation = (images - self.centre.values) / self.radius
        length = tf.sqrt(tf.reduce_sum(tf.square(perturbation), (1, 2, 3), keepdims=True))
        perturbation *= tf.minimum(1.0, tf.math.divide_no_nan(INSIDE, length))
        squares = tf.square(tf.minimum(length, INSIDE))
        return perturbation * tf.math.rsqrt(1 - squares) * np.float32(self.centre.values.size**0.5)

    def start(self, seed: tf.Tensor, batch: int) -> tf.Tensor:
        """The centre, slightly perturbed."""
        return self.latent(self.centre.values[None]) + super().start(seed, batch)

    def _limits(self) -> tuple[np.ndarray, np.ndarray]:
        centre, radius = self.centre.values, np.float32(self.radius)
        return np.maximum(centre - radius, 0), np.minimum(centre + radius, 1)


def ball(image: np.ndarray, radius: float, norm: Norm = "l2") -> Ball:
    """Images close to a chosen one: for adversarial examples, and to see what a network would change in a picture.

    Both maps are smooth and reach every image inside the ball, so no projection is needed. Under the prior, "linf" gives
    independent pixels, each uniform on what the radius and [0, 1] allow; "l2" gives a perturbation of random direction whose norm
    is close to 0.7 times the radius, added to the image and clipped to [0, 1].

    Args:
      image: the centre, [H, W, C], values in [0, 1].
      radius: > 0, in units of pixel values: for "l2" the largest Euclidean norm of the perturbation of the whole image, for "linf"
        the largest change of one value.
      norm: "l2" or "linf". Defaults to "l2".

    Returns:
      A `Ball`, whose latents have the shape of the image. `latent` moves images outside the ball to its edge.

    Raises:
      ValueError: if an argument is out of range.

    Example:
      >>> p = samplevis.param.ball(photo, 8 / 255, "linf")
      >>> float(tf.reduce_max(tf.abs(p.image(p.prior(seeds.root(0), 1)) - photo))) <= 8 / 255 + 1e-6
      True
      >>> adversarial = samplevis.optimize(model, objectives.class_logit("logits", "b"), param=p, transforms=None)
    """
    centre = check_array("image", image, None)
    if centre.ndim != 3:
        raise ValueError(f"image: expected shape [H, W, C]. Received: {centre.shape}")
    if centre.dtype.kind != "f" or not np.all((centre >= 0) & (centre <= 1)):
        raise ValueError(
            f"image: expected floats from 0 to 1. Received: {centre.dtype}, {centre.min()} to {centre.max()}"
        )
    base.image_size(centre.shape[:2], centre.shape[2])
    check_number("radius", radius, 0, above=True)
    check_choice("norm", norm, get_args(Norm))
    return Ball(base.Constant(centre), float(radius), norm)
