"""Smooth poolings that stand in for max pooling."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

# What lies outside the image: its weight in a softmax is zero.
OUTSIDE = -1e9


class SoftmaxPooling2D(keras.layers.MaxPooling2D):
    """The mean of each window under the weights softmax(x / width): the maximum for a width of 0, the mean for a large one.

    Attributes:
      width: differences below it hardly count, > 0, on the scale of the values; set after construction.
    """

    width: float

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        windows = _windows(inputs, self.pool_size, self.strides, self.padding)
        return _softmax_mean(windows, self.width, 0)


class GlobalSoftmaxPooling2D(keras.layers.GlobalMaxPooling2D):
    """`SoftmaxPooling2D` with the whole image as window."""

    width: float

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        mean = _softmax_mean(inputs, self.width, (1, 2))
        return mean[:, None, None] if self.keepdims else mean


class PowerPooling2D(keras.layers.MaxPooling2D):
    """The fourth root of the sum of fourth powers in each window, of rectified values: near to the maximum, and cheap.

    Values below zero, which a maximum of rectified ones never shows, count as zero.
    """

    width: float

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        if self.padding == "same":
            inputs = tf.pad(inputs, _missing(inputs, self.pool_size, self.strides))
        mean = tf.nn.avg_pool2d(_fourth_power(inputs, self.width), self.pool_size, self.strides, "VALID")
        return tf.sqrt(tf.sqrt(mean * float(np.prod(self.pool_size))))


class GlobalPowerPooling2D(keras.layers.GlobalMaxPooling2D):
    """`PowerPooling2D` with the whole image as window."""

    width: float

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        total = tf.reduce_sum(_fourth_power(inputs, self.width), (1, 2), keepdims=self.keepdims)
        return tf.sqrt(tf.sqrt(total))


class AveragePooling2D(keras.layers.MaxPooling2D):
    """Average pooling with the settings of a max pooling."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.nn.avg_pool2d(inputs, self.pool_size, self.strides, self.padding.upper())


class GlobalAveragePooling2D(keras.layers.GlobalMaxPooling2D):
    """Global average pooling with the settings of a global max pooling."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(inputs, (1, 2), keepdims=self.keepdims)


def _fourth_power(x: tf.Tensor, width: float) -> tf.Tensor:
    # A root of zero has no gradient. What is added is far below what counts.
    square = tf.square(tf.nn.relu(x) + 1e-3 * width)
    return square * square


def _softmax_mean(x: tf.Tensor, width: float, axis: int | tuple[int, ...]) -> tf.Tensor:
    scaled = x / width
    weights = tf.exp(scaled - tf.stop_gradient(tf.reduce_max(scaled, axis, keepdims=True)))
    return tf.reduce_sum(weights * x, axis) / tf.reduce_sum(weights, axis)


def _windows(x: tf.Tensor, size: tuple[int, int], strides: tuple[int, int], padding: str) -> tf.Tensor:
    """The values of each window [window, batch, H', W', C], as `tf.nn.max_pool2d` sees them."""
    if padding == "same":
        x = tf.pad(x, _missing(x, size, strides), constant_values=OUTSIDE)
    (height, width), (down, right) = [n - side + 1 for n, side in zip(_sides(x), size, strict=True)], strides
    return tf.stack(
        [x[:, i : height + i : down, j : width + j : right] for i in range(size[0]) for j in range(size[1])]
    )


def _missing(x: tf.Tensor, size: tuple[int, int], strides: tuple[int, int]) -> list:
    """What "same" padding adds on each side, as `tf.pad` takes it."""
    gaps = [
        tf.maximum((-(-n // step) - 1) * step + side - n, 0)
        for n, side, step in zip(_sides(x), size, strides, strict=True)
    ]
    return [[0, 0], *([gap // 2, gap - gap // 2] for gap in gaps), [0, 0]]


def _sides(x: tf.Tensor) -> list:
    return [x.shape[axis] or tf.shape(x)[axis] for axis in (1, 2)]
