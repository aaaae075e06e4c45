"""The velocity of a Gaussian with the mean, the spectrum and the colours of pictures: what a learned velocity adds to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

# The least variance that a component is given: that of rounding to 256 levels of a range of 4.
MIN_VARIANCE = (4 / 255) ** 2 / 12
# Added to powers whose logarithm is taken: that of a single wave can be 0.
MIN_POWER = 0.01


class Moments(NamedTuple):
    """A Gaussian whose cosine waves are independent in each of its colours.

    Attributes:
      mean: of each channel, [C].
      colors: orthonormal, the independent colours in its columns, [C, C].
      deviations: standard deviation of each wave in each colour, [H, W, C].
    """

    mean: np.ndarray
    colors: np.ndarray
    deviations: np.ndarray


def moments(images: np.ndarray) -> Moments:
    """The Gaussian of images.

    Args:
      images: [N, H, W, C].

    Returns:
      `Moments` in float32.

    Example:
      >>> noise = np.random.default_rng(0).standard_normal((500, 8, 8, 3))
      >>> moments(2 * noise).deviations.mean().round(1)
      np.float32(2.0)
    """
    mean = images.mean((0, 1, 2), dtype=np.float64)
    channels = images.shape[-1]
    x = images - mean
    _, colors = np.linalg.eigh(np.einsum("nhwc,nhwd->cd", x, x) / (x.size / channels))
    rows, columns = map(cosines, images.shape[1:3])
    waves = np.einsum("ih,jw,nhwc,cd->nijd", rows, columns, x, colors, optimize=True)
    deviations = np.sqrt(np.maximum(np.mean(waves**2, axis=0), MIN_VARIANCE))
    return Moments(mean.astype(np.float32), colors.astype(np.float32), deviations.astype(np.float32))


def cosines(size: int) -> np.ndarray:
    """The orthonormal cosine waves of a side (DCT-II), [wave, place]."""
    wave, place = np.arange(size)[:, None], np.arange(size) + 0.5
    waves = np.sqrt(2 / size) * np.cos(np.pi * wave * place / size)
    waves[0] /= np.sqrt(2)
    return waves


def octaves(size: Sequence[int]) -> np.ndarray:
    """The octave of each cosine wave: 0 for the mean, 1 for waves of frequency 1, 2 from 2 on, 3 from 4 on; int [H, W]."""
    frequency = np.hypot(*np.meshgrid(*map(np.arange, size), indexing="ij"))
    return np.where(frequency < 1, 0, 1 + np.floor(np.log2(np.maximum(frequency, 1)))).astype(int)


class Velocity(NamedTuple):
    """What `GaussianVelocity` finds.

    Attributes:
      mean: the velocity to expect, [N, H, W, C].
      deviation: standard deviation of the velocity, over the pixels, [N, 1, 1, 1].
      seen: the place, and the data to expect there, in variances of 1, [N, H, W, 2 C].
      waves: cosine waves of the place, in variances of 1, times the standard deviations of their velocities, [N, H, W, C].
      powers: log of the mean squares of the waves of each octave and colour, in variances of 1, [N, octaves * C].
    """

    mean: keras.KerasTensor
    deviation: keras.KerasTensor
    seen: keras.KerasTensor
    waves: keras.KerasTensor
    powers: keras.KerasTensor


@keras.saving.register_keras_serializable("samplevis")
class GaussianVelocity(keras.layers.Layer):
    """The velocity of straight paths from noise to a Gaussian, E[data - noise | x_t], which is linear, and what it leaves to learn.

    A wave of variance s has x_t = (1 - t) noise + t data of variance v = (1 - t)^2 + t^2 s, the velocity (t s - (1 - t)) / v x_t,
    and the variance s / v of the velocity given x_t. So a network that sees inputs of variance 1 and whose output is multiplied
    by the root of the mean of s / v has to learn numbers of size 1 (Karras et al. 2022, arXiv:2206.00364, section 5).

    Call it with x [N, H, W, C] and times [N, 1] from 0 (noise) to 1 (data). It returns a `Velocity`.

    Args:
      size: (height, width).
      channels: of the pictures.

    Until `set_moments` was called, the Gaussian is white noise of variance 1.
    """

    def __init__(self, size: Sequence[int], channels: int, name: str = "gaussian"):
        super().__init__(name=name, dtype="float32", trainable=False)
        self._size, self._channels = tuple(size), channels
        self._rows, self._columns = (cosines(side).astype(np.float32) for side in self._size)
        members = octaves(size)[..., None] == np.arange(octaves(size).max() + 1)
        self._members = members.astype(np.float32)
        self.mean = self.add_weight(shape=(channels,), initializer="zeros", name="mean")
        self.colors = self.add_weight(shape=(channels, channels), initializer="identity", name="colors")
        self.deviations = self.add_weight(shape=(*self._size, channels), initializer="ones", name="deviations")

    def set_moments(self, found: Moments) -> None:
        """Takes the Gaussian of pictures."""
        for name, value in found._asdict().items():
            getattr(self, name).assign(value)

    def call(self, place: keras.KerasTensor, time: keras.KerasTensor) -> Velocity:
        t = ops.reshape(time, (-1, 1, 1, 1))
        variance = ops.square(self.deviations)
        spread = ops.square(1.0 - t) + ops.square(t) * variance
        x = place - t * self.mean
        waves = ops.einsum("ih,jw,nhwd->nijd", self._rows, self._columns, x @ self.colors)
        data, noise = (self.pixels(gain * waves / spread) for gain in (t * variance, 1.0 - t))
        seen = ops.concatenate([x / _root_mean(spread), data / _root_mean(ops.square(t * variance) / spread)], axis=-1)
        powers = ops.einsum("nijd,ijo->nod", ops.square(waves) / spread, self._members / self._members.sum((0, 1)))
        return Velocity(
            mean=self.mean + data - noise,
            deviation=_root_mean(variance / spread),
            seen=seen,
            waves=waves * self.deviations / spread,
            powers=ops.log(ops.reshape(powers, (-1, self.num_powers)) + MIN_POWER),
        )

    @property
    def num_powers(self) -> int:
        """How many powers there are, of all octaves and colours."""
        return self._members.shape[-1] * self._channels

    def amplified(self, waves: keras.KerasTensor, gains: keras.KerasTensor) -> keras.KerasTensor:
        """Waves times a gain for each octave and colour, as pixels: [N, H, W, C] and [N, octaves * C] -> [N, H, W, C]."""
        gains = ops.reshape(gains, (-1, self._members.shape[-1], self._channels))
        return self.pixels(waves * ops.einsum("nod,ijo->nijd", gains, self._members))

    def pixels(self, waves: keras.KerasTensor) -> keras.KerasTensor:
        """Pixels of cosine waves, [N, H, W, C]."""
        found = ops.einsum("ih,jw,nijd->nhwd", self._rows, self._columns, waves)
        return found @ ops.transpose(self.colors)

    def get_config(self) -> dict[str, Any]:
        return {"size": list(self._size), "channels": self._channels, "name": self.name}


@keras.saving.register_keras_serializable("samplevis")
class Amplified(keras.layers.Layer):
    """Waves that a `GaussianVelocity` found times gains, as pixels.

    It suffices for Gaussians of unknown scales, which the octaves of natural images are nearly (Wainwright and Simoncelli 2000,
    "Scale Mixtures of Gaussians and the Statistics of Natural Images").

    Args:
      gaussian: which found them.
    """

    def __init__(self, gaussian: GaussianVelocity, name: str = "amplified"):
        super().__init__(name=name, dtype="float32", trainable=False)
        self._gaussian = gaussian

    def call(self, waves: keras.KerasTensor, gains: keras.KerasTensor) -> keras.KerasTensor:
        return self._gaussian.amplified(waves, gains)


def _root_mean(variances: keras.KerasTensor) -> keras.KerasTensor:
    """The standard deviation of a pixel, of the variances of waves: [N, H, W, C] -> [N, 1, 1, 1]."""
    return ops.sqrt(ops.mean(variances, axis=(1, 2, 3), keepdims=True) + 1e-12)
