"""Alpha channel: an image and how opaque each of its pixels is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from samplevis.param.base import Parameterization, check_base
from samplevis.param.fourier import fourier
from samplevis.runtime import seeds


@dataclasses.dataclass(frozen=True)
class WithAlpha(Parameterization):
    """The channels of one parameterization and, as the last channel, the plane of another. See `with_alpha`."""

    base: Parameterization
    plane: Parameterization

    @property
    def image_shape(self) -> tuple[int, ...]:
        *size, channels = self.base.image_shape
        return *size, channels + 1

    @property
    def latent_shape(self) -> tuple[int]:
        """The latents of both, one after the other."""
        return (sum(self._lengths()),)

    @property
    def couples_images(self) -> bool:
        return self.base.couples_images or self.plane.couples_images

    def image(self, z: tf.Tensor) -> tf.Tensor:
        colours, plane = self.split(z)
        return tf.concat([self.base.image(colours), self.plane.image(plane)], -1)

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        return self._join(self.base.latent(images[..., :-1]), self.plane.latent(images[..., -1:]))

    def split(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The latents of the image and of the plane."""
        colours, plane = tf.split(z, self._lengths(), 1)
        return (
            tf.reshape(colours, (z.shape[0], *self.base.latent_shape)),
            tf.reshape(plane, (z.shape[0], *self.plane.latent_shape)),
        )

    def rotate(self, z: tf.Tensor) -> tf.Tensor:
        """Rotates each part in its own coordinates."""
        colours, plane = self.split(z)
        return self._join(self.base.rotate(colours), self.plane.rotate(plane))

    def bands(self) -> np.ndarray:
        """The bands of the image, then those of the plane."""
        colours, plane = self.base.bands().ravel(), self.plane.bands().ravel()
        return np.concatenate([colours, plane + colours.max() + 1])

    def scales(self) -> np.ndarray:
        """The scales of both, counted from the coarsest of each."""
        return np.concatenate([self.base.scales().ravel(), self.plane.scales().ravel()])

    def symmetries(self) -> dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]]:
        """The moves that both parts have, applied to both."""
        colour_moves, plane_moves = self.base.symmetries(), self.plane.symmetries()

        def both(name: str) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
            def move(z: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
                colours, plane = self.split(z)
                return self._join(colour_moves[name](colours, seed), plane_moves[name](plane, seed))

            return move

        return {name: both(name) for name in colour_moves if name in plane_moves}

    def start(self, seed: tf.Tensor, batch: int) -> tf.Tensor:
        colours = self.base.start(seeds.fold(seed, "colours"), batch)
        return self._join(colours, self.plane.start(seeds.fold(seed, "plane"), batch))

    def _lengths(self) -> list[int]:
        return [int(np.prod(part.latent_shape)) for part in (self.base, self.plane)]

    def _join(self, colours: tf.Tensor, plane: tf.Tensor) -> tf.Tensor:
        return tf.concat([tf.reshape(part, (part.shape[0], -1)) for part in (colours, plane)], 1)


def with_alpha(base: Parameterization, plane: Parameterization | None = None) -> WithAlpha:
    """Adds an alpha plane, 0 (transparent) to 1 (opaque), with latents of its own.

    A network of three channels also needs a transform that lays the image over a background, a new one in every step, so that only
    what matters to the unit stays opaque: see `transform.collapse_alpha_random`.

    Source: `image(alpha=True)` in lucid/optvis/param/images.py.

    Args:
      base: the parameterization of the colours.
      plane: the parameterization of the alpha plane: one channel, the same size. Defaults to `fourier(size, channels=1)`.

    Returns:
      A `WithAlpha`. Images are [N, *size, C + 1]; latents are vectors: those of `base`, then those of `plane`.

    Raises:
      TypeError: if an argument is not a parameterization.
      ValueError: if the plane has another size, or several channels.

    Example:
      >>> p = samplevis.param.with_alpha(samplevis.param.fourier(128))
      >>> p.image_shape
      (128, 128, 4)
    """
    check_base(base)
    expected = *base.image_shape[:-1], 1
    plane = fourier(expected[:-1], channels=1) if plane is None else plane
    check_base(plane, "plane")
    if tuple(plane.image_shape) != expected:
        raise ValueError(f"plane: expected images of shape {expected}. Received: {plane.image_shape}")
    return WithAlpha(base, plane)
