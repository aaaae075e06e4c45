"""Pyramid parameterization: noise whose contrast varies over the image, as it does in photographs."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from samplevis.param import base, color, spectrum
from samplevis.runtime.checks import check_between, check_flag


@dataclasses.dataclass(frozen=True)
class Pyramid(spectrum.Spectral):
    """Octave bands of 1/f^alpha noise, each multiplied by the exponential of a smooth field. See `pyramid`."""

    image_shape: tuple[int, int, int]
    alpha: float
    contrast: float
    clustering: float
    correlated: bool

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """The image's channels, and one for the scale field."""
        height, width, channels = self.image_shape
        return height, width, channels + 1

    def pre_image(self, z: tf.Tensor) -> tf.Tensor:
        """The image before the sigmoid: mean 0 and standard deviation `contrast` in every channel, heavy tails."""
        noise, field = spectrum.of(z[..., :-1]), spectrum.of(z[..., -1:])
        size = z.shape[1:3]
        coarsest, *bands = (spectrum.image(noise, band, size) for band in self._bands())
        x = coarsest
        for band, smooth in zip(bands, _fields(*self.image_shape[:2]), strict=True):
            x += band * tf.exp(self.clustering * spectrum.image(field, smooth, size) - self.clustering**2)
        return color.correlate(x * self._gain(), self.correlated)

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        """The latent with an even scale field."""
        x = color.decorrelate(base.unsquash(images) / self._gain(), self.correlated)
        coarsest, *bands = self._bands()
        gain = coarsest + sum(bands) * np.exp(-(self.clustering**2))
        noise = spectrum.image(spectrum.of(x), (1 / gain).astype(np.float32), x.shape[1:3])
        return tf.concat([noise, tf.zeros_like(noise[..., :1])], axis=-1)

    def _bands(self) -> list[np.ndarray]:
        amplitude = spectrum.amplitude(self.image_shape[:2], self.alpha)
        return [(amplitude * band).astype(np.float32) for band in _octave_filters(*self.image_shape[:2])]

    def _gain(self) -> float:
        return self.contrast / _deviation(*self.image_shape[:2], self.alpha, self.clustering)

    def symmetries(self) -> dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]]:
        """Shift, mirror and contrast inversion."""
        return base.PICTURE_MOVES | {"invert": _invert}


def pyramid(
    size: int | tuple[int, int],
    *,
    channels: int = 3,
    alpha: float = 1.0,
    contrast: float = 0.316,
    clustering: float = 0.6,
    decorrelate: bool = True,
) -> Pyramid:
    """A Gaussian scale mixture: the spectrum of `fourier`, with flat areas and clustered edges.

    The noise is split into octaves. Each is multiplied by exp(s v), where v is a smooth field with unit variance, itself a
    filter of one white channel of the latent. All octaves share that channel, so that strong edges of all sizes meet in the
    same places (Wainwright and Simoncelli 2000, "Scale mixtures of Gaussians and the statistics of natural images").

    Args:
      size: pixels, one int for a square or (height, width), each >= 4.
      channels: number of channels, >= 1. Defaults to 3.
      alpha: slope of the amplitude spectrum, 0 (white) to 3. Defaults to 1.
      contrast: standard deviation of a pixel before the sigmoid under the prior, > 0. Defaults to 0.316.
      clustering: standard deviation s of the logarithm of the local contrast, 0 (Gaussian) to 2. A band's kurtosis is
        3 exp(4 s^2). Defaults to 0.6.
      decorrelate: whether the three channels of the latent are independent colour components; ignored for other numbers of
        channels. Defaults to True.

    Returns:
      A `Pyramid`, whose latents have the shape [height, width, channels + 1].

    Raises:
      ValueError: if an argument is out of range.

    Example:
      >>> p = samplevis.param.pyramid(64)
      >>> p.latent_shape, p.image_shape
      ((64, 64, 4), (64, 64, 3))
    """
    spectrum.check_slope(alpha, contrast)
    check_between("clustering", clustering, 0, 2)
    check_flag("decorrelate", decorrelate)
    shape = base.image_size(size, channels)
    return Pyramid(shape, float(alpha), float(contrast), float(clustering), bool(decorrelate) and channels == 3)


def _invert(z: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Inverts the noise and leaves the scale field."""
    return tf.concat([-z[..., :-1], z[..., -1:]], -1)


def _cycles(height: int, width: int) -> np.ndarray:
    """Radial frequency of the half spectrum in cycles per image, [H, W // 2 + 1]."""
    return spectrum.frequency((height, width)) * min(height, width)


@functools.lru_cache(maxsize=32)
def _octave_filters(height: int, width: int) -> tuple[np.ndarray, ...]:
    """Raised cosines in log frequency that sum to one; the first holds all below 2 cycles per image."""
    octave = np.log2(np.maximum(_cycles(height, width), 1e-9))
    count = max(int(np.ceil(octave.max())), 2)
    edges = [np.clip(octave - k, 0, 1) for k in range(1, count)]
    rising = [np.ones_like(octave), *(np.sin(np.pi / 2 * edge) ** 2 for edge in edges), np.zeros_like(octave)]
    return tuple(low - high for low, high in zip(rising, rising[1:], strict=False))


@functools.lru_cache(maxsize=32)
def _fields(height: int, width: int) -> tuple[np.ndarray, ...]:
    """For each band but the first, a filter that makes white noise a field of unit variance, as coarse as the band."""
    cycles = _cycles(height, width)
    fields = []
    for k in range(1, len(_octave_filters(height, width))):
        smooth = np.maximum(cycles, 1) ** -1.0 * np.exp(-((cycles / 2**k) ** 2))
        smooth[0, 0] = 0
        fields.append((smooth / spectrum.root_mean_square(smooth, (height, width))).astype(np.float32))
    return tuple(fields)


@functools.lru_cache(maxsize=32)
def _deviation(height: int, width: int, alpha: float, clustering: float) -> float:
    """Standard deviation of the sum of the bands.

    E exp(2 s v) = exp(2 s^2), so a multiplied band keeps its variance; neighbours overlap, and share E m_j m_k of theirs.
    """
    amplitude = spectrum.amplitude((height, width), alpha)
    bands = [amplitude * band for band in _octave_filters(height, width)]
    fields = [np.zeros_like(amplitude), *_fields(height, width)]

    def inner(a: np.ndarray, b: np.ndarray) -> float:
        both = [spectrum.root_mean_square(x, (height, width)) ** 2 for x in (a + b, a - b)]
        return (both[0] - both[1]) / 4

    total = 0.0
    for j, (band, field) in enumerate(zip(bands, fields, strict=True)):
        for k, (other, shared) in enumerate(zip(bands, fields, strict=True)):
            # log E m_j m_k for m = exp(s v - s^2), and m = 1 in the coarsest band.
            multiplied = (j > 0) + (k > 0)
            log_mean = clustering**2 * (inner(field, shared) - multiplied / 2)
            total += inner(band, other) * np.exp(log_mean)
    return float(np.sqrt(total))
