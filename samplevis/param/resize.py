"""Bilinear resizing over any number of dimensions: one matrix for each, so that the gradient is the exact adjoint."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import tensorflow as tf

from samplevis.runtime.checks import check_array, check_choice, check_wholes

Grid = Literal["half_pixel", "legacy"]


def resize_bilinear_nd(x: tf.Tensor, shape: Sequence[int], grid: Grid = "half_pixel") -> tf.Tensor:
    """Resizes a tensor along all of its dimensions, without anti-aliasing.

    Source: lucid/optvis/param/resize_bilinear_nd.py, which uses the legacy grid.

    Args:
      x: float tensor of any rank, with a static shape.
      shape: the new sizes, one for each dimension, each >= 1.
      grid: where the samples lie. "half_pixel" (default): pixels are areas, and both tensors cover the same one
        (`tf.image.resize`). "legacy": sample i of n lies at i * source / n (`tf.compat.v1.image.resize_bilinear`): the
        content moves towards the start, and the end repeats. Positions outside take the nearest value.

    Returns:
      Tensor of shape `shape`.

    Raises:
      ValueError: if the ranks differ, a size is below 1, or there is no such grid.

    Example:
      >>> samplevis.param.resize_bilinear_nd(tf.constant([0.0, 1.0, 2.0, 3.0]), [8]).numpy()
      array([0.  , 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.  ], dtype=float32)
    """
    x = x if tf.is_tensor(x) else tf.convert_to_tensor(check_array("x", x))
    shape = check_wholes("shape", shape, 1)
    if len(shape) != x.shape.rank:
        raise ValueError(f"shape: expected {x.shape.rank} sizes, one for each dimension. Received: {shape}")
    check_choice("grid", grid, get_args(Grid))
    for axis, (source, target) in enumerate(zip(x.shape, shape, strict=True)):
        if source != target:
            x = along(x, resize_matrix(target, source, grid), axis)
    return x


def along(x: tf.Tensor, matrix: np.ndarray, axis: int) -> tf.Tensor:
    """Multiplies one axis of a tensor by a matrix [target, source]."""
    last = list(range(x.shape.rank - 1))
    product = tf.tensordot(x, tf.constant(matrix.T, x.dtype), [[axis], [0]])
    return tf.transpose(product, [*last[:axis], len(last), *last[axis:]])


@functools.lru_cache(maxsize=256)
def resize_matrix(target: int, source: int, grid: Grid = "half_pixel") -> np.ndarray:
    """The weights of linear interpolation from `source` to `target` samples; rows sum to 1.

    Returns:
      float64 array of shape [target, source], read-only.
    """
    half = 0.5 if grid == "half_pixel" else 0.0
    position = np.clip((np.arange(target) + half) * source / target - half, 0, source - 1)
    matrix = np.maximum(1 - np.abs(position[:, None] - np.arange(source)), 0)
    matrix.setflags(write=False)
    return matrix
