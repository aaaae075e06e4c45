"""Smooth poolings that replace max pooling, for signals, images and volumes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from samplevis.overrides.fused import elementwise

# Value of pixels outside the image: their weight in a softmax is zero.
OUTSIDE = -1e9


class Softmax:
    """The mean of each window with the weights softmax(x / width): the maximum for a width of 0, the mean for a large one.

    Attributes:
      width: differences smaller than this hardly count, > 0, on the scale of the values; set after construction.
    """

    width: float

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        windows = _windows(inputs, self.pool_size, self.strides, self.padding)
        return _softmax_mean(windows, self.width, 0)


class GlobalSoftmax:
    """`Softmax` with the whole image as window."""

    width: float

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        axes = _axes(inputs)
        mean = _softmax_mean(inputs, self.width, axes)
        return mean[(slice(None), *[None] * len(axes))] if self.keepdims else mean


class Power:
    """The fourth root of the sum of fourth powers in each window, for rectified values: close to the maximum, and cheap.

    Negative values, which a maximum of rectified ones never shows, count as zero.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        if self.padding == "same":
            inputs = tf.pad(inputs, _missing(inputs, self.pool_size, self.strides))

        def total(x: tf.Tensor) -> tf.Tensor:
            return _average(x, self.pool_size, self.strides, "VALID") * float(np.prod(self.pool_size))

        return _power_norm(inputs, total)


class GlobalPower:
    """`Power` with the whole image as window."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        axes = _axes(inputs)
        return _power_norm(inputs, lambda x: tf.reduce_sum(x, axes, keepdims=self.keepdims))


class Average:
    """Average pooling with the settings of a max pooling."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return _average(inputs, self.pool_size, self.strides, self.padding.upper())


class GlobalAverage:
    """Global average pooling with the settings of a global max pooling."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
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


def _average(inputs: tf.Tensor, size: tuple[int, ...], strides: tuple[int, ...], padding: str) -> tf.Tensor:
    # Explicit: in eager mode the gradient of 3-D average pooling fails without it.
    layout = {3: "NWC", 4: "NHWC", 5: "NDHWC"}[inputs.shape.rank]
    return tf.nn.avg_pool(inputs, size, strides, padding, layout)


def _power_norm(x: tf.Tensor, total: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
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


def _windows(x: tf.Tensor, size: Sequence[int], strides: Sequence[int], padding: str) -> tf.Tensor:
    """The values of each window [window, batch, H', W', C], as `tf.nn.max_pool` sees them."""
    if padding == "same":
        x = tf.pad(x, _missing(x, size, strides), constant_values=OUTSIDE)
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


def _axes(x: tf.Tensor) -> list[int]:
    """The directions of [batch, *size, channels]."""
    return list(range(1, x.shape.rank - 1))
