"""Dataset examples of all units in one pass: the images that excite each unit most and least, and a sample of its responses."""

from __future__ import annotations

import dataclasses
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from samplevis.activation.row_batches import padded
from samplevis.analysis import image_stream
from samplevis.atlas.layers import LayerPlan
from samplevis.atlas.pictures import to_webp
from samplevis.atlas.plan import AtlasPlan
from samplevis.atlas.settings import digest
from samplevis.atlas.store import EXAMPLES, SHARED, Store
from samplevis.network import Network, fingerprint
from samplevis.param.picture_files import picture_files

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_SIZE = 16
BINS = 40
# Images whose responses are stored, drawn at random from all: for percentiles, histograms and neighbours.
MAX_SHARED = 1024
# Images whose thumbnails may be held beyond those in use, before unused ones are dropped.
SPARE = 2048
QUALITY = 80


class Extremes:
    """The images with the largest and smallest responses of many units so far; equal ones are in the order of the images.

    Args:
      units: number of units.
      top: images to remember at either end.

    Example:
      >>> import numpy as np
      >>> extremes = Extremes(units=1, top=2)
      >>> extremes.add(np.array([[3.0], [5.0], [4.0]]), first=0)
      >>> extremes.top_numbers
      array([[1, 2]])
    """

    def __init__(self, units: int, top: int):
        self.top = top
        self._best = np.zeros((units, 0)), np.zeros((units, 0), np.int64)
        self._worst = np.zeros((units, 0)), np.zeros((units, 0), np.int64)

    def add(self, responses: np.ndarray, first: int) -> None:
        """Adds the responses of images, [image, unit], the first of which has number `first`."""
        numbers = np.broadcast_to(first + np.arange(len(responses)), responses.T.shape)
        self._best = self._merged(self._best, responses.T, numbers, -1)
        self._worst = self._merged(self._worst, responses.T, numbers, 1)

    def _merged(
        self, there: tuple[np.ndarray, np.ndarray], values: np.ndarray, numbers: np.ndarray, sign: int
    ) -> tuple[np.ndarray, np.ndarray]:
        values, numbers = np.concatenate([there[0], values], 1), np.concatenate([there[1], numbers], 1)
        # Stable, so that equal responses stay in order; nan comes last.
        order = np.argsort(sign * values, axis=1, kind="stable")[:, : self.top]
        return np.take_along_axis(values, order, 1), np.take_along_axis(numbers, order, 1)

    @property
    def top_values(self) -> np.ndarray:
        """The largest responses, [unit, top]."""
        return self._best[0]

    @property
    def top_numbers(self) -> np.ndarray:
        """Numbers of their images, [unit, top]."""
        return self._best[1]

    @property
    def bottom_values(self) -> np.ndarray:
        """The smallest responses, [unit, top]."""
        return self._worst[0]

    @property
    def bottom_numbers(self) -> np.ndarray:
        """Numbers of their images, [unit, top]."""
        return self._worst[1]

    @property
    def numbers(self) -> set[int]:
        """Images that a unit remembers."""
        return set(self.top_numbers.ravel().tolist()) | set(self.bottom_numbers.ravel().tolist())


class Reservoir:
    """A random subset of a stream of rows, each equally likely (Vitter 1985, algorithm R); the same for the same stream.

    Args:
      size: rows to hold.
      seed: of the choice.
    """

    def __init__(self, size: int, seed: int):
        self.size, self._random = size, np.random.default_rng(seed)
        self.rows: list[np.ndarray] = []
        self.numbers: list[int] = []
        self._seen = 0

    def add(self, row: np.ndarray) -> None:
        """Takes a row, or passes it by."""
        if len(self.rows) < self.size:
            self.rows.append(row)
            self.numbers.append(self._seen)
        elif (place := int(self._random.integers(self._seen + 1))) < self.size:
            self.rows[place], self.numbers[place] = row, self._seen
        self._seen += 1


def examples_name(plan: AtlasPlan, images: Any) -> str:
    """Name of the files of a pass, relative to the store: a digest of the images, the layers and what is asked of them."""
    settings = plan.settings
    layers = [[layer.name, layer.layer, layer.units, _text(layer)] for layer in plan.layers]
    asked = [settings.top, settings.size, settings.seed, BINS, MAX_SHARED, QUALITY]
    return posixpath.join(EXAMPLES, digest([identify(images), layers, asked, plan.model])[:32])


def identify(images: Any) -> Any:
    """What tells one set of images from another: names and sizes of files, or a digest of an array."""
    if isinstance(images, (str, os.PathLike)):
        folder = Path(images)
        return [[path.relative_to(folder).as_posix(), path.stat().st_size] for path in picture_files(folder)]
    if isinstance(images, np.ndarray):
        return fingerprint.array(images)
    return f"{type(images).__name__} of {len(images)}" if hasattr(images, "__len__") else type(images).__name__


def is_identified(images: Any) -> bool:
    """Whether `identify` tells these images from any others."""
    return isinstance(images, (str, os.PathLike, np.ndarray))


def _text(layer: LayerPlan) -> str:
    return "" if layer.vectors is None else fingerprint.array(layer.vectors)


def make_examples(
    plan: AtlasPlan, images: np.ndarray | Iterable | str | os.PathLike, store: Store, notify: Callable[[int], None]
) -> str:
    """Passes over the images once and stores the examples of all units, unless the store has them.

    Args:
      plan: of the atlas.
      images: as in `samplevis.collect`; an iterable is identified by its type and length.
      store: where they go.
      notify: called with the number of images of every batch.

    Returns:
      Name of the files, without their endings "-units.parquet" and "-images.parquet".

    Raises:
      ValueError: if there are no images, or they do not fit the network.
      OSError: if an image cannot be read, or a file cannot be written.
    """
    name = examples_name(plan, images)
    if store.is_sound(f"{name}-images.parquet") and store.is_sound(f"{name}-units.parquet"):
        return name
    found = _Pass(plan)
    for batch, names in image_stream.batches(_sized(plan, images), BATCH_SIZE):
        found.add(batch, names)
        notify(len(batch))
    if not found.count:
        raise ValueError("images: expected at least one. Received: none")
    store.write_table(f"{name}-images.parquet", found.images_table())
    # Responses of two atlases can be compared if they are to the same images, of which the seed draws the same.
    shared = digest([identify(images), found.count, plan.settings.seed, MAX_SHARED]) if is_identified(images) else ""
    store.write_table(f"{name}-units.parquet", found.units_table().replace_schema_metadata({SHARED: shared}))
    return name


def _sized(plan: AtlasPlan, images: Any) -> Iterator[tuple[np.ndarray, str]]:
    """The stream of images; files come at the size of the atlas, so that samples can be compared with them."""
    are_files = isinstance(images, (str, os.PathLike))
    size = (plan.settings.size,) * 2 if are_files else None
    return image_stream.stream(plan.network, images, size)


@dataclasses.dataclass
class _Pass:
    """A pass over the images."""

    plan: AtlasPlan

    def __post_init__(self) -> None:
        settings = self.plan.settings
        self.extremes = Extremes(self.plan.num_units, settings.top)
        self.shared = Reservoir(MAX_SHARED, settings.seed)
        self.thumbnails: dict[int, tuple[str, bytes]] = {}
        self.count = 0
        self.respond = _responses(self.plan.network, self.plan.layers)

    def add(self, batch: np.ndarray, names: Sequence[str]) -> None:
        """Adds a batch of images of one size."""
        # Checks the images, and computes nothing.
        self.plan.network.activations(batch, ())
        responses = self.respond(np.stack(padded(batch, BATCH_SIZE)))[: len(batch)]
        self.extremes.add(responses, self.count)
        wanted = self.extremes.numbers
        for n, (image, name) in enumerate(zip(batch, names, strict=True), start=self.count):
            self.shared.add(responses[n - self.count])
            if n in wanted:
                self.thumbnails[n] = name, to_webp(image, QUALITY)
        self.count += len(batch)
        if len(self.thumbnails) > len(wanted) + SPARE:
            self._drop_unused()

    def _drop_unused(self) -> None:
        wanted = self.extremes.numbers
        self.thumbnails = {n: found for n, found in self.thumbnails.items() if n in wanted}

    def images_table(self) -> pa.Table:
        """A row for each image that is an example of a unit."""
        import pyarrow as pa

        self._drop_unused()
        numbers = sorted(self.thumbnails)
        names, pictures = zip(*(self.thumbnails[n] for n in numbers), strict=True)
        return pa.table({"number": pa.array(numbers, pa.int64()), "name": list(names), "picture": list(pictures)})

    def units_table(self) -> pa.Table:
        """A row for each unit."""
        import pyarrow as pa

        found, responses = self.extremes, np.stack(self.shared.rows, 1)
        histograms = [np.histogram(row[np.isfinite(row)], BINS) for row in responses.astype(np.float64)]
        groups = [(layer.name, n) for layer in self.plan.layers for n in layer.units]
        return pa.table(
            {
                "group": [group for group, _ in groups],
                "unit": pa.array([n for _, n in groups], pa.int32()),
                "num_images": pa.array([self.count] * len(groups), pa.int64()),
                "top": _lists(found.top_numbers, pa.int64()),
                "top_activations": _lists(found.top_values, pa.float64()),
                "bottom": _lists(found.bottom_numbers, pa.int64()),
                "bottom_activations": _lists(found.bottom_values, pa.float64()),
                "counts": _lists([counts for counts, _ in histograms], pa.int64()),
                "edges": _lists([edges for _, edges in histograms], pa.float64()),
                "responses": _lists(responses, pa.float32()),
            }
        )


def _lists(values: Sequence[np.ndarray] | np.ndarray, kind: Any) -> pa.Array:
    import pyarrow as pa

    return pa.array([row.tolist() for row in values], pa.list_(kind))


def _responses(network: Network, layers: Sequence[LayerPlan]) -> Callable[[np.ndarray], np.ndarray]:
    """Images [n, ...] -> mean response of every unit of all layers, float32 [n, unit]: one pass through the network."""
    names = tuple(dict.fromkeys(layer.layer for layer in layers))
    cut = network.cut(names)

    @tf.function(autograph=False, reduce_retracing=True)
    def means(images: tf.Tensor) -> list[tf.Tensor]:
        values = cut(images)
        return [tf.reduce_mean(tf.reshape(values[n], (BATCH_SIZE, -1, values[n].shape[-1])), 1) for n in names]

    def run(images: np.ndarray) -> np.ndarray:
        found = dict(zip(names, (each.numpy() for each in means(tf.constant(images, tf.float32))), strict=True))
        parts = [
            found[layer.layer][:, list(layer.units)] if layer.vectors is None else found[layer.layer] @ layer.vectors.T
            for layer in layers
        ]
        return np.concatenate(parts, axis=1)

    return run
