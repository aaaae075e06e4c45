"""Gradients that start units which are silent behind a rectifier, for graph programs. Source: lucid/misc/redirected_relu_grad.py.

They are for `gradient_override_map`. `render_vis` uses `samplevis.overrides.redirect_relu`, which is the same rule.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

# The last step, from 0, at which gradients are redirected.
LAST_STEP = 16


def redirected_relu_grad(op: Any, grad: tf.Tensor) -> tf.Tensor:
    """The gradient of a ReLU, or, for an image where that is zero and in the first steps, one that may wake it.

    Args:
      op: the operation, a "Relu".
      grad: the gradient of a loss, which is minimised, for its output.

    Returns:
      The gradient for its input.
    """
    x = op.inputs[0]
    return _redirected(grad, tf.where(x < 0, 0.0, grad), (x < 0) & (grad > 0))


def redirected_relu6_grad(op: Any, grad: tf.Tensor) -> tf.Tensor:
    """`redirected_relu_grad` for a "Relu6".

    Args:
      op: the operation.
      grad: the gradient of a loss, which is minimised, for its output.

    Returns:
      The gradient for its input.
    """
    x = op.inputs[0]
    outwards = ((x < 0) & (grad > 0)) | ((x > 6) & (grad < 0))
    return _redirected(grad, tf.where((x < 0) | (x > 6), 0.0, grad), outwards)


def _redirected(grad: tf.Tensor, true: tf.Tensor, outwards: tf.Tensor) -> tf.Tensor:
    """The true gradient of images that have one, after the first steps of all; else all that does not point outwards."""
    if true.shape.rank is not None and true.shape.rank < 2:
        raise ValueError(f"grad: expected values of a batch, [batch, ...]. Received shape: {true.shape}")
    # In a graph, != compares objects.
    alive = tf.reduce_any(tf.not_equal(true, 0), tf.range(1, tf.rank(true)), keepdims=True)
    step = tf.compat.v1.train.get_global_step()
    over = False if step is None else tf.cast(step, tf.int64) > LAST_STEP
    return tf.where(alive | over, true, tf.where(outwards, 0.0, grad))
