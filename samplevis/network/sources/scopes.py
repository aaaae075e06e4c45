"""Names for the nodes of a traced graph, after the layers that made them."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

# Operations that are never layers.
_ASIDE = {"Const", "Placeholder", "NoOp", "Identity", "IdentityN"}


@contextlib.contextmanager
def recorded(model: Any) -> Iterator[dict[str, str]]:
    """While it lasts, notes in which name scope of the graph each layer of a Keras 3 model runs.

    Keras opens a layer's scope twice, so that TensorFlow numbers it: the scope of `conv` is called conv_1.

    Yields:
      A dictionary that fills: scope -> the layer's name.
    """
    scopes: dict[str, str] = {}
    layers = [model, *model._flatten_layers(include_self=False)] if isinstance(model, keras.layers.Layer) else []
    layers = [layer for layer in layers if "call" not in vars(layer)]
    for layer in layers:
        vars(layer)["call"] = _noting(layer, layer.call, scopes)
    try:
        yield scopes
    finally:
        for layer in layers:
            vars(layer).pop("call", None)


def _noting(layer: Any, call: Callable, scopes: dict[str, str]) -> Callable:
    @functools.wraps(call)
    def run(*arguments: Any, **named: Any) -> Any:
        scopes[tf.get_current_name_scope()] = layer.name
        return call(*arguments, **named)

    return run


def renamed(graph_def: Any, scopes: dict[str, str]) -> Callable[[str], str]:
    """Names the nodes of a GraphDef, in place, by their layers, and drops the scopes that hold them all.

    Args:
      graph_def: the graph.
      scopes: scope -> name of its layer. Of several scopes of one layer, the last gets its name.

    Returns:
      A function from the old name of a node, or tensor, to the new one.
    """
    layers: dict[str, str] = {}
    last = {(scope.rpartition("/")[0], name): scope for scope, name in scopes.items()}
    for (_, name), scope in last.items():
        layers[scope] = name

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


def _common_prefix(names: list[str]) -> str:
    """The scopes that hold all of several nodes, such as those of a call or of the whole model: "outer/inner/"."""
    scopes = [name.split("/")[:-1] for name in names]
    shared = os.path.commonprefix(scopes)
    # A layer that is alone keeps its scope.
    shared = shared[:-1] if all(len(scope) == len(shared) for scope in scopes) else shared
    return "".join(f"{part}/" for part in shared)
