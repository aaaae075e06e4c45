"""Which functions and layers are activation functions."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from samplevis.network.sources.base import Function

# Activation functions that Keras has as layers or operations, too: functions of one number, applied to each.
FUNCTIONS = {"relu", "relu6", "leakyrelu", "elu", "selu", "celu", "gelu", "silu", "mish", "hardsilu", "hardsigmoid"}
# What stands before the kind of a function whose kinks have been rounded.
ROUNDED = "rounded"
# Others that a layer may end in.
OTHERS = {"sigmoid", "logsigmoid", "tanh", "softplus", "softsign", "softmax", "logsoftmax", "prelu"}


class Replacement:
    """A function in the place of an activation function.

    Args:
      function: the function.
      kind: what sort of function it is, for `kind`. Defaults to one that nothing knows.
    """

    def __init__(self, function: Function, kind: str = "replacement"):
        self._function, self.__name__ = function, kind

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return self._function(x)


def kind(function: Any) -> str:
    """What sort of function an activation is: "relu", "relu6", "leakyrelu", "gelu", "silu" and so on.

    Args:
      function: a function, or a layer or operation that is one.

    Returns:
      Its name without case and underscores; Keras and TensorFlow agree on those.
    """
    name = getattr(function, "__name__", type(function).__name__).lower().replace("_", "")
    return name.replace("swish", "silu")


def kinds(operation: Any) -> set[str]:
    """What a layer or operation is, and what its activation function is, both as `kind` says it."""
    return {kind(operation), kind(getattr(operation, "activation", None))}


def is_function(operation: Any) -> bool:
    """Whether a layer or operation is an activation function by itself. One with a threshold is no rectifier: it jumps."""
    return kind(operation) in FUNCTIONS and not getattr(operation, "threshold", 0)
