"""Resizing along any number of dimensions, on TensorFlow 1's grid. Source: lucid/optvis/param/resize_bilinear_nd.py."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import tensorflow as tf

from samplevis import param


def product(l: Iterable[int]) -> int:  # noqa: E741 - Lucid's name.
    """Multiplies numbers."""
    return math.prod(l)


def collapse_shape(shape: Sequence[int], a: int, b: int) -> list[int]:
    """A shape with all dimensions before a in one, and all from b on in one.

    Args:
      shape: the shape.
      a, b: positions; ones are added on both sides where they lie outside.

    Returns:
      The new shape, b - a + 2 sizes.

    Example:
      >>> collapse_shape([1, 2, 3, 4, 5], 2, 4)
      [2, 3, 4, 5]
    """
    left = max(-a, 0)
    sizes = [1] * left + list(shape)
    a, b = a + left, b + left
    sizes += [1] * (b - len(sizes))
    return [product(sizes[:a]), *sizes[a:b], product(sizes[b:])]


def resize_bilinear_nd(t: tf.Tensor, target_shape: Sequence[int]) -> tf.Tensor:
    """Resizes a tensor along all of its dimensions on TensorFlow 1's grid.

    Args:
      t: tensor of a static shape.
      target_shape: the new shape.

    Returns:
      Tensor of that shape.

    Example:
      >>> resize_bilinear_nd(tf.constant([0.0, 2.0]), [4]).numpy()
      array([0., 1., 2., 2.], dtype=float32)
    """
    return param.resize_bilinear_nd(tf.convert_to_tensor(t), tuple(target_shape), "legacy")
