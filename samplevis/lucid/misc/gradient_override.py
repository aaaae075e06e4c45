"""Functions and operations with other gradients. Source: lucid/misc/gradient_override.py.

A gradient is a function of (operation, gradient of its output), as TensorFlow 1 registers them. The operation has `inputs`,
`outputs`, `type` and `get_attr`.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.lucid.core import overriding

GradientFunction = Callable[[Any, tf.Tensor], Any]


def register_to_random_name(grad_f: GradientFunction) -> str:
    """Registers a gradient under a name of its own.

    Args:
      grad_f: function of (operation, gradient).

    Returns:
      The name, for `tf.Graph.gradient_override_map`.
    """
    name = f"{getattr(grad_f, '__name__', 'gradient')}_{np.random.default_rng().integers(2**63):x}"
    tf.RegisterGradient(name)(grad_f)
    return name


@contextlib.contextmanager
def gradient_override_map(override_dict: Mapping[str, str | GradientFunction]) -> Iterator[None]:
    """In this block, operations of some types get another gradient.

    In a graph program: what is added to the default graph. Elsewhere: the networks of `render.render_vis`.

    Args:
      override_dict: {type of operation, such as "Relu": function of (operation, gradient)}; in a graph program also the name of a
        registered gradient.

    Example:
      >>> with gradient_override_map({"Relu": lambda op, grad: grad}):
      ...     pass
    """
    if tf.executing_eagerly():
        with overriding.overridden(override_dict):
            yield
        return
    names = {kind: f if isinstance(f, str) else register_to_random_name(f) for kind, f in override_dict.items()}
    with tf.compat.v1.get_default_graph().gradient_override_map(names):
        yield


def use_gradient(grad_f: GradientFunction) -> Callable[[Callable], Callable]:
    """Gives a function another gradient.

    Args:
      grad_f: function of (operation, gradient) to the gradient of each input. `operation.inputs` are the function's arguments.

    Returns:
      A decorator for functions of tensors.

    Example:
      >>> @use_gradient(lambda op, grad: 2 * grad)
      ... def same(x):
      ...     return tf.identity(x)
      >>> x = tf.constant(1.0)
      >>> with tf.GradientTape() as tape:
      ...     tape.watch(x)
      ...     y = same(x)
      >>> float(tape.gradient(y, x))
      2.0
    """

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def inner(*inputs: Any) -> tf.Tensor:
            return overriding.with_gradient(function, grad_f, function.__name__)(*inputs)

        return inner

    return decorate
