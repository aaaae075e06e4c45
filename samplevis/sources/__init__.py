"""The models that a `Network` can hold, each behind the same few methods (`Source`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from samplevis.sources.base import PRE, ReplaceActivation, ReplaceLayer, Shape, Source
from samplevis.sources.functional import FunctionalSource, functional

__all__ = ["PRE", "ReplaceActivation", "ReplaceLayer", "Shape", "Source", "as_source"]


def as_source(model: Any, given: Mapping[str, Any] | None = None) -> Source:
    """The `Source` for a model of any kind.

    Args:
      model: a functional, or built Sequential, Keras 3 model; or a `Source`, which is returned as it is.
      given: values of the inputs that are not the image, by name, without the batch.

    Returns:
      A `Source`.

    Raises:
      TypeError: if `model` is none of these.
      ValueError: if it does not take images of floats, or an argument does not fit it.
    """
    if keras.config.backend() != "tensorflow":
        raise ValueError(f"Keras runs on {keras.config.backend()!r}: set KERAS_BACKEND=tensorflow before importing it.")
    if isinstance(model, Source):
        return model
    if isinstance(model, keras.Model):
        if (known := functional(model)) is not None:
            return FunctionalSource(known, given)
        raise TypeError(
            f"model: {model.name!r} is defined by subclassing, so its layers have no graph to cut. Expected a functional "
            "model: keras.Model(inputs, outputs), or a Sequential one."
        )
    raise TypeError(
        "model: expected a samplevis.Network (see samplevis.modelzoo) or a functional or Sequential Keras 3 model; "
        "wrap a model that expects other images than [0, 1] RGB: Network(model, value_range=(-1, 1)). "
        f"Received: {type(model).__module__}.{type(model).__qualname__}"
    )
