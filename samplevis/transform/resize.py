"""Lucid's random scaling: a resize on TensorFlow 1's pixel grid."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from samplevis.runtime.checks import check_numbers
from samplevis.transform.base import Params, Shape, Transform
from samplevis.transform.variates import uniform_int


@dataclasses.dataclass(frozen=True)
class RandomResize(Transform):
    """See `random_resize`."""

    scales: tuple[float, ...]

    def sample_params(self, seed: tf.Tensor, batch: int, image_shape: Shape, strata: int = 1) -> Params:
        return {"which": uniform_int(seed, (batch,), 0, len(self.scales), strata)}

    def apply(self, params: Params, images: tf.Tensor) -> tf.Tensor:
        sizes = images.shape[1:-1]
        for axis, size in enumerate(sizes):
            grids = tf.constant(np.stack([legacy_grid(size, scale) for scale in self.scales]), images.dtype)
            before, after = "def"[:axis], "uvw"[axis + 1 : len(sizes)]
            images = tf.einsum(f"bij,b{before}j{after}c->b{before}i{after}c", tf.gather(grids, params["which"]), images)
        return images


def legacy_grid(size: int, scale: float) -> np.ndarray:
    """Weights of a bilinear resize from `size` pixels to int(scale * size), cropped or edge-padded to `size` about its centre.

    Output pixel i is at input position i * size / int(scale * size): pixels are points, the first pixels coincide, and the last
    pixel's value continues beyond it.

    Args:
      size: number of input and output pixels.
      scale: magnification, > 0.

    Returns:
      float64 array [output pixel, input pixel], of shape [size, size]; rows sum to 1.
    """
    resized = max(int(np.float32(scale) * np.float32(size)), 1)
    # An odd difference is split with the smaller half first, as in `tf.image.resize_with_crop_or_pad`.
    pixel = np.clip(np.arange(size) + int((resized - size) / 2), 0, resized - 1)
    position = pixel * (size / resized)
    lower = np.floor(position).astype(int)
    weights = np.zeros((size, size))
    np.add.at(weights, (np.arange(size), lower), 1 - (position - lower))
    np.add.at(weights, (np.arange(size), np.minimum(lower + 1, size - 1)), position - lower)
    return weights


def random_resize(scales: Iterable[float]) -> Transform:
    """Resizes by one of the given factors on Lucid's pixel grid, then crops or edge-pads to the original size.

    This is Lucid's own `random_scale`, whose grid (TensorFlow 1's `resize_bilinear`) starts in a corner, whereas `random_scale`
    here zooms about the centre. Unlike Lucid's, it keeps the size of the image, so that shapes are static.
    Source: lucid/optvis/transform.py.

    Args:
      scales: factors > 0, at least one; one is chosen uniformly, so a repeated factor is more likely.

    Returns:
      Transform that keeps the size. Its parameters: {"which": int32 [batch]}, an index into `scales`.

    Raises:
      ValueError, TypeError: if `scales` is out of range.

    Example:
      >>> import tensorflow as tf
      >>> from samplevis import transform
      >>> transform.random_resize([0.9, 1.0, 1.1])(tf.zeros([2, 64, 64, 3]), seed=[0, 1]).shape
      TensorShape([2, 64, 64, 3])
    """
    return RandomResize(check_numbers("scales", scales, 0))
