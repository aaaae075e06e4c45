"""Dataset examples: the images that activate a unit most and least, and where samples stand among all of them."""

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
from samplevis.network import Network, as_network
from samplevis.objectives import Objective, as_objective
from samplevis.objectives.base import make_accessor
from samplevis.overrides.smooth import smooth_name
from samplevis.results.samples import Samples
from samplevis.runtime.checks import brief, check_array, check_whole
from samplevis.runtime.plain_text import printable

Score = Callable[[np.ndarray], np.ndarray]

# The histogram: its height in pixels, and the colours of the background, the bars and the marks.
HEIGHT, PAPER, BAR, MARK = 64, (255, 255, 255), (150, 150, 150), (200, 30, 30)
GAP = 4


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Examples(GridMixin):
    """What `collect` returns; printing it shows its summary.

    Signals have shape [length, C] instead of [H, W, C], volumes [depth, H, W, C]; they are shown as waveforms and slices.

    Attributes:
      objective: the unit, in words.
      model: name of the network.
      activations: float32 [n], of every image in the original order.
      top_images, top_activations, top_names: the images with the largest activations, largest first: float32 [k, H, W, C] in
        [0, 1], float32 [k], and the file or number of each.
      bottom_images, bottom_activations, bottom_names: those with the smallest activations, smallest first.
      counts: number of images in each bin of the histogram, int [bins].
      edges: bounds of the bins, [bins + 1].
      score: images [n, H, W, C] in [0, 1] -> activations [n], without transforms.

    Example:
      >>> import numpy as np
      >>> import samplevis
      >>> from samplevis import modelzoo
      >>> images = np.random.default_rng(0).uniform(size=(20, 64, 64, 3)).astype(np.float32)
      >>> examples = samplevis.collect(modelzoo.Shapes(), "logits:4", images)
      >>> float(examples.percentile(examples.top_activations[0]))
      97.5
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
        return printable(self.summary(), lines=True)

    def percentile(self, values: Samples | np.ndarray | float) -> np.ndarray:
        """The percentage of the images with smaller activations than the given ones.

        Args:
          values: samples of the unit, which are scored like the examples, without transforms; or activations of any shape.

        Returns:
          Percentages from 0 to 100, where ties count half: [chain, draw] for samples, otherwise the shape of `values`.

        Raises:
          ValueError: if a value is not finite.
        """
        values = self._score_samples(values) if isinstance(values, Samples) else check_array("values", values)
        if not np.isfinite(values).all():
            raise ValueError("values: expected finite activations.")
        ordered = np.sort(self.activations)
        below, up_to = (np.searchsorted(ordered, values.astype(np.float32), side) for side in ("left", "right"))
        return 50 * (below + up_to) / len(ordered)

    def summary(self) -> str:
        """Quantiles of the activations, and the names of the top and bottom images, as lines of text."""
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
        """An image of the top and bottom images with their activations, and the histogram.

        Args:
          scale: enlargement, an integer >= 1. Defaults to 1.

        Returns:
          uint8 [height, width, 3].
        """
        return _sheet(f"{self.objective}, {self.model}: {len(self)} images", self._rows(), self, (), scale)

    @property
    def metadata(self) -> dict[str, object]:
        """What a saved grid says of its making."""
        return {"Objective": self.objective, "Model": self.model}

    def _score_samples(self, samples: Samples) -> np.ndarray:
        return self.score(samples.images.reshape(-1, *samples.images.shape[2:])).reshape(samples.images.shape[:2])

    def _rows(self) -> list[tuple[str, np.ndarray, np.ndarray]]:
        rows = (("most", self.top_images, self.top_activations), ("least", self.bottom_images, self.bottom_activations))
        return [(name, _as_pictures(images), values) for name, images, values in rows if len(images)]


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
    """Finds a unit's dataset examples: the images of a dataset with the largest and the smallest activations.

    Images are streamed: only one batch and the current examples are held in memory, with one activation per image. For the
    activations of a whole layer, see `recipes.collect_activations`.

    Args:
      model: a `Network` or a Keras model.
      obj: an objective that does not couple the images of a batch, a string such as "fire9:10", or a function of the activations.
      images: float array [n, H, W, C] in [0, 1]; a folder, searched recursively in the order of the names; or an iterable such
        as a list of files, a generator or a `tf.data.Dataset`, of paths, images [H, W, C] or batches [b, H, W, C], alone or
        first in a tuple (image, label). All images have the same size. For networks that take them, arrays of signals
        [length, C] or volumes [depth, H, W, C].
      top: number of images with the largest activations to return, >= 0; at most all. Defaults to 9.
      bottom: number of images with the smallest activations to return, >= 0. Defaults to 9.
      bins: number of bins of the histogram, from the smallest to the largest activation, >= 1. Defaults to 50.
      batch_size: images to run at a time, >= 1. Defaults to 32.
      image_size: (height, width) to which files are center-cropped and resized. Defaults to the network's input size if it is
        fixed, otherwise to the size of each file.

    Returns:
      `Examples`. Images with equal activations are in the original order.

    Raises:
      ValueError: if the objective does not fit, or if there are no images, different sizes, or values other than floats in [0, 1].
      OSError: if a folder or a file cannot be read.

    Example:
      >>> import numpy as np
      >>> import samplevis
      >>> from samplevis import modelzoo
      >>> images = np.random.default_rng(0).uniform(size=(20, 64, 64, 3)).astype(np.float32)
      >>> examples = samplevis.collect(modelzoo.Shapes(), "logits:4", images, top=4, bottom=4)
      >>> examples.top_images.shape, len(examples)
      ((4, 64, 64, 3), 20)
    """
    network = as_network(model)
    for name, value, lowest in (
        ("top", top, 0),
        ("bottom", bottom, 0),
        ("bins", bins, 1),
        ("batch_size", batch_size, 1),
    ):
        check_whole(name, value, lowest)
    objective = as_objective(obj, network)
    if objective.coupled:
        raise ValueError(f"obj: expected one that scores each image by itself. Received: {objective}")
    score = _score_function(network, objective, batch_size)
    best, worst = _Extremes(top, largest=True), _Extremes(bottom, largest=False)
    size, activations = None, []
    for batch, names in image_stream.batches(image_stream.stream(network, images, image_size), batch_size):
        # Checks the images, and computes nothing.
        network.activations(batch, ())
        size = size or batch.shape[1:]
        if batch.shape[1:] != size:
            raise ValueError(
                f"images: expected images of one size; give image_size for files. Received: {size} and {batch.shape[1:]}"
            )
        values = score(batch)
        best.add(batch, values, names)
        worst.add(batch, values, names)
        activations.append(values)
    if not activations:
        raise ValueError("images: expected at least one. Received: none")
    activations = np.concatenate(activations)
    counts, edges = np.histogram(activations, bins)
    return Examples(
        str(objective), network.name, activations, *best.result(size), *worst.result(size), counts, edges, score
    )


def beside(samples: Samples, examples: Examples, columns: int = 9, scale: int = 1) -> np.ndarray:
    """An image of a unit's samples next to its dataset examples, with a histogram of the activations of both.

    All activations are computed without transforms, by the network of the examples; samples may come from its smoothed clone, as
    those of `render` do. Red marks in the histogram are samples. Examples are center-cropped and resized to the size of the
    samples.

    Args:
      samples: what `render` returned.
      examples: what `collect` returned for the same unit and network.
      columns: images in a row, >= 1. Defaults to 9.
      scale: enlargement, an integer >= 1. Defaults to 1.

    Returns:
      uint8 [height, width, 3].

    Raises:
      ValueError, TypeError: if the two are of different units or networks, or an argument is out of range.

    Example:
      >>> import numpy as np
      >>> import samplevis
      >>> from samplevis import modelzoo
      >>> model, images = modelzoo.Shapes(), np.random.default_rng(0).uniform(size=(20, 64, 64, 3)).astype(np.float32)
      >>> options = dict(num_results=2, num_burnin_steps=2, num_leapfrog_steps=2, num_chains=2, num_transforms=2)
      >>> quick = dict(im_size=64, optimize_steps=16, anneal_steps=25, progress=False)
      >>> samples = samplevis.render(model, "logits:4", options, **quick)
      >>> samplevis.beside(samples, samplevis.collect(model, "logits:4", images)).shape[2]
      3
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
    values = examples._score_samples(samples)
    chains, draws = values.shape
    # The last draw of every chain, then the one before it, and so on, since chains differ more than draws of a chain.
    order = [(chain, draw) for draw in range(draws)[::-1] for chain in range(chains)][:columns]
    chosen = tuple(np.transpose(order))
    shown = _as_pictures(samples.images[chosen])
    rows = [
        ("optimised", _as_pictures(samples.optimized[:columns]), examples.score(samples.optimized[:columns])),
        ("samples", shown, values[chosen]),
        *((name, _resized(images[:columns], shown.shape[1:3]), a[:columns]) for name, images, a in examples._rows()),
    ]
    share = np.median(examples.percentile(values))
    title = f"{ours[0]}, {ours[1]}: the median sample is above {share:.1f} % of {len(examples)} images"
    return _sheet(title, rows, examples, values.ravel(), scale)


class _Extremes:
    """The `count` images with the largest or smallest activations so far, in order."""

    def __init__(self, count: int, largest: bool):
        self.count, self.sign = count, -1 if largest else 1
        self.items: list[tuple[float, np.ndarray, str]] = []

    def add(self, images: np.ndarray, values: np.ndarray, names: Sequence[str]) -> None:
        """Takes the best of a batch."""
        self.items += zip(values, images, names, strict=True)
        # A stable sort: images with equal activations stay in order.
        first = sorted(self.items, key=lambda item: self.sign * item[0])[: self.count]
        # A view would hold its whole batch in memory.
        self.items = [
            (value, np.array(image) if image.base is not None else image, name) for value, image, name in first
        ]

    def result(self, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
        """Images [count, *shape], activations [count] and names."""
        values, images, names = zip(*self.items, strict=True) if self.items else ((), (), ())
        return np.array(images, np.float32).reshape(-1, *shape), np.array(values, np.float32), tuple(names)


def _score_function(network: Network, objective: Objective, batch_size: int) -> Score:
    """Makes a function from images [n, H, W, C] to activations [n], compiled once for each size of images."""

    @functools.lru_cache(maxsize=8)
    def compiled(size: tuple[int, ...]) -> Callable[[tf.Tensor], tf.Tensor]:
        resolved = objective.resolve(network, size)
        layers = tuple(name for name in resolved.layers if name != "input")

        def run(images: tf.Tensor) -> tf.Tensor:
            values = network.cut(layers)(images) if layers else {}
            return resolved(make_accessor(values.__getitem__, network, images))

        return tf.function(run, autograph=False)

    def score(images: np.ndarray) -> np.ndarray:
        run = compiled(images.shape[1:-1])
        batches = [images[i : i + batch_size] for i in range(0, len(images), batch_size)]
        values = np.concatenate([np.asarray(run(tf.constant(batch, tf.float32)), np.float32) for batch in batches])
        if not np.isfinite(values).all():
            raise ValueError(f"obj: {objective} is not finite on {int((~np.isfinite(values)).sum())} of the images.")
        return values

    return score


def _as_pictures(images: np.ndarray) -> np.ndarray:
    """Images unchanged, signals [n, length, C] as waveforms, volumes [n, depth, H, W, C] as slices."""
    return export.as_pictures(images, images.ndim - 2)


def _resized(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Images center-cropped and resized to (height, width), as uint8."""
    pixels = export.pixels.to_uint8(export.false_colors(images), (1, 3))
    return np.stack([np.asarray(cropped(Image.fromarray(image), size)) for image in pixels])


def _sheet(
    title: str, rows: list[tuple[str, np.ndarray, np.ndarray]], examples: Examples, marks: Sequence[float], scale: int
) -> np.ndarray:
    """Rows of images with their activations, above the histogram."""
    parts = []
    if rows:
        count = max(len(images) for _, images, _ in rows)
        pixels = [export.pixels.to_uint8(export.false_colors(images), (1, 3)) for _, images, _ in rows]
        padded = [np.pad(row, ((0, count - len(row)), *[(0, 0)] * 3), constant_values=255) for row in pixels]
        labels = [[f"{value:.3g}" for value in values] + [""] * (count - len(values)) for _, _, values in rows]
        names = [name for name, _, _ in rows]
        present = np.arange(count) < np.array([[len(row)] for row in pixels])
        labels_in_order = sum(labels, [])
        parts.append(
            export.grid(
                np.stack(padded), row_labels=names, labels=labels_in_order, scale=scale, title=title, present=present
            )
        )
    width = parts[0].shape[1] if parts else 4 * HEIGHT
    return np.concatenate([*parts, _histogram(examples, marks, width)])


def _histogram(examples: Examples, marks: Sequence[float], width: int) -> np.ndarray:
    """A histogram with a red line for each mark, and the range of the axis below it."""
    low, high = min([examples.edges[0], *marks]), max([examples.edges[-1], *marks])
    canvas = Image.new("RGB", (width, HEIGHT + 5 * GAP), PAPER)
    pen = ImageDraw.Draw(canvas)

    def x(value: float) -> float:
        return GAP + (value - low) / max(high - low, 1e-12) * (width - 2 * GAP - 1)

    for left, right, bar in zip(examples.edges[:-1], examples.edges[1:], examples.counts, strict=True):
        if bar:
            top = HEIGHT - max(bar / examples.counts.max() * (HEIGHT - GAP), 1)
            pen.rectangle((x(left), top, max(x(right) - 1, x(left)), HEIGHT), fill=BAR)
    for mark in marks:
        pen.line((x(mark), HEIGHT / 2, x(mark), HEIGHT), fill=MARK)
    text = f"{high:.3g}"
    pen.text((GAP, HEIGHT + GAP), f"{low:.3g}", fill=(0, 0, 0))
    pen.text((width - GAP - pen.textlength(text), HEIGHT + GAP), text, fill=(0, 0, 0))
    return np.asarray(canvas)
