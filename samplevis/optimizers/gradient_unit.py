"""The unit in which the default optimiser measures a gradient, so that the unit of the objective does not matter to it."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

# Adam's epsilon over the root mean square of the first gradient. Adam's own 1e-7 is absolute; over the gradients of common networks
# and sizes it is between 3e-7 and 5e-3.
RELATIVE_EPSILON = 1e-4


class GradientUnit:
    """Divides the gradient of each image by a number of its own: the root mean square of the first one that is not zero.

    Args:
      batch: number of images.
      rank: rank of the gradients, [batch, ...].

    Attributes:
      variable: the numbers, float32 [batch, 1, ...]; 0 until they are measured.

    Example:
      >>> unit = GradientUnit(batch=1, rank=2)
      >>> unit.divide(tf.constant([[3e-30, 4e-30]])).numpy().round(3)
      array([[0.849, 1.131]], dtype=float32)
      >>> unit.divide(tf.constant([[3e-30, 0.0]])).numpy().round(3)
      array([[0.849, 0.   ]], dtype=float32)
    """

    def __init__(self, batch: int, rank: int):
        self.variable = keras.Variable(np.zeros((batch, *[1] * (rank - 1)), np.float32))

    def divide(self, gradient: tf.Tensor) -> tf.Tensor:
        """The gradient over its unit, which is measured where it is not yet known.

        Args:
          gradient: [batch, ...], finite.

        Returns:
          Tensor of the same shape.
        """
        unit = self.variable.value
        unit = tf.where(unit > 0, unit, root_mean_square(gradient))
        self.variable.assign(unit)
        return tf.math.divide_no_nan(gradient, unit)


def root_mean_square(x: tf.Tensor) -> tf.Tensor:
    """Root mean square of each row of [batch, ...], [batch, 1, ...], also where its squares would underflow or overflow."""
    axes = list(range(1, x.shape.rank))
    peak = tf.reduce_max(tf.abs(x), axes, keepdims=True)
    return peak * tf.sqrt(tf.reduce_mean(tf.square(tf.math.divide_no_nan(x, peak)), axes, keepdims=True))
