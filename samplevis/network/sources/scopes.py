"""Names for the nodes of a traced graph, after the layers that made them."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from samplevis.network.sources.base import call_name
from samplevis.network.sources.plan import numbers

# Operations that are never layers.
_ASIDE = {"Const", "Placeholder", "NoOp", "Identity", "IdentityN"}


@contextlib.contextmanager
def recorded(model: Any) -> Iterator[dict[str, Any]]:
    """While it lasts, notes in which name scope of the graph each layer of a Keras model runs, call by call.

    Keras 3 opens a layer's scope twice, so that TensorFlow numbers it: the scope of `conv` is called conv_1. Keras 2 enters the
    same scope in every call; from the second on, the call gets a scope of its own.

    Yields:
      A dictionary that fills, in the order of the calls: scope -> the layer.
    """
    scopes: dict[str, Any] = {}
    layers = [model, *model._flatten_layers(include_self=False)] if hasattr(model, "_flatten_layers") else []
    layers = [layer for layer in layers if "call" not in vars(layer)]
    for layer in layers:
        vars(layer)["call"] = _noting(layer, layer.call, scopes)
    try:
        yield scopes
    finally:
        for layer in layers:
            vars(layer).pop("call", None)


def _noting(layer: Any, call: Callable, scopes: dict[str, Any]) -> Callable:
    @functools.wraps(call)
    def run(*arguments: Any, **named: Any) -> Any:
        scope = own = tf.get_current_name_scope()
        count = 2
        while own in scopes:
            own, count = f"{scope}__{count}", count + 1
        scopes[own] = layer
        if own == scope:
            return call(*arguments, **named)
        with tf.name_scope(f"{own}/"):
            return call(*arguments, **named)

    return run


def renamed(graph_def: Any, scopes: dict[str, Any]) -> Callable[[str], str]:
    """Names the nodes of a GraphDef, in place, by the calls of their layers, and drops the scopes that hold them all.

    Args:
      graph_def: the graph.
      scopes: scope -> its layer, in the order of the calls.

    Returns:
      A function from the old name of a node, or tensor, to the new one.
    """
    layers = _call_names(scopes)

    @functools.cache
    def by_layers(name: str) -> str:
        outer, slash, _ = name.rpartition("/")
        return (by_layers(outer) + slash if slash else "") + layers.get(name, name[len(outer + slash) :])

    names = {node.name: by_layers(node.name) for node in graph_def.node}
    if len(set(names.values())) < len(names):
        names = {name: name for name in names}
    prefix = _common_prefix([names[node.name] for node in graph_def.node if node.op not in _ASIDE])
    shorter = {name: new.removeprefix(prefix) for name, new in names.items()}
    if len(set(shorter.values())) == len(shorter):
        names = shorter

    def rename(name: str) -> str:
        node, colon, number = name.removeprefix("^").partition(":")
        return "^" * name.startswith("^") + names[node] + colon + number

    for node in graph_def.node:
        node.name = names[node.name]
        node.input[:] = map(rename, node.input)
    return rename


def _call_names(scopes: dict[str, Any]) -> dict[str, str]:
    """Scope -> the name of the call of a layer that runs in it."""
    calls: dict[tuple[str, int], list[str]] = {}
    for scope, layer in scopes.items():
        calls.setdefault((scope.rpartition("/")[0], id(layer)), []).append(scope)
    found = {}
    for (outer, layer), several in calls.items():
        order = _numbers_in_order(scopes.get(outer)).get(layer, ())
        # A functional model runs its calls in another order than that in which it was built.
        numbers_of = order if len(order) == len(several) else range(1, len(several) + 1)
        found.update({scope: call_name(scopes[scope].name, n) for scope, n in zip(several, numbers_of, strict=True)})
    return found


def _numbers_in_order(model: Any) -> dict[int, list[int]]:
    """By the id of each layer of a functional model, the numbers of its calls in the order in which they run."""
    found: dict[int, list[int]] = {}
    if not hasattr(model, "_nodes_by_depth"):
        return found
    number = numbers(model)
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if id(node) in number:
                layer = node.operation if hasattr(node, "operation") else node.layer
                found.setdefault(id(layer), []).append(number[id(node)])
    return found


def _common_prefix(names: list[str]) -> str:
    """The scopes that hold all of several nodes, such as those of a call or of the whole model: "outer/inner/"."""
    scopes = [name.split("/")[:-1] for name in names]
    shared = os.path.commonprefix(scopes)
    # A layer that is alone keeps its scope.
    shared = shared[:-1] if all(len(scope) == len(shared) for scope in scopes) else shared
    return "".join(f"{part}/" for part in shared)
