"""The names of a network's layers: aliases, other spellings, and errors that list the nearest ones."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from samplevis.network.sources import POST, PRE, Source
from samplevis.network.sources.base import show
from samplevis.runtime.checks import brief, is_list

#: Names that an objective may ask for and that are not layers. "members" is the old name of "num_transforms".
RESERVED = ("input", "labels", "members", "num_transforms", "step")
# How Lucid writes PRE.
LUCID_PRE = "_pre_relu"


class LayerNames:
    """Finds the layers of a network by name, alias or spelling.

    Args:
      source: the model.
      network: the network's name, for messages.
      aliases: other names for layers, {alias: layer}.

    Raises:
      TypeError: if `aliases` is no dictionary.
      ValueError: if an alias is taken, or stands for no layer.
    """

    def __init__(self, source: Source, network: str, aliases: Mapping[str, str]):
        self._source, self._network = source, network
        #: Alias -> name in `Source.names`.
        self.aliases: Mapping[str, str] = MappingProxyType({})
        self.aliases = MappingProxyType(self._check_aliases(aliases))

    def find(self, layer: str) -> str | None:
        """The name in `Source.names` that a layer's name, alias or spelling stands for."""
        names = self._source.names
        if layer in names or layer in self.aliases:
            return layer if layer in names else self.aliases[layer]
        if layer.endswith(":0"):
            # TensorFlow's name of the tensor.
            return self.find(layer.removesuffix(":0"))
        if layer.endswith(POST):
            return self.find(layer.removesuffix(POST))
        for ending in (PRE, LUCID_PRE):
            # No assignment expressions here nor in what a cut calls: AutoGraph, in a `tf.function` of the user's, knows none.
            base = self.find(layer.removesuffix(ending)) if layer.endswith(ending) else None
            if base:
                return base + PRE if base + PRE in names else None
        return None

    def check(self, layer: Any) -> None:
        """Raises ValueError, with the nearest names, unless there is such a layer; TypeError if it is not a name."""
        if not isinstance(layer, str):
            raise TypeError(f"layer: expected a name. Received: {brief(layer)}")
        if self.find(layer) is None:
            raise ValueError(f"layer: {self._why_not(layer)}")

    def check_all(self, layer_names: Any) -> tuple[str, ...]:
        """Several names as a tuple; raises as `check` does."""
        if not is_list(layer_names):
            raise TypeError(f"layer_names: expected a sequence of names. Received: {brief(layer_names)}")
        layer_names = tuple(layer_names)
        for layer in layer_names:
            self.check(layer)
        return layer_names

    def table(self) -> str:
        """Every layer on a line: name, shape, kind, whether it has values before its activation, aliases."""
        source, known = self._source, {layer: [] for layer in self._source.layers}
        for alias, layer in self.aliases.items():
            known.setdefault(layer.removesuffix(PRE), []).append(f"{alias} = {layer}")
        rows = [
            (
                layer,
                show(shape),
                source.kinds[layer],
                PRE if layer + PRE in source.names else "",
                ", ".join(known[layer]),
            )
            for layer, shape in source.layers.items()
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)

    def _why_not(self, layer: str) -> str:
        """What is wrong with a name that stands for no layer."""
        network, names = repr(self._network), self._source.names
        if layer in self._source.missing:
            return f"{layer!r} of {network} cannot be computed: {self._source.missing[layer]}"
        base = layer.removesuffix(PRE).removesuffix(LUCID_PRE)
        if base != layer and self.find(base) is not None:
            return f"{base!r} of {network} has no activation function of its own, so that {layer!r} is nothing."
        same_end = [name for name in names if name.rpartition("/")[2] == layer]
        if len(same_end) > 1:
            return (
                f"{network} has {len(same_end)} layers that end in {layer!r}: {self._with_shapes(same_end[:5])}"
                f"{', ...' if len(same_end) > 5 else ''}. Give the whole name."
            )
        near = self._with_shapes(same_end or _nearest(layer, [*names, *self.aliases], 5))
        return (
            f"{network} has no layer {layer!r}. Did you mean {near}? "
            f"All {len(self._source.layers)}: network.layer_table()"
        )

    def _with_shapes(self, names: Sequence[str]) -> str:
        return ", ".join(f"{name!r} {show(self._source.names[self.find(name)])}" for name in names)

    def _check_aliases(self, aliases: Any) -> dict[str, str]:
        if not isinstance(aliases, Mapping):
            raise TypeError(f"aliases: expected a dictionary {{alias: layer}}. Received: {brief(aliases)}")
        for alias, layer in aliases.items():
            if alias in self._source.names or alias in RESERVED:
                raise ValueError(f"aliases: {alias!r} is the name of a layer already, or of what is no layer.")
            self.check(layer)
        return {alias: self.find(layer) for alias, layer in aliases.items()}


def _nearest(name: str, names: Sequence[str], most: int) -> list[str]:
    """The names whose spelling, or that of their last part, is nearest."""

    def likeness(other: str) -> float:
        return max(difflib.SequenceMatcher(None, name, part).ratio() for part in {other, other.rpartition("/")[2]})

    return sorted(names, key=likeness, reverse=True)[:most]
