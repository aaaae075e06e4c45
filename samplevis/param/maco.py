"""MACO parameterization: the magnitude spectrum is fixed, only the phases are free."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from samplevis.param import spectrum
from samplevis.param.base import Derived
from samplevis.param.fourier import Fourier
from samplevis.param.measured import Measured


@dataclasses.dataclass(frozen=True)
class MACO(Derived):
    """The image that a base makes of the phases of the latent alone. See `maco`."""

    base: Fourier | Measured

    def pre_image(self, z: tf.Tensor) -> tf.Tensor:
        """The image before the sigmoid: every one has the same magnitude spectrum."""
        return self.base.pre_image(phases(z))

    def image(self, z: tf.Tensor) -> tf.Tensor:
        return self.base.image(phases(z))

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        """The latents with the phases of the images; their own magnitudes are lost."""
        return phases(self.base.latent(images))


def maco(base: Fourier | Measured) -> MACO:
    """Images whose magnitude spectrum is fixed, so that an optimiser cannot buy activation with high frequencies.

    Each frequency of the white latent keeps its phase and gets the magnitude of the base's filter. Under the prior, phases are
    uniform and independent, exactly. The constant component is the base's mean (grey for `fourier`), so that the contrast
    before the sigmoid is the same for every image. In images of even size a few frequencies can only have phase 0 or pi; an
    optimiser leaves them as they start. Signals and volumes have phases and magnitudes along all of their directions.

    Source: Fel et al. 2023, "Unlocking Feature Visualization for Deeper Networks with MAgnitude Constrained Optimization",
    arXiv:2306.06805. There, images are standardised before the sigmoid: `contrast=1`. Their random crops are a roll and a
    zoom here, which suits periodic images.

    Args:
      base: `fourier` (magnitudes 1/f^alpha) or `measured` (those of your images, averaged over directions).

    Returns:
      A `MACO` with the latents of the base.

    Raises:
      TypeError: if `base` is neither.

    Example:
      >>> p = samplevis.param.maco(samplevis.param.fourier(32, contrast=1.0))
      >>> crops = [transform.shift(16), transform.random_scale([1, 1.5, 2, 3]), transform.noise(0.1)]
      >>> result = samplevis.optimize(model, "conv2:1", param=p, transforms=crops)
    """
    if not isinstance(base, (Fourier, Measured)):
        raise TypeError(f"base: expected param.fourier(...) or param.measured(...). Received: {base!r}")
    return MACO(base)


def phases(z: tf.Tensor) -> tf.Tensor:
    """White pictures with the phases of `z` and the mean magnitude of white noise at every frequency; the constant component is 0.

    Args:
      z: float32 tensor of shape [N, *size, C]: signals, pictures or volumes.

    Returns:
      Tensor of the same shape; each channel has mean 0 and mean square 1 - 1 / n, where n is the number of pixels.
    """
    half = spectrum.of(z)
    power = tf.square(tf.math.real(half)) + tf.square(tf.math.imag(half))
    scale = tf.math.rsqrt(power + 1e-12)
    unit = half * tf.complex(scale, tf.zeros_like(scale))
    size = z.shape[1:-1]
    magnitude = np.full(half.shape[2:], np.sqrt(np.prod(size)))
    magnitude[(0,) * len(size)] = 0
    return spectrum.image(unit, magnitude, size)
