"""Convolutions and dense layers that have taken in the affine maps around them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samplevis.network.prepared.affine import scale_and_shift
from samplevis.network.sources.functions import kind

_KERAS = keras.layers
CONVOLUTIONS = (_KERAS.Conv1D, _KERAS.Conv2D, _KERAS.Conv3D)
DEPTHWISE = (_KERAS.DepthwiseConv1D, _KERAS.DepthwiseConv2D)
SEPARABLE = (_KERAS.SeparableConv1D, _KERAS.SeparableConv2D)
TRANSPOSED = (_KERAS.Conv1DTranspose, _KERAS.Conv2DTranspose, _KERAS.Conv3DTranspose)
LINEAR = (*CONVOLUTIONS, *DEPTHWISE, *SEPARABLE, *TRANSPOSED, _KERAS.Dense)


def is_linear(layer: Any) -> bool:
    """Whether a layer is a convolution or dense, its activation function aside."""
    return type(layer) in LINEAR and not getattr(layer, "quantization_mode", None)


def is_activated(layer: Any) -> bool:
    """Whether a linear layer has an activation function."""
    return kind(layer.activation) != "linear"


def channel_axis(layer: Any, rank: int) -> int:
    """The axis of the channels of a linear layer's input and output, from 0; both are of this rank."""
    return 1 if getattr(layer, "data_format", None) == "channels_first" else rank - 1


def takes_scale_before(layer: Any) -> bool:
    """Whether a linear layer can take in a multiplication of its input's channels."""
    return type(layer) not in TRANSPOSED and getattr(layer, "groups", 1) == 1


def takes_shift_before(layer: Any) -> bool:
    """Whether it can take in an addition, too: all of its output sees only its input, and no zeros beyond the edge."""
    if type(layer) is _KERAS.Dense or layer.padding == "valid":
        return True
    return layer.padding == "same" and set(layer.kernel_size) == {1}


@dataclasses.dataclass(frozen=True)
class Folding:
    """What a linear layer takes in.

    Attributes:
      layer: the linear layer.
      before, after: affine layers before and after it, in the order of computation.
    """

    layer: Any
    before: tuple[Any, ...] = ()
    after: tuple[Any, ...] = ()

    def weights(self) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """The layer's kernels, by the names of its attributes, and bias with the affine layers in them."""
        kernels, bias = _kernels(self.layer), _bias(self.layer)
        if self.before:
            scale, shift = scale_and_shift(self.before, _num_inputs(self.layer, kernels))
            bias = bias + _of_shift(self.layer, kernels, shift)
            first = next(iter(kernels))
            kernels[first] = kernels[first] * _column(scale)
        if self.after:
            scale, shift = scale_and_shift(self.after, len(bias))
            bias = scale * bias + shift
            last = list(kernels)[-1]
            kernels[last] = kernels[last] * _as_outputs(self.layer, kernels[last], scale)
        return kernels, tf.constant(bias, tf.float32)


class FoldedLayer:
    """A linear layer on weights that contain the affine layers around it; call it as the layer.

    Args:
      folding: what it takes in. Its layers stay as they are.
    """

    def __init__(self, folding: Folding):
        self.folding = folding
        layer = folding.layer
        # Outside any function that is being traced, in which the weights would have no values.
        with tf.init_scope():
            kernels, bias = self._weights()
            self._kernels = {name: tf.Variable(value, trainable=False) for name, value in kernels.items()}
            self._bias = tf.Variable(bias, trainable=False)
        self._activation = layer.activation
        self._format = "NCHW" if channel_axis(layer, 4) == 1 else None
        # The layer's own code on other weights. Keras copies a layer by saving it, which would copy the weights too.
        self._twin = object.__new__(type(layer))
        vars(self._twin).update(
            vars(layer), use_bias=False, bias=None, activation=None, lora_enabled=False, **self._kernels
        )

    def refresh(self) -> None:
        """Reads the layers' weights again."""
        kernels, bias = self._weights()
        for name, value in kernels.items():
            self._kernels[name].assign(value)
        self._bias.assign(bias)

    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        values = tf.nn.bias_add(self._linear(inputs), self._bias, self._format)
        return values if self._activation is None else self._activation(values)

    def _weights(self) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """The kernels and the bias as this layer computes with them."""
        return self.folding.weights()

    def _linear(self, inputs: tf.Tensor) -> tf.Tensor:
        """The layer without its bias and its activation function."""
        return self._twin.call(inputs)


def _kernels(layer: Any) -> dict[str, tf.Tensor]:
    """The kernels of a linear layer in the order of computation, by the names under which its code finds them."""
    if type(layer) in SEPARABLE:
        return {name: tf.convert_to_tensor(getattr(layer, name)) for name in ("depthwise_kernel", "pointwise_kernel")}
    # Behind a property in layers that know low-rank adaptation.
    return {"_kernel" if "_kernel" in vars(layer) else "kernel": tf.convert_to_tensor(layer.kernel)}


def _bias(layer: Any) -> np.ndarray:
    if layer.use_bias:
        return tf.convert_to_tensor(layer.bias).numpy().astype(np.float64)
    *_, kernel = _kernels(layer).values()
    return np.zeros(math.prod(kernel.shape[-2:]) if type(layer) in DEPTHWISE else _outputs(layer, kernel))


def _outputs(layer: Any, kernel: tf.Tensor) -> int:
    return kernel.shape[-2] if type(layer) in TRANSPOSED else kernel.shape[-1]


def _num_inputs(layer: Any, kernels: dict[str, tf.Tensor]) -> int:
    return next(iter(kernels.values())).shape[-2]


def _as_outputs(layer: Any, kernel: tf.Tensor, scale: np.ndarray) -> tf.Tensor:
    """A number for each output channel, to be multiplied with the last kernel."""
    if type(layer) in TRANSPOSED:
        return _column(scale)
    return tf.constant(scale.reshape(kernel.shape[-2:]) if type(layer) in DEPTHWISE else scale, tf.float32)


def _column(scale: np.ndarray) -> tf.Tensor:
    """A number for each channel in a kernel's last axis but one."""
    return tf.constant(scale[:, None], tf.float32)


def _of_shift(layer: Any, kernels: dict[str, tf.Tensor], shift: np.ndarray) -> np.ndarray:
    """What a constant added to the input's channels adds to the output, where the layer sees only input."""
    first, *rest = (kernel.numpy().astype(np.float64) for kernel in kernels.values())
    window = first.sum(axis=tuple(range(first.ndim - 2)))
    if type(layer) not in (*DEPTHWISE, *SEPARABLE):
        return shift @ window
    depthwise = (shift[:, None] * window).ravel()
    return depthwise @ rest[0].reshape(len(depthwise), -1) if rest else depthwise
