"""A network cloned layer by layer, some of its activation functions and poolings replaced."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from samplevis.network import Network

Function = Callable[[tf.Tensor], tf.Tensor]
# (path of the layer, kind of function such as "relu6", the function) -> another function, or None to keep it.
ReplaceActivation = Callable[[str, str, Function], Function | None]
# (path of the layer, a layer of the same settings without weights) -> a layer in its place, or None to keep it.
ReplaceLayer = Callable[[str, keras.layers.Layer], keras.layers.Layer | None]

# Activation functions that Keras has as layers or operations, too: functions of one number, applied to each.
FUNCTIONS = {"relu", "relu6", "leakyrelu", "elu", "selu", "celu", "gelu", "silu", "mish", "hardsilu", "hardsigmoid"}


def rebuild(
    network: Network,
    name: str,
    activation: ReplaceActivation | None = None,
    layer: ReplaceLayer | None = None,
) -> Network:
    """Clones a network, nested models too, and replaces some of its parts.

    An activation function is met as a layer (`keras.layers.ReLU`), an operation (`keras.ops.relu`) or an argument of another
    layer (`activation="relu"`).

    Args:
      network: the network; it stays as it is.
      name: what to call the new network.
      activation: decides over activation functions. Defaults to keeping them all.
      layer: decides over the other layers. Defaults to keeping them all.

    Returns:
      A network of the same layer names and shapes, with copies of the weights.
    """
    paths = {id(operation): path for path, operation in network.operations.items()}
    activation, layer = activation or (lambda *_: None), layer or (lambda *_: None)

    def clone(old: Any) -> Any:
        new, path = _copy(old), paths.get(id(old), old.name)
        if _is_function(old):
            function = activation(path, kind(old), new.call)
            return new if function is None else keras.layers.Activation(function, name=old.name)
        if callable(own := getattr(old, "activation", None)):
            new.activation = activation(path, kind(own), own) or own
        return layer(path, new) or new

    model = keras.models.clone_model(network.model, clone_function=clone, recursive=True)
    model.set_weights(network.model.get_weights())
    return Network(
        model,
        value_range=network.value_range,
        bgr=network.bgr,
        mean=network.mean,
        labels=lambda: network.labels,
        name=name,
    )


def kind(function: Any) -> str:
    """What sort of function an activation is: "relu", "relu6", "leakyrelu", "gelu", "silu" and so on.

    Args:
      function: a function, or a layer or operation that is one.

    Returns:
      Its name without case and underscores; Keras and TensorFlow agree on those.
    """
    name = getattr(function, "__name__", type(function).__name__).lower().replace("_", "")
    return name.replace("swish", "silu")


def _is_function(operation: Any) -> bool:
    """Whether a layer or operation is an activation function by itself. One with a threshold is no rectifier: it jumps."""
    return kind(operation) in FUNCTIONS and not getattr(operation, "threshold", 0)


@functools.singledispatch
def _copy(operation: Any) -> Any:
    return type(operation).from_config(operation.get_config())


@_copy.register
def _(operation: keras.layers.Lambda) -> Any:
    # Keras fears code from strangers' files. This function is the caller's own, and already runs.
    return keras.layers.Lambda.from_config(operation.get_config(), safe_mode=False)
