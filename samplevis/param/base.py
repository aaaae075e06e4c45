"""What every parameterization offers: a deterministic map from a white latent to an image."""

from __future__ import annotations

import abc
import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np
import tensorflow as tf

from samplevis.runtime import seeds
from samplevis.runtime.checks import brief, check_number, check_whole, is_list

# Scale of the prior sample that an optimiser starts from: enough to tell the images of a batch apart.
START_SCALE = 0.1
# Pixels are clipped this far from 0 and 1 before the sigmoid is inverted: an eighth of one of 256 grey levels.
EPSILON = 1 / 2048
# TensorFlow counts the values of a tensor in 32 bits in places.
MAX_VALUES = 2**31 - 1
# A signal, a picture, a volume.
Dimensions = Literal[1, 2, 3]


class Parameterization(abc.ABC):
    """A map from a latent `z` with prior N(0, I) to an image in [0, 1].

    Subclasses are frozen dataclasses: equal settings compare and hash equal, so that compiled steps are shared. A subclass
    defines `image_shape`, `image` and `latent`; everything else has a default.

    Example:
      >>> p = param.fourier(32)
      >>> z = p.prior(seeds.root(0), 4)
      >>> images = p.image(z)
      >>> np.allclose(p.latent(images), z, atol=1e-3)
      True
    """

    image_shape: tuple[int, ...]
    """(height, width, channels) of the image, in pixels; (length, channels) of a signal; (depth, height, width, channels) of a
    volume."""

    couples_images: bool = False
    """Whether an image depends on the latents of others in its batch. Then there are no independent chains to sample."""

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of one latent. Defaults to the shape of the image."""
        return self.image_shape

    @abc.abstractmethod
    def image(self, z: tf.Tensor) -> tf.Tensor:
        """Maps latents to images.

        Args:
          z: latents [N, *latent_shape], of any float type.

        Returns:
          float32 tensor [N, *image_shape] in [0, 1].
        """

    @abc.abstractmethod
    def latent(self, images: tf.Tensor) -> tf.Tensor:
        """Maps images back to latents.

        Args:
          images: float tensor [N, *image_shape] in [0, 1].

        Returns:
          float32 tensor [N, *latent_shape].

        Raises:
          ValueError: if the map has no inverse.
        """

    def rotate(self, z: tf.Tensor) -> tf.Tensor:
        """Rotates latents to the coordinates in which the sampler's mass matrix is diagonal.

        The map is orthonormal and its own inverse, so the prior of the coordinates is N(0, I) too. Defaults to the identity.

        Args:
          z: tensor of shape [N, *latent_shape].

        Returns:
          Tensor of the same shape.
        """
        return z

    def bands(self) -> np.ndarray:
        """Labels the coordinates of `rotate` that share one mass.

        Returns:
          int array of shape `latent_shape`, values from 0. Defaults to one label for all.
        """
        return np.zeros(self.latent_shape, np.int32)

    def scales(self) -> np.ndarray:
        """Labels the coordinates of `rotate` by the size of the details that they control.

        Returns:
          int array of shape `latent_shape`, 0 for the coarsest. Defaults to one label for all.
        """
        return np.zeros(self.latent_shape, np.int32)

    def symmetries(self) -> dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]]:
        """Moves of the latent after which a person would see the same picture, shifted, mirrored or inverted.

        Returns:
          Name -> function of (latents [N, *latent_shape], seed int32 [2]) that leaves N(0, I) invariant. Defaults to none.
        """
        return {}

    def prior(self, seed: tf.Tensor, batch: int) -> tf.Tensor:
        """Samples latents from the prior.

        Args:
          seed: int32 tensor of shape [2].
          batch: number of latents, >= 1.

        Returns:
          float32 tensor of shape [batch, *latent_shape].
        """
        return tf.random.stateless_normal((batch, *self.latent_shape), seeds.fold(seed, "prior"))

    def start(self, seed: tf.Tensor, batch: int) -> tf.Tensor:
        """Latents from which an optimiser starts. Defaults to a faint sample of the prior.

        Args:
          seed: int32 tensor of shape [2].
          batch: number of latents, >= 1.

        Returns:
          float32 tensor of shape [batch, *latent_shape].
        """
        return START_SCALE * self.prior(seed, batch)


class Derived(Parameterization):
    """A parameterization that computes its image from that of another, `base`, with the same latents."""

    base: Parameterization

    @property
    def image_shape(self) -> tuple[int, ...]:
        return self.base.image_shape

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return self.base.latent_shape

    @property
    def couples_images(self) -> bool:
        return self.base.couples_images

    def rotate(self, z: tf.Tensor) -> tf.Tensor:
        return self.base.rotate(z)

    def bands(self) -> np.ndarray:
        return self.base.bands()

    def scales(self) -> np.ndarray:
        return self.base.scales()

    def symmetries(self) -> dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]]:
        return self.base.symmetries()

    def start(self, seed: tf.Tensor, batch: int) -> tf.Tensor:
        return self.base.start(seed, batch)


class Constant:
    """A float32 array, read-only, that compares and hashes by its values: a field for frozen dataclasses."""

    def __init__(self, values: np.ndarray):
        self.values = np.array(values, np.float32, order="C")
        self.values.setflags(write=False)
        self._digest = hashlib.sha256(self.values.tobytes()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and (self._digest, self.values.shape) == (other._digest, other.values.shape)

    def __hash__(self) -> int:
        return hash((self._digest, self.values.shape))

    def __repr__(self) -> str:
        return f"<array {list(self.values.shape)} {self._digest[:8]}>"


def check_base(base: object, name: str = "base") -> None:
    """Checks that an argument is a parameterization.

    Raises:
      TypeError: if it is none.
    """
    if not isinstance(base, Parameterization):
        raise TypeError(f"{name}: expected a parameterization such as param.fourier(128). Received: {brief(base)}")


def shift(z: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Rolls pictures [N, *size, C] by a random offset, the same for all."""
    size = z.shape[1:-1]
    part = tf.random.stateless_uniform((len(size),), seed)
    return tf.roll(z, tf.cast(part * np.float32(size), tf.int32), range(1, 1 + len(size)))


def mirror(z: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Mirrors pictures [N, *size, C] along the last direction: left to right, or time in a signal."""
    return tf.reverse(z, [len(z.shape) - 2])


def invert(z: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Inverts pictures: light becomes dark, and every colour its complement."""
    return -z


# The moves of a `Picture`.
PICTURE_MOVES = {"shift": shift, "mirror": mirror, "invert": invert}


class Picture(Parameterization):
    """A parameterization whose latents are pictures of stationary noise."""

    def symmetries(self) -> dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]]:
        """Shift, mirror and contrast inversion."""
        return PICTURE_MOVES


def check_contrast(contrast: float) -> None:
    """Checks a standard deviation before the sigmoid.

    Raises:
      ValueError, TypeError: if it is not a number > 0.
    """
    check_number("contrast", contrast, 0, above=True)


def unsquash(images: tf.Tensor) -> tf.Tensor:
    """The inverse of the sigmoid, finite on 0 and 1.

    Args:
      images: float tensor with values in [0, 1].

    Returns:
      float32 tensor of the same shape.
    """
    x = tf.clip_by_value(tf.cast(images, tf.float32), EPSILON, 1 - EPSILON)
    return tf.math.log(x) - tf.math.log1p(-x)


def image_size(size: int | Sequence[int], channels: int, dimensions: Dimensions | None = 2) -> tuple[int, ...]:
    """Checks the size of an image, a signal or a volume.

    Args:
      size: pixels, one int >= 4 for all sides, or one for each: (length,), (height, width), (depth, height, width).
      channels: >= 1.
      dimensions: the number of sides, 1, 2 or 3; None for as many as `size` has, where one int is a square. Defaults to 2.

    Returns:
      (*sides, channels).

    Raises:
      ValueError: if a value is not a whole number in range, or there are more or fewer sides.
    """
    if dimensions not in (None, *get_args(Dimensions)) or isinstance(dimensions, bool):
        raise ValueError(f"dimensions: expected 1 (a signal), 2 (a picture) or 3 (a volume). Received: {dimensions!r}")
    sides = tuple(size) if is_list(size) else (size,) * (dimensions or 2)
    if len(sides) not in ((dimensions,) if dimensions else (1, 2, 3)):
        raise ValueError(f"size: expected {dimensions or '1, 2 or 3'} sides. Received: {size!r}")
    for side in sides:
        check_whole("size", side, 4)
    check_whole("channels", channels, 1)
    shape = (*map(int, sides), int(channels))
    if math.prod(shape) > MAX_VALUES:
        raise ValueError(f"size: expected at most {MAX_VALUES} values in an image. Received: {shape}")
    return shape
