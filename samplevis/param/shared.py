"""Shared parameterization: the images of a batch have their coarse details in common, so that they stay aligned."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from samplevis.param.base import Derived, Parameterization, check_base
from samplevis.param.resize import along, resize_matrix
from samplevis.runtime.checks import check_wholes


@dataclasses.dataclass(frozen=True)
class Shared(Derived):
    """Images of a batch share the first few latents of each scale; those in between mix them. See `shared`."""

    base: Parameterization
    counts: tuple[int, ...]
    layout: tuple[int, ...] | None

    couples_images = True

    def image(self, z: tf.Tensor) -> tf.Tensor:
        return self.base.image(self.mixed(z))

    def mixed(self, z: tf.Tensor) -> tf.Tensor:
        """The latents of the base, [N, *latent_shape]: each by itself has the prior N(0, I)."""
        return self._each_scale(z, lambda count: _mixing(self._layout(z.shape[0]), count))

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        """The nearest latents, scale by scale; those that a scale does not use are 0.

        For images that do share their coarse scales these are the latents (nearly so for `laplacian_pyramid`, whose levels
        overlap).
        """
        layout = self._layout(images.shape[0])
        return self._each_scale(self.base.latent(images), lambda count: np.linalg.pinv(_mixing(layout, count)))

    def _each_scale(self, z: tf.Tensor, matrix_of: Callable[[int], np.ndarray]) -> tf.Tensor:
        """Multiplies the batch by a different matrix for each scale."""
        state, scales, result = self.base.rotate(z), self.base.scales(), 0.0
        # The last count stands for all finer scales that have none: one latent for each image.
        labels = np.minimum(scales, len(self.counts))
        for label, count in enumerate((*self.counts, z.shape[0])):
            if (labels == label).any():
                result += along(state, matrix_of(count), 0) * tf.constant(labels == label, state.dtype)
        return self.base.rotate(result)

    def _layout(self, batch: int) -> tuple[int, ...]:
        layout = self.layout or (batch,)
        if np.prod(layout) != batch:
            raise ValueError(f"layout: expected {' x '.join(map(str, layout))} images in the batch. Received: {batch}")
        return layout


def shared(base: Parameterization, counts: Sequence[int], *, layout: tuple[int, ...] | None = None) -> Shared:
    """Images that share their coarse details, for `optimize` with an objective that differs from image to image.

    The batch has only `counts[0]` latents of the coarsest scale, `counts[1]` of the next, and so on; each image interpolates
    between them at its place in the batch. Finer scales are independent. A scale is an octave of `fourier`, `pyramid` and
    `measured`, and a level of `laplacian_pyramid`. Each image by itself still has the prior of the base.

    The images depend on each other: use this to optimise aligned pictures. `render`, whose chains are independent, refuses it.

    Source: Lucid's `lowres_tensor` with a short batch dimension (lucid/optvis/param/lowres.py), as the notebooks on aligned
    interpolation and neuron interactions use it.

    Args:
      base: a parameterization with scales.
      counts: the number of latents of each scale in the batch, the coarsest first, each >= 1; 1 makes the scale the same in all
        images.
      layout: how the images of the batch are laid out, such as (rows, columns) for a grid; a count then holds along each
        side, so that 2 means the four corners. Defaults to a row.

    Returns:
      A `Shared` with the latents of the base.

    Raises:
      TypeError: if `base` is not a parameterization.
      ValueError: if a count is out of range, or there are more counts than scales.

    Example:
      >>> aligned = samplevis.param.shared(samplevis.param.fourier(32), (1, 1, 2, 2))
      >>> interpolation = objectives.channel_interpolate("conv2", 1, "conv2", 2)
      >>> result = samplevis.optimize(model, interpolation, param=aligned, batch=6)
    """
    check_base(base)
    counts, scales = check_wholes("counts", counts, 1), int(base.scales().max()) + 1
    layout = None if layout is None else check_wholes("layout", layout, 1)
    if not 1 <= len(counts) <= scales:
        raise ValueError(f"counts: expected 1 to {scales} numbers, one for each scale. Received: {counts}")
    return Shared(base, counts, layout or None)


@functools.lru_cache(maxsize=256)
def _mixing(layout: tuple[int, ...], count: int) -> np.ndarray:
    """Matrix [N, N] from the latents of a batch to those that the images see; rows of unit norm keep the prior.

    Only its first columns, `count` for each side of the layout, are not 0.
    """
    sides = [resize_matrix(images, min(count, images)) for images in layout]
    weights = functools.reduce(np.kron, sides)
    weights = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    return np.pad(weights, ((0, 0), (0, weights.shape[0] - weights.shape[1])))
