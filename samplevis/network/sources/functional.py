"""A Keras model with known connections between its layers: functional, Sequential, nested."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samplevis.network.sources.axes import channel_axes, chosen_layout, find_layout
from samplevis.network.sources.base import (
    OUTPUT,
    PRE,
    Ending,
    ReplaceActivation,
    ReplaceLayer,
    Shape,
    output_name,
    show,
    to_first,
    to_last,
    to_last_shape,
)
from samplevis.network.sources.endings import functional_endings
from samplevis.network.sources.functions import FUNCTIONS, OTHERS, kind
from samplevis.network.sources.inputs import check_fixed_inputs, image_input
from samplevis.network.sources.plan import Call, Plan, Step, Value, plan_of
from samplevis.network.sources.stand_ins import StandIns, paths_by_operation, twin

_KERAS = keras.layers
# Layers that apply their `activation` last.
_ACTIVATED = (
    *(_KERAS.Dense, _KERAS.EinsumDense, _KERAS.Conv1D, _KERAS.Conv2D, _KERAS.Conv3D),
    *(_KERAS.Conv1DTranspose, _KERAS.Conv2DTranspose, _KERAS.Conv3DTranspose),
    *(_KERAS.DepthwiseConv1D, _KERAS.DepthwiseConv2D, _KERAS.SeparableConv1D, _KERAS.SeparableConv2D),
)


class FunctionalSource:
    """A functional Keras model as a `Source`.

    The first call of a layer has the layer's name, the second is `layer#2`, in the order in which the model was built. Of a
    layer with several outputs the name means the first; the next is `layer/output_1`. What is inside a nested model is named
    `outer/inner`.

    Args:
      model: the model.
      fixed_inputs: arrays or tensors by the name of the input, without the batch: all inputs but the image.
      image_shape: (height, width, channels), or that of signals or volumes, where the layers that read the images do not tell
        it, or tell another. Defaults to what they tell.

    Raises:
      ValueError: if the other inputs are not one image of floats, or a weight is not finite.
    """

    def __init__(
        self,
        model: keras.Model,
        fixed_inputs: Mapping[str, Any] | None = None,
        image_shape: Shape | None = None,
    ):
        self.model = model
        self.name: str = model.name
        self._image, self._fixed_inputs = _inputs(model, fixed_inputs or {})
        self._plan, calls = plan_of(model)
        image = self._plan.inputs[[tensor is self._image for tensor in model.inputs].index(True)]
        found = find_layout(self._plan, image)
        self._layout, self.image_shape = chosen_layout(model.name, self._image.shape[1:], found, image_shape)
        if self.image_shape[-1] is None:
            raise ValueError(
                f"model: {model.name!r} takes {show(self._image.shape)}; expected a fixed number of channels."
            )
        self._axes = channel_axes(self._plan, image, self._layout)
        self._calls = {call.name: call for call in calls}
        if len(self._calls) < len(calls):
            twice = next(call.name for call in calls if self._calls[call.name] is not call)
            raise ValueError(f"model: two calls of {model.name!r} are named {twice!r}: rename the layer of that name.")
        self._makers = {value: call for call in reversed(calls) for value in call.outputs}
        self._values = _named_values(calls)
        shapes = {name: to_last_shape(value.shape[1:], self._axes[value]) for name, value in self._values.items()}
        self.layers: Mapping[str, Shape] = MappingProxyType(shapes)
        before = {call.name + PRE: shapes[call.name] for call in calls if self._has_pre(call)}
        self.names: Mapping[str, Shape] = MappingProxyType(before | shapes)
        self.operations = {name: self._calls[name].operation for name in self._values if name in self._calls}
        self.kinds = {name: type(self._call(name).operation).__name__ for name in self._values}
        self.missing: Mapping[str, str] = MappingProxyType(_missing(calls))
        #: How layers were replaced, see `with_stand_ins`.
        self._rules: tuple[Callable, ...] = ()
        check_weights(model)

    @property
    def variables(self) -> list[Any]:
        return self.model.weights

    @property
    def output_shapes(self) -> list[Shape]:
        return [to_last_shape(value.shape[1:], self._axes[value]) for value in self._plan.outputs]

    @property
    def parameters(self) -> int:
        return self.model.count_params()

    def cut(self, names: tuple[str, ...]) -> Callable[[tf.Tensor], list[tf.Tensor]]:
        plan = self.plan(names)
        return lambda images: self.run(plan, images, names)

    def substitute(self, layer: str, names: tuple[str, ...]) -> Callable[[tf.Tensor, tf.Tensor], list[tf.Tensor]]:
        if layer not in self.layers:
            raise ValueError(f"layer: {layer!r}, values before an activation function, cannot be replaced.")
        given = self._values[layer]
        plan = self.plan(names, (given,))

        def run(images: tf.Tensor, values: tf.Tensor) -> list[tf.Tensor]:
            own = tf.cast(to_first(values, self._axes[given]), given.dtype)
            found = self._last(plan.run([*self._fed(images), own]), names)
            return [values if name == layer else value for name, value in zip(names, found, strict=True)]

        return run

    def replaced(self, activation: ReplaceActivation, layer: ReplaceLayer) -> FunctionalSource:
        return self.with_stand_ins(lambda: StandIns(activation, layer).of)

    def with_stand_ins(self, rules: Callable[[], Callable[[Any, str], Any]]) -> FunctionalSource:
        """The same model, in which others stand in for some layers, in all calls of those, also inside nested models.

        Args:
          rules: a function that returns one of (a layer or operation, its name) to what is called in its place, which may be
            itself, and is the same whenever it is asked.
        """
        make, path_of = rules(), paths_by_operation(self.operations)
        made = {id(step.operation): make(step.operation, path_of(step.operation)) for step in self._plan.steps}
        new = copy.copy(self)
        new._rules = (*self._rules, rules)
        new._plan = self._plan.replacing(lambda operation: made[id(operation)])
        new._calls = {
            name: dataclasses.replace(call, operation=made.get(id(call.operation), call.operation))
            for name, call in self._calls.items()
        }
        new._makers = {value: new._calls[call.name] for value, call in self._makers.items()}
        new.operations = {name: new._calls[name].operation for name in self.operations}
        return new

    def reread(self) -> FunctionalSource:
        """The source of the model as it is now, with stand-ins by the same rules."""
        new = FunctionalSource(self.model, self._fixed_inputs, self.image_shape)
        for rules in self._rules:
            new = new.with_stand_ins(rules)
        return new

    def endings(self) -> dict[str, Ending]:
        return functional_endings(self._plan.outputs, self._makers, self._values, self.names)

    def hidden_bytes(self, names: tuple[str, ...], size: tuple[int, ...]) -> int:
        return 0

    def hidden_half(self, names: tuple[str, ...], size: tuple[int, ...]) -> tuple[str, str] | None:
        return None

    def plan(self, names: tuple[str, ...], given: Sequence[Value] = ()) -> Plan:
        """The steps that some layers need.

        Args:
          names: the layers.
          given: values that are not computed.
        """
        more: list[Step] = []
        outputs = [self._values[name] if name in self._values else self._before(name, more) for name in names]
        return self._plan.part(outputs, given, more)

    def run(
        self, plan: Plan, images: tf.Tensor, names: tuple[str, ...], called: Callable[..., None] = lambda *_: None
    ) -> list[tf.Tensor]:
        """Runs a plan of some layers on images, as `Plan.run`; its values, channels last."""
        return self._last(plan.run(self._fed(images), called), names)

    def _last(self, values: list[tf.Tensor], names: tuple[str, ...]) -> list[tf.Tensor]:
        axes = [self._axes[self._values[name if name in self._values else name.removesuffix(PRE)]] for name in names]
        return [to_last(value, axis) for value, axis in zip(values, axes, strict=True)]

    def _fed(self, images: tf.Tensor) -> list[tf.Tensor]:
        """Every input of the model; the fixed ones are repeated for each image."""
        batch = tf.shape(images)[0]
        return [
            tf.cast(self._layout.to_model(images), tensor.dtype)
            if tensor is self._image
            else tf.repeat(self._fixed_inputs[tensor.name][None], batch, axis=0)
            for tensor in self.model.inputs
        ]

    def _call(self, name: str) -> Call:
        """The call that computes what has a name."""
        return self._calls[name if name in self._calls else name.rpartition(OUTPUT)[0]]

    def _has_pre(self, call: Call) -> bool:
        """Whether a call's values are those of an activation function, which has an argument."""
        operation = call.operation
        if len(call.outputs) > 1 or call.opened:
            return False
        if isinstance(operation, keras.layers.Activation):
            return kind(operation.activation) != "linear"
        if kind(operation) in FUNCTIONS | OTHERS:
            return True
        if isinstance(operation, keras.layers.Concatenate):
            return all(value in self._makers and self._has_pre(self._makers[value]) for value in call.inputs)
        return isinstance(operation, _ACTIVATED) and kind(operation.activation) != "linear"

    def _before(self, name: str, steps: list[Step]) -> Value:
        """What the activation function of NAME/pre is applied to; appends the steps that compute it."""
        call = self._calls[name.removesuffix(PRE)]
        operation = call.operation
        if isinstance(operation, _ACTIVATED):
            alone: Any = Unactivated(operation)
            arguments: Any = call.inputs[0]
        elif isinstance(operation, keras.layers.Concatenate):
            alone = ConcatenateUnactivated(operation.axis)
            arguments = [self._before(self._makers[value].name, steps) for value in call.inputs]
        else:
            return call.inputs[0]
        value = Value(call.outputs[0].shape, call.outputs[0].dtype)
        steps.append(Step(alone, (arguments,), {}, (value,)))
        return value


def _inputs(model: keras.Model, fixed_inputs: Mapping[str, Any]) -> tuple[Any, dict[str, tf.Tensor]]:
    """The input that is the image, and the values of the others."""
    tensors = {tensor.name: tensor for tensor in model.inputs}
    image = tensors.pop(image_input(model.name, list(tensors), fixed_inputs))
    if not tf.as_dtype(image.dtype).is_floating:
        raise ValueError(f"model: {model.name!r} takes {image.dtype} images, which have no gradient; expected floats.")
    return image, {
        name: tf.cast(check_fixed_inputs(name, tuple(tensor.shape[1:]), fixed_inputs[name]), tensor.dtype)
        for name, tensor in tensors.items()
    }


def _named_values(calls: Sequence[Call]) -> dict[str, Value]:
    """Every output of every call by its name, in the order of computation."""
    found = {}
    names = {call.name for call in calls}
    for call in calls:
        for number, value in enumerate(call.outputs):
            name = output_name(call.name, number)
            # A layer inside a nested model keeps its name.
            if number == 0 or name not in names:
                found[name] = value
    return found


def _missing(calls: Sequence[Call]) -> dict[str, str]:
    """The layers inside others that compute as a whole, and why they cannot be read."""
    found = {}
    for call in calls:
        operation = call.operation
        if call.opened or not isinstance(operation, keras.layers.Layer):
            continue
        inner = [layer.name for layer in operation._flatten_layers(include_self=False) if not _is_input(layer)]
        reason = f"it is inside {call.name!r} ({type(operation).__name__}), which computes as a whole"
        if isinstance(operation, keras.layers.TFSMLayer):
            inner = ["*"]
            reason = f"{call.name!r} is a SavedModel, whose layers Keras does not see. Give that alone: Network(layer)"
        elif isinstance(operation, keras.layers.TimeDistributed):
            reason += ", for every step. Give the inner layer alone: Network(layer.layer)"
        elif not isinstance(operation, keras.layers.RNN):
            reason += (
                ". Traced, a model shows more: "
                "Network(lambda images: model(images, training=False), image_shape=(height, width, channels))"
            )
        found.update((f"{call.name}/{name}", reason) for name in inner)
    return found


def _is_input(layer: Any) -> bool:
    return isinstance(layer, keras.layers.InputLayer)


class Unactivated(keras.layers.Layer):
    """A layer without its activation function, on the same weights."""

    def __init__(self, layer: keras.layers.Layer):
        super().__init__(dtype=layer.dtype_policy)
        self._twin = twin(layer, activation=keras.activations.linear)

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
