"""Resizing along any number of dimensions, on TensorFlow 1's grid. Source: lucid/optvis/param/resize_bilinear_nd.py."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from samplevis import param


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
