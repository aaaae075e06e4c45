"""Laplacian pyramid: the sum of white pictures of several resolutions, each enlarged to the size of the image."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from samplevis.param import base, color
from samplevis.param.resize import along, resize_matrix
from samplevis.runtime.checks import check_whole


@dataclasses.dataclass(frozen=True)
class LaplacianPyramid(base.Parameterization):
    """The image is sigmoid(contrast * color(sum of enlarged levels)). See `laplacian_pyramid`."""

    image_shape: tuple[int, int, int]
    levels: int
    contrast: float
    correlated: bool | color.Matrix

    @property
    def latent_shape(self) -> tuple[int]:
        """All levels one after the other, the coarsest first."""
        return (sum(self._lengths()),)

    def pre_image(self, z: tf.Tensor) -> tf.Tensor:
        """The image before the sigmoid: linear in `z`, mean variance `contrast` squared in every channel."""
        x = 0.0
        for level, size in zip(tf.split(tf.cast(z, tf.float32), self._lengths(), 1), self._sizes(), strict=True):
            level = tf.reshape(level, (z.shape[0], *size, self.image_shape[2]))
            x += _resized(
                level, resize_matrix(self.image_shape[0], size[0]), resize_matrix(self.image_shape[1], size[1])
            )
        return color.correlate(x * self._gain(), self.correlated)

    def image(self, z: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(self.pre_image(z))

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        """The latent in which each level, from the coarsest, is the best fit to what the coarser ones leave."""
        x = color.decorrelate(base.unsquash(images), self.correlated) / self._gain()
        levels = []
        for size in self._sizes():
            rows, columns = (resize_matrix(*sides) for sides in zip(self.image_shape, size, strict=False))
            level = _resized(x, np.linalg.pinv(rows), np.linalg.pinv(columns))
            x -= _resized(level, rows, columns)
            levels.append(tf.reshape(level, (x.shape[0], -1)))
        return tf.concat(levels, 1)

    def scales(self) -> np.ndarray:
        """The level."""
        return np.repeat(np.arange(self.levels, dtype=np.int32), self._lengths())

    def bands(self) -> np.ndarray:
        """The level, for each channel by itself."""
        channels = self.image_shape[2]
        return self.scales() * channels + np.arange(self.latent_shape[0], dtype=np.int32) % channels

    def symmetries(self) -> dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]]:
        """Contrast inversion."""
        return {"invert": base.invert}

    def _sizes(self) -> list[tuple[int, int]]:
        """(height, width) of each level, the coarsest first."""
        height, width, _ = self.image_shape
        return [(-(-height // 2**k), -(-width // 2**k)) for k in reversed(range(self.levels))]

    def _lengths(self) -> list[int]:
        return [height * width * self.image_shape[2] for height, width in self._sizes()]

    def _gain(self) -> float:
        return self.contrast / _deviation(self.image_shape[:2], tuple(self._sizes()))


def laplacian_pyramid(
    size: int | tuple[int, int],
    *,
    levels: int = 4,
    channels: int = 3,
    contrast: float = 0.316,
    decorrelate: bool | np.ndarray = True,
) -> LaplacianPyramid:
    """Lucid's Laplacian pyramid: white pictures at 1, 1/2, 1/4, ... of the resolution, enlarged bilinearly and added up.

    An optimiser's steps change coarse and fine detail alike. Not to be confused with `pyramid`, a Gaussian scale mixture.

    Source: lucid/optvis/param/spatial.py, with a scale that sets the contrast.

    Args:
      size: pixels, one int for a square or (height, width), each >= 4.
      levels: number of resolutions, >= 1; each halves the one before, rounded up. Defaults to 4.
      channels: number of channels, >= 1. Defaults to 3.
      contrast: standard deviation before the sigmoid under the prior, > 0, root mean square over the pixels (interpolated
        pixels vary less than those that coincide with a coarse one). Defaults to 0.316.
      decorrelate: as in `fourier`. Defaults to True.

    Returns:
      A `LaplacianPyramid`, whose latents are vectors: all levels, the coarsest first.

    Raises:
      ValueError: if an argument is out of range, or the coarsest level would be smaller than a pixel.

    Example:
      >>> p = samplevis.param.laplacian_pyramid(32)
      >>> p.latent_shape == (3 * (4 * 4 + 8 * 8 + 16 * 16 + 32 * 32),)
      True
    """
    shape = base.image_size(size, channels)
    max_levels = int(np.log2(min(shape[:2]))) + 1
    check_whole("levels", levels, 1, max_levels)
    base.check_contrast(contrast)
    return LaplacianPyramid(shape, int(levels), float(contrast), color.check_decorrelate(decorrelate, channels))


def _resized(pictures: tf.Tensor, rows: np.ndarray, columns: np.ndarray) -> tf.Tensor:
    """Pictures [N, h, w, C] times a matrix [H, h] and a matrix [W, w]."""
    return along(along(pictures, rows, 1), columns, 2)


@functools.lru_cache(maxsize=32)
def _deviation(image: tuple[int, int], sizes: tuple[tuple[int, int], ...]) -> float:
    """Standard deviation of a sum of enlarged white pictures, root mean square over the pixels."""
    variance = 0.0
    for size in sizes:
        # The variance of a sample along one axis is the sum of its squared weights.
        variance += np.prod([np.square(resize_matrix(*sides)).sum(1).mean() for sides in zip(image, size, strict=True)])
    return float(np.sqrt(variance))
