"""Whether the network processes pictures as it processes real ones: path similarity, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from samplevis.activation.features import channel_means, spread_layers
from samplevis.analysis.evaluation.forced_choice import share_right, unit_vectors
from samplevis.analysis.evaluation.intervals import resample_weights, resampled_interval
from samplevis.analysis.evaluation.result import Measure, Metric
from samplevis.network import Network
from samplevis.network.sources.base import PRE
from samplevis.objectives import Objective
from samplevis.results.checks import OFF_PATH

MEASURE = Measure(
    label="path similarity",
    tells=(
        "whether the pictures are processed as the unit's real pictures are (1), or no more so than other pictures (0). Above 1 "
        "they have what the unit's real pictures share, and less of what sets these apart: an average, or a caricature"
    ),
    limits="whether a path that differs is wrong; channel means over places do not see where something is",
    control="the pictures with random phases",
    source="Geirhos et al. 2024, arXiv:2306.04719, figure 6; here the cosine of standardized channel means",
)
# A layer tells the unit's real pictures from others if, in this share of the pairs, a held-out one is more like its own.
MIN_RIGHT = 0.9
# Layers of a path.
NUM_LAYERS = 12


class LayerFeatures(NamedTuple):
    """Channel means of a layer; or the images themselves, [..., H, W, C].

    Attributes:
      pictures: [N, F].
      own: of real pictures that excite the unit, [K, F].
      examples: of other ones that do, [K, F].
      others: of real pictures that do not, [M, F].
      control: of the pictures with random phases, [N, F].
    """

    pictures: np.ndarray
    own: np.ndarray
    examples: np.ndarray
    others: np.ndarray
    control: np.ndarray


class _Cosines(NamedTuple):
    """Cosines with each of the unit's own real pictures, [pictures, K]; those of a picture with itself are nan."""

    pictures: np.ndarray
    own: np.ndarray
    examples: np.ndarray
    others: np.ndarray
    control: np.ndarray

    @property
    def tells(self) -> bool:
        """Whether the layer tells the unit's real pictures from others."""
        return share_right(self.examples.mean(1), self.others.mean(1)) >= MIN_RIGHT


def path_similarity(
    layers: Mapping[str, LayerFeatures], groups: np.ndarray, coverage: float, rng: np.random.Generator
) -> Metric:
    """The mean path similarity over the layers that tell the unit's real pictures from others.

    In each layer, s is the mean cosine of two sets: (s(pictures, own) - s(others, own)) / (s(own, own) - s(others, own)).

    Args:
      layers: features, by layer.
      groups: of the pictures, [N].
      coverage: of the intervals, in (0, 1).
      rng: of the bootstrap, over groups and over the unit's own real pictures.

    Returns:
      A `Metric` with the values of all such layers; nan if there is none.
    """
    layers = {layer: found for layer, found in ((name, _cosines(each)) for name, each in layers.items()) if found.tells}
    if not layers:
        text = "no layer before the unit's tells its real pictures from others"
        return Metric(MEASURE, *[np.nan] * 4, (np.nan, np.nan), np.nan, text)
    own = next(iter(layers.values())).own
    # One resample serves all layers, so that their errors stay together.
    weights = resample_weights(groups, rng), resample_weights(np.arange(len(own)), rng)
    resamples = np.array([_similarities(found, "pictures", *weights) for found in layers.values()])
    values, controls, examples = (
        [float(_similarities(found, of)[0]) for found in layers.values()] for of in ("pictures", "control", "examples")
    )
    ends = [resampled_interval(value, each, groups, coverage) for value, each in zip(values, resamples, strict=True)]
    by_layer = {layer: (value, *end) for layer, value, end in zip(layers, values, ends, strict=True)}
    off = sum(high < OFF_PATH for _, high in ends)
    text = f"off the usual path in {off} of the {len(by_layer)} layers that tell the unit's real pictures from others"
    value, control, best = (float(np.mean(found)) for found in (values, controls, examples))
    beside = np.mean([_similarities(found, "control", *weights) for found in layers.values()], axis=0)
    (low, high), control_ends = (
        resampled_interval(mean, each, groups, coverage)
        for mean, each in ((value, resamples.mean(0)), (control, beside))
    )
    return Metric(MEASURE, value, low, high, control, control_ends, best, text, by_layer)


def path_features(network: Network, objective: Objective, images: LayerFeatures) -> dict[str, LayerFeatures]:
    """What a network sees in images on its way to a unit.

    Args:
      network: the network.
      objective: the unit, resolved.
      images: float32 arrays [..., *image_shape] in [0, 1].

    Returns:
      layer -> features, of at most `NUM_LAYERS` layers that lead to the deepest one of the unit.
    """
    names = list(network.layers)
    own = (name.removesuffix(PRE) for name in objective.layers)
    deepest = max((name for name in own if name in names), key=names.index, default=None)
    layers = spread_layers(network, NUM_LAYERS, deepest)
    found = [channel_means(network, each, layers) for each in images]
    return {layer: LayerFeatures(*(each[layer] for each in found)) for layer in layers}


def _cosines(found: LayerFeatures) -> _Cosines:
    own = unit_vectors(found.own, found.others)
    pairs = own @ own.T
    np.fill_diagonal(pairs, np.nan)
    sets = (found.pictures, found.examples, found.others, found.control)
    pictures, *rest = (unit_vectors(features, found.others) @ own.T for features in sets)
    return _Cosines(pictures, pairs, *rest)


def _similarities(
    cosines: _Cosines, of: str, weights: np.ndarray | None = None, own: np.ndarray | None = None
) -> np.ndarray:
    """Path similarities of a set of pictures in resamples, given as weights of the pictures and of the unit's own, [R, ...]."""
    found = getattr(cosines, of)
    weights = np.full((1, len(found)), 1 / len(found)) if weights is None else weights
    own = np.full((1, len(cosines.own)), 1 / len(cosines.own)) if own is None else own
    others = own @ cosines.others.mean(0)
    # A picture that was drawn twice is not compared with itself.
    pairs = 1 - np.sum(own**2, 1)
    alike = np.sum(own @ np.nan_to_num(cosines.own) * own, 1) / np.where(pairs > 1e-9, pairs, np.nan)
    above = np.where(alike > others, alike - others, np.nan)
    return (np.sum((weights @ found) * own, 1) - others) / above
