"""Clones of a network in which some activation functions and poolings are replaced."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np

from samplevis.network import Network
from samplevis.network.sources import ReplaceActivation, ReplaceLayer
from samplevis.network.sources.base import Function
from samplevis.network.sources.functions import Replacement


def rebuild(
    network: Network,
    name: str,
    activation: ReplaceActivation | None = None,
    layer: ReplaceLayer | None = None,
) -> Network:
    """Copies a network, nested models too, and replaces some of its parts.

    An activation function may be a layer (`keras.layers.ReLU`), an operation (`keras.ops.relu`), an argument of another
    layer (`activation="relu"`) or a node of a graph (Relu).

    Args:
      network: the network; it stays as it is.
      name: the new network's name in messages.
      activation: decides on activation functions. Defaults to leaving them all.
      layer: decides on the other layers. Defaults to leaving them all.

    Returns:
      A network with layers of the same names and shapes, and copies of the weights.
    """

    def replacement(path: str, kind: str, function: Function) -> Replacement | None:
        found = None if activation is None else activation(path, kind, function)
        # Marked, since a clone of the clone cannot copy it from a config.
        return found if found is None or isinstance(found, Replacement) else Replacement(found)

    source = network.source.replaced(replacement, layer or (lambda *_: None))
    return network.with_model(source, name)


def cached_clone(network: Network, key: Hashable, make: Callable[[Network], Network]) -> Network:
    """A clone of a network, cached with it under a key, and rebuilt if the network's weights have changed."""
    clone = network.compiled.get(key)
    pairs = zip(clone.source.variables, network.source.variables, strict=True) if clone else ()
    if clone is None or not all(np.array_equal(copy.numpy(), original.numpy()) for copy, original in pairs):
        clone = network.compiled[key] = make(network)
    return clone
