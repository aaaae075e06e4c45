"""Compositional pattern-producing networks as images. Source: lucid/optvis/param/cppn.py."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from samplevis.lucid.core import variables
from samplevis.param.cppn import EXTENT, composite, coordinates, relu, unbiased

BIAS_SD = 0.1


def _composite_activation(x: tf.Tensor, biased: bool = True) -> tf.Tensor:
    """atan and its square, scaled; notebooks pass this private function of Lucid's on."""
    return composite(x) if biased else unbiased(x)


_relu_normalized_activation = relu


def cppn(
    width: int | tf.Tensor,
    batch: int = 1,
    num_output_channels: int = 3,
    num_hidden_channels: int = 24,
    num_layers: int = 8,
    activation_func: Callable[[tf.Tensor], tf.Tensor] = _composite_activation,
    normalize: bool = False,
) -> tf.Tensor:
    """Square images computed from the coordinates of each pixel by a small network, whose weights are the variables.

    Args:
      width: pixels of both sides; also a tensor, so that a session draws pictures of several sizes.
      batch: number of images, which share their weights. Defaults to 1.
      num_output_channels: defaults to 3.
      num_hidden_channels: outputs of each hidden layer. Defaults to 24.
      num_layers: number of hidden layers. Defaults to 8.
      activation_func: function between the layers. Defaults to atan and its square, concatenated.
      normalize: whether to give each channel of an image mean 0 and variance 1 before that function, with a scale and an offset
        that are variables. Defaults to False.

    Returns:
      Tensor [batch, width, width, num_output_channels] in [0, 1]: 0.5 at first.

    Example:
      >>> cppn(16, batch=2).shape
      TensorShape([2, 16, 16, 3])
    """
    net = tf.repeat(_coordinates(width), batch, 0)
    for _ in range(num_layers):
        net = _dense(net, num_hidden_channels)
        net = activation_func(_instance_norm(net) if normalize else net)
    return tf.sigmoid(_dense(net, num_output_channels, first=False))


def _coordinates(width: int | tf.Tensor) -> tf.Tensor:
    """(x, y) of every pixel of a square, [1, width, width, 2]."""
    if not tf.is_tensor(width):
        return tf.constant(coordinates(width, width).reshape(1, width, width, 2))
    edge = tf.linspace(-EXTENT, EXTENT, tf.cast(width, tf.int32))
    x, y = tf.meshgrid(edge, edge)
    return tf.cast(tf.stack([x, y], -1), tf.float32)[None]


def _dense(x: tf.Tensor, outputs: int, first: bool = True) -> tf.Tensor:
    """A layer on every pixel; the last one has weights of zero at first."""
    inputs = x.shape[-1]
    weights = variables.glorot_normal((inputs, outputs), inputs) if first else np.zeros((inputs, outputs), np.float32)
    biases = variables.normal((outputs,), BIAS_SD)
    return tf.linalg.matmul(x, variables.variable(weights)) + variables.variable(biases)


def _instance_norm(x: tf.Tensor) -> tf.Tensor:
    mean, variance = tf.nn.moments(x, [1, 2], keepdims=True)
    offset, scale = (variables.variable(np.full(x.shape[-1], value, np.float32)) for value in (0, 1))
    return tf.nn.batch_normalization(x, mean, variance, offset, scale, 1e-6)
