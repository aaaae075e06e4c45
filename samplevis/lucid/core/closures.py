"""Lucid's `config -> (tensor -> tensor)`, as objects that compare by their configuration."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Closure:
    """A function of a tensor with its configuration: equal ones share compiled code.

    Attributes:
      key: the function's name and its configuration.
      call: the function of a tensor.
    """

    key: Hashable
    call: Callable[[tf.Tensor], tf.Tensor] = dataclasses.field(compare=False, repr=False)

    def __call__(self, t: Any) -> tf.Tensor:
        """Applies it to a tensor or an array, float32 unless it has another type of floats."""
        return self.call(tf.convert_to_tensor(t, dtype_hint=tf.float32))


def closure(function: Callable[..., tf.Tensor]) -> Callable[..., Closure]:
    """Turns function(tensor, *config) into config -> (tensor -> tensor)."""

    @functools.wraps(function)
    def configure(*args: Any, **kwargs: Any) -> Closure:
        args, kwargs = [_listed(value) for value in args], {name: _listed(value) for name, value in kwargs.items()}
        config = tuple(map(frozen, args)), tuple(sorted((name, frozen(value)) for name, value in kwargs.items()))
        return Closure((function.__name__, config), lambda t: function(t, *args, **kwargs))

    # What help() shows: without the tensor.
    _, *config = inspect.signature(function).parameters.values()
    configure.__signature__ = inspect.Signature(config)
    del configure.__wrapped__
    return configure


def frozen(value: Any) -> Hashable:
    """A value as something hashable that is equal for equal values."""
    if isinstance(value, (list, tuple, range)):
        return tuple(map(frozen, value))
    if isinstance(value, np.ndarray):
        return value.shape, str(value.dtype), value.tobytes()
    return value


def _listed(value: Any) -> Any:
    """Iterators, which are used up once, as lists."""
    return list(value) if hasattr(value, "__next__") else value
