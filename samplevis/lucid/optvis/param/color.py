"""Colours in [0, 1]. Source: lucid/optvis/param/color.py."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from samplevis.lucid.optvis.param.unit_balls import constrain_L_inf

color_correlation_svd_sqrt = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], np.float32)
max_norm_svd_sqrt = np.max(np.linalg.norm(color_correlation_svd_sqrt, axis=0))
color_mean = [0.48, 0.46, 0.41]
# Lucid divides by the norm of the longest column.
_MATRIX = color_correlation_svd_sqrt / max_norm_svd_sqrt


def to_valid_rgb(t: tf.Tensor, decorrelate: bool = False, sigmoid: bool = True) -> tf.Tensor:
    """Turns three channels of any values into colours in [0, 1].

    Args:
      t: [..., 3]; without `decorrelate`, any number of channels.
      decorrelate: whether the channels are independent components of colour. Defaults to False.
      sigmoid: whether to squash values, or to clip them (and, with `decorrelate`, to add ImageNet's mean). Defaults to True.

    Returns:
      Tensor of the same shape.

    Example:
      >>> to_valid_rgb(tf.zeros([1, 3])).numpy()
      array([[0.5, 0.5, 0.5]], dtype=float32)
    """
    if decorrelate:
        t = _linear_decorelate_color(t)
        t = t if sigmoid else t + color_mean
    return tf.sigmoid(t) if sigmoid else constrain_L_inf(2 * t - 1) / 2 + 0.5


def _linear_decorelate_color(t: tf.Tensor) -> tf.Tensor:
    """Independent components to colours; Lucid's notebooks import this private name."""
    return tf.linalg.matmul(tf.convert_to_tensor(t), tf.constant(_MATRIX.T))
