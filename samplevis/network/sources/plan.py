"""A functional Keras model as a list of steps, which can be cut, rewritten and run, with a name for each call of a layer."""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras.src.models.functional import Functional

from samplevis.network.sources.base import call_name


class Value:
    """What a step computes or reads, a placeholder for a tensor.

    Attributes:
      shape: of the tensor, with the batch; None for what is not known.
      dtype: its name.
    """

    def __init__(self, shape: Sequence[int | None], dtype: str = "float32"):
        self.shape, self.dtype = tuple(shape), dtype


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
      inputs: the values that are given: the model's inputs in its order, and what replaces computed ones.
      steps: the steps.
      outputs: the values that were asked for.
    """

    inputs: tuple[Value, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Value, ...]

    def run(self, tensors: Sequence[tf.Tensor], called: Callable[..., None] = lambda *_: None) -> list[tf.Tensor]:
        """Computes the outputs from the inputs, at inference.

        Args:
          tensors: the inputs.
          called: a function of each step's operation, its arguments, its keywords, and what it returns. Defaults to none.
        """
        return _Inference(lambda inputs: self._run(inputs, called))(list(tensors), training=False)

    def _run(self, tensors: Sequence[tf.Tensor], called: Callable[..., None]) -> list[tf.Tensor]:
        known: dict[Value, tf.Tensor] = dict(zip(self.inputs, tensors, strict=True))
        for step in self.steps:
            ready = step.reading(known)
            mode = {"training": False} if getattr(step.operation, "_call_has_training_arg", False) else {}
            keywords = {**ready.kwargs, **mode}
            found = step.operation(*ready.args, **keywords)
            called(step.operation, ready.args, keywords, found)
            for value, tensor in zip(step.outputs, keras.tree.flatten(found), strict=True):
                # What is given stays as it is given.
                known.setdefault(value, tensor)
        return [known[value] for value in self.outputs]

    def part(self, outputs: Sequence[Value], given: Sequence[Value] = (), more: Sequence[Step] = ()) -> Plan:
        """The steps that some values need.

        Args:
          outputs: the values to compute.
          given: values that are not computed: further inputs.
          more: steps to append before the others are chosen.
        """
        wanted = set(outputs) - set(given)
        steps = []
        for step in reversed([*self.steps, *more]):
            if not wanted.isdisjoint(step.outputs):
                steps.append(step)
                wanted.update(value for value in step.inputs if value not in given)
        return Plan((*self.inputs, *given), tuple(reversed(steps)), tuple(outputs))

    def replacing(self, stand_in: Callable[[Any], Any]) -> Plan:
        """The same plan with other operations.

        Args:
          stand_in: what to call in the place of an operation, which may be itself.
        """
        steps = (dataclasses.replace(step, operation=stand_in(step.operation)) for step in self.steps)
        return dataclasses.replace(self, steps=tuple(steps))

    def num_uses(self) -> Mapping[Value, int]:
        """How often each value is read, the plan's outputs included."""
        read = [value for step in self.steps for value in step.inputs]
        return collections.Counter([*read, *self.outputs])

    def shared(self) -> set[int]:
        """The ids of layers that are called more than once."""
        calls = collections.Counter(id(step.operation) for step in self.steps)
        return {operation for operation, count in calls.items() if count > 1}


class _Inference(keras.layers.Layer):
    """Calls a function as Keras calls a model: layers inside others that do not pass `training` on take it from here."""

    def __init__(self, run: Callable[[list[tf.Tensor]], list[tf.Tensor]]):
        super().__init__(autocast=False, name="inference")
        self.built = True
        self._run = run

    def call(self, inputs: list[tf.Tensor], training: bool = False) -> list[tf.Tensor]:
        return self._run(inputs)


@dataclasses.dataclass(frozen=True, eq=False)
class Call:
    """A named call of a layer, operation or nested model.

    Attributes:
      name: its name, see `call_name`; inside nested models with theirs in front, `outer/inner`.
      operation: what is called.
      inputs, outputs: the values that it reads and computes.
      opened: whether it is a nested model, whose own calls are in the plan instead of it.
    """

    name: str
    operation: Any
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    opened: bool


def plan_of(model: keras.Model) -> tuple[Plan, list[Call]]:
    """The steps of a functional model, and its calls, both in the order of computation; nested models are opened.

    Args:
      model: a functional model, `keras.Model(inputs, outputs)`.
    """
    inputs = tuple(_value(tensor) for tensor in model.inputs)
    known = {id(tensor): value for tensor, value in zip(model.inputs, inputs, strict=True)}
    steps: list[Step] = []
    calls: list[Call] = []
    _collect(model, "", known, steps, calls)
    return Plan(inputs, tuple(steps), tuple(known[id(tensor)] for tensor in model.outputs)), calls


def functional(model: keras.Model) -> keras.Model | None:
    """A model as a functional one, or None if it computes in code of its own; ValueError if it is not built."""
    if isinstance(model, keras.Sequential) and type(model).call is keras.Sequential.call:
        if not model.built or not model.inputs:
            raise ValueError(
                f"model: the Sequential {model.name!r} is not built: begin it with keras.Input((height, width, channels)) "
                "or call model.build((None, height, width, channels))."
            )
        return keras.Model(model.inputs, model.outputs, name=model.name)
    return model if isinstance(model, Functional) and type(model).call is Functional.call else None


def numbers(model: Any) -> dict[int, int]:
    """The number of each call among those of its layer in a model, from 1, by the id of Keras's node.

    Calls are numbered as Keras numbers them: in the order in which the model was built.

    Args:
      model: a functional model of Keras 3 or tf_keras.
    """
    inside = {id(node) for nodes in model._nodes_by_depth.values() for node in nodes}
    found = {}
    for layer in model.layers if not hasattr(model, "operations") else model.operations:
        nodes = [node for node in layer._inbound_nodes if id(node) in inside]
        found.update((id(node), number) for number, node in enumerate(nodes, start=1))
    return found


def _collect(model: keras.Model, prefix: str, known: dict[int, Value], steps: list[Step], calls: list[Call]) -> None:
    """Appends a model's steps and calls; `known` has the values of its symbolic tensors by id, and gets those that are new."""
    number = numbers(model)
    for node in _nodes(model):
        args, kwargs = _mapped(
            lambda leaf: known[id(leaf)] if isinstance(leaf, keras.KerasTensor) else leaf, node.arguments
        )
        name = prefix + call_name(node.operation.name, number[id(node)])
        inputs = tuple(known[id(tensor)] for tensor in node.input_tensors)
        inner = _opened(node.operation, args, kwargs)
        if inner is None:
            found = tuple(map(_value, node.outputs))
            steps.append(Step(node.operation, args, kwargs, found))
        else:
            inside = {
                id(tensor): _cast(value, tensor, steps) for tensor, value in zip(inner.inputs, inputs, strict=True)
            }
            _collect(inner, f"{name}/", inside, steps, calls)
            found = tuple(inside[id(tensor)] for tensor in inner.outputs)
        known.update((id(tensor), value) for tensor, value in zip(node.outputs, found, strict=True))
        calls.append(Call(name, node.operation, inputs, found, inner is not None))


def _nodes(model: keras.Model) -> Iterator[Any]:
    """The calls of a model in the order of computation. Keras has no public way to list them."""
    for depth in sorted(model._nodes_by_depth, reverse=True):
        yield from (node for node in model._nodes_by_depth[depth] if not node.is_input)


def _opened(operation: Any, args: tuple, kwargs: Mapping[str, Any]) -> keras.Model | None:
    """A nested model as a functional one; None for anything else, which is called as it is."""
    # Steps run at inference, whatever a part was called with.
    others = {name: value for name, value in kwargs.items() if name != "training"}
    if not isinstance(operation, keras.Model) or len(args) != 1 or not _is_empty(others):
        return None
    try:
        inner = functional(operation)
        if inner is not None and len(inner.inputs) > 1:
            _assert_same_order(args[0], inner._inputs_struct)
        return inner
    except ValueError:
        return None


def _is_empty(arguments: Any) -> bool:
    """Whether a nest of arguments, such as masks, holds nothing but None."""
    return all(leaf is None for leaf in keras.tree.flatten(arguments))


def _assert_same_order(given: Any, declared: Any) -> None:
    """Raises ValueError unless the values that a model is called with are in the order of its inputs."""
    keras.tree.assert_same_structure(keras.tree.lists_to_tuples(given), keras.tree.lists_to_tuples(declared))


def _cast(value: Value, tensor: Any, steps: list[Step]) -> Value:
    """A value as a nested model reads it: in the precision that its input declares."""
    if value.dtype == tensor.dtype:
        return value
    new = Value(value.shape, tensor.dtype)
    steps.append(Step(functools.partial(tf.cast, dtype=tensor.dtype), (value,), {}, (new,)))
    return new


def _value(tensor: Any) -> Value:
    return Value(tensor.shape, tensor.dtype)


def _mapped(function: Callable[[Any], Any], call: Any) -> tuple[tuple, dict[str, Any]]:
    """The arguments of a call, a function applied to each leaf."""
    return keras.tree.map_structure(function, (tuple(call.args), dict(call.kwargs)))
