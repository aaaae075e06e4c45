"""Smooth poolings that replace max pooling, for signals, images and volumes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samplevis.network.sources.base import to_first, to_last
from samplevis.overrides.fused import elementwise

# Value of pixels outside the image: their weight in a softmax is zero.
OUTSIDE = -1e9
# Windows of up to this many values are pooled alike: 3 x 3 is usual.
USUAL_COUNT = 9
# The fourth power is cheap, and as soft as needed (SqueezeNet). At softness .3 it is the power, below it the power grows.
MIN_POWER, POWER_TIMES_SOFTNESS = 4.0, 1.2


def channels_last(layer: Any, function: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor) -> tf.Tensor:
    """A function of images with channels last, applied to those that a layer takes, with channels as the layer has them."""
    if layer.data_format == "channels_last":
        return function(x)
    rank = x.shape.rank
    return to_first(function(to_last(x, rank)), rank)


class _Pooling:
    """Before the class of a max pooling: `pooled`, of images with channels last, in place of the maximum."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return channels_last(self, self.pooled, inputs)


class Softmax(_Pooling):
    """The mean of each window with the weights softmax(x / width): the maximum for a width of 0, the mean for a large one.

    Attributes:
      width: differences smaller than this hardly count, > 0, on the scale of the values; set after construction.
    """

    width: float

    def pooled(self, inputs: tf.Tensor) -> tf.Tensor:
        windows = _windows(inputs, self.pool_size, self.strides, self.padding, OUTSIDE)
        return _softmax_mean(windows, self.width / sharpness(len(windows)), 0)


class GlobalSoftmax(_Pooling):
    """`Softmax` with the whole image as window."""

    width: float

    def pooled(self, inputs: tf.Tensor) -> tf.Tensor:
        axes = _axes(inputs)
        mean = _softmax_mean(inputs, self.width / sharpness(_positions(inputs)), axes)
        return mean[(slice(None), *[None] * len(axes))] if self.keepdims else mean


class Power(_Pooling):
    """The p-norm of each window, for rectified values: sum(x^p)^(1/p), close to the maximum.

    Negative values, which a maximum of rectified ones never shows, count as zero. The norm of n values is up to n^(1/p) times the
    maximum: p grows with log(n), so that a large window is overrated no more than one of 9 values.

    Attributes:
      power: p for windows of up to 9 values, >= 4; set after construction. Defaults to 4, which is cheap.
    """

    power: float = MIN_POWER

    def pooled(self, inputs: tf.Tensor) -> tf.Tensor:
        count = int(np.prod(self.pool_size))
        power = self.power * sharpness(count)
        if power > MIN_POWER:
            return _norm(_windows(inputs, self.pool_size, self.strides, self.padding, 0.0), power, 0)
        if self.padding == "same":
            inputs = tf.pad(inputs, _missing(inputs, self.pool_size, self.strides))

        def total(x: tf.Tensor) -> tf.Tensor:
            return _average(x, self.pool_size, self.strides, "VALID") * float(count)

        return _fourth_norm(inputs, total)


class GlobalPower(_Pooling):
    """`Power` with the whole image as window."""

    power: float = MIN_POWER

    def pooled(self, inputs: tf.Tensor) -> tf.Tensor:
        axes = _axes(inputs)
        norm = _norm(inputs, self.power * sharpness(_positions(inputs)), axes)
        return norm[(slice(None), *[None] * len(axes))] if self.keepdims else norm


class Average(_Pooling):
    """Average pooling with the settings of a max pooling."""

    def pooled(self, inputs: tf.Tensor) -> tf.Tensor:
        return average(self, inputs)


class GlobalAverage(_Pooling):
    """Global average pooling with the settings of a global max pooling."""

    def pooled(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(inputs, _axes(inputs), keepdims=self.keepdims)


_KERAS = keras.layers
WINDOWED = (_KERAS.MaxPooling1D, _KERAS.MaxPooling2D, _KERAS.MaxPooling3D)
GLOBAL = (_KERAS.GlobalMaxPooling1D, _KERAS.GlobalMaxPooling2D, _KERAS.GlobalMaxPooling3D)


def instead_of(maximum: type[keras.layers.Layer], pool: type) -> type[keras.layers.Layer]:
    """A layer with the settings of a max pooling and the values of one of these."""
    return type(f"{pool.__name__}{maximum.__name__}", (pool, maximum), {})


# Max pooling -> the kinds of smooth pooling that take its place.
POOLINGS = {
    maximum: {name: instead_of(maximum, pool) for name, pool in kinds.items()}
    for family, kinds in (
        (WINDOWED, {"power": Power, "softmax": Softmax, "average": Average}),
        (GLOBAL, {"power": GlobalPower, "softmax": GlobalSoftmax, "average": GlobalAverage}),
    )
    for maximum in family
}


def average(layer: Any, x: tf.Tensor) -> tf.Tensor:
    """Average pooling of images with channels last, with the settings of a max pooling."""
    return _average(x, layer.pool_size, layer.strides, layer.padding.upper())


def _average(inputs: tf.Tensor, size: tuple[int, ...], strides: tuple[int, ...], padding: str) -> tf.Tensor:
    # Explicit: in eager mode the gradient of 3-D average pooling fails without it.
    layout = {3: "NWC", 4: "NHWC", 5: "NDHWC"}[inputs.shape.rank]
    return tf.nn.avg_pool(inputs, size, strides, padding, layout)


def power_for(softness: float) -> float:
    """The exponent of `Power` for a softness: from the default softness down it grows, and the norm tends to the maximum."""
    return max(MIN_POWER, POWER_TIMES_SOFTNESS / softness)


def sharpness(count: Any) -> Any:
    """How much sharper a smooth maximum of many values is than one of `USUAL_COUNT`, to be as near to the maximum."""
    if isinstance(count, int):
        return max(1.0, math.log(count) / math.log(USUAL_COUNT))
    return tf.maximum(1.0, tf.math.log(tf.cast(count, tf.float32)) / math.log(USUAL_COUNT))


def _norm(x: tf.Tensor, power: Any, axis: int | list[int]) -> tf.Tensor:
    """The p-norm of rectified values along axes, without overflow: relative to their maximum, of which it is independent."""
    x = tf.nn.relu(x)
    power = tf.cast(power, x.dtype)
    largest = tf.stop_gradient(tf.reduce_max(x, axis, keepdims=True))

    @tf.custom_gradient
    def norm(x: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        total = tf.reduce_sum(tf.math.divide_no_nan(x, largest) ** power, axis, keepdims=True)
        kept = largest * total ** (1 / power)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            # The slope of a window of zeros is zero.
            return tf.reshape(upstream, tf.shape(kept)) * tf.math.divide_no_nan(x, kept) ** (power - 1)

        return tf.squeeze(kept, axis), gradient

    return norm(x)


def _fourth_norm(x: tf.Tensor, total: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """total(relu(x)^4)^(1/4) for a sum over windows. Its gradient saves x and the result, and no powers in between."""

    @tf.custom_gradient
    def norm(x: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        y = tf.sqrt(tf.sqrt(total(elementwise(_fourth_power, [x]))))

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                tape.watch(x)
                linear = total(x)
            # The slope of a window of zeros is zero.
            share = tf.math.divide_no_nan(upstream, y * tf.square(y))
            return elementwise(_times_cube, [tape.gradient(linear, x, share), x])

        return y, gradient

    return norm(x)


def _fourth_power(x: tf.Tensor) -> tf.Tensor:
    return tf.square(tf.square(tf.nn.relu(x)))


def _times_cube(share: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    rectified = tf.nn.relu(x)
    return share * (rectified * tf.square(rectified))


def _softmax_mean(x: tf.Tensor, width: float, axis: int | list[int]) -> tf.Tensor:
    scaled = x / width
    weights = tf.exp(scaled - tf.stop_gradient(tf.reduce_max(scaled, axis, keepdims=True)))
    return tf.reduce_sum(weights * x, axis) / tf.reduce_sum(weights, axis)


def _windows(x: tf.Tensor, size: Sequence[int], strides: Sequence[int], padding: str, outside: float) -> tf.Tensor:
    """The values of each window [window, batch, H', W', C], as `tf.nn.max_pool` sees them; `outside` beyond the image."""
    if padding == "same":
        x = tf.pad(x, _missing(x, size, strides), constant_values=outside)
    ends = [n - side + 1 for n, side in zip(_sides(x), size, strict=True)]
    return tf.stack(
        [
            x[(slice(None), *(slice(i, end + i, step) for i, end, step in zip(place, ends, strides, strict=True)))]
            for place in itertools.product(*map(range, size))
        ]
    )


def _missing(x: tf.Tensor, size: Sequence[int], strides: Sequence[int]) -> list:
    """What "same" padding adds on each side, as `tf.pad` takes it."""
    gaps = [
        tf.maximum((-(-n // step) - 1) * step + side - n, 0)
        for n, side, step in zip(_sides(x), size, strides, strict=True)
    ]
    return [[0, 0], *([gap // 2, gap - gap // 2] for gap in gaps), [0, 0]]


def _sides(x: tf.Tensor) -> list:
    return [x.shape[axis] or tf.shape(x)[axis] for axis in _axes(x)]


def _positions(x: tf.Tensor) -> Any:
    """The number of positions of an image: an int, or a tensor if it is not known."""
    return math.prod(x.shape[1:-1]) if None not in x.shape[1:-1] else tf.reduce_prod(tf.shape(x)[1:-1])


def _axes(x: tf.Tensor) -> list[int]:
    """The directions of [batch, *size, channels]."""
    return list(range(1, x.shape.rank - 1))
