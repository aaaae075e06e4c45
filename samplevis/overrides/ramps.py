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
from samplevis.overrides.fused import elementwise

Number = float | tf.Tensor
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

    return _with_slope(_rectifier, half, 0.5 / half)


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
    return _with_slope(_bounded, *_trapezoid(0.0, top, half))


def hard_sigmoid(half: float) -> Function:
    """min(max(x + 3, 0), 6) / 6 with rounded kinks of this half-width."""
    return _with_slope(_hard_sigmoid, *_trapezoid(-3.0, 3.0, half))


def hard_silu(half: float) -> Function:
    """x min(max(x + 3, 0), 6) / 6 with rounded kinks of this half-width."""
    return _with_slope(_hard_silu, *_trapezoid(-3.0, 3.0, half))


def _with_slope(pair: Callable[..., tuple[tf.Tensor, tf.Tensor]], *numbers: float | None) -> Function:
    """A function from one that returns its value and slope; its gradient saves the slope and nothing else."""

    @tf.custom_gradient
    def function(x: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        value, slope = elementwise(pair, [x], numbers)
        return value, lambda upstream: upstream * slope

    return function


def _rectifier(x: tf.Tensor, half: Number, rate: Number) -> tuple[tf.Tensor, tf.Tensor]:
    shifted = x + half
    slope = _clip(shifted * rate, 0.0, 1.0)
    return slope * (shifted - half * slope), slope


def _trapezoid(low: float, high: float, half: float) -> tuple[float | None, ...]:
    """The numbers of `_bounded` for rounded bounds.

    A box of half-width (high - low) / 2 averaged over a uniform shift is a trapezoid. It does not matter which of the two
    half-widths is the larger: the trapezoid falls from 1 over `short` on either side of its corners at `long` from the middle.
    """
    middle, span = (low + high) / 2, (high - low) / 2
    short, long = min(half, span), max(half, span)
    outer, inner = long + short, long - short
    gain = span / long if long > span else None
    return middle - outer, middle + outer, middle - inner, middle + inner, 0.5 / short, middle, gain


def _bounded(x: tf.Tensor, *trapezoid: Number | None) -> tuple[tf.Tensor, tf.Tensor]:
    """x between two rounded bounds, and its slope; see `_trapezoid`."""
    left, right, inner_left, inner_right, rate, middle, gain = trapezoid
    inside = _clip(x, left, right)
    past = inside - _clip(inside, inner_left, inner_right)
    lost = tf.abs(past) * rate
    value, slope = inside - past * (0.5 * lost), 1 - lost
    if gain is not None:
        value, slope = middle + (value - middle) * gain, slope * gain
    return value, slope


def _hard_sigmoid(x: tf.Tensor, *trapezoid: Number | None) -> tuple[tf.Tensor, tf.Tensor]:
    value, slope = _bounded(x, *trapezoid)
    return (value + 3) / 6, slope / 6


def _hard_silu(x: tf.Tensor, *trapezoid: Number | None) -> tuple[tf.Tensor, tf.Tensor]:
    value, slope = _bounded(x, *trapezoid)
    gate = (value + 3) / 6
    return x * gate, gate + x * (slope / 6)


def _clip(x: tf.Tensor, low: Number, high: Number) -> tf.Tensor:
    # One operation, where tf.clip_by_value makes two.
    low, high = (tf.convert_to_tensor(bound, x.dtype) for bound in (low, high))
    return tf.raw_ops.ClipByValue(t=x, clip_value_min=low, clip_value_max=high)
