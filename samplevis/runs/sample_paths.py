"""Whether a network processes samples as it processes the pictures that excite the unit: path similarity beside a run."""

from __future__ import annotations

from typing import Any

import numpy as np

from samplevis.analysis.dataset_examples import Examples
from samplevis.analysis.evaluation.path_similarity import LayerFeatures, path_features, path_similarity
from samplevis.analysis.evaluation.pictures import best_examples, random_phases, resized
from samplevis.network import Network
from samplevis.objectives import Objective

# Pictures that must be given, and at hand of those that excite the unit most and least.
MIN_EXAMPLES, MIN_AT_HAND = 64, 8
COVERAGE = 0.9


def path_of_samples(
    network: Network, objective: Objective, images: np.ndarray, examples: Examples, rng: np.random.Generator
) -> dict[str, Any]:
    """Path similarity of the last draw of each chain: 1 is the path of the pictures that excite the unit most, 0 of those that
    excite it least.

    Args:
      network: the network itself, not smoothed.
      objective: the unit, resolved.
      images: draws, [chain, draw, H, W, C] in [0, 1].
      examples: the user's pictures.
      rng: of the bootstrap.

    Returns:
      "path_similarity": value, and the ends of its 90 % interval. Nothing for a single chain, where pictures are too few, or where
      no layer tells those that excite the unit from those that do not.
    """
    best = best_examples(len(examples))
    few = len(examples) < MIN_EXAMPLES or len(examples.bottom_images) < MIN_AT_HAND or len(examples.top_images) < best
    draws = np.asarray(images[:, -1], np.float32)
    if few or len(draws) < 2 or draws.ndim != 4:
        return {}
    top, least = (resized(found, draws.shape[1:-1]) for found in (examples.top_images[:best], examples.bottom_images))
    pictures = LayerFeatures(draws, top[1::2], top[::2], least, random_phases(draws, rng))
    found = path_similarity(path_features(network, objective, pictures), np.arange(len(draws)), COVERAGE, rng)
    return {"path_similarity": [found.value, found.low, found.high]} if np.isfinite(found.value) else {}
