"""What an atlas is going to do: layers, units, tasks and their cost, before any work."""

from __future__ import annotations

import dataclasses
import functools
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from samplevis import __version__
from samplevis.atlas.cost import Cost, cost_of
from samplevis.atlas.layers import LayerPlan, plan_layers
from samplevis.atlas.settings import DEFAULT_SIZE, AtlasSettings, atlas_settings, digest
from samplevis.atlas.store import PARTS, folder_name
from samplevis.network import Network, as_network, fingerprint
from samplevis.runtime.plain_text import printable

if TYPE_CHECKING:
    import keras


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """Some units of a layer: the work of one file.

    Attributes:
      group: name of the layer, or of the set of directions.
      layer: the network's layer.
      units: their numbers.
      names: their names, or "".
      vectors: their directions, float32 [unit, channels]; None for channels.
      exact: numbers of those that are sampled exactly, too.
      settings: of the atlas.
      model: SHA-256 of the network's weights and preprocessing.
    """

    group: str
    layer: str
    units: tuple[int, ...]
    names: tuple[str, ...]
    vectors: np.ndarray | None
    exact: tuple[int, ...]
    settings: AtlasSettings
    model: str

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of all that its result depends on; the name of its file."""
        vectors = None if self.vectors is None else fingerprint.array(self.vectors)
        names = self.group, self.layer, self.units, self.names, self.exact
        return digest([names, vectors, self.settings.as_dict(), self.model])

    @property
    def path(self) -> str:
        """Its file, relative to the store."""
        return posixpath.join(PARTS, folder_name(self.group), f"{self.digest[:32]}.parquet")

    def keys(self) -> list[str]:
        """The units as "group:number"."""
        return [f"{self.group}:{n}" for n in self.units]

    def directions(self, channels: int) -> np.ndarray:
        """The direction of each unit, float32 [unit, channels]: for a channel, that of its axis."""
        if self.vectors is not None:
            return self.vectors
        return np.eye(channels, dtype=np.float32)[list(self.units)]


@dataclasses.dataclass(frozen=True, eq=False)
class AtlasPlan:
    """What `plan_atlas` returns; printing it shows units, gradients, hours and gigabytes.

    Attributes:
      network: the network.
      layers: what is in the atlas.
      settings: what every unit gets.
      model: SHA-256 of the network's weights and preprocessing.

    Example:
      >>> from samplevis import atlas, modelzoo
      >>> plan = atlas.plan_atlas(modelzoo.Shapes(), ["logits"], settings=dict(size=32))
      >>> plan.num_units, len(plan.tasks())
      (18, 2)
    """

    network: Network
    layers: tuple[LayerPlan, ...]
    settings: AtlasSettings
    model: str

    @property
    def num_units(self) -> int:
        """Units of all layers."""
        return sum(layer.count for layer in self.layers)

    @property
    def unsaturated(self) -> tuple[str, ...]:
        """Outputs whose units are scored before their softmax or sigmoid."""
        channels = (layer.name for layer in self.layers if layer.vectors is None)
        return tuple(name for name in channels if self.network.endings.find(name) is not None)

    @property
    def identity(self) -> dict[str, Any]:
        """What all parts of the atlas share, as JSON holds it; versions are noted, and may differ."""
        name = self.network.name
        return {
            "model": {"name": name, "sha256": self.model},
            "settings": self.settings.as_dict(),
            "versions": {"samplevis": __version__},
        }

    @property
    def layer_notes(self) -> dict[str, dict[str, Any]]:
        """What the page wants to know of the layers: name -> layer, place in the network and number of units."""
        order = list(self.network.layers)
        return {
            each.name: {
                "layer": each.layer,
                # `layer/pre` and aliases come after all layers.
                "place": order.index(each.layer) if each.layer in order else len(order),
                "shape": list(self.network.layer_shape(each.layer)),
                "units": each.count,
            }
            for each in self.layers
        }

    @property
    def cost(self) -> Cost:
        """Gradients and bytes."""
        return cost_of(self.settings, self.num_units, sum(len(task.exact) for task in self.tasks()))

    def tasks(self) -> list[Task]:
        """The work, layer by layer."""
        return list(self._tasks())

    def _tasks(self) -> Iterator[Task]:
        size = self.settings.units_per_part
        for layer in self.layers:
            for first in range(0, layer.count, size):
                yield self.task(layer, layer.units[first : first + size])

    def task(self, layer: LayerPlan, units: Sequence[int]) -> Task:
        """The task of some units of a layer."""
        places = [layer.units.index(n) for n in units]
        return Task(
            layer.name,
            layer.layer,
            tuple(units),
            tuple(layer.names[place] for place in places),
            None if layer.vectors is None else layer.vectors[list(units)],
            tuple(n for n in units if self._is_audited(f"{layer.name}:{n}")),
            self.settings,
            self.model,
        )

    def _is_audited(self, key: str) -> bool:
        """Whether a unit is in the random share; that depends on its name and the seed alone."""
        number = int(digest([key, self.settings.seed])[:8], 16) / 2**32
        return "exact" in self.settings.methods and number < self.settings.exact_share

    def __str__(self) -> str:
        lines = [f"{self.network.name}: {self.num_units:,} units of {len(self.layers)} layers"]
        lines += [f"  {layer.name[:60]:30} {layer.count:>6,}" for layer in self.layers]
        return printable("\n".join([*lines, str(self.cost)]), lines=True)


def plan_atlas(
    model: Network | keras.Model,
    layers: Sequence[str] | None = None,
    *,
    directions: Mapping[str, tuple[str, np.ndarray]] | None = None,
    settings: Mapping[str, Any] | AtlasSettings | None = None,
) -> AtlasPlan:
    """Plans an atlas: which units, and what each of them gets.

    Args:
      model: a `Network` or a Keras model.
      layers: names of layers, for all of their channels, or "layer:first-last" for some of them. Defaults to those that a
        person would name: the network's sums, concatenations or activations, and its output.
      directions: name -> (layer, float array [directions, channels]): more units, such as the decoder of a sparse
        autoencoder. Defaults to none; with directions and no layers, the atlas has directions only.
      settings: names and values of `AtlasSettings`. Defaults to its defaults.

    Returns:
      An `AtlasPlan`.

    Raises:
      ValueError, TypeError: if a layer is unknown, a setting is out of range, or the network takes no pictures of the size.

    Example:
      >>> from samplevis import atlas, modelzoo
      >>> print(atlas.plan_atlas(modelzoo.Shapes(), ["logits"], settings=dict(size=32)))
      Shapes: 18 units of 1 layers
      ...
    """
    network = as_network(model)
    settings = _sized(network, atlas_settings(settings))
    found = plan_layers(network, layers, directions)
    return AtlasPlan(network, found, settings, fingerprint.weights(network))


def _sized(network: Network, settings: AtlasSettings) -> AtlasSettings:
    """The settings with a size that the network takes; raises ValueError, before any work, if it takes none of these."""
    size = settings.size or next((side for side in network.image_shape[:-1] if side), DEFAULT_SIZE)
    if not network.takes((size,) * network.dimensions):
        sides = " x ".join(str(side or "any") for side in network.image_shape[:-1])
        raise ValueError(
            f"size: pictures of an atlas have equal sides, and {network.name!r} takes images of {sides}. Received: {size}"
        )
    return dataclasses.replace(settings, size=size)
