"""Reductions of activations [batch, ...] that several objectives use."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


def mean(x: tf.Tensor) -> tf.Tensor:
    """Mean over all but the batch."""
    return tf.reduce_mean(tf.reshape(x, (x.shape[0] or -1, int(np.prod(x.shape[1:])))), axis=1)


def one_channel(x: tf.Tensor, n: tf.Tensor | int) -> tf.Tensor:
    """Channel `n` of [..., channels]. The gradient of an index is one operation; that of `tf.gather` is a dozen."""
    return x[..., n]


def total(x: tf.Tensor) -> tf.Tensor:
    """Sum over all but the batch."""
    return tf.reduce_sum(x, list(range(1, x.shape.rank)))


def safe_sqrt(x: tf.Tensor) -> tf.Tensor:
    """Square root with a zero gradient at zero."""
    zero = x == 0
    return tf.where(zero, 0.0, tf.sqrt(tf.where(zero, 1.0, x)))


def dot_cossim(x: tf.Tensor, v: tf.Tensor, power: float) -> tf.Tensor:
    """Mean over positions of dot * max(0.1, cosine)^power, the dot product being over the last axis.

    Source: `_dot_cossim` in lucid/optvis/objectives.py.

    Args:
      x: activations [batch, ..., channels].
      v: direction [channels] or [..., channels], one for each position.
      power: >= 0.

    Returns:
      float32 tensor of shape [batch].
    """
    dot = tf.reduce_sum(x * v, -1)
    if power:
        # Lucid's 1e-4 keeps a silent position from dividing by zero.
        norms = (1e-4 + safe_sqrt(tf.reduce_sum(tf.square(x), -1))) * (1e-4 + tf.norm(v, axis=-1))
        dot = dot * tf.maximum(0.1, dot / norms) ** power
    return mean(dot)


def crop_centre(x: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """The central [..., height, width, channels] of activations; the remainder is split between the sides."""
    top, left = (x.shape[-3] - height) // 2, (x.shape[-2] - width) // 2
    return x[..., top : top + height, left : left + width, :]
