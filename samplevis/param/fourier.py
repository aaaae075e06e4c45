"""Fourier parameterization: white noise, coloured to the spectrum of natural images."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from samplevis.param import base, color, spectrum


@dataclasses.dataclass(frozen=True)
class Fourier(spectrum.Spectral):
    """The image is sigmoid(contrast * color(irfftn(rfftn(z) * amplitude))). See `fourier`."""

    image_shape: tuple[int, ...]
    alpha: float
    contrast: float
    correlated: bool | color.Matrix

    def pre_image(self, z: tf.Tensor) -> tf.Tensor:
        """The image before the sigmoid: linear in `z`, standard deviation `contrast` in every channel."""
        x = self.contrast * spectrum.image(spectrum.of(z), self.amplitude(), z.shape[1:-1])
        return color.correlate(x, self.correlated)

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        x = color.decorrelate(base.unsquash(images), self.correlated)
        return spectrum.image(spectrum.of(x / self.contrast), 1 / self.amplitude(), x.shape[1:-1])

    def amplitude(self) -> np.ndarray:
        """The filter, of the half spectrum's shape: [H, W // 2 + 1] for a picture."""
        return spectrum.amplitude(self.image_shape[:-1], self.alpha)


def fourier(
    size: int | tuple[int, ...],
    *,
    channels: int = 3,
    dimensions: base.Dimensions | None = None,
    alpha: float = 1.0,
    contrast: float = 0.316,
    decorrelate: bool | np.ndarray = True,
) -> Fourier:
    """A white latent, filtered to the 1/f^alpha spectrum of photographs, then squashed to [0, 1].

    Under the prior N(0, I) every pixel before the sigmoid has mean 0 and standard deviation `contrast`. Any aspect
    ratio and odd sizes are allowed. Signals (sound, say) and volumes have such a spectrum along all of their directions.

    Args:
      size: pixels, one int for a square, or a tuple: (length,), (height, width) or (depth, height, width), each >= 4.
      channels: number of channels, >= 1. Defaults to 3.
      dimensions: 1 for a signal, 2 for a picture, 3 for a volume or a film. Defaults to the number of sides in `size`; one int is
        the side of a square.
      alpha: slope of the amplitude spectrum, 0 (white) to 3. Photographs have about 1.2 (Tolhurst, Tadmor and Chao 1992).
        Defaults to 1.
      contrast: standard deviation of a pixel before the sigmoid under the prior, > 0. Defaults to 0.316.
      decorrelate: True if the three channels of the latent are independent colour components (Lucid's param/color.py), False if
        they are R, G and B; True is ignored for signals and for other numbers of channels. Or, for any number of channels, a square
        root of their covariance, [channels, channels], whose rows are scaled to unit norm. Defaults to True.

    Returns:
      A `Fourier`, whose latents have the shape of the image.

    Raises:
      ValueError: if an argument is out of range.

    Example:
      >>> p = samplevis.param.fourier((64, 96))
      >>> p.image(p.prior(seeds.root(0), 2)).shape
      TensorShape([2, 64, 96, 3])
    """
    spectrum.check_slope(alpha, contrast)
    shape = base.image_size(size, channels, dimensions)
    correlated = color.check_decorrelate(decorrelate, channels, len(shape) - 1)
    return Fourier(shape, float(alpha), float(contrast), correlated)
