"""Parameterization around an image: the prior's images that share a part of its latent."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import tensorflow as tf

from samplevis.param import base
from samplevis.runtime.checks import check_array, check_between


@dataclasses.dataclass(frozen=True)
class Around(base.Derived):
    """The image that a base makes of cos(theta) centre + sin(theta) z. See `around`."""

    base: base.Parameterization
    centre: base.Constant
    noise: float

    def image(self, z: tf.Tensor) -> tf.Tensor:
        return self.base.image(self._mixed(tf.cast(z, tf.float32)))

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        if not self.noise:
            raise ValueError("param: with noise=0 there is one image only, whatever the latents")
        return (self.base.latent(images) - self._share * self.centre.values) / self.noise

    def _mixed(self, z: tf.Tensor) -> tf.Tensor:
        return self._share * self.centre.values + self.noise * z

    @property
    def _share(self) -> float:
        return math.sqrt(1 - self.noise**2)


def around(prior: base.Parameterization, image: np.ndarray, noise: float = 0.3) -> Around:
    """The part of a prior around an image: z becomes cos(theta) z0 + sin(theta) z, where z0 is the image's latent.

    The latents stay N(0, I), so that samples are calibrated variants of the image. After Hamblin et al. 2024, "Feature
    Accentuation", arXiv:2402.10039, who keep an optimised image near a photograph by a penalty.

    Args:
      prior: a parameterization with an inverse.
      image: the centre, [*image_shape] in [0, 1].
      noise: sin(theta), from 0 (the image alone) to 1 (the whole prior). Defaults to 0.3.

    Returns:
      An `Around` with the latents of the base.

    Raises:
      TypeError: if `prior` is no parameterization.
      ValueError: if the image does not fit it, or the noise is out of range.

    Example:
      >>> photo = np.full((16, 16, 3), 0.25, np.float32)
      >>> p = samplevis.param.around(samplevis.param.fourier(16), photo, noise=0.1)
      >>> bool(np.abs(p.image(p.prior(seeds.root(0), 1)) - photo).mean() < 0.05)
      True
    """
    base.check_base(prior, "prior")
    check_between("noise", noise, 0.0, 1.0)
    image = check_array("image", image)
    if image.shape != tuple(prior.image_shape) or not np.isfinite(image).all() or image.min() < 0 or image.max() > 1:
        raise ValueError(
            f"image: expected values in [0, 1] of shape {tuple(prior.image_shape)}. Received: {image.shape}"
            + (f", {image.min():g} to {image.max():g}" if image.size else "")
        )
    centre = np.asarray(prior.latent(tf.constant(image[None])))[0]
    return Around(prior, base.Constant(centre), float(noise))
