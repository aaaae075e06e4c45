"""Fourier parameterization: white noise, coloured to the spectrum of natural images."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from samplevis.param import base, color


@dataclasses.dataclass(frozen=True)
class Fourier(base.Parameterization):
    """The image is sigmoid(contrast * color(irfft2(rfft2(z) * amplitude))). See `fourier`."""

    image_shape: tuple[int, int, int]
    alpha: float
    contrast: float
    correlated: bool

    def image(self, z: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(self.pre_image(z))

    def pre_image(self, z: tf.Tensor) -> tf.Tensor:
        """The image before the sigmoid: linear in `z`, standard deviation `contrast` in every channel."""
        x = self.contrast * _filter(z, self.amplitude())
        return color.correlate(x) if self.correlated else x

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        x = base.unsquash(images)
        x = color.decorrelate(x) if self.correlated else x
        return _filter(x / self.contrast, 1 / self.amplitude())

    def amplitude(self) -> np.ndarray:
        """The filter, float32 of shape [H, W // 2 + 1]."""
        return _amplitude(*self.image_shape[:2], self.alpha)

    def rotate(self, z: tf.Tensor) -> tf.Tensor:
        """The orthonormal Hartley transform: cos + sin of every frequency (Bracewell 1983), its own inverse."""
        height, width, _ = self.image_shape
        planes = tf.transpose(z, (0, 3, 1, 2))
        spectrum = tf.signal.fft2d(tf.complex(planes, tf.zeros_like(planes)))
        spectrum = (tf.math.real(spectrum) - tf.math.imag(spectrum)) / np.float32(np.sqrt(height * width))
        return tf.transpose(spectrum, (0, 2, 3, 1))

    def bands(self) -> np.ndarray:
        """Radial frequency in octaves (below 1.5 cycles per image, 1.5 - 3, 3 - 6, ...) for each colour component."""
        height, width, channels = self.image_shape
        cycles = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)) * min(height, width)
        octave = np.clip(np.floor(np.log2(np.maximum(cycles, 0.75) / 0.75)), 0, None).astype(np.int32)
        return octave[..., None] * channels + np.arange(channels, dtype=np.int32)


def fourier(
    size: int | tuple[int, int],
    *,
    channels: int = 3,
    alpha: float = 1.0,
    contrast: float = 0.316,
    decorrelate: bool = True,
) -> Fourier:
    """A white latent, filtered to the 1/f^alpha spectrum of photographs, then squashed to [0, 1].

    Under the prior N(0, I) every pixel before the sigmoid has mean 0 and standard deviation `contrast`. Any aspect
    ratio and odd sizes are allowed.

    Args:
      size: pixels, one int for a square or (height, width), each >= 4.
      channels: number of channels, >= 1.
      alpha: slope of the amplitude spectrum, 0 (white) to 3. Photographs have about 1.2 (Tolhurst, Tadmor and Chao 1992).
        Defaults to 1.
      contrast: standard deviation of a pixel before the sigmoid under the prior, > 0. Defaults to 0.316.
      decorrelate: whether the three channels of the latent are independent colour components (Lucid's
        param/color.py) rather than R, G and B. Only for 3 channels; ignored otherwise.

    Returns:
      A `Fourier` parameterization whose latents have the shape of the image.

    Raises:
      ValueError: if an argument is out of range.

    Example:
      >>> param = samplevis.param.fourier((64, 96))
      >>> param.image(param.prior(seeds.root(0), 2)).shape
      TensorShape([2, 64, 96, 3])
    """
    if not 0 <= alpha <= 3:
        raise ValueError(f"alpha: expected a number from 0 to 3. Received: {alpha!r}")
    if not (np.isfinite(contrast) and contrast > 0):
        raise ValueError(f"contrast: expected a number > 0. Received: {contrast!r}")
    shape = base.image_size(size, channels)
    return Fourier(shape, float(alpha), float(contrast), bool(decorrelate) and channels == 3)


@functools.lru_cache(maxsize=32)
def _amplitude(height: int, width: int, alpha: float) -> np.ndarray:
    """1/f^alpha, the constant component treated as the lowest frequency, scaled to leave white noise at unit variance."""
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    amplitude = np.maximum(np.hypot(fy, fx), 1 / max(height, width)) ** -alpha
    # Columns of the half spectrum stand for two frequencies each, but for the first and, for even widths, the last.
    weight = np.full(amplitude.shape[1], 2.0)
    weight[0] = 1
    if width % 2 == 0:
        weight[-1] = 1
    amplitude /= np.sqrt((amplitude**2 * weight).sum() / (height * width))
    amplitude.setflags(write=False)
    return amplitude


def _filter(x: tf.Tensor, amplitude: np.ndarray) -> tf.Tensor:
    """Multiplies the spectrum of [N, H, W, C] by `amplitude` [H, W // 2 + 1]."""
    planes = tf.transpose(x, (0, 3, 1, 2))
    spectrum = tf.signal.rfft2d(planes) * tf.constant(amplitude, tf.complex64)
    return tf.transpose(tf.signal.irfft2d(spectrum, fft_length=x.shape[1:3]), (0, 2, 3, 1))
