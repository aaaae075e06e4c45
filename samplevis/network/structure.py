"""Everything about a Keras model that its graph depends on, to notice that it has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

# What Keras changes while a layer is used: who calls it, and penalties of training; and what samplevis keeps on a model.
CHANGES_IN_USE = frozenset(
    {"_inbound_nodes", "_outbound_nodes", "_losses", "_loss_ids", "_called", "_samplevis_wrapped"}
)
# Lists of what is found elsewhere.
KERAS_LISTS = frozenset({"_layers", "_metrics", "_trainable_variables", "_non_trainable_variables", "_tracker"})
# Compared by value; everything else is compared by identity.
PLAIN = (bool, int, float, complex, str, bytes, frozenset)


def structure_of(model: keras.Model) -> list[Any]:
    """The layers of a model, their connections and the attributes of each layer, as a flat list.

    The list refers to all that it lists, so that no address in memory is used twice.
    """
    return list(_structure(model))


def arrays_of(model: keras.Model) -> Iterator[np.ndarray]:
    """The arrays, tensors and TensorFlow variables in the attributes of a model's layers, which are not among its weights."""
    for layer in model._flatten_layers(include_self=False):
        for name, value in vars(layer).items():
            if name not in CHANGES_IN_USE | KERAS_LISTS:
                # Those of objects, such as texts, are addresses.
                yield from (array for array in _arrays(value) if array.dtype != object)


def is_same(before: list[Any], now: list[Any]) -> bool:
    """Whether two structures are equal: plain values by value, everything else by identity."""
    return len(before) == len(now) and all(
        a is b or (type(a) is type(b) and isinstance(a, PLAIN) and a == b) for a, b in zip(before, now, strict=True)
    )


def _arrays(value: Any) -> Iterator[np.ndarray]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _arrays(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _arrays(item)
    elif isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (tf.Tensor, tf.Variable)) and not tf.is_symbolic_tensor(value):
        yield value.numpy()


class Watched:
    """A model whose structure is compared with what it was when it was last looked at.

    Args:
      model: a functional Keras model; of None, nothing ever changes.
    """

    def __init__(self, model: keras.Model | None):
        self._model = model
        self._structure = [] if model is None else structure_of(model)

    def has_changed(self) -> bool:
        """Whether layers, connections or attributes differ from when this was last asked, or from the beginning."""
        before = self._structure
        self._structure = [] if self._model is None else structure_of(self._model)
        return not is_same(before, self._structure)


def _structure(model: keras.Model) -> Iterator[Any]:
    """See `structure_of`."""
    yield model.name
    # A subclassed model has neither.
    yield from (*(getattr(model, "inputs", None) or ()), *(getattr(model, "outputs", None) or ()))
    for layer in model._flatten_layers(include_self=False):
        yield layer
        for name, value in vars(layer).items():
            if name not in CHANGES_IN_USE:
                yield name
                yield from _leaves(value)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield len(value)
        for key, item in value.items():
            yield key
            yield from _leaves(item)
    elif isinstance(value, (list, tuple)):
        yield len(value)
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, set):
        yield frozenset(value)
    elif isinstance(value, np.ndarray):
        yield f"{value.shape} {value.dtype} {hashlib.sha256(np.ascontiguousarray(value)).hexdigest()}"
    else:
        yield value
