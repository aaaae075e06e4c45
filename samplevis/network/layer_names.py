"""The names of a network's layers: aliases, other spellings, and errors that list the nearest ones."""

from __future__ import annotations

import collections
import difflib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from samplevis.network.sources import POST, PRE, Source
from samplevis.network.sources.base import CALL, OUTPUT, output_name, show
from samplevis.runtime.checks import brief, is_list

#: Names that an objective may ask for and that are not layers. "members" is the old name of "num_transforms".
RESERVED = ("input", "labels", "members", "num_transforms", "step")
#: How the line of a table begins that lists what cannot be computed.
NOT_COMPUTED = "not computed: "
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
        if layer.endswith(POST):
            return self.find(layer.removesuffix(POST))
        # TensorFlow's name of a tensor, and the numbers of what needs none.
        for ending, number in ((":", "0"), (OUTPUT, "0"), (CALL, "1")):
            if layer.endswith(ending + number):
                return self.find(layer.removesuffix(ending + number))
        base, _, number = layer.rpartition(":")
        if base and number.isdecimal() and output_name(base, number) in names:
            return output_name(base, number)
        # Of outputs that have names, the first.
        several = [name for name in names if name.startswith(layer + OUTPUT)]
        if several:
            return several[0]
        if CALL + "1/" in layer:
            return self.find(layer.replace(CALL + "1/", "/"))
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
        """Every layer on a line: name, shape, kind, whether it has values before its activation, aliases.

        For a layer that is called several times there is a line for each call. Last come layers that cannot be computed.
        """
        source, known = self._source, {layer: [] for layer in self._source.layers}
        calls = collections.Counter(map(_without_call, source.layers))
        for alias, layer in self.aliases.items():
            known.setdefault(layer.removesuffix(PRE), []).append(f"{alias} = {layer}")
        rows = [
            (
                layer,
                show(shape),
                source.kinds[layer] + _which_call(layer, calls[_without_call(layer)]),
                PRE if layer + PRE in source.names else "",
                ", ".join(known[layer]),
            )
            for layer, shape in source.layers.items()
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        missing = list(source.missing)
        if missing:
            lines.append(f"{NOT_COMPUTED}{_few(missing, 4)} ({len(missing)}; network.source.missing says why)")
        return "\n".join(lines)

    def _why_not(self, layer: str) -> str:
        """What is wrong with a name that stands for no layer."""
        network, names = repr(self._network), self._source.names
        base = layer.removesuffix(PRE).removesuffix(LUCID_PRE)
        if base != layer and self.find(base) is not None:
            return f"{base!r} of {network} has no activation function of its own, so that {layer!r} is nothing."
        reason = self._why_no_call(layer) or self._why_no_output(layer) or self._why_missing(layer)
        if reason is not None:
            return f"{layer!r} of {network} {reason}"
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

    def _why_no_call(self, layer: str) -> str | None:
        """What calls there are, if a name, or a part of it, has the number of a call that the network does not make."""
        parts = layer.split("/")
        for end in range(1, len(parts) + 1):
            name = "/".join(parts[:end])
            base = _without_call(name)
            calls = [one for one in self._source.layers if _without_call(one) == base]
            if base != name and calls and name not in calls:
                return f"is not called: {base!r} is, {len(calls)} times: {_few(list(map(repr, calls)), 6)}."
        return None

    def _why_no_output(self, layer: str) -> str | None:
        """What outputs there are, if a name has the number of one that the layer does not have."""
        base = layer.rpartition(OUTPUT)[0]
        if base not in self._source.layers:
            return None
        outputs = [one for one in self._source.layers if one == base or one.rpartition(OUTPUT)[0] == base]
        return f"is not there: {base!r} returns {len(outputs)}: {_few(list(map(repr, outputs)), 6)}."

    def _why_missing(self, layer: str) -> str | None:
        """Why a layer, or what is inside one, cannot be computed; None if it is not missing."""
        missing, scope = self._source.missing, layer.removesuffix(PRE)
        parts = [one for one in missing if one == scope or one.startswith(scope + "/")]
        if parts:
            return f"cannot be computed: {missing[parts[0]]}"
        while "/" in scope:
            scope = scope.rpartition("/")[0]
            inside = [one for one in missing if one == scope or one.rpartition("/")[0] == scope]
            if inside:
                return f"cannot be computed: {missing[inside[0]]}"
        return None

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


def _without_call(layer: str) -> str:
    """A layer's name without the number of the call: `head` for `head#2`."""
    base, mark, number = layer.rpartition(CALL)
    return base if mark and number.isdecimal() else layer


def _which_call(layer: str, count: int) -> str:
    """The number of a call in words, for a layer that is called several times."""
    return f", call {layer.removeprefix(_without_call(layer) + CALL) if CALL in layer else 1} of {count}" * (count > 1)


def _few(names: Sequence[str], most: int) -> str:
    return ", ".join([*names[:most], "..."] if len(names) > most else names)


def _nearest(name: str, names: Sequence[str], most: int) -> list[str]:
    """The names whose spelling, or that of their last part, is nearest."""

    def likeness(other: str) -> float:
        return max(difflib.SequenceMatcher(None, name, part).ratio() for part in {other, other.rpartition("/")[2]})

    return sorted(names, key=likeness, reverse=True)[:most]
