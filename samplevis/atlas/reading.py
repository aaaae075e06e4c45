"""open(): the atlas in a folder, as tables, pictures and figures."""

from __future__ import annotations

import dataclasses
import functools
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from samplevis.atlas import rows
from samplevis.atlas.model_spec import make_spec
from samplevis.atlas.pictures import from_webp
from samplevis.atlas.settings import AtlasSettings
from samplevis.atlas.similarity import nearest, nearest_in
from samplevis.atlas.store import EXAMPLES, PARTS, SHARED, WEIGHTS, Store
from samplevis.runtime.checks import check_choice, did_you_mean

if TYPE_CHECKING:
    import keras
    import pandas as pd
    import pyarrow as pa

    from samplevis.network import Network

# Nearest units that an open atlas looks up.
MAX_NEAREST = 64


@dataclasses.dataclass(frozen=True, eq=False)
class Unit:
    """A unit of an atlas.

    Attributes:
      key: "layer:unit", or "name of a set of directions:number".
      record: column -> value of its row, see `samplevis.atlas.rows.SCHEMA`.
      examples: column -> value of its row of dataset examples; empty without any.

    Example:
      >>> unit = samplevis.atlas.open("atlas")["fire9:3"]
      >>> unit.status, unit.images("samples").shape
      ('reached', (4, 64, 64, 3))
    """

    key: str
    record: Mapping[str, Any]
    examples: Mapping[str, Any]

    @property
    def status(self) -> str:
        """ "reached", "off" the level, "optimized", "planned", "dead" or "failed"."""
        return self.record["status"]

    def images(self, what: str = "samples") -> np.ndarray:
        """Pictures of the unit.

        Args:
          what: "optimized", "samples", "means" or "exact_samples". Defaults to "samples".

        Returns:
          uint8 [picture, H, W, 3], as stored: WebP loses a little; empty if the unit has none.
        """
        found = self.record[what]
        found = [found] if isinstance(found, bytes) else found or []
        return np.stack([from_webp(each) for each in found]) if found else np.zeros((0, 0, 0, 3), np.uint8)

    def percentiles(self) -> np.ndarray:
        """Percentage of the shared images with a smaller activation than each sample; empty without dataset examples."""
        if not self.examples or not len(self.record["sample_activations"]):
            return np.zeros(0)
        ordered = np.sort(np.asarray(self.examples["responses"], np.float64))
        return 100 * np.searchsorted(ordered, self.record["sample_activations"]) / len(ordered)


class Atlas:
    """What `open` returns.

    Args:
      store: where it is.

    Attributes:
      store: where it is.
      identity: model and settings, as `atlas.json` holds them.

    Example:
      >>> atlas = samplevis.atlas.open("atlas")
      >>> frame = atlas.to_pandas()
      >>> frame[frame.status == "dead"].group.value_counts()
      >>> atlas.nearest("fire9:3")
      [('fire8:77', 0.81), ...]
    """

    def __init__(self, store: Store):
        self.store = store
        self.identity = store.identity()

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __repr__(self) -> str:
        return f"<Atlas of {self.identity['model']['name']}: {len(self)} units>"

    def __getitem__(self, key: str) -> Unit:
        """A unit by "layer:unit".

        Raises:
          KeyError: if the atlas does not have it; the message has the nearest names.
        """
        if key not in self._places:
            raise KeyError(f"{key!r}: no such unit in this atlas.{did_you_mean(key, self._places, limit=3)}")
        part, row = self._places[key]
        record = self.store.read_table(part).slice(row, 1).to_pylist()[0]
        return Unit(key, record, self._examples_row(key))

    def units(self, keys: Sequence[str]) -> Iterator[Unit]:
        """Several units, with their pictures; every file is read once.

        Args:
          keys: "layer:unit" of each.

        Yields:
          The units, file by file.
        """
        wanted: dict[str, list[str]] = {}
        for key in keys:
            wanted.setdefault(self._places[key][0], []).append(key)
        for part, here in wanted.items():
            table = self.store.read_table(part)
            for key in here:
                yield Unit(key, table.slice(self._places[key][1], 1).to_pylist()[0], self._examples_row(key))

    def to_arrow(self, pictures: bool = False) -> pa.Table:
        """All units as an Arrow table.

        Args:
          pictures: whether to read the pictures, too. Defaults to False.

        Returns:
          A row for each unit, in the order of the network, with the columns of `samplevis.atlas.rows.SCHEMA`.
        """
        import pyarrow as pa

        columns = tuple(rows.SCHEMA) if pictures else rows.FIGURES
        tables = {part: self.store.read_table(part, columns) for part in self.parts}
        if not tables:
            return rows.table([]).select(list(columns))
        sizes = np.array([table.num_rows for table in tables.values()])
        firsts = dict(zip(tables, np.cumsum(sizes) - sizes, strict=True))
        order = np.array([firsts[part] + row for part, row in self._places.values()])
        return pa.concat_tables(tables.values()).take(order)

    def to_pandas(self, pictures: bool = False) -> pd.DataFrame:
        """All units as a data frame, see `to_arrow`."""
        return self.to_arrow(pictures).to_pandas()

    @property
    def settings(self) -> AtlasSettings:
        """What every unit got."""
        found = dict(self.identity["settings"])
        return AtlasSettings(**found | {"methods": tuple(found["methods"])})

    def nearest(self, key: str, count: int = 16, other: Atlas | None = None) -> list[tuple[str, float]]:
        """The units whose responses to the shared images correlate most with a unit's.

        Args:
          key: "layer:unit".
          count: how many, at most 64. Defaults to 16.
          other: the atlas of another network in which to look, with dataset examples from the same images and the same seed.
            Defaults to this atlas.

        Returns:
          (key, correlation), the nearest first; empty without dataset examples.

        Raises:
          KeyError: if the unit is not in the atlas.
          ValueError: if the other atlas is of other images.

        Example:
          >>> samplevis.atlas.open("squeezenet").nearest("fire9:3", 2, other=samplevis.atlas.open("efficientnet"))
          [('block5c:77', 0.74), ('block5b:13', 0.7)]
        """
        if key not in self._places:
            self[key]
        if other is not None and not self.shares_images(other):
            raise ValueError(f"other: {other.store.url} has no dataset examples from the images of {self.store.url}")
        if key not in self._example_places:
            return []
        place, keys = self._example_places[key], list((other or self)._example_places)
        if other is None:
            numbers, values = (each[place, :count] for each in self.nearest_of_all)
        else:
            pairs = nearest_in(self.responses[place : place + 1], other.responses, min(count, MAX_NEAREST))
            numbers, values = (each[0] for each in pairs)
        return [(keys[n], float(value)) for n, value in zip(numbers, values, strict=True)]

    def shares_images(self, other: Atlas) -> bool:
        """Whether the responses of both atlases are to the same images, so that units of one can be looked up in the other."""
        mine, theirs = (atlas.example_table for atlas in (self, other))
        if mine is None or theirs is None:
            return False
        marks = [(table.schema.metadata or {}).get(SHARED.encode()) for table in (mine, theirs)]
        return bool(marks[0]) and marks[0] == marks[1]

    def strongest(self, key: str, end: Literal["inputs", "outputs"] = "inputs") -> list[tuple[str, float]]:
        """The units of adjacent layers that a unit reads with the largest weights, or those that read it so.

        Layers are adjacent if one reads the other through a single convolution or dense layer, and what leaves channels apart,
        and both are in the atlas. The size of a weight is the norm of its kernel over positions, its sign that of their sum.

        Args:
          key: "layer:unit" of a channel.
          end: "inputs", or "outputs" for the units that read it. Defaults to "inputs".

        Returns:
          (key, weight), at most 16, the strongest first; empty without adjacent layers. Channels that the atlas does not have are
          among them.

        Raises:
          KeyError: if the unit is not in the atlas.
          ValueError: if `end` is something else.

        Example:
          >>> samplevis.atlas.open("atlas").strongest("logits:4")
          [('fire9:77', 0.31), ('fire9:3', -0.28), ...]
        """
        check_choice("end", end, ("inputs", "outputs"))
        if key not in self._places:
            self[key]
        return self.weights.get(key, ([], []))[end == "outputs"]

    def example_images(self, key: str, end: str = "top") -> list[tuple[str, np.ndarray]]:
        """The dataset examples of a unit.

        Args:
          key: "layer:unit".
          end: "top" or "bottom". Defaults to "top".

        Returns:
          (name, uint8 [H, W, 3]) of each, the most extreme first.
        """
        found = self[key].examples
        return [(self.thumbnails[n][0], from_webp(self.thumbnails[n][1])) for n in found[end]] if found else []

    def remake(self, key: str, model: Network | keras.Model | str, **options: Any) -> Unit:
        """Makes a unit again from its row: same model, same settings, same bytes on the same machine with as many threads.

        It takes as long as the units of its part: a unit's place in a batch rounds its figures.

        Args:
          key: "layer:unit" of a channel.
          model: the network, or what `ModelSpec` takes.
          **options: of `ModelSpec`, such as `weights`.

        Returns:
          The `Unit`, made anew; the atlas stays as it is.

        Raises:
          ValueError: if it is another model.
        """
        from samplevis.atlas.plan import plan_atlas
        from samplevis.atlas.tasks import make_records

        row, spec = self[key], make_spec(model, **options)
        group, number = row.record["group"], row.record["unit"]
        if group != row.record["layer"]:
            raise ValueError(
                f"key: {key!r} is a direction, which the atlas does not hold. Build it with its directions."
            )
        plan = plan_atlas(model if spec is None else spec.load(), [group], settings=self.settings)
        if plan.model != self.identity["model"]["sha256"]:
            raise ValueError("model: its weights or its preprocessing are not those of the atlas")
        part, place = self._places[key]
        task = plan.task(plan.layers[0], self.store.read_table(part, ("unit",))["unit"].to_pylist())
        task = dataclasses.replace(task, exact=tuple({number} & {*task.exact}))
        made = make_records(plan.network, task)[place : place + 1]
        return Unit(key, rows.table(made).to_pylist()[0], row.examples)

    @functools.cached_property
    def parts(self) -> list[str]:
        """Names of the finished parts that are sound."""
        return self.store.sound(PARTS)

    @functools.cached_property
    def _places(self) -> dict[str, tuple[str, int]]:
        """Unit -> its part and row, in the order of the network; a unit that is in two parts counts once."""
        found, layers = {}, self.store.layers()
        for part in self.parts:
            table = self.store.read_table(part, ("group", "unit"))
            for row, (group, unit) in enumerate(
                zip(*(table[name].to_pylist() for name in table.column_names), strict=True)
            ):
                found[layers.get(group, {}).get("place", 0), group, unit] = part, row
        return {f"{group}:{unit}": found[place, group, unit] for place, group, unit in sorted(found)}

    @functools.cached_property
    def example_name(self) -> str | None:
        """Name of the files of the latest pass over a dataset, without their endings; None without any."""
        sound = self.store.sound(EXAMPLES)
        names = [name.removesuffix("-units.parquet") for name in sound if name.endswith("-units.parquet")]
        whole = [name for name in names if f"{name}-images.parquet" in sound]
        covered = {name: self.store.read_table(f"{name}-units.parquet", ("unit",)).num_rows for name in whole}
        return max(whole, key=lambda name: covered[name], default=None)

    @functools.cached_property
    def example_table(self) -> pa.Table | None:
        """The dataset examples, a row for each unit; None without any."""
        return None if self.example_name is None else self.store.read_table(f"{self.example_name}-units.parquet")

    @functools.cached_property
    def thumbnails(self) -> dict[int, tuple[str, bytes]]:
        """Number of an image -> its name and its thumbnail."""
        if self.example_name is None:
            return {}
        table = self.store.read_table(posixpath.join(f"{self.example_name}-images.parquet"))
        columns = (table[name].to_pylist() for name in ("number", "name", "picture"))
        return {number: (name, picture) for number, name, picture in zip(*columns, strict=True)}

    @functools.cached_property
    def responses(self) -> np.ndarray:
        """Responses to the shared images, float32 [unit of `example_table`, image]."""
        return np.array(self.example_table["responses"].to_pylist(), np.float32)

    @functools.cached_property
    def _example_places(self) -> dict[str, int]:
        if self.example_table is None:
            return {}
        groups, units = (self.example_table[name].to_pylist() for name in ("group", "unit"))
        return {f"{group}:{unit}": n for n, (group, unit) in enumerate(zip(groups, units, strict=True))}

    @functools.cached_property
    def nearest_of_all(self) -> tuple[np.ndarray, np.ndarray]:
        """(numbers, correlations) of the nearest units of every row of `example_table`, [unit, 64]."""
        return nearest(self.responses, MAX_NEAREST)

    @functools.cached_property
    def weights(self) -> dict[str, tuple[list[tuple[str, float]], list[tuple[str, float]]]]:
        """Unit -> (its strongest inputs, its strongest outputs), as `strongest` returns them."""
        tables = [self.store.read_table(name) for name in self.store.sound(WEIGHTS)]
        if not tables:
            return {}
        # That of the most layers; a later call may have added some.
        found = max(tables, key=lambda table: table.num_rows).to_pydict()
        keys = [f"{group}:{unit}" for group, unit in zip(found["group"], found["unit"], strict=True)]
        ends = [
            [list(zip(*pair, strict=True)) for pair in zip(found[name], found[weights], strict=True)]
            for name, weights in (("inputs", "input_weights"), ("outputs", "output_weights"))
        ]
        return dict(zip(keys, zip(*ends, strict=True), strict=True))

    def _examples_row(self, key: str) -> dict[str, Any]:
        place = self._example_places.get(key)
        return {} if place is None else self.example_table.slice(place, 1).to_pylist()[0]


def open(folder: str | os.PathLike) -> Atlas:
    """Opens an atlas, also while it is being made: what is finished by then is there.

    Args:
      folder: its folder, or a URL that fsspec takes.

    Returns:
      An `Atlas`.

    Raises:
      FileNotFoundError: if there is none.
      ValueError: if it is damaged or of another format.
      ImportError: if pyarrow or fsspec is missing.

    Example:
      >>> samplevis.atlas.open("s3://bucket/atlas")
      <Atlas of SqueezeNet: 3656 units>
    """
    return Atlas(Store(folder))
