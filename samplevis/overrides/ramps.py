"""Rectifiers with rounded kinks: piecewise quadratic, with few operations and one saved array per gradient.

A kink is a jump of the slope. Here it becomes a ramp: the slope rises linearly over the interval (-half, half) around the kink.
That is the rectifier averaged over a shift that is uniform in this interval, whose variance is half^2 / 3. The softplus
s log(1 + exp(x / s)) averages over a logistic shift of variance pi^2 s^2 / 3; so half = pi s rounds a kink as much.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import tensorflow as tf

from samplevis.network.sources.base import Function

Gradient = Callable[[tf.Tensor], tf.Tensor]


def half_width(scale: float) -> float:
    """Half the width of the ramp with the variance of the softplus `scale` log(1 + exp(x / `scale`))."""
    return math.pi * scale


def rectifier(half: float) -> Function:
    """max(x, 0) with a rounded kink.

    Args:
      half: half the width of the ramp, > 0, in units of x.

    Returns:
      A function: 0 left of -half, (x + half)^2 / (4 half) up to half, and x from there.

    Example:
      >>> rectifier(1.0)(tf.constant([-2.0, 0.0, 2.0])).numpy()
      array([0.  , 0.25, 2.  ], dtype=float32)
    """

    @tf.custom_gradient
    def rise(x: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        shifted = x + half
        slope = _clip(shifted * (0.5 / half), 0.0, 1.0)
        return slope * (shifted - half * slope), lambda upstream: upstream * slope

    return rise


def bounded(top: float, half: float) -> Function:
    """min(max(x, 0), top) with rounded kinks.

    Args:
      top: upper bound, > 0.
      half: half the width of the ramps, > 0, in units of x. Wider than `top` / 2, the ramps overlap and the slope stays
        below 1.

    Returns:
      A function with the values of rectifier(half)(x) - rectifier(half)(x - top).

    Example:
      >>> bounded(6.0, 1.0)(tf.constant([0.0, 3.0, 7.0])).numpy()
      array([0.25, 3.  , 6.  ], dtype=float32)
    """

    @tf.custom_gradient
    def clip(x: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        value, slope = _bounded(x, 0.0, top, half)
        return value, lambda upstream: upstream * slope

    return clip


def hard_sigmoid(half: float) -> Function:
    """min(max(x + 3, 0), 6) / 6 with rounded kinks of this half-width."""

    @tf.custom_gradient
    def sigmoid(x: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        value, slope = _bounded(x, -3.0, 3.0, half)
        return (value + 3) / 6, lambda upstream: upstream * (slope / 6)

    return sigmoid


def hard_silu(half: float) -> Function:
    """x min(max(x + 3, 0), 6) / 6 with rounded kinks of this half-width."""

    @tf.custom_gradient
    def silu(x: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        value, slope = _bounded(x, -3.0, 3.0, half)
        gate = (value + 3) / 6
        total = gate + x * (slope / 6)
        return x * gate, lambda upstream: upstream * total

    return silu


def _bounded(x: tf.Tensor, low: float, high: float, half: float) -> tuple[tf.Tensor, tf.Tensor]:
    """x between two rounded bounds, and its slope.

    A box of half-width (high - low) / 2 averaged over a uniform shift is a trapezoid. It does not matter which of the two
    half-widths is the larger: the trapezoid falls from 1 over `short` on either side of its corners at `long` from the middle.
    """
    middle, span = (low + high) / 2, (high - low) / 2
    short, long = min(half, span), max(half, span)
    inside = _clip(x, middle - long - short, middle + long + short)
    past = inside - _clip(inside, middle - long + short, middle + long - short)
    lost = tf.abs(past) * (0.5 / short)
    value, slope = inside - past * (0.5 * lost), 1 - lost
    if long > span:
        value, slope = middle + (value - middle) * (span / long), slope * (span / long)
    return value, slope


def _clip(x: tf.Tensor, low: float, high: float) -> tf.Tensor:
    # One operation, where tf.clip_by_value makes two.
    return tf.raw_ops.ClipByValue(
        t=x, clip_value_min=tf.constant(low, x.dtype), clip_value_max=tf.constant(high, x.dtype)
    )
