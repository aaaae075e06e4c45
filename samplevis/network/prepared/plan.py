"""A functional Keras model as a list of steps, which can be rewritten and run."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf


class Value:
    """What a step computes or reads, a placeholder for a tensor.

    Attributes:
      shape: of the tensor, with the batch; None for what is not known.
    """

    def __init__(self, shape: Sequence[int | None]):
        self.shape = tuple(shape)


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """One call of a layer or an operation.

    Attributes:
      operation: the layer or operation.
      args, kwargs: its arguments, nests with a `Value` in the place of each tensor.
      outputs: what it returns.
    """

    operation: Callable[..., Any]
    args: tuple
    kwargs: Mapping[str, Any]
    outputs: tuple[Value, ...]

    @property
    def inputs(self) -> list[Value]:
        """The values that it reads."""
        return [leaf for leaf in keras.tree.flatten((self.args, dict(self.kwargs))) if isinstance(leaf, Value)]

    def reading(self, replaced: Mapping[Value, Any]) -> Step:
        """The same step with other values, or tensors, in the place of some that it reads."""
        args, kwargs = _mapped(lambda leaf: replaced.get(leaf, leaf) if isinstance(leaf, Value) else leaf, self)
        return dataclasses.replace(self, args=args, kwargs=kwargs)


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """Steps, each after those that it reads.

    Attributes:
      inputs: the model's inputs in its order.
      steps: the steps.
      outputs: the values that were asked for.
    """

    inputs: tuple[Value, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Value, ...]

    def run(self, tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Computes the outputs from the inputs, at inference."""
        known: dict[Value, tf.Tensor] = dict(zip(self.inputs, tensors, strict=True))
        for step in self.steps:
            ready = step.reading(known)
            mode = {"training": False} if getattr(step.operation, "_call_has_training_arg", False) else {}
            found = step.operation(*ready.args, **{**ready.kwargs, **mode})
            known.update(zip(step.outputs, keras.tree.flatten(found), strict=True))
        return [known[value] for value in self.outputs]

    def num_uses(self) -> Mapping[Value, int]:
        """How often each value is read, the plan's outputs included."""
        read = [value for step in self.steps for value in step.inputs]
        return collections.Counter([*read, *self.outputs])

    def shared(self) -> set[int]:
        """The ids of layers that are called more than once."""
        calls = collections.Counter(id(step.operation) for step in self.steps)
        return {operation for operation, count in calls.items() if count > 1}


def plan_of(model: keras.Model) -> Plan:
    """The steps of a functional model; nested functional and Sequential models are opened.

    Args:
      model: a functional model, `keras.Model(inputs, outputs)`.

    Returns:
      A `Plan` in which no two steps compute the same.
    """
    inputs = tuple(Value(tensor.shape) for tensor in model.inputs)
    known = {id(tensor): value for tensor, value in zip(model.inputs, inputs, strict=True)}
    steps: dict[Any, Step] = {}
    _collect(model, known, steps)
    return Plan(inputs, tuple(steps.values()), tuple(known[id(tensor)] for tensor in model.outputs))


def _collect(model: keras.Model, known: dict[int, Value], steps: dict[Any, Step]) -> None:
    """Appends the steps of a model; `known` has the values of its symbolic tensors by id, and gets those that are new."""
    for node in _nodes(model):
        args, kwargs = _mapped(
            lambda leaf: known[id(leaf)] if isinstance(leaf, keras.KerasTensor) else leaf, node.arguments
        )
        inner = _opened(node.operation, args, kwargs, type(model))
        if inner is None:
            new = Step(node.operation, args, kwargs, tuple(Value(tensor.shape) for tensor in node.outputs))
            found: Sequence[Value] = steps.setdefault(_same(new), new).outputs
        else:
            inside = {id(inner.inputs[0]): args[0]}
            _collect(inner, inside, steps)
            found = [inside[id(tensor)] for tensor in inner.outputs]
        known.update((id(tensor), value) for tensor, value in zip(node.outputs, found, strict=True))


def _nodes(model: keras.Model) -> Iterator[Any]:
    """The calls of a model in the order of computation. Keras has no public way to list them."""
    for depth in sorted(model._nodes_by_depth, reverse=True):
        yield from (node for node in model._nodes_by_depth[depth] if not node.is_input)


def _opened(operation: Any, args: tuple, kwargs: Mapping[str, Any], functional: type) -> keras.Model | None:
    """A nested model of one input as a functional one; None for anything else, which is called as it is."""
    plain = len(args) == 1 and isinstance(args[0], Value) and all(value is None for value in kwargs.values())
    if not plain or type(operation) not in (functional, keras.Sequential):
        return None
    if isinstance(operation, keras.Sequential):
        operation = keras.Model(operation.inputs, operation.outputs) if operation.built and operation.inputs else None
    return operation if operation is not None and len(operation.inputs) == 1 else None


def _same(step: Step) -> Any:
    """A key that steps share which compute the same."""
    leaves = keras.tree.flatten((step.args, dict(step.kwargs)))
    if not all(isinstance(leaf, (Value, str, int, float, type(None))) for leaf in leaves):
        return step
    structure = len(step.args), tuple(step.kwargs)
    return id(step.operation), structure, *(leaf if isinstance(leaf, Value) else repr(leaf) for leaf in leaves)


def _mapped(function: Callable[[Any], Any], call: Any) -> tuple[tuple, dict[str, Any]]:
    """The arguments of a call, a function applied to each leaf."""
    return keras.tree.map_structure(function, (tuple(call.args), dict(call.kwargs)))
