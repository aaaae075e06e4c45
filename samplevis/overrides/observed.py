"""Layers whose inputs and values are shown to a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from samplevis.network.sources.stand_ins import twin


class _Observed:
    """Before the class of a layer: the layer, with `observe` called on what it takes and returns."""

    observe: Callable[[Any, Any], None]

    def call(self, inputs: tf.Tensor, *args: Any, **kwargs: Any) -> Any:
        values = super().call(inputs, *args, **kwargs)
        self.observe(inputs, values)
        return values


def observed(layer: keras.layers.Layer, observe: Callable[[Any, Any], None]) -> keras.layers.Layer:
    """A twin of a layer that calls a function of its input and its values, and returns those.

    Args:
      layer: the layer; it stays as it is.
      observe: the function.
    """
    kind = type(layer)
    return twin(layer, type(kind.__name__, (_Observed, kind), {}), observe=observe)
