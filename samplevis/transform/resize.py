"""Lucid's random scaling: the image resized on TensorFlow 1's pixel grid."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from samplevis.runtime.checks import check_numbers
from samplevis.transform.base import Params, Shape, Transform


@dataclasses.dataclass(frozen=True)
class RandomResize(Transform):
    """Made by `random_resize`."""

    scales: tuple[float, ...]

    def sample_params(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> Params:
        return {"which": tf.random.stateless_uniform([batch], seed, 0, len(self.scales), tf.int32)}

    def apply(self, params: Params, images: tf.Tensor) -> tf.Tensor:
        sizes = images.shape[1:-1]
        for axis, size in enumerate(sizes):
            grids = tf.constant(np.stack([legacy_grid(size, scale) for scale in self.scales]), images.dtype)
            before, after = "def"[:axis], "uvw"[axis + 1 : len(sizes)]
            images = tf.einsum(f"bij,b{before}j{after}c->b{before}i{after}c", tf.gather(grids, params["which"]), images)
        return images


def legacy_grid(size: int, scale: float) -> np.ndarray:
    """Weights of a bilinear resize from `size` pixels to int(scale * size), cut or continued to `size` about its middle.

    Output pixel i lies at input position i * size / int(scale * size): pixels are points, the first on the first, and beyond
    the last one its value goes on.

    Returns:
      float64 array [size, size], output pixel by input pixel, rows that sum to 1.
    """
    resized = max(int(np.float32(scale) * np.float32(size)), 1)
    # What is cut off or continued is less at the beginning where it is odd, as in `tf.image.resize_with_crop_or_pad`.
    pixel = np.clip(np.arange(size) + int((resized - size) / 2), 0, resized - 1)
    position = pixel * (size / resized)
    lower = np.floor(position).astype(int)
    weights = np.zeros((size, size))
    np.add.at(weights, (np.arange(size), lower), 1 - (position - lower))
    np.add.at(weights, (np.arange(size), np.minimum(lower + 1, size - 1)), position - lower)
    return weights


def random_resize(scales: Iterable[float]) -> Transform:
    """Resizes by one of the given factors on Lucid's pixel grid, then cuts or continues the edges to the old canvas.

    `random_scale` zooms about the centre; this is what Lucid's function of that name does, whose grid (TensorFlow 1's
    `resize_bilinear`) starts in a corner. Only the canvas keeps its size here, so that shapes stay static.

    Args:
      scales: factors > 0, at least one, each as likely as it is often in the list.

    Returns:
      Transform that keeps the size. Its parameters: {"which": int32 [batch]}, an index into `scales`.

    Raises:
      ValueError, TypeError: if `scales` is outside its range. Source: lucid/optvis/transform.py.
    """
    return RandomResize(check_numbers("scales", scales, 0))
