"""The kinds of model that a `Network` can hold, behind one interface (`Source`)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from samplevis.network.sources.base import (
    POST,
    PRE,
    Ending,
    ReplaceActivation,
    ReplaceLayer,
    Shape,
    Source,
    is_image_shape,
)
from samplevis.network.sources.functional import FunctionalSource
from samplevis.network.sources.graph import GraphSource
from samplevis.network.sources.plan import functional
from samplevis.network.sources.trace import traced

__all__ = [
    "POST",
    "PRE",
    "Ending",
    "GraphSource",
    "ReplaceActivation",
    "ReplaceLayer",
    "Shape",
    "Source",
    "as_source",
    "is_torch",
]


def as_source(
    model: Any,
    fixed_inputs: Mapping[str, Any] | None = None,
    image_shape: Shape | None = None,
    input: str | None = None,
) -> Source:
    """The `Source` for a model of any kind.

    Args:
      model: a Keras 3 or tf_keras model; a `keras.layers.TFSMLayer`, or another layer; what `tf.saved_model.load` returns; a
        frozen GraphDef; a `torch.nn.Module`; a function from images to one tensor or several; or a `Source`, which is returned
        as it is.
      fixed_inputs: values of the inputs that are not the image, by name, without the batch.
      image_shape: (height, width, channels), (length, channels) or (depth, height, width, channels), None for a free size, for
        models that do not declare it (a function, a subclassed model, a graph), or whose layers imply another.
      input: the node of a graph, or input of a SavedModel, that stands for the images.

    Returns:
      A `Source`.

    Raises:
      TypeError: if `model` is none of these.
      ValueError: if it does not take images of floats, or an argument does not fit it.
    """
    if keras.config.backend() != "tensorflow":
        raise ValueError(f"Keras runs on {keras.config.backend()!r}: set KERAS_BACKEND=tensorflow before importing it.")
    if image_shape is not None:
        image_shape = _check_image_shape(image_shape)
    if isinstance(model, Source):
        if image_shape is not None or input is not None:
            raise ValueError("image_shape, input: this source says itself what images it takes.")
        return model
    if isinstance(model, keras.Model) and (whole := functional(model)) is not None:
        if input is not None:
            raise ValueError(
                "input: only for graphs and SavedModels. The image of a Keras model of several inputs is the one that "
                "fixed_inputs leaves."
            )
        return FunctionalSource(whole, fixed_inputs, image_shape)
    if is_torch(model):
        return _torch(model, fixed_inputs, image_shape, input)
    if isinstance(model, tf.compat.v1.GraphDef):
        return GraphSource(model, input=input, fixed_inputs=fixed_inputs, image_shape=image_shape)
    source = traced(model, fixed_inputs=fixed_inputs, image_shape=image_shape, input=input)
    if source is None:
        raise TypeError(
            "model: expected a samplevis.Network (see samplevis.modelzoo), a Keras model or layer, a SavedModel that is loaded, a "
            "GraphDef, a torch.nn.Module or a function of images; wrap a model that expects other images than [0, 1] RGB: "
            f"Network(model, value_range=(-1, 1)). Received: {type(model).__module__}.{type(model).__qualname__}"
        )
    return source


def is_torch(model: Any) -> bool:
    """Whether a model is a module of PyTorch's, without importing that."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def _torch(model: Any, fixed_inputs: Mapping[str, Any] | None, image_shape: Shape | None, input: str | None) -> Source:
    # Not before: PyTorch is optional.
    from samplevis.network.sources.torch_module import TorchSource

    if fixed_inputs or input is not None:
        raise ValueError(
            "fixed_inputs, input: a torch.nn.Module is called with the images alone. Wrap one that takes more in a module whose "
            "forward(images) gives the rest."
        )
    return TorchSource(model, image_shape)


def _check_image_shape(shape: Shape) -> Shape:
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else ()
    whole = [isinstance(size, int) and not isinstance(size, bool) and size >= 1 for size in sizes]
    right = is_image_shape(sizes) and whole[-1]
    if not right or not all(ok or size is None for ok, size in zip(whole, sizes, strict=True)):
        raise ValueError(
            "image_shape: expected (height, width, channels), (length, channels) or (depth, height, width, channels), None for a "
            f"size that is free. Received: {shape!r}"
        )
    return sizes
