"""Gradients in TensorFlow 1's form, functions of (operation, gradient), for functions and for the parts of a network."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from samplevis.network import Network
from samplevis.network.sources.stand_ins import twin
from samplevis.overrides.pooling import WINDOWED, instead_of
from samplevis.overrides.rebuild import Rules, rebuild

# A type of operation -> its gradient, inside `overridden`.
_current: ContextVar[Mapping[str, Any] | None] = ContextVar("overridden", default=None)
# TensorFlow's types of operations -> the kinds of activation function of `samplevis.overrides`.
KINDS = {
    **{
        "Relu": "relu",
        "Relu6": "relu6",
        "Elu": "elu",
        "Selu": "selu",
        "LeakyRelu": "leakyrelu",
        "Softplus": "softplus",
    },
    **{"Sigmoid": "sigmoid", "Tanh": "tanh", "Softsign": "softsign", "Softmax": "softmax"},
}


class Operation(NamedTuple):
    """What a gradient function sees of an operation.

    Attributes:
      type: TensorFlow's name of its kind, such as "Relu".
      inputs, outputs: its tensors.
      attributes: such as "ksize" of a pooling.
    """

    type: str
    inputs: Sequence[tf.Tensor]
    outputs: Sequence[tf.Tensor]
    attributes: Mapping[str, Any] = {}

    def get_attr(self, name: str) -> Any:
        """An attribute by its name."""
        return self.attributes[name]


def with_gradient(
    function: Callable, gradient: Callable, kind: str, attributes: Mapping[str, Any] | None = None
) -> Callable:
    """A function of tensors with another gradient.

    Args:
      function: the function.
      gradient: function of (operation, gradient of the output) to the gradient of each input.
      kind: type of the operation.
      attributes: of the operation.

    Returns:
      A function with the values of `function`.
    """

    @tf.custom_gradient
    def call(*inputs: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        output = function(*inputs)

        def backwards(upstream: tf.Tensor) -> Any:
            return gradient(Operation(kind, inputs, (output,), attributes or {}), upstream)

        return output, backwards

    return lambda *inputs: call(*map(tf.convert_to_tensor, inputs))


@contextlib.contextmanager
def overridden(gradients: Mapping[str, Any]) -> Iterator[None]:
    """In this block, `as_overridden` gives networks these gradients."""
    for kind, function in gradients.items():
        if not callable(function):
            raise TypeError(
                f"gradient_override_map: {kind!r}: names of registered gradients are for graph programs; expected a function of "
                f"(op, grad). Received: {function!r}"
            )
    token = _current.set({**(_current.get() or {}), **gradients})
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Hashable:
    """What is overridden now, as a cache key; empty if nothing is."""
    return tuple(sorted((_current.get() or {}).items(), key=lambda item: item[0]))


def as_overridden(network: Network) -> Network:
    """The network with the gradients of the enclosing `overridden`; the same network if there is none."""
    key = current()
    if not key:
        return network
    if ("lucid overrides", key) not in network.compiled:
        network.compiled["lucid overrides", key] = _rebuilt(network, dict(key))
    return network.compiled["lucid overrides", key]


def _rebuilt(network: Network, gradients: Mapping[str, Callable]) -> Network:
    by_kind = {KINDS.get(kind, kind.lower()): (kind, function) for kind, function in gradients.items()}

    def activation(path: str, kind: str, function: Callable) -> Callable | None:
        found = by_kind.get(kind)
        return with_gradient(function, found[1], found[0]) if found else None

    def layer(path: str, layer: keras.layers.Layer) -> keras.layers.Layer | None:
        if not isinstance(layer, WINDOWED) or "MaxPool" not in gradients:
            return None
        return twin(layer, _pooling(type(layer), gradients["MaxPool"]))

    clone = rebuild(network, network.name, Rules(activation, layer))
    clone.exact_gradient = False
    return clone


def _pooling(maximum: type[keras.layers.Layer], gradient: Callable) -> type[keras.layers.Layer]:
    class Overridden:
        def call(self, inputs: tf.Tensor) -> tf.Tensor:
            attributes = {
                "ksize": [1, *self.pool_size, 1],
                "strides": [1, *self.strides, 1],
                "padding": self.padding.upper(),
            }
            return with_gradient(super().call, gradient, "MaxPool", attributes)(inputs)

    return instead_of(maximum, Overridden)
