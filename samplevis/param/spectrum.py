"""Spectra of real images: filters, octaves, and the orthonormal transform between pixels and frequencies."""

from __future__ import annotations

import abc
import functools

import numpy as np
import tensorflow as tf

from samplevis.param import base


class Spectral(base.Picture):
    """A parameterization that filters white pictures and squashes the result; its mass is diagonal in frequency."""

    @abc.abstractmethod
    def pre_image(self, z: tf.Tensor) -> tf.Tensor:
        """The image before the sigmoid, [N, H, W, C]."""

    def image(self, z: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(self.pre_image(z))

    def rotate(self, z: tf.Tensor) -> tf.Tensor:
        """The orthonormal Hartley transform: frequencies do not mix."""
        return hartley(z)

    def bands(self) -> np.ndarray:
        """Octave of the radial frequency, for each channel of the latent by itself."""
        return octaves(self.latent_shape)

    def scales(self) -> np.ndarray:
        """Octave of the radial frequency."""
        return octaves(self.latent_shape) // self.latent_shape[-1]


def check_slope(alpha: float, contrast: float) -> None:
    """Checks the slope and the contrast of a prior.

    Raises:
      ValueError: if one is out of range.
    """
    if not 0 <= alpha <= 3:
        raise ValueError(f"alpha: expected a number from 0 to 3. Received: {alpha!r}")
    base.check_contrast(contrast)


@functools.lru_cache(maxsize=32)
def amplitude(height: int, width: int, alpha: float) -> np.ndarray:
    """1/f^alpha, the constant component treated as the lowest frequency, scaled to leave white noise at unit variance.

    Returns:
      Array of shape [height, width // 2 + 1], read-only.
    """
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    values = np.maximum(np.hypot(fy, fx), 1 / max(height, width)) ** -alpha
    values /= root_mean_square(values, height, width)
    values.setflags(write=False)
    return values


def root_mean_square(half: np.ndarray, height: int, width: int) -> float:
    """Standard deviation that a filter [H, W // 2 + 1] gives to white noise of unit variance."""
    # Columns of the half spectrum stand for two frequencies each, but for the first and, for even widths, the last.
    weight = np.full(half.shape[1], 2.0)
    weight[0] = 1
    if width % 2 == 0:
        weight[-1] = 1
    return float(np.sqrt((half**2 * weight).sum() / (height * width)))


def of(x: tf.Tensor) -> tf.Tensor:
    """Spectrum of real images [N, H, W, C], complex64 [N, C, H, W // 2 + 1]."""
    return tf.signal.rfft2d(tf.transpose(tf.cast(x, tf.float32), (0, 3, 1, 2)))


def image(half: tf.Tensor, response: np.ndarray, size: tuple[int, int]) -> tf.Tensor:
    """The images [N, H, W, C] of spectra [N, C, H, W // 2 + 1] times a filter [H, W // 2 + 1]."""
    planes = tf.signal.irfft2d(half * tf.constant(response, tf.complex64), fft_length=size)
    return tf.transpose(planes, (0, 2, 3, 1))


def hartley(z: tf.Tensor) -> tf.Tensor:
    """cos + sin of every frequency of [N, H, W, C], orthonormal and its own inverse (Bracewell 1983)."""
    planes = tf.transpose(z, (0, 3, 1, 2))
    whole = tf.signal.fft2d(tf.complex(planes, tf.zeros_like(planes)))
    scaled = (tf.math.real(whole) - tf.math.imag(whole)) / np.float32(np.sqrt(z.shape[1] * z.shape[2]))
    return tf.transpose(scaled, (0, 2, 3, 1))


def octaves(shape: tuple[int, int, int]) -> np.ndarray:
    """Labels the coordinates of `hartley`: radial frequency in octaves (below 1.5 cycles per image, 1.5 - 3, 3 - 6, ...) for
    each channel.

    Returns:
      int32 array of `shape`, [H, W, C].
    """
    height, width, channels = shape
    cycles = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)) * min(height, width)
    octave = np.clip(np.floor(np.log2(np.maximum(cycles, 0.75) / 0.75)), 0, None).astype(np.int32)
    return octave[..., None] * channels + np.arange(channels, dtype=np.int32)
