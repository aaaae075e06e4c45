"""Ball parameterization: all images within a distance of a given one."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from samplevis.param import base
from samplevis.runtime.checks import check_array, check_choice, check_number

NORMS = ("l2", "linf")
# Latents of images on the edge of the ball, or beyond it, are those of images this much nearer.
INSIDE = 1 - 1e-3


@dataclasses.dataclass(frozen=True)
class Ball(base.Parameterization):
    """A given image, plus a perturbation of bounded norm. See `ball`."""

    centre: base.Constant
    radius: float
    norm: str

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
        """The latents of images in the ball; others are first moved straight towards its centre (norm "l2") or pixel by pixel
        ("linf")."""
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
        """The centre, faintly disturbed."""
        return self.latent(self.centre.values[None]) + super().start(seed, batch)

    def _limits(self) -> tuple[np.ndarray, np.ndarray]:
        centre, radius = self.centre.values, np.float32(self.radius)
        return np.maximum(centre - radius, 0), np.minimum(centre + radius, 1)


def ball(image: np.ndarray, radius: float, norm: str = "l2") -> Ball:
    """Images close to a given one: for adversarial examples, and for what a network would change in a picture.

    Both maps are smooth and reach every image inside the ball, so that nothing has to be projected. Under the prior, "linf"
    gives independent pixels, each uniform on what the radius and [0, 1] allow; "l2" a perturbation of random direction and a
    norm close to 0.7 radius, clipped to [0, 1] with its image.

    Args:
      image: the centre, [H, W, C], values in [0, 1].
      radius: > 0, on the scale of the image, [0, 1]: the largest Euclidean norm of the perturbation of the whole image for
        "l2", the largest change of a value for "linf".
      norm: "l2" or "linf". Defaults to "l2".

    Returns:
      A `Ball` whose latents have the shape of the image. `latent` moves images that are outside to the edge.

    Raises:
      ValueError: if an argument is out of range.

    Example:
      >>> p = samplevis.param.ball(photograph, 8 / 255, "linf")
      >>> adversarial = samplevis.optimize(model, objectives.class_logit("logits", "goldfish"), param=p, transforms=None)
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
    check_choice("norm", norm, NORMS)
    return Ball(base.Constant(centre), float(radius), norm)
