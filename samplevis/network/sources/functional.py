"""A Keras model with known connections between its layers: functional, Sequential, nested."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samplevis.network.sources.base import (
    IMAGES,
    PRE,
    Ending,
    ReplaceActivation,
    ReplaceLayer,
    Shape,
    is_image_shape,
    show,
    to_first,
    to_last,
    to_last_shape,
)
from samplevis.network.sources.endings import functional_endings
from samplevis.network.sources.functions import FUNCTIONS, OTHERS, Replacement, is_function, kind
from samplevis.network.sources.inputs import check_fixed_inputs, image_input

_KERAS = keras.layers
# Layers that apply their `activation` last.
_ACTIVATED = (
    *(_KERAS.Dense, _KERAS.EinsumDense, _KERAS.Conv1D, _KERAS.Conv2D, _KERAS.Conv3D),
    *(_KERAS.Conv1DTranspose, _KERAS.Conv2DTranspose, _KERAS.Conv3DTranspose),
    *(_KERAS.DepthwiseConv1D, _KERAS.DepthwiseConv2D, _KERAS.SeparableConv1D, _KERAS.SeparableConv2D),
)


class FunctionalSource:
    """A functional Keras model as a `Source`.

    A layer inside a nested model is named `outer/inner`. The name of a layer that the model uses more than once means its last use.

    Args:
      model: the model.
      fixed_inputs: arrays or tensors by the name of the input, without the batch: all inputs but the image.

    Raises:
      ValueError: if the other inputs are not one image of floats, or a weight is not finite.
    """

    missing: Mapping[str, str] = MappingProxyType({})

    def __init__(self, model: keras.Model, fixed_inputs: Mapping[str, Any] | None = None):
        self.model = model
        self.name: str = model.name
        self._image, self._fixed_inputs = _inputs(model, fixed_inputs or {})
        self._channels_first = _is_channels_first(model)
        self._rank = len(self._image.shape)
        self.image_shape = to_last_shape(self._image.shape[1:], self._channels_first, self._rank)
        if self.image_shape[-1] is None:
            raise ValueError(
                f"model: {model.name!r} takes {show(self._image.shape)}; expected a fixed number of channels."
            )
        self._nodes = _nodes(model)
        shapes = {
            path: to_last_shape(node.outputs[0].shape[1:], self._channels_first, self._rank)
            for path, node in self._nodes.items()
        }
        self.layers: Mapping[str, Shape] = MappingProxyType(shapes)
        before = {path + PRE: shapes[path] for path in shapes if _has_pre(self._nodes, path)}
        self.names: Mapping[str, Shape] = MappingProxyType(before | shapes)
        self.operations = {path: node.operation for path, node in self._nodes.items()}
        self.kinds = {path: type(operation).__name__ for path, operation in self.operations.items()}
        check_weights(model)

    @property
    def variables(self) -> list[Any]:
        return self.model.weights

    @property
    def parameters(self) -> int:
        return self.model.count_params()

    def cut(self, names: tuple[str, ...]) -> Callable[[tf.Tensor], list[tf.Tensor]]:
        if not names:
            return lambda images: []
        part = self.part(names)
        return lambda images: self.run(functools.partial(_called, part), images)

    def substitute(self, layer: str, names: tuple[str, ...]) -> Callable[[tf.Tensor, tf.Tensor], list[tf.Tensor]]:
        if layer not in self.layers:
            raise ValueError(f"layer: {layer!r}, values before an activation function, cannot be replaced.")
        if "/" in layer:
            raise ValueError(
                f"layer: {layer!r} is inside a nested model, where nothing can be replaced. Expected one of the outermost "
                "layers; or flatten the model: inner = model.get_layer(name); keras.Model(inner.inputs, inner.outputs)."
            )
        # Keras puts an input in place of any tensor that is declared as an input of a model.
        inputs = [*self.model.inputs, self._nodes[layer].outputs[0]]
        others = tuple(name for name in names if name != layer)
        part = keras.Model(inputs, [self._output(name) for name in others]) if others else None

        def run(images: tf.Tensor, values: tf.Tensor) -> list[tf.Tensor]:
            found = self._last(_called(part, [*self._fed(images), self._first(values)])) if part else []
            known = dict(zip(others, found, strict=True)) | {layer: values}
            return [known[name] for name in names]

        return run

    def replaced(self, activation: ReplaceActivation, layer: ReplaceLayer) -> FunctionalSource:
        paths = {id(operation): path for path, operation in self.operations.items()}

        def clone(old: Any) -> Any:
            new, path = _copy(old), paths.get(id(old), old.name)
            if is_function(old):
                function = activation(path, kind(old), new.call)
                return new if function is None else keras.layers.Activation(function, name=old.name)
            if callable(function := getattr(old, "activation", None)):
                new.activation = activation(path, kind(function), function) or function
            return layer(path, new) or new

        model = keras.models.clone_model(self.model, clone_function=clone, recursive=True)
        model.set_weights(self.model.get_weights())
        return self.on_model(model)

    def endings(self) -> dict[str, Ending]:
        return functional_endings(self.model, self._nodes, self.names, _inner)

    def hidden_bytes(self, names: tuple[str, ...], size: tuple[int, ...]) -> int:
        return 0

    def on_model(self, model: keras.Model) -> FunctionalSource:
        """Another model with the same inputs, of which the same are fixed."""
        return FunctionalSource(model, self._fixed_inputs)

    def part(self, names: tuple[str, ...]) -> keras.Model:
        """The model up to some layers, as a functional model of the same inputs."""
        return keras.Model(self.model.inputs, [self._output(name) for name in names])

    def run(self, part: Callable[[list[tf.Tensor]], list[tf.Tensor]], images: tf.Tensor) -> list[tf.Tensor]:
        """Applies a function of all inputs of the model to images; its values, channels last."""
        return self._last(part(self._fed(images)))

    def _output(self, name: str) -> Any:
        if name in self._nodes:
            return _output(self.model, self._nodes, name)
        return _output(self.model, self._nodes, name.removesuffix(PRE), _before)

    def _last(self, values: list[tf.Tensor]) -> list[tf.Tensor]:
        return [to_last(value, self._rank) if self._channels_first else value for value in values]

    def _fed(self, images: tf.Tensor) -> list[tf.Tensor]:
        """Every input of the model; the fixed ones are repeated for each image."""
        batch = tf.shape(images)[0]
        return [
            self._first(images)
            if tensor is self._image
            else tf.repeat(self._fixed_inputs[tensor.name][None], batch, axis=0)
            for tensor in self.model.inputs
        ]

    def _first(self, values: tf.Tensor) -> tf.Tensor:
        return to_first(values, self._rank) if self._channels_first else values


def _called(part: keras.Model, inputs: list[tf.Tensor]) -> list[tf.Tensor]:
    return tf.nest.flatten(part(inputs, training=False))


def functional(model: keras.Model) -> keras.Model | None:
    """A model as a functional one, or None if it is defined by subclassing; ValueError if it is not built."""
    if isinstance(model, keras.Sequential):
        if not model.built or not model.inputs:
            raise ValueError(
                f"model: the Sequential {model.name!r} is not built: begin it with keras.Input((height, width, channels)) "
                "or call model.build((None, height, width, channels))."
            )
        return keras.Model(model.inputs, model.outputs, name=model.name)
    return model if hasattr(model, "_nodes_by_depth") else None


def _inputs(model: keras.Model, fixed_inputs: Mapping[str, Any]) -> tuple[Any, dict[str, tf.Tensor]]:
    """The input that is the image, and the values of the others."""
    tensors = {tensor.name: tensor for tensor in model.inputs}
    image = tensors.pop(image_input(model.name, list(tensors), fixed_inputs))
    if not is_image_shape(image.shape[1:]):
        raise ValueError(f"model: {model.name!r} takes {show(image.shape)}; expected {IMAGES}.")
    if not tf.as_dtype(image.dtype).is_floating:
        raise ValueError(f"model: {model.name!r} takes {image.dtype} images, which have no gradient; expected floats.")
    return image, {
        name: tf.cast(check_fixed_inputs(name, tuple(tensor.shape[1:]), fixed_inputs[name]), tensor.dtype)
        for name, tensor in tensors.items()
    }


def _is_channels_first(model: keras.Model) -> bool:
    """Whether any layer is channels-first; then the whole model is taken to be."""
    layers = model._flatten_layers(include_self=False)
    return any(getattr(layer, "data_format", None) == "channels_first" for layer in layers)


def _nodes(model: keras.Model, prefix: str = "") -> dict[str, Any]:
    """Every layer's last use, by path, in the order of computation. Keras has no public way to list the uses in one model."""
    found: dict[str, Any] = {}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            operation = node.operation
            if node.is_input:
                continue
            path = prefix + operation.name
            if isinstance(operation, keras.Model) and (inner := _inner(operation)) is not None:
                found |= _nodes(inner, f"{path}/")
            if len(node.outputs) == 1:
                found.pop(path, None)
                found[path] = node
    return found


def _inner(model: keras.Model) -> keras.Model | None:
    """A nested model as a functional one, or None if its inside cannot be reached."""
    try:
        inner = functional(model)
    except ValueError:
        return None
    return inner if inner is not None and len(inner.inputs) == 1 else None


def _output(model: keras.Model, nodes: Mapping[str, Any], path: str, read: Callable | None = None) -> Any:
    """The symbolic output of a layer, or what `read` makes of its node, in the graph of the outermost model."""
    outer, _, rest = path.partition("/")
    if not rest:
        return read(nodes, path) if read else nodes[path].outputs[0]
    node = nodes[outer]
    inner = _inner(node.operation)
    # The part of the nested model that ends at the layer is applied where the outer model applies the whole.
    part = keras.Model(inner.inputs, _output(inner, _nodes(inner), rest, read))
    return part(node.input_tensors[0])


def _has_pre(nodes: Mapping[str, Any], path: str) -> bool:
    """Whether a layer's values are those of an activation function, which has an argument."""
    operation = nodes[path].operation
    if isinstance(operation, keras.layers.Activation):
        return kind(operation.activation) != "linear"
    if kind(operation) in FUNCTIONS | OTHERS:
        return True
    if isinstance(operation, keras.layers.Concatenate):
        towers = _towers(nodes, path)
        return bool(towers) and all(tower in nodes and _has_pre(nodes, tower) for tower in towers)
    return isinstance(operation, _ACTIVATED) and kind(operation.activation) != "linear"


def _towers(nodes: Mapping[str, Any], path: str) -> list[str]:
    """The paths of the layers whose outputs a layer concatenates."""
    prefix = path.rpartition("/")[0]
    names = [tensor._keras_history.operation.name for tensor in nodes[path].input_tensors]
    return [f"{prefix}/{name}" if prefix else name for name in names]


def _before(nodes: Mapping[str, Any], path: str) -> Any:
    """The symbolic value that a layer's activation function is applied to."""
    node = nodes[path]
    operation = node.operation
    if isinstance(operation, _ACTIVATED):
        return Unactivated(operation)(node.input_tensors[0])
    if isinstance(operation, keras.layers.Concatenate):
        return ConcatenateUnactivated(operation.axis)([_before(nodes, tower) for tower in _towers(nodes, path)])
    return node.input_tensors[0]


class Unactivated(keras.layers.Layer):
    """A layer without its activation function, on the same weights."""

    def __init__(self, layer: keras.layers.Layer):
        super().__init__(dtype=layer.dtype_policy)
        # Keras copies a layer by saving it, which would copy the weights too.
        self._twin = object.__new__(type(layer))
        vars(self._twin).update(vars(layer), activation=keras.activations.linear)

    def build(self, input_shape: Any) -> None:
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return self._twin.call(inputs)


class ConcatenateUnactivated(keras.layers.Concatenate):
    """A subclass, so that the name that Keras makes from its own is that of no layer in a file."""


def check_weights(model: keras.Model) -> None:
    """Raises ValueError if a weight is not finite."""
    for variable in model.variables:
        # In NumPy: half the time of TensorFlow's operations one by one.
        if tf.as_dtype(variable.dtype).is_floating and not np.isfinite(variable.numpy()).all():
            raise ValueError(f"model: the variable {variable.path!r} has values that are not finite.")


@functools.singledispatch
def _copy(operation: Any) -> Any:
    config = operation.get_config()
    if isinstance(getattr(operation, "activation", None), Replacement):
        # No config holds it.
        config["activation"] = None
    return type(operation).from_config(config)


@_copy.register
def _(operation: keras.layers.Lambda) -> Any:
    # Keras guards against code in files. This function is the caller's and is loaded already.
    new = keras.layers.Lambda.from_config(operation.get_config(), safe_mode=False)
    # A config leaves out what a function reads from its closure.
    new.function, new.mask, new._output_shape = operation.function, operation.mask, operation._output_shape
    return new
