"""Spectra of real images: filters, octaves, and the orthonormal transform between pixels and frequencies."""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from samplevis.param import base
from samplevis.runtime.checks import check_between


class Spectral(base.Picture):
    """A parameterization that filters white pictures and squashes the result; its mass is diagonal in frequency."""

    @abc.abstractmethod
    def pre_image(self, z: tf.Tensor) -> tf.Tensor:
        """The image before the sigmoid, [N, *size, C]."""

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
    check_between("alpha", alpha, 0, 3)
    base.check_contrast(contrast)


def frequency(size: Sequence[int], half: bool = True) -> np.ndarray:
    """Radial frequency in cycles per pixel.

    Args:
      size: sides of the image, (height, width) or of another number.
      half: whether only the half spectrum that real images need: the last side n gives n // 2 + 1.

    Returns:
      Array of the shape of the spectrum.
    """
    *others, last = size
    along = [*map(np.fft.fftfreq, others), (np.fft.rfftfreq if half else np.fft.fftfreq)(last)]
    return functools.reduce(np.hypot, np.meshgrid(*along, indexing="ij", sparse=True), 0.0)


@functools.lru_cache(maxsize=32)
def amplitude(size: tuple[int, ...], alpha: float) -> np.ndarray:
    """1/f^alpha, the constant component treated as the lowest frequency, scaled to leave white noise at unit variance.

    Returns:
      Array of the half spectrum's shape, [height, width // 2 + 1] for a picture, read-only.
    """
    values = np.maximum(frequency(size), 1 / max(size)) ** -alpha
    values /= root_mean_square(values, size)
    values.setflags(write=False)
    return values


def root_mean_square(half: np.ndarray, size: Sequence[int]) -> float:
    """Standard deviation that a filter [..., W // 2 + 1] gives to white noise of unit variance."""
    # Each column of the half spectrum counts for two frequencies, except the first and, for even widths, the last.
    weight = np.full(half.shape[-1], 2.0)
    weight[0] = 1
    if size[-1] % 2 == 0:
        weight[-1] = 1
    return float(np.sqrt((half**2 * weight).sum() / np.prod(size)))


def of(x: tf.Tensor) -> tf.Tensor:
    """Spectrum of real images [N, *size, C], complex64 [N, C, *half spectrum]: [N, C, H, W // 2 + 1] for pictures."""
    transform = {1: tf.signal.rfft, 2: tf.signal.rfft2d, 3: _rfft3d}[len(x.shape) - 2]
    return transform(_channels_first(tf.cast(x, tf.float32)))


def image(half: tf.Tensor, response: np.ndarray, size: Sequence[int]) -> tf.Tensor:
    """The images [N, *size, C] of spectra [N, C, *half spectrum] times a filter of the half spectrum's shape."""
    inverse = {1: tf.signal.irfft, 2: tf.signal.irfft2d, 3: _irfft3d}[len(half.shape) - 2]
    return _channels_last(inverse(half * tf.constant(response, tf.complex64), size))


def hartley(z: tf.Tensor) -> tf.Tensor:
    """cos + sin of every frequency of [N, *size, C]: orthonormal, and its own inverse (Bracewell 1983)."""
    planes = _channels_first(z)
    transform = {1: tf.signal.fft, 2: tf.signal.fft2d, 3: tf.signal.fft3d}[len(z.shape) - 2]
    whole = transform(tf.complex(planes, tf.zeros_like(planes)))
    scaled = (tf.math.real(whole) - tf.math.imag(whole)) / np.float32(np.sqrt(np.prod(z.shape[1:-1])))
    return _channels_last(scaled)


def octaves(shape: tuple[int, ...]) -> np.ndarray:
    """Labels the coordinates of `hartley`: radial frequency in octaves (below 1.5 cycles per image, 1.5 - 3, 3 - 6, ...) for
    each channel.

    Returns:
      int32 array of `shape`, [*size, C].
    """
    *size, channels = shape
    cycles = frequency(size, half=False) * min(size)
    octave = np.clip(np.floor(np.log2(np.maximum(cycles, 0.75) / 0.75)), 0, None).astype(np.int32)
    return octave[..., None] * channels + np.arange(channels, dtype=np.int32)


def _channels_first(x: tf.Tensor) -> tf.Tensor:
    return tf.transpose(x, (0, len(x.shape) - 1, *range(1, len(x.shape) - 1)))


def _channels_last(x: tf.Tensor) -> tf.Tensor:
    return tf.transpose(x, (0, *range(2, len(x.shape)), 1))


# TensorFlow's own transforms of real volumes have no gradient: along the width first, then across.
def _rfft3d(x: tf.Tensor) -> tf.Tensor:
    return _across(tf.signal.fft2d, tf.signal.rfft(x))


def _irfft3d(half: tf.Tensor, size: Sequence[int]) -> tf.Tensor:
    return tf.signal.irfft(_across(tf.signal.ifft2d, half), size[-1:])


def _across(transform: Callable[[tf.Tensor], tf.Tensor], half: tf.Tensor) -> tf.Tensor:
    """A transform of the last two axes, applied to the first two directions of [N, C, D, H, K]."""
    return tf.transpose(transform(tf.transpose(half, (0, 1, 4, 2, 3))), (0, 1, 3, 4, 2))
