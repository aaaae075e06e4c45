"""Colour correlation: natural images vary mostly in brightness, then in blue-yellow, then in red-green."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

# Square root of the colour covariance of ImageNet pixels, measured by Lucid (lucid/optvis/param/color.py).
# Rows are R, G, B; columns the independent components.
COLOR_CORRELATION = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])


def color_matrix() -> np.ndarray:
    """Colour correlation with each row scaled to unit norm.

    Unit rows keep the standard deviation of every channel: a unit-variance input gives unit-variance R, G and B.

    Returns:
      float64 array of shape [3, 3].
    """
    return COLOR_CORRELATION / np.linalg.norm(COLOR_CORRELATION, axis=1, keepdims=True)


def correlate(components: tf.Tensor) -> tf.Tensor:
    """Maps independent colour components to R, G, B.

    Args:
      components: float tensor of shape [..., 3].

    Returns:
      Tensor of the same shape.
    """
    return tf.linalg.matmul(components, tf.constant(color_matrix().T, components.dtype))


def decorrelate(rgb: tf.Tensor) -> tf.Tensor:
    """The inverse of `correlate`.

    Args:
      rgb: float tensor of shape [..., 3].

    Returns:
      Tensor of the same shape.
    """
    return tf.linalg.matmul(rgb, tf.constant(np.linalg.inv(color_matrix()).T, rgb.dtype))
