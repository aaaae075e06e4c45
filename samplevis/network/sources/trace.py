"""Models without known connections, traced on images: functions, subclassed models, SavedModels, Keras 2."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from samplevis.network.sources.base import IMAGES, Shape, is_image_shape, show
from samplevis.network.sources.graph import GraphSource
from samplevis.network.sources.inputs import check_fixed_inputs, image_input
from samplevis.network.sources.scopes import recorded, renamed

# The signature to use if a SavedModel has several.
SERVING = "serving_default"


def traced(
    model: Any,
    *,
    fixed_inputs: Mapping[str, Any] | None = None,
    image_shape: Shape | None = None,
    input: str | None = None,
) -> GraphSource | None:
    """A model as a frozen graph.

    Args:
      model: a function of an image batch, a Keras layer or model, one of tf_keras, or what `tf.saved_model.load` returned.
      fixed_inputs: values of inputs that are not the images, by name, without the batch: of a SavedModel; keys of the dictionary
        that a model takes; else arguments of the function, or of the model's `call`.
      image_shape: (height, width, channels), or of another number of directions; a model that does not take them so is given
        the channels first, or no axis for a single one. Defaults to what the model knows, or was built with; for a function to
        (None, None, 3).
      input: the input that is the images, for a SavedModel. Defaults to the only one not in `fixed_inputs`.

    Returns:
      A `GraphSource`, or None if the model is of no such kind.

    Raises:
      ValueError: if it cannot be traced, or its graph has no layers.
    """
    signature = _signature(model)
    if signature is not None:
        return _frozen(signature, {}, model, _name(model), fixed_inputs, image_shape, input)
    if not callable(model) or isinstance(model, type):
        return None
    name = _name(model)
    run, shape, others = _call(model, name, fixed_inputs or {}, image_shape)
    errors: list[Exception] = []
    for each in _ways_to_take(shape, image_shape):
        spec = tf.TensorSpec([None, *each], tf.float32, "images")
        rest = {one: tf.TensorSpec([None, *value.shape], value.dtype, one) for one, value in others.items()}
        try:
            with recorded(model) as scopes:
                concrete = tf.function(run, autograph=False).get_concrete_function(spec, rest)
        except Exception as error:  # A caller's code may raise anything.
            errors.append(error)
            continue
        return _frozen(concrete, scopes, model, name, others, image_shape, input)
    raise ValueError(
        f"model: {name!r} cannot be traced on images [batch, {', '.join(map(str, image_shape or shape))}]: {errors[0]}. Expected a "
        "function of tensors, written in TensorFlow; say what images it takes: image_shape=(height, width, channels), and what "
        "other inputs are: fixed_inputs={'name': array}."
    ) from errors[0]


def _ways_to_take(built: Shape, image_shape: Shape | None) -> list[Shape]:
    """The shapes of a model's input to try for images of a shape, those first that fit what the model was built with."""
    if image_shape is None:
        return [built]
    *sides, channels = image_shape
    ways = [tuple(image_shape), (channels, *sides)]
    if channels == 1 and len(sides) > 1:
        ways.append(tuple(sides))

    def misfits(shape: Shape) -> bool:
        return len(shape) != len(built) or any(
            None not in (size, known) and size != known for size, known in zip(shape, built, strict=True)
        )

    return sorted(ways, key=misfits)


def _call(
    model: Any, name: str, fixed_inputs: Mapping[str, Any], image_shape: Shape | None
) -> tuple[Callable[[tf.Tensor, Mapping[str, tf.Tensor]], Any], Shape, dict[str, np.ndarray]]:
    """How to call a model, or function, on images and the other inputs; the shape that it knows, else `image_shape`; and the
    others, checked."""
    is_keras = isinstance(model, keras.layers.Layer) or _is_keras_2(model)
    mode = {"training": False} if is_keras else {}
    built = (_built_shapes(model) or _shape_to_build(model, image_shape)) if is_keras else None
    if isinstance(built, Mapping):
        image = image_input(name, list(built), fixed_inputs)
        others = {one: check_fixed_inputs(one, tuple(built[one])[1:], value) for one, value in fixed_inputs.items()}
        shape = _known_shape(name, built[image], image_shape)
        return lambda images, rest: model({image: images, **rest}, **mode), shape, others
    others = {one: check_fixed_inputs(one, np.shape(value), value) for one, value in fixed_inputs.items()}
    shape = _known_shape(name, built, image_shape) if is_keras else image_shape or (None, None, 3)
    return lambda images, rest: model(images, **rest, **mode), shape, others


def _frozen(
    concrete: Any,
    scopes: dict[str, Any],
    model: Any,
    name: str,
    fixed_inputs: Mapping[str, Any] | None,
    image_shape: Shape | None,
    input: str | None,
) -> GraphSource:
    try:
        frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=False)
    except ValueError as error:
        if "Assign" not in str(error):
            raise
        raise ValueError(
            f"model: {name!r} changes a variable whenever it is called, such as the seed of random numbers or a counter, and a "
            "network needs the same values for the same images. Give a model without that layer, such as a VAE's mean in place of "
            "its sample."
        ) from error
    graph_def = frozen.graph.as_graph_def()
    outputs = dict(zip(_output_names(concrete), (tensor.name for tensor in frozen.outputs), strict=False))
    rename = renamed(graph_def, scopes)
    return GraphSource(
        graph_def,
        input=input,
        fixed_inputs=fixed_inputs,
        image_shape=image_shape,
        name=name,
        outputs={one: rename(tensor) for one, tensor in outputs.items()},
        model=model,
    )


def _output_names(concrete: Any) -> list[str]:
    structure = concrete.structured_outputs
    if isinstance(structure, Mapping):
        return sorted(structure)
    count = len(tf.nest.flatten(structure))
    return ["output"] if count == 1 else [f"output_{number}" for number in range(count)]


def _signature(model: Any) -> Any:
    """The concrete function behind what a SavedModel holds, or None."""
    if isinstance(model, keras.layers.TFSMLayer):
        return _concrete(model.call_endpoint_fn)
    if hasattr(model, "signatures") and not isinstance(model, keras.layers.Layer):
        signatures = dict(model.signatures)
        if not signatures:
            raise ValueError(
                "model: the SavedModel has no signatures. Load it and give the function: Network(loaded.call)."
            )
        if SERVING not in signatures and len(signatures) > 1:
            raise ValueError(
                f"model: the SavedModel has the signatures {', '.join(map(repr, signatures))}. Give one of them: "
                "Network(tf.saved_model.load(path).signatures[name])."
            )
        return signatures.get(SERVING) or next(iter(signatures.values()))
    return _concrete(model)


def _concrete(function: Any) -> Any:
    """A function's only trace, or None if it has none yet."""
    if hasattr(function, "structured_input_signature"):
        return function
    traces = getattr(function, "concrete_functions", None)
    if traces and not callable(traces):
        return traces[0]
    return function.get_concrete_function() if getattr(function, "input_signature", None) else None


def _is_keras_2(model: Any) -> bool:
    keras_2 = sys.modules.get("tf_keras")
    return keras_2 is not None and isinstance(model, keras_2.layers.Layer)


def _built_shapes(model: Any) -> Any:
    """The shape of the input that a Keras model declares, or has seen; of several inputs a dictionary, or a list; or None."""
    if not _is_keras_2(model):
        return (model.get_build_config() or {}).get("input_shape")
    shapes = getattr(model, "input_shape", None)
    if shapes is None:
        return getattr(model, "_build_input_shape", None)
    return dict(zip(model.input_names, shapes, strict=True)) if isinstance(shapes, list) else shapes


def _shape_to_build(model: Any, image_shape: Shape | None) -> Shape | None:
    """The shape to build a model with that has seen no images: channels first, if its first layer with a format says so."""
    if image_shape is None:
        return None
    formats = [getattr(layer, "data_format", None) for layer in model._flatten_layers(include_self=False)]
    first = next((one for one in formats if one in ("channels_first", "channels_last")), "channels_last")
    *sides, channels = image_shape
    return (None, channels, *sides) if first == "channels_first" else (None, *image_shape)


def _known_shape(name: str, shape: Any, image_shape: Shape | None) -> Shape:
    """The shape that a model was built with, if it is that of images; else that of the images that the user gives."""
    known = isinstance(shape, tuple) and is_image_shape(shape[1:])
    return image_shape if image_shape is not None and not known else _image_shape(name, shape)


def _image_shape(name: str, shape: Any) -> Shape:
    """The shape of images from that of a model's input; ValueError if it has none, or takes no images."""
    if shape is None:
        raise ValueError(
            f"model: {name!r} does not say what images it takes. Call it once on images, or say it: "
            "image_shape=(height, width, channels)."
        )
    if isinstance(shape, list):
        raise ValueError(
            f"model: {name!r} takes a list of {len(shape)} inputs, which have no names. Give a function of the image: "
            "Network(lambda images: model([images, ...]), image_shape=(height, width, channels))."
        )
    if not is_image_shape(shape[1:]) or not all(size is None or isinstance(size, int) for size in shape):
        raise ValueError(f"model: {name!r} takes {show(shape)}; expected {IMAGES}.")
    return tuple(shape[1:])


def _name(model: Any) -> str:
    name = getattr(model, "name", None) or getattr(model, "__name__", None)
    return name if isinstance(name, str) else type(model).__name__.strip("_")
