"""A network copied layer by layer, some of its activation functions and poolings replaced."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np

from samplevis.network import Network
from samplevis.network.sources import ReplaceActivation, ReplaceLayer


def rebuild(
    network: Network,
    name: str,
    activation: ReplaceActivation | None = None,
    layer: ReplaceLayer | None = None,
) -> Network:
    """Copies a network, nested models too, and replaces some of its parts.

    An activation function is met as a layer (`keras.layers.ReLU`), an operation (`keras.ops.relu`), an argument of another
    layer (`activation="relu"`) or a node of a graph (Relu).

    Args:
      network: the network; it stays as it is.
      name: what to call the new network.
      activation: decides over activation functions. Defaults to keeping them all.
      layer: decides over the other layers. Defaults to keeping them all.

    Returns:
      A network of the same layer names and shapes, with copies of the weights.
    """
    source = network.source.replaced(activation or (lambda *_: None), layer or (lambda *_: None))
    return network.with_model(source, name)


def cached_clone(network: Network, key: Hashable, make: Callable[[Network], Network]) -> Network:
    """A clone of a network, kept with it under a key: made once, and again when the network's weights have changed."""
    clone = network.compiled.get(key)
    pairs = zip(clone.source.variables, network.source.variables, strict=True) if clone else ()
    if clone is None or not all(np.array_equal(copy.numpy(), own.numpy()) for copy, own in pairs):
        clone = network.compiled[key] = make(network)
    return clone
