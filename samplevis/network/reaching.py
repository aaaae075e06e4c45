"""What of black, grey and white images reaches the first weights of a model."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from samplevis.network.batch_statistics import HasLayers
from samplevis.network.images import DEFAULT_SIDES
from samplevis.network.sources import GraphSource, Shape, Source
from samplevis.network.sources.functional import FunctionalSource
from samplevis.network.sources.trace import traced

# Layers with weights that are looked into for the first operation that uses a kernel.
TRIED = 3
# Distance of grey from the middle of black and white, as a share of their difference, up to which
# the map is linear: bfloat16 has three digits.
CURVED = 0.02


@dataclasses.dataclass(frozen=True)
class Reaching:
    """Constant images where they reach the first weights.

    Attributes:
      layer: the first layer, or node of a graph, with weights.
      values: value of all pixels of the model's input -> float64 array [numbers], what reaches it.
    """

    layer: str
    values: Mapping[float, np.ndarray]

    @property
    def gain(self) -> float | None:
        """By how much differences between pixels have grown; None if the map is not linear."""
        found = self.ends((0, 1))
        return None if found is None else float(np.abs(found[1] - found[0]).max())

    def ends(self, value_range: tuple[float, float]) -> tuple[np.ndarray, np.ndarray] | None:
        """What black and white of a range become, by number; None if the map is not linear.

        Numbers that hardly change, such as padding and coordinates, are left out.
        """
        low, high = value_range
        black, grey, white = (self.values[value] for value in (low, (low + high) / 2, high))
        change = np.abs(white - black)
        bent = np.abs(grey - (black + white) / 2).max()
        if not np.isfinite(change).all() or bent > CURVED * change.max():
            return None
        counted = change >= 0.5 * change.max()
        return black[counted], white[counted]


def reaching(source: Source, ranges: Sequence[tuple[float, float]]) -> Reaching | None:
    """Pass constant images to a model as far as its first weights.

    Args:
      source: the model, of any kind that is a graph or can be traced.
      ranges: (low, high) of the ranges to try; black, grey and white of each are passed.

    Returns:
      What reaches the first weights, or None if the model has none or they cannot be found.
    """
    pixels = sorted({value for low, high in ranges for value in (low, (low + high) / 2, high)})
    images = tf.stack([tf.fill(any_shape(source), float(value)) for value in pixels])
    for layer, graph in itertools.islice(_graphs(source), TRIED):
        try:
            found = graph.before_weights(images)
        except (ValueError, tf.errors.OpError):
            # A node that cannot be followed, or images of a size that the model does not take.
            return None
        if found is not None:
            node, values = found
            rows = tf.reshape(tf.cast(values, tf.float64), (len(pixels), -1)).numpy()
            return Reaching(layer or node, dict(zip(pixels, rows, strict=True)))
    return None


def any_shape(source: Source) -> tuple[int, ...]:
    """A shape of images that a model takes."""
    *sides, channels = source.image_shape
    return (*(side or DEFAULT_SIDES[len(sides)] for side in sides), channels)


def weighted_layers(model: HasLayers) -> Iterator[str]:
    """The layers that have more weights than a map between colours, in the order of computation.

    A `Normalization` holds the statistics of its data, which are not learned.
    """
    most = model.image_shape[-1] ** 2
    for layer, operation in model.operations.items():
        weights: list[Shape] = [weight.shape for weight in getattr(operation, "weights", ())]
        normalizes = type(operation).__name__ == "Normalization"
        if not normalizes and any(math.prod(shape) > most for shape in weights):
            yield layer


def _graphs(source: Source) -> Iterator[tuple[str | None, GraphSource]]:
    """Graphs that begin with the images, and the layer at which each ends."""
    if isinstance(source, GraphSource):
        yield None, source
    elif isinstance(source, FunctionalSource):
        for layer in weighted_layers(source):
            run = source.cut((layer,))
            try:
                yield layer, traced(lambda x, run=run: run(x)[0], image_shape=source.image_shape)
            except ValueError:
                # It has no graph that can be followed: a loop, a call into Python.
                return
