"""The layers of an atlas: those that a person would name, chosen channels, and sets of directions."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

import numpy as np

from samplevis.network import Network
from samplevis.network.sources.functions import kinds
from samplevis.runtime.checks import brief, check_array, check_names

# Kinds of layers by the words of their operations, in the order in which they are asked for.
JOINS = ("add", "concatenate", "concat", "concatv2", "addv2")
RECTIFIERS = ("relu", "relu6", "leakyrelu", "silu", "swish", "gelu", "elu", "activation", "softplus", "tanh")
WEIGHTED = ("conv1d", "conv2d", "conv3d", "dense", "depthwiseconv2d", "separableconv2d", "einsumdense")


@dataclasses.dataclass(frozen=True, eq=False)
class LayerPlan:
    """A layer of an atlas, or a set of directions in one.

    Attributes:
      name: the layer's, or that of the set.
      layer: the network's layer.
      units: numbers of the channels or directions.
      names: a name for each of them, or "".
      vectors: directions, float32 [directions, channels]; None for channels.
    """

    name: str
    layer: str
    units: tuple[int, ...]
    names: tuple[str, ...]
    vectors: np.ndarray | None = None

    @property
    def count(self) -> int:
        """Number of units."""
        return len(self.units)


def plan_layers(
    network: Network,
    layers: Sequence[str] | None,
    directions: Mapping[str, tuple[str, np.ndarray]] | None,
) -> tuple[LayerPlan, ...]:
    """The layers of an atlas, see `plan_atlas`."""
    if layers is None:
        layers = () if directions else default_layers(network)
    elif not (len(layers) == 0 and directions):
        layers = check_names("layers", layers)
    found = _merged(network, [_channels(network, text) for text in layers])
    found += [_directions(network, name, *value) for name, value in (directions or {}).items()]
    return tuple(found)


def scored_layer(network: Network, name: str) -> str:
    """The layer whose values are the scores of a layer's units: of an output, that before its softmax or sigmoid."""
    ending = network.endings.find(name)
    return name if ending is None or ending.logits is None else ending.logits


def _merged(network: Network, layers: Sequence[LayerPlan]) -> list[LayerPlan]:
    """Layers, each once, with all the channels that were asked for, in order."""
    units: dict[str, dict[int, str]] = {}
    for each in layers:
        units.setdefault(each.name, {}).update(zip(each.units, each.names, strict=True))
    return [
        LayerPlan(name, scored_layer(network, name), tuple(sorted(known)), tuple(known[n] for n in sorted(known)))
        for name, known in units.items()
    ]


def default_layers(network: Network) -> list[str]:
    """The layers that a person would name: sums and concatenations, else activations, else those with weights; and the output.

    Args:
      network: the network.

    Returns:
      Names from `Network.layers`.

    Example:
      >>> from samplevis import modelzoo
      >>> default_layers(modelzoo.Shapes())[-1]
      'logits'
    """
    names = [name for name, shape in network.layers.items() if shape and shape[-1]]
    output = names[-1]
    for wanted in (JOINS, RECTIFIERS, WEIGHTED):
        chosen = [name for name in names if _words(network, name) & set(wanted) and name != output]
        # One sum may be a detail, such as that of two preprocessing branches.
        if len(chosen) > 1:
            return [*chosen, output]
    return names


def _words(network: Network, name: str) -> set[str]:
    return {network.source.kinds[name].lower(), *kinds(network.operations.get(name))}


def _channels(network: Network, text: str) -> LayerPlan:
    """A layer "name", or some of its channels, "name:first-last" or "name:4"."""
    chosen = re.fullmatch(r"(.+):(\d+)(?:-(\d+))?", text)
    layer, first, last = chosen.groups() if chosen else (text, None, None)
    count = network.layer_shape(layer)[-1]
    if not count:
        raise ValueError(f"layers: {layer!r} has no channels of a known number")
    low = 0 if first is None else int(first)
    high = count - 1 if first is None else int(first if last is None else last)
    if not low <= high < count:
        raise ValueError(f"layers: expected channels from 0 to {count - 1} of {layer!r}. Received: {brief(text)}")
    labels = _labels(network, layer, count)
    units = tuple(range(low, high + 1))
    return LayerPlan(layer, layer, units, tuple(labels[n] for n in units))


def _labels(network: Network, layer: str, count: int) -> Sequence[str]:
    """The classes' names for the network's output, else empty ones."""
    if layer != list(network.layers)[-1] and network.layer_shape(layer)[:-1]:
        return [""] * count
    try:
        labels = network.labels
    except OSError:
        labels = None
    return labels if labels is not None and len(labels) == count else [""] * count


def _directions(network: Network, name: str, layer: str, vectors: np.ndarray) -> LayerPlan:
    vectors, channels = check_array(f"directions[{name!r}]", vectors), network.layer_shape(layer)[-1]
    if vectors.ndim != 2 or vectors.shape[1] != channels or not len(vectors):
        raise ValueError(
            f"directions[{brief(name)}]: expected an array [directions, {channels}] for {layer!r}. Received shape: {vectors.shape}"
        )
    if not isinstance(name, str) or name in network.layers:
        raise ValueError(f"directions: expected names that are not those of layers. Received: {brief(name)}")
    if not np.isfinite(vectors).all():
        raise ValueError(f"directions[{name!r}]: expected finite numbers")
    return LayerPlan(name, scored_layer(network, layer), tuple(range(len(vectors))), ("",) * len(vectors), vectors)
