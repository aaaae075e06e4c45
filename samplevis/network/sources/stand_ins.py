"""Stand-ins for layers: they share the layers' variables, arrays and functions, and replace only what they must."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

import keras

from samplevis.network.sources.base import Function, ReplaceActivation, ReplaceLayer
from samplevis.network.sources.functions import FUNCTIONS, OTHERS, Replacement, is_function, kind
from samplevis.network.sources.plan import Plan, functional, plan_of

# Attributes of Keras's own, which layers do not compute with.
INTERNAL = frozenset({"_layers", "_metrics", "_losses", "_inbound_nodes", "_outbound_nodes", "_tracker", "_functional"})


def twin(layer: Any, like: type | None = None, /, **changes: Any) -> Any:
    """A shallow copy of a layer: the same variables, arrays, functions and inner layers, and some other attributes.

    Nothing is saved or built again: what no config knows is there, too. Call it on tensors only.

    Args:
      layer: a Keras layer or operation; it stays as it is.
      like: the class of the twin, a subclass of the layer's. Defaults to the layer's own.
      **changes: attributes that the twin has for itself.
    """
    new = object.__new__(like or type(layer))
    vars(new).update(vars(layer), **changes)
    return new


class StandIns:
    """Makes stand-ins for the layers of a model in which some activation functions and layers are replaced.

    An activation function may be a layer, an operation, an argument of a layer, or any of these inside a layer of the user's that
    holds layers or functions in its attributes. What a layer computes in its own code stays as it is.

    Args:
      activation: decides on activation functions, by the path of the layer.
      layer: decides on other layers.
    """

    def __init__(self, activation: ReplaceActivation, layer: ReplaceLayer):
        self._activation, self._layer = activation, layer
        # A layer that is called several times has one stand-in. The layers are kept, so that no id is used twice.
        self._made: dict[int, tuple[Any, Any]] = {}

    def of(self, operation: Any, path: str) -> Any:
        """The stand-in for a layer or an operation; itself if nothing in it is replaced.

        Args:
          operation: the layer or operation.
          path: its name, for the decisions.
        """
        if id(operation) not in self._made:
            # A layer may refer to one that holds it.
            self._made[id(operation)] = operation, operation
            self._made[id(operation)] = operation, self._make(operation, path)
        return self._made[id(operation)][1]

    def _make(self, old: Any, path: str) -> Any:
        if is_function(old):
            function = self._function(path, old.call, kind(old))
            return old if function is None else _as_layer(old, function)
        if not isinstance(old, keras.layers.Layer):
            return old
        new = self._layer(path, old)
        if new is not None:
            return new
        model = _functional(old)
        if model is not None:
            return self._of_model(old, model, path)
        changes = self._changes(old, path)
        return twin(old, **changes) if changes else old

    def _of_model(self, old: keras.Model, model: keras.Model, path: str) -> Any:
        """A functional model that a layer holds, or calls in a way that its steps cannot be joined with others."""
        plan, _ = plan_of(model)
        new = plan.replacing(lambda operation: self.of(operation, f"{path}/{_name(operation)}"))
        same = all(a.operation is b.operation for a, b in zip(plan.steps, new.steps, strict=True))
        return old if same else Called(old, new)

    def _changes(self, layer: keras.layers.Layer, path: str) -> dict[str, Any]:
        """The attributes that a stand-in for a layer has for itself."""
        found = {}
        for name, value in vars(layer).items():
            if name in INTERNAL:
                continue
            if name == "activation" and callable(value):
                new = self._function(path, value, kind(value)) or value
            else:
                new = self._attribute(value, f"{path}/{name}", path)
            if new is not value:
                found[name] = new
        return found

    def _attribute(self, value: Any, name: str, path: str) -> Any:
        """An attribute of a layer with stand-ins in it; the same object if there are none."""
        if isinstance(value, keras.layers.Layer):
            return self.of(value, f"{path}/{value.name}")
        if isinstance(value, (list, dict)) or type(value) is tuple:
            return self._collection(value, name, path)
        if isinstance(value, FunctionType) and kind(value) in FUNCTIONS | OTHERS:
            return self._function(name, value, kind(value)) or value
        return value

    def _collection(self, values: Any, name: str, path: str) -> Any:
        if isinstance(values, dict):
            new = {key: self._attribute(value, f"{name}/{key}", path) for key, value in values.items()}
            same = all(new[key] is value for key, value in values.items())
            return values if same else new
        items = [self._attribute(value, f"{name}/{number}", path) for number, value in enumerate(values)]
        if all(a is b for a, b in zip(items, values, strict=True)):
            return values
        return tuple(items) if isinstance(values, tuple) else items

    def _function(self, path: str, function: Function, kind: str) -> Function | None:
        if isinstance(function, Replacement):
            kind = function.__name__
        return self._activation(path, kind, function)


class Called:
    """A functional model whose steps have stand-ins, called as the model is.

    Args:
      model: the model; it stays as it is.
      plan: its steps.
    """

    def __init__(self, model: keras.Model, plan: Plan):
        self.model, self.plan, self.name = model, plan, model.name

    def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        values = self.plan.run(keras.tree.flatten(inputs))
        structure = getattr(self.model, "_outputs_struct", None)
        return values[0] if len(values) == 1 else keras.tree.pack_sequence_as(structure, values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["model"], name)


def paths_by_operation(operations: Mapping[str, Any]) -> Callable[[Any], str]:
    """The name of an operation: the first of its names in a source, else its own."""
    found: dict[int, str] = {}
    for path, operation in operations.items():
        found.setdefault(id(operation), path)
    return lambda operation: found.get(id(operation)) or _name(operation)


def _name(operation: Any) -> str:
    return getattr(operation, "name", type(operation).__name__)


def _as_layer(old: Any, function: Function) -> keras.layers.Layer:
    """A function in the place of a layer or an operation that is one."""
    if isinstance(old, keras.layers.Layer):
        return keras.layers.Activation(function, name=old.name, dtype=old.dtype_policy)
    # An operation takes values of any precision as they are.
    return keras.layers.Activation(function, name=old.name, autocast=False)


def _functional(layer: Any) -> keras.Model | None:
    """A functional or Sequential model as a functional one; None for a layer, or a model that has code of its own."""
    try:
        return functional(layer) if isinstance(layer, keras.Model) else None
    except ValueError:
        return None
