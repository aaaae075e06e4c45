"""Greyscale: the same plane in all channels."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from samplevis.param.base import Derived, Parameterization, check_base
from samplevis.runtime.checks import check_whole


@dataclasses.dataclass(frozen=True)
class Greyscale(Derived):
    """The image is one plane, repeated. See `greyscale`."""

    base: Parameterization
    channels: int

    @property
    def image_shape(self) -> tuple[int, ...]:
        return *self.base.image_shape[:-1], self.channels

    def image(self, z: tf.Tensor) -> tf.Tensor:
        return tf.repeat(self.base.image(z), self.channels, axis=-1)

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        """The latent of the mean over the channels."""
        return self.base.latent(tf.reduce_mean(tf.cast(images, tf.float32), -1, keepdims=True))


def greyscale(base: Parameterization, *, channels: int = 3) -> Greyscale:
    """Grey images for a network that takes colours: one plane, the same in every channel. Signals and volumes, too.

    Source: `grayscale_image_rgb` in lucid/optvis/param/images.py.

    Args:
      base: a parameterization of one channel.
      channels: number of copies of the plane, >= 1. Defaults to 3.

    Returns:
      A `Greyscale` with the latents of the base. `latent` reduces a coloured picture to the mean over its channels.

    Raises:
      TypeError: if `base` is not a parameterization.
      ValueError: if it has several channels, or `channels` is out of range.

    Example:
      >>> samplevis.param.greyscale(samplevis.param.fourier(128, channels=1)).image_shape
      (128, 128, 3)
    """
    check_base(base)
    if base.image_shape[-1] != 1:
        raise ValueError(f"base: expected one channel, such as fourier(128, channels=1). Received: {base!r}")
    check_whole("channels", channels, 1)
    return Greyscale(base, int(channels))
