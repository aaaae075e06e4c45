"""Measured parameterization: the spectrum, the colours and the contrast of a person's own images."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from samplevis.param import base, spectrum
from samplevis.param.picture_files import open_upright, picture_files
from samplevis.runtime.checks import check_array

# Rings in which the spectrum is averaged, from one cycle per image to the corner of the spectrum.
RINGS = 24


@dataclasses.dataclass(frozen=True)
class Measured(spectrum.Spectral):
    """The image is sigmoid(mean + color(irfft2(rfft2(z) * amplitude))). See `measured`.

    Attributes:
      image_shape: (height, width, channels).
      profile: ((frequency in cycles per pixel, amplitude), ...), frequencies rising.
      mean: of each channel, before the sigmoid.
      factor: rows of a square root of the covariance of the channels, before the sigmoid.
    """

    image_shape: tuple[int, int, int]
    profile: tuple[tuple[float, float], ...]
    mean: tuple[float, ...]
    factor: tuple[tuple[float, ...], ...]

    def pre_image(self, z: tf.Tensor) -> tf.Tensor:
        """The image before the sigmoid: linear in `z` but for its mean."""
        x = spectrum.image(spectrum.of(z), self.amplitude(), z.shape[1:3])
        return tf.linalg.matmul(x, tf.constant(np.transpose(self.factor), x.dtype)) + tf.constant(self.mean, x.dtype)

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        x = base.unsquash(images) - tf.constant(self.mean)
        x = tf.linalg.matmul(x, tf.constant(np.linalg.inv(self.factor).T, x.dtype))
        return spectrum.image(spectrum.of(x), 1 / self.amplitude(), x.shape[1:3])

    def amplitude(self) -> np.ndarray:
        """The filter, of shape [H, W // 2 + 1]; it leaves white noise at unit variance."""
        return _amplitude(*self.image_shape[:2], self.profile)


def measured(size: int | tuple[int, int], images: str | os.PathLike | np.ndarray) -> Measured:
    """The Gaussian prior that looks most like given images: their spectrum, mean, contrast and colours.

    Before the sigmoid is undone every image is windowed; its power is averaged in rings of equal width in log frequency. What
    is below the images' own lowest frequency or above their highest continues at the nearest amplitude.

    Args:
      size: pixels of the images to make, one int for a square or (height, width), each >= 4.
      images: a folder of picture files (searched recursively), or an array [N, H, W, C] with values in [0, 1].

    Returns:
      A `Measured` parameterization whose latents have the shape of the image.

    Raises:
      ValueError: if there are no images, or values are out of range.
      OSError: if the folder or a picture cannot be read.

    Example:
      >>> param = samplevis.param.measured(96, "my_photographs")
    """
    rings = np.geomspace(1 / 256, np.hypot(0.5, 0.5), RINGS + 1)
    power, counts, moments = np.zeros(RINGS), np.zeros(RINGS), []
    for picture in _pictures(images):
        x = base.unsquash(picture[None]).numpy()[0].astype(np.float64)
        height, width, channels = x.shape
        flat = x.reshape(-1, channels)
        moments.append((flat.mean(0), flat.T @ flat / len(flat)))
        window = np.hanning(height)[:, None, None] * np.hanning(width)[:, None]
        whole = np.abs(np.fft.fft2((x - flat.mean(0)) * window, axes=(0, 1))) ** 2 / (window**2).sum()
        frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
        ring = np.digitize(frequency, rings) - 1
        # The window smears the mean over the lowest frequencies.
        inside = (ring >= 0) & (ring < RINGS) & (frequency >= 2 / min(height, width))
        power += np.bincount(ring[inside], whole.mean(-1)[inside], RINGS)
        counts += np.bincount(ring[inside], minlength=RINGS)
    if not moments:
        raise ValueError(f"images: expected at least one picture. Received: none in {images!r}")
    mean = np.mean([first for first, _ in moments], axis=0)
    covariance = np.mean([second for _, second in moments], axis=0) - np.outer(mean, mean)
    values, vectors = np.linalg.eigh(covariance)
    factor = vectors * np.sqrt(np.maximum(values, 1e-6 * max(values.max(), 1e-6)))
    seen = counts > 0
    if not seen.any():
        raise ValueError("images: expected pictures of at least 8 x 8 pixels")
    centres = np.sqrt(rings[1:] * rings[:-1])[seen]
    levels = np.sqrt(np.maximum(power[seen] / counts[seen], 1e-12))
    profile = tuple((float(f), float(a)) for f, a in zip(centres, levels, strict=True))
    shape = base.image_size(size, len(mean))
    return Measured(shape, profile, tuple(mean.tolist()), tuple(map(tuple, factor.tolist())))


def _pictures(images: str | os.PathLike | np.ndarray) -> Iterator[np.ndarray]:
    """Images [H, W, C] in [0, 1]."""
    if isinstance(images, (str, os.PathLike)):
        for path in picture_files(images):
            yield np.asarray(open_upright(path).convert("RGB"), np.float32) / 255
        return
    array = check_array("images", images, None)
    if array.ndim != 4:
        raise ValueError(f"images: expected shape [N, H, W, C]. Received: {array.shape}")
    if array.dtype.kind != "f" or not np.all((array >= 0) & (array <= 1)):
        raise ValueError(
            f"images: expected floats from 0 to 1. Received: {array.dtype}, {array.min()} to {array.max()}"
        )
    yield from array.astype(np.float32)


@functools.lru_cache(maxsize=32)
def _amplitude(height: int, width: int, profile: tuple[tuple[float, float], ...]) -> np.ndarray:
    """The profile, interpolated in log frequency and log amplitude."""
    frequency = spectrum.frequency((height, width))
    frequencies, amplitudes = np.log(np.array(profile)).T
    values = np.exp(np.interp(np.log(np.maximum(frequency, 1 / max(height, width))), frequencies, amplitudes))
    values /= spectrum.root_mean_square(values, (height, width))
    values.setflags(write=False)
    return values
