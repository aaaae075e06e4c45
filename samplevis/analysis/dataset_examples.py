"""Dataset examples: which of many pictures excite a unit most and least, and how a sample compares with all of them."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw

from samplevis import export
from samplevis.analysis import image_stream
from samplevis.export.grid_mixin import GridMixin
from samplevis.export.pixels import cropped
from samplevis.network import RESERVED, Network, as_network
from samplevis.objectives import Objective, as_objective
from samplevis.objectives.base import make_accessor
from samplevis.overrides.smooth import smooth_name
from samplevis.results.samples import Samples
from samplevis.runtime.checks import brief, check_array, check_whole

Score = Callable[[np.ndarray], np.ndarray]

# The histogram in pictures: its height in pixels, and the colours of bars and of marks.
HEIGHT, PAPER, BAR, MARK = 64, (255, 255, 255), (150, 150, 150), (200, 30, 30)
GAP = 4


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Examples(GridMixin):
    """What `collect` returns; printing it shows its summary.

    Attributes:
      objective: the unit, in words.
      model: name of the network.
      activations: of every image, in their order, float32 [n].
      top_images, top_activations, top_names: the images that excite the unit most, the strongest first, float32 [k, H, W, C] in
        [0, 1], float32 [k], and the file or number of each.
      bottom_images, bottom_activations, bottom_names: those that excite it least, the weakest first.
      counts: number of images in each bin of the histogram, int [bins].
      edges: bounds of the bins, [bins + 1].
      score: images [n, H, W, C] in [0, 1] -> activations [n], on the images as they are, without transforms.

    Signals are [length, C] in place of [H, W, C], volumes [depth, H, W, C]; pictures show them as waveforms and slices.
    """

    objective: str
    model: str
    activations: np.ndarray
    top_images: np.ndarray
    top_activations: np.ndarray
    top_names: tuple[str, ...]
    bottom_images: np.ndarray
    bottom_activations: np.ndarray
    bottom_names: tuple[str, ...]
    counts: np.ndarray
    edges: np.ndarray
    score: Score

    def __len__(self) -> int:
        return len(self.activations)

    def __repr__(self) -> str:
        return f"<Examples of {self.objective} in {self.model}: {len(self)} images>"

    def __str__(self) -> str:
        return self.summary()

    def percentile(self, values: Samples | np.ndarray | float) -> np.ndarray:
        """How many of the images excite the unit less than something else does.

        Args:
          values: samples of the unit, which are scored as the examples were, without transforms; or activations of any shape.

        Returns:
          Percentages from 0 to 100, ties counting half: [chain, draw] for samples, else the shape of `values`.

        Raises:
          ValueError: if a value is not finite.
        """
        found = self._of_samples(values) if isinstance(values, Samples) else check_array("values", values)
        if not np.isfinite(found).all():
            raise ValueError("values: expected finite activations.")
        ordered = np.sort(self.activations)
        below, up_to = (np.searchsorted(ordered, found.astype(np.float32), side) for side in ("left", "right"))
        return 50 * (below + up_to) / len(ordered)

    def summary(self) -> str:
        """The spread of the activations, and the names of the first and last images.

        Returns:
          Some lines of text.
        """
        low, middle, high = np.percentile(self.activations, (5, 50, 95))
        ends = (("most", self.top_activations, self.top_names), ("least", self.bottom_activations, self.bottom_names))
        lines = [
            f"{self.objective} on {self.model}: {len(self)} images",
            f"  activation  median {middle:.4g}, 5 % below {low:.4g}, 5 % above {high:.4g}",
        ]
        for title, values, names in ends:
            lines += [f"  {title}"] if len(names) else []
            lines += [f"    {value:>10.4g}  {name}" for value, name in zip(values, names, strict=True)]
        return "\n".join(lines)

    def grid(self, scale: int = 1) -> np.ndarray:
        """The top images, the bottom images, each under its activation, and the histogram.

        Args:
          scale: whole-number enlargement, >= 1. Defaults to 1.

        Returns:
          uint8 [height, width, 3].
        """
        return _sheet(f"{self.objective}, {self.model}: {len(self)} images", self._rows(), self, (), scale)

    @property
    def metadata(self) -> dict[str, object]:
        """What a saved grid says of its making."""
        return {"Objective": self.objective, "Model": self.model}

    def _of_samples(self, samples: Samples) -> np.ndarray:
        return self.score(samples.images.reshape(-1, *samples.images.shape[2:])).reshape(samples.images.shape[:2])

    def _rows(self) -> list[tuple[str, np.ndarray, np.ndarray]]:
        rows = (("most", self.top_images, self.top_activations), ("least", self.bottom_images, self.bottom_activations))
        return [(name, _shown(images), values) for name, images, values in rows if len(images)]


def collect(
    model: Network | keras.Model,
    obj: Objective | str | Callable,
    images: np.ndarray | Iterable | str | os.PathLike,
    *,
    top: int = 9,
    bottom: int = 9,
    bins: int = 50,
    batch_size: int = 32,
    image_size: tuple[int, int] | None = None,
) -> Examples:
    """Runs many images through a unit and keeps those that excite it most and least: its dataset examples.

    Images stream: besides one batch, only those that are kept are held. All activations are kept, a number for each image.
    For vectors of a whole layer, see `recipes.collect_activations`.

    Args:
      model: a `Network` or a Keras model.
      obj: an objective that scores each image by itself, a string such as "fire9:10", or a function of the activations.
      images: float array [n, H, W, C] in [0, 1]; a folder, searched with its subfolders in the order of the names; or
        anything to iterate over, such as a list of files, a generator or a `tf.data.Dataset`, of paths, images [H, W, C] or
        batches [b, H, W, C], alone or first in a tuple (image, label). All of one size. Arrays of signals [length, C] or volumes
        [depth, H, W, C] for networks that take them.
      top: number of images to keep that excite the unit most, >= 0; at most all are kept. Defaults to 9.
      bottom: number of those that excite it least, >= 0. Defaults to 9.
      bins: bins of the histogram, >= 1, from the least activation to the largest. Defaults to 50.
      batch_size: images to run at a time, >= 1. Defaults to 32.
      image_size: (height, width) that files are cropped (about their centre) and scaled to. Defaults to what the network
        declares, or to each file's own size.

    Returns:
      `Examples`. Of images with equal activations, the first come first.

    Raises:
      ValueError: for an objective that does not fit, no images, images of several sizes, or images that are no floats in [0, 1].
      OSError: if a folder or a file cannot be read.

    Example:
      >>> examples = samplevis.collect(model, "fire9:10", "photos/", image_size=(224, 224))
      >>> examples.save_grid("fire9-10.png")
    """
    network = as_network(model)
    for name, value, lowest in (
        ("top", top, 0),
        ("bottom", bottom, 0),
        ("bins", bins, 1),
        ("batch_size", batch_size, 1),
    ):
        check_whole(name, value, lowest)
    objective = as_objective(obj)
    if objective.coupled:
        raise ValueError(f"obj: expected one that scores each image by itself. Received: {objective}")
    score = _score(network, objective, batch_size)
    best, worst = _Kept(top, -1), _Kept(bottom, 1)
    size, found = None, []
    for batch, names in image_stream.batches(image_stream.stream(network, images, image_size), batch_size):
        # Only checks the images.
        network.activations(batch, ())
        size = size or batch.shape[1:]
        if batch.shape[1:] != size:
            raise ValueError(
                f"images: expected images of one size; give image_size for files. Received: {size} and {batch.shape[1:]}"
            )
        values = score(batch)
        for kept in (best, worst):
            kept.add(batch, values, names)
        found.append(values)
    if not found:
        raise ValueError("images: expected at least one. Received: none")
    activations = np.concatenate(found)
    counts, edges = np.histogram(activations, bins)
    return Examples(
        str(objective), network.name, activations, *best.result(size), *worst.result(size), counts, edges, score
    )


def beside(samples: Samples, examples: Examples, columns: int = 9, scale: int = 1) -> np.ndarray:
    """One picture of a unit: its samples, its dataset examples, and where both stand in the histogram.

    All activations are those of the images as they are, without transforms, in the network of the examples; samples may come
    from its smoothed clone, as those of `render` do. Red marks in the histogram are samples. Examples are cropped about their
    centre and scaled to the size of the samples.

    Args:
      samples: what `render` returned.
      examples: what `collect` returned for the same unit and network.
      columns: images in a row, >= 1. Defaults to 9.
      scale: whole-number enlargement, >= 1. Defaults to 1.

    Returns:
      uint8 [height, width, 3].

    Raises:
      ValueError, TypeError: if the two are of different units or networks, or an argument is out of range.

    Example:
      >>> export.save_image(samplevis.beside(samples, examples), "unit.png")
    """
    for name, value, kind in (("samples", samples, Samples), ("examples", examples, Examples)):
        if not isinstance(value, kind):
            raise TypeError(f"{name}: expected {kind.__name__}. Received: {brief(value)}")
    check_whole("columns", columns, 1)
    ours, theirs = (samples.objective, samples.model), (examples.objective, examples.model)
    if ours not in (theirs, (examples.objective, smooth_name(examples.model))):
        raise ValueError(
            f"examples: expected those of {ours[0]} in {ours[1]}, as the samples are. Received: {theirs[0]} in {theirs[1]}"
        )
    values = examples._of_samples(samples)
    chains, draws = values.shape
    # The last draw of every chain, then the one before it, and so on: different chains are different pictures.
    order = [(chain, draw) for draw in range(draws)[::-1] for chain in range(chains)][:columns]
    where = tuple(np.transpose(order))
    drawn = _shown(samples.images[where])
    rows = [
        ("optimised", _shown(samples.optimized[:columns]), examples.score(samples.optimized[:columns])),
        ("samples", drawn, values[where]),
        *((name, _fitted(kept[:columns], drawn.shape[1:3]), a[:columns]) for name, kept, a in examples._rows()),
    ]
    share = np.median(examples.percentile(values))
    title = f"{ours[0]}, {ours[1]}: the median sample is above {share:.1f} % of {len(examples)} images"
    return _sheet(title, rows, examples, values.ravel(), scale)


class _Kept:
    """The `count` images with the least sign * activation so far, in order."""

    def __init__(self, count: int, sign: int):
        self.count, self.sign = count, sign
        self.found: list[tuple[float, np.ndarray, str]] = []

    def add(self, images: np.ndarray, values: np.ndarray, names: Sequence[str]) -> None:
        self.found += zip(values, images, names, strict=True)
        # Python sorts stably: among equals the first stay first.
        first = sorted(self.found, key=lambda one: self.sign * one[0])[: self.count]
        # A view would hold its whole batch.
        self.found = [
            (value, np.array(image) if image.base is not None else image, name) for value, image, name in first
        ]

    def result(self, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
        values, images, names = zip(*self.found, strict=True) if self.found else ((), (), ())
        return np.array(images, np.float32).reshape(-1, *shape), np.array(values, np.float32), tuple(names)


def _score(network: Network, objective: Objective, batch_size: int) -> Score:
    """Images [n, H, W, C] -> activations [n]; compiled once for each size of images."""

    @functools.lru_cache(maxsize=8)
    def compiled(size: tuple[int, ...]) -> Callable[[tf.Tensor], tf.Tensor]:
        resolved = objective.resolve(network, size)
        layers = tuple(name for name in resolved.layers if name not in RESERVED)

        def run(images: tf.Tensor) -> tf.Tensor:
            values = network.cut(layers)(images) if layers else {}
            return resolved(make_accessor(values.__getitem__, network, images))

        return tf.function(run, autograph=False)

    def score(images: np.ndarray) -> np.ndarray:
        run = compiled(images.shape[1:-1])
        parts = [images[i : i + batch_size] for i in range(0, len(images), batch_size)]
        values = np.concatenate([np.asarray(run(tf.constant(part, tf.float32)), np.float32) for part in parts])
        if not np.isfinite(values).all():
            raise ValueError(f"obj: {objective} is not finite on {int((~np.isfinite(values)).sum())} of the images.")
        return values

    return score


def _shown(images: np.ndarray) -> np.ndarray:
    """Images as they are, signals [n, length, C] as waveforms, volumes [n, depth, H, W, C] as slices."""
    return export.as_pictures(images, images.ndim - 2)


def _fitted(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Images cropped and scaled to (height, width), as bytes."""
    pixels = export.pixels.to_uint8(images, (1, 3))
    return np.stack([np.asarray(cropped(Image.fromarray(image), size)) for image in pixels])


def _sheet(
    title: str, rows: list[tuple[str, np.ndarray, np.ndarray]], examples: Examples, marks: Sequence[float], scale: int
) -> np.ndarray:
    """Rows of images under their activations, and the histogram below them."""
    parts = []
    if rows:
        count = max(len(images) for _, images, _ in rows)
        pixels = [export.pixels.to_uint8(images, (1, 3)) for _, images, _ in rows]
        padded = [np.pad(row, ((0, count - len(row)), *[(0, 0)] * 3), constant_values=255) for row in pixels]
        labels = [[f"{value:.3g}" for value in values] + [""] * (count - len(values)) for _, _, values in rows]
        names = [name for name, _, _ in rows]
        parts.append(export.grid(np.stack(padded), row_labels=names, labels=sum(labels, []), scale=scale, title=title))
    width = parts[0].shape[1] if parts else 4 * HEIGHT
    return np.concatenate([*parts, _histogram(examples, marks, width)])


def _histogram(examples: Examples, marks: Sequence[float], width: int) -> np.ndarray:
    """Bars of the counts, a red line for each mark, and the ends of the axis in figures."""
    low, high = min([examples.edges[0], *marks]), max([examples.edges[-1], *marks])
    canvas = Image.new("RGB", (width, HEIGHT + 5 * GAP), PAPER)
    pen = ImageDraw.Draw(canvas)

    def place(value: float) -> float:
        return GAP + (value - low) / max(high - low, 1e-12) * (width - 2 * GAP - 1)

    for left, right, bar in zip(examples.edges[:-1], examples.edges[1:], examples.counts, strict=True):
        if bar:
            top = HEIGHT - max(bar / examples.counts.max() * (HEIGHT - GAP), 1)
            pen.rectangle((place(left), top, max(place(right) - 1, place(left)), HEIGHT), fill=BAR)
    for mark in marks:
        pen.line((place(mark), HEIGHT / 2, place(mark), HEIGHT), fill=MARK)
    text = f"{high:.3g}"
    pen.text((GAP, HEIGHT + GAP), f"{low:.3g}", fill=(0, 0, 0))
    pen.text((width - GAP - pen.textlength(text), HEIGHT + GAP), text, fill=(0, 0, 0))
    return np.asarray(canvas)
