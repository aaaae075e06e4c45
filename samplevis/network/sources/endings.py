"""Outputs that end in a saturating function, such as a classifier's softmax, and the values before it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from samplevis.network.sources.base import PRE, Ending, Shape
from samplevis.network.sources.functions import kinds
from samplevis.network.sources.plan import Call, Value

#: Functions that are flat where a unit is sure. All of them rise with the value before.
SATURATING = frozenset(("softmax", "logsoftmax", "sigmoid", "logsigmoid", "hardsigmoid", "tanh", "softsign"))
# Layers and operations that only pass values on, or give them another shape.
_PASSING = {"dropout", "flatten", "identity", "reshape", "squeeze", "permute", "cast"}
# The same as operations of a graph.
_PASSING_OPS = {"Identity", "Reshape", "Squeeze", "ExpandDims", "Cast", "EnsureShape", "StopGradient"}
# Operations of a graph that are saturating functions.
_SATURATING_OPS = {
    "Softmax": "softmax",
    "LogSoftmax": "logsoftmax",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Softsign": "softsign",
}


def saturating_kind(operation: Any) -> str | None:
    """The kind of the saturating function that a layer or operation ends in, or None."""
    return next(iter(kinds(operation) & SATURATING), None)


def functional_endings(
    outputs: Sequence[Value], makers: Mapping[Value, Call], values: Mapping[str, Value], names: Mapping[str, Shape]
) -> dict[str, Ending]:
    """The outputs of a functional model that end in a saturating function, by name.

    Args:
      outputs: what the model returns.
      makers: value -> the innermost call that computes it.
      values: every name of a layer -> its value.
      names: every name -> its shape.
    """
    found: dict[str, Ending] = {}

    def visit(value: Value) -> Ending | None:
        call = makers.get(value)
        if call is None:
            return None
        kind = saturating_kind(call.operation)
        if kind is not None:
            ending = Ending(kind, call.name + PRE)
        elif _passes_on(call.operation) and len(call.inputs) == 1:
            ending = visit(call.inputs[0])
        else:
            ending = None
        if ending is not None:
            for name in [name for name, same in values.items() if same is value]:
                found[name] = ending if _fits(ending.logits, name, names) else Ending(ending.kind, None)
        return ending

    for value in outputs:
        visit(value)
    return found


def graph_endings(graph: Any, tensors: Mapping[str, Any], names: Mapping[str, Shape]) -> dict[str, Ending]:
    """The outputs of a graph that end in a saturating function, by name.

    Args:
      graph: a `Graph`.
      tensors: every name -> (node, number of its output).
      names: every name -> its shape.
    """
    layers = {node for name, (node, _) in tensors.items() if not name.endswith(PRE)}
    readers: dict[str, list[str]] = {}
    for reader, inputs in graph.inputs.items():
        for node, _ in inputs:
            readers.setdefault(node, []).append(reader)
    found = {}
    for name, (node, number) in tensors.items():
        origin = node
        while graph.nodes[origin].op in _PASSING_OPS:
            origin = graph.inputs[origin][0][0]
        kind = _SATURATING_OPS.get(graph.nodes[origin].op)
        if name.endswith(PRE) or number or kind is None or _is_read(origin, graph, readers, layers):
            continue
        logits = next((one for one in (name + PRE, origin + PRE) if _fits(one, name, names)), None)
        found[name] = Ending(kind, logits)
    return found


def module_endings(taps: Mapping[str, Any], outputs: Collection[str], parts: Mapping[str, Any]) -> dict[str, Ending]:
    """The outputs of a PyTorch module that end in a saturating submodule, by name.

    Args:
      taps: every name -> where it is read.
      outputs: names of what the module itself returns.
      parts: dotted name -> submodule.
    """
    last = [taps[name + PRE] for name in outputs if name + PRE in taps]
    found = {}
    for name in taps:
        tap = taps.get(name + PRE)
        if tap in last and (kind := saturating_kind(parts[tap.module])) is not None:
            found[name] = Ending(kind, name + PRE)
    return found


def _passes_on(operation: Any) -> bool:
    """Whether a layer or operation changes no value."""
    found = kinds(operation)
    return not found.isdisjoint(_PASSING) or found == {"activation", "linear"}


def _fits(logits: str | None, name: str, names: Mapping[str, Shape]) -> bool:
    """Whether there are such values, of the shape of a layer."""
    return logits in names and names[logits] == names[name]


def _is_read(node: str, graph: Any, readers: Mapping[str, list[str]], layers: Collection[str]) -> bool:
    """Whether another layer computes something from a node, so that it is no output."""

    def reads() -> Iterator[bool]:
        for reader in readers.get(node, ()):
            if graph.nodes[reader].op in _PASSING_OPS:
                yield _is_read(reader, graph, readers, layers)
            else:
                yield reader in layers

    return any(reads())
