"""Gradients of smoother poolings for max pooling. Source: lucid/optvis/overrides/smoothed_maxpool_grad.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import tensorflow as tf

from samplevis.runtime.checks import check_choice

Smooth = Literal["avg", "L2"]


def make_smoothed_maxpool_grad(
    smooth_type: Smooth = "avg", epsilon: float = 1e-2
) -> Callable[[Any, tf.Tensor], tf.Tensor]:
    """A gradient for "MaxPool", for `gradient_override_map`.

    Args:
      smooth_type: "avg" (default) for that of average pooling, "L2" for that of mean(x^2) / (epsilon + mean(|x|)).
      epsilon: of "L2". Defaults to 0.01.

    Returns:
      A function of (operation, gradient).
    """
    check_choice("smooth_type", smooth_type, get_args(Smooth))

    def smoothed_maxpool_grad(op: Any, grad: tf.Tensor) -> tf.Tensor:
        x = op.inputs[0]
        size, strides, padding = (op.get_attr(name) for name in ("ksize", "strides", "padding"))
        padding = padding.decode() if isinstance(padding, bytes) else padding

        def mean(values: tf.Tensor) -> tf.Tensor:
            return tf.nn.avg_pool2d(values, list(size), list(strides), padding)

        with tf.GradientTape() as tape:
            tape.watch(x)
            smooth = mean(x) if smooth_type == "avg" else mean(tf.square(x)) / (epsilon + mean(tf.abs(x)))
        return tape.gradient(smooth, x, grad)

    return smoothed_maxpool_grad


avg_smoothed_maxpool_grad = make_smoothed_maxpool_grad("avg")
l2_smoothed_maxpool_grad = make_smoothed_maxpool_grad("L2")
