"""Variables inside a unit ball, by projection. Source: lucid/optvis/param/unit_balls.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.lucid.core import variables
from samplevis.lucid.misc.gradient_override import use_gradient


def dot(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """The inner product of two tensors."""
    return tf.reduce_sum(a * b)


def _constrain_L2_grad(op: Any, grad: tf.Tensor) -> tf.Tensor:  # noqa: N802 - Lucid's name.
    """The gradient, without its part along the radius where that would lead out of the ball."""
    x = op.inputs[0]
    norm = tf.norm(x)
    unit = tf.math.divide_no_nan(x, norm)
    radial = dot(unit, grad)
    inwards = (norm <= 1) | (radial < 0)
    return tf.where(inwards, grad, grad - unit * radial)


@use_gradient(_constrain_L2_grad)
def constrain_L2(x: tf.Tensor) -> tf.Tensor:  # noqa: N802 - Lucid's name.
    """Projects onto the L2 ball."""
    return x / tf.maximum(1.0, tf.norm(x))


def unit_ball_L2(shape: Sequence[int]) -> tf.Tensor:  # noqa: N802 - Lucid's name.
    """A variable of zeros, kept in the L2 ball.

    Args:
      shape: of the tensor.

    Returns:
      Tensor of norm at most 1.

    Example:
      >>> float(tf.norm(unit_ball_L2([3])))
      0.0
    """
    return constrain_L2(tf.convert_to_tensor(variables.variable(np.zeros(shape, np.float32))))


def _constrain_L_inf_grad(precondition: bool = True) -> Callable:  # noqa: N802 - Lucid's name.
    """The gradient, or its signs, but 0 for values at the edge that it would move out."""

    def gradient(op: Any, grad: tf.Tensor) -> tf.Tensor:
        x = op.inputs[0]
        outwards = (tf.abs(x) >= 1) & (x * grad > 0)
        return tf.where(outwards, 0.0, tf.sign(grad) if precondition else grad)

    return gradient


@use_gradient(_constrain_L_inf_grad(precondition=True))
def constrain_L_inf_precondition(x: tf.Tensor) -> tf.Tensor:  # noqa: N802 - Lucid's name.
    """Clips to [-1, 1]; its gradient is the sign of the true one."""
    return x / tf.maximum(1.0, tf.abs(x))


@use_gradient(_constrain_L_inf_grad(precondition=False))
def constrain_L_inf(x: tf.Tensor) -> tf.Tensor:  # noqa: N802 - Lucid's name.
    """Clips to [-1, 1]."""
    return x / tf.maximum(1.0, tf.abs(x))


def unit_ball_L_inf(shape: Sequence[int], precondition: bool = True) -> tf.Tensor:  # noqa: N802 - Lucid's name.
    """A variable of zeros, kept in [-1, 1].

    Args:
      shape: of the tensor.
      precondition: whether its gradient is the sign of the true one. Defaults to True.

    Returns:
      Tensor of that shape.

    Example:
      >>> unit_ball_L_inf([3]).numpy().tolist()
      [0.0, 0.0, 0.0]
    """
    constrain = constrain_L_inf_precondition if precondition else constrain_L_inf
    return constrain(tf.convert_to_tensor(variables.variable(np.zeros(shape, np.float32))))
