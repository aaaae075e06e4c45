"""publish(): the page of one atlas or several, a static folder that opens from disk."""

from __future__ import annotations

import importlib.resources
import io
import itertools
import os
import posixpath
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from samplevis.atlas import rows
from samplevis.atlas.page_data import (
    FIGURES,
    STATUSES,
    as_script,
    elsewhere_data,
    near_data,
    unit_data,
    weight_data,
)
from samplevis.atlas.pictures import sheet
from samplevis.atlas.reading import Atlas, Unit
from samplevis.atlas.store import SITE, Store
from samplevis.runtime.checks import is_list

FILES = ("index.html", "atlas.css", "atlas.js")
# Tiles of a sheet in a row, and their rows: a sheet of 441 tiles of 64 pixels is below a megabyte.
COLUMNS, ROWS = 21, 21
MAX_TILE = 96
VIEWS = ("optimized", "samples", "means", "examples")
QUALITY = 80


def publish(folders: str | os.PathLike | Sequence[str | os.PathLike], out: str | os.PathLike | None = None) -> str:
    """Makes the page of an atlas, at any time, also while the atlas is being made.

    Writes the table `units.parquet`, a row for each unit without pictures, into the first atlas. The page is a folder of static
    files: open its `index.html`, or put it on any web server.

    Args:
      folders: the folder of an atlas; or several, to compare models in one page.
      out: folder of the page. Defaults to `site` in the (first) atlas.

    Returns:
      Path of the page's `index.html`.

    Raises:
      FileNotFoundError, ValueError: if a folder holds no atlas.
      OSError: if a file cannot be written.

    Example:
      >>> samplevis.atlas.publish("atlas")
      'atlas/site/index.html'
    """
    folders = list(folders) if is_list(folders) else [folders]
    atlases = [Atlas(Store(folder)) for folder in folders]
    if not atlases:
        raise ValueError("folders: expected at least one atlas. Received: none")
    out = posixpath.join(atlases[0].store.url, SITE) if out is None else os.fspath(out)
    site = Store(out, durable=False)
    atlases[0].store.write_table("units.parquet", atlases[0].to_arrow())
    models = [_Model(number, atlases, site).publish() for number in range(len(atlases))]
    index = {"models": models, "figures": FIGURES, "statuses": STATUSES, "views": VIEWS}
    site.write_text("data/index.js", as_script("atlas.index", index))
    for name in FILES:
        text = importlib.resources.files("samplevis.atlas.site").joinpath(name).read_text(encoding="utf-8")
        site.write_text(name, text)
    return posixpath.join(out, "index.html")


class _Layer(NamedTuple):
    """A layer of the page: its files are named after its number, never after its name."""

    number: str
    name: str
    units: list[Unit]


class _Model:
    """The page's part of one of several atlases."""

    def __init__(self, number: int, atlases: Sequence[Atlas], site: Store):
        self.number, self.atlas, self.site = number, atlases[number], site
        atlas = self.atlas
        self.others = {n: other for n, other in enumerate(atlases) if n != number}
        self.tile = min(MAX_TILE, atlas.settings.size)
        self.notes = atlas.store.layers()
        # Number of an image -> its place among the thumbnails.
        self.thumbs = {image: place for place, image in enumerate(sorted(atlas.thumbnails))}

    def publish(self) -> dict[str, Any]:
        """Writes the data and the sheets of all layers; returns what the index says of the model."""
        (points, near), elsewhere = near_data(self.atlas), elsewhere_data(self.atlas, self.others)
        self._write_sheets(f"thumbs-{self.number}", [self.atlas.thumbnails[n][1] for n in self.thumbs])
        layers = []
        for layer in self._layers():
            layers.append(self._write_layer(layer, near, elsewhere))
        self.site.write_text(
            f"data/map-{self.number}.js", as_script("atlas.map", {"model": self.number, "points": points})
        )
        identity = self.atlas.identity
        names = {image: self.atlas.thumbnails[image][0] for image in self.thumbs}
        self.site.write_text(
            f"data/images-{self.number}.js",
            as_script("atlas.images", {"model": self.number, "names": [names[n] for n in self.thumbs]}),
        )
        return {
            "name": identity["model"]["name"],
            "sha256": identity["model"]["sha256"],
            "settings": identity["settings"],
            "tile": self.tile,
            "thumbs": [len(self.thumbs), min(self.tile, self.atlas.settings.size)],
            "layers": layers,
            "columns": [COLUMNS, ROWS],
            "map": bool(points),
        }

    def _layers(self) -> Iterator[_Layer]:
        """The layers in the order of the network; each is read when it is asked for."""
        groups: dict[str, list[str]] = {}
        for key in self.atlas:
            groups.setdefault(key.rpartition(":")[0], []).append(key)
        for number, name in enumerate(groups):
            units = sorted(self.atlas.units(groups[name]), key=lambda unit: unit.record["unit"])
            yield _Layer(f"{self.number}-{number}", name, units)

    def _write_layer(self, layer: _Layer, near: dict[str, Any], elsewhere: dict[str, Any]) -> dict[str, Any]:
        data = [unit_data(unit) for unit in layer.units]
        linked, weights = weight_data(self.atlas, [unit.key for unit in layer.units])
        for unit, found in zip(layer.units, data, strict=True):
            found["near"] = near.get(unit.key, [[], []])
            found["elsewhere"], found["weights"] = elsewhere.get(unit.key, []), weights[unit.key]
            for end in ("top", "bottom") if "examples" in found else ():
                found["examples"][end] = [(self.thumbs[n], value) for n, value in found["examples"][end]]
            self._write_strip(layer.number, unit)
        for view in VIEWS:
            self._write_sheets(f"{layer.number}-{view}", [self._tile(unit, view) for unit in layer.units])
        self.site.write_text(
            f"data/layer-{layer.number}.js",
            as_script("atlas.layer", {"id": layer.number, "linked": linked, "units": data}),
        )
        note = self.notes.get(layer.name, {})
        statuses = [found["status"] for found in data]
        return {
            "id": layer.number,
            "name": layer.name,
            "layer": note.get("layer", layer.name),
            "shape": note.get("shape"),
            "planned": note.get("units", len(data)),
            "units": len(data),
            "statuses": {status: statuses.count(status) for status in dict.fromkeys(statuses)},
            "names": [found["name"] for found in data] if any(found["name"] for found in data) else None,
            "numbers": [found["unit"] for found in data],
            "level": _mean([found["level"] for found in data]),
        }

    def _tile(self, unit: Unit, view: str) -> bytes | None:
        """The picture of a unit in a view: of several samples the first."""
        if view == "examples":
            top = unit.examples.get("top") if unit.examples else None
            return self.atlas.thumbnails[top[0]][1] if top else None
        found = unit.record[view]
        return found if isinstance(found, bytes) else found[0] if found else None

    def _write_strip(self, number: str, unit: Unit) -> None:
        """All pictures of a unit, side by side in one file."""
        found = [unit.record[what] for what in rows.PICTURES]
        pictures = list(
            itertools.chain.from_iterable([each] if isinstance(each, bytes) else each or [] for each in found)
        )
        if pictures:
            image = sheet(pictures, self.atlas.settings.size, len(pictures))
            self._save(f"units/{number}/{unit.record['unit']}.webp", image, 90)

    def _write_sheets(self, name: str, pictures: list[bytes | None]) -> None:
        if not any(pictures):
            return
        for number, first in enumerate(range(0, len(pictures), COLUMNS * ROWS)):
            image = sheet(pictures[first : first + COLUMNS * ROWS], self.tile, COLUMNS)
            self._save(f"sheets/{name}-{number}.webp", image, QUALITY)

    def _save(self, name: str, image: Any, quality: int) -> None:
        stream = io.BytesIO()
        image.save(stream, "webp", quality=quality, method=2)
        self.site.write(name, stream.getvalue())


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and value == value]
    return sum(known) / len(known) if known else None
