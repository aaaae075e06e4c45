"""How different the pictures are that excite the unit as its best dataset examples do: distances in a network's layers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from samplevis.analysis.evaluation.intervals import jackknife
from samplevis.analysis.evaluation.result import Measure, Metric

MEASURE = Measure(
    label="perceptual distance",
    tells="how different two of the pictures are that excite the unit as much as its best dataset examples do, place by place",
    limits="how many different pictures there are: a shape that was shifted is far from itself",
    control="one of the pictures under random transforms, as often as there are pictures",
    source="Zhang et al. 2018, arXiv:1801.03924 (LPIPS, with equal weights instead of learned ones)",
)


def perceptual_distances(layers: Iterable[np.ndarray]) -> np.ndarray:
    """Distances of all pairs of pictures: activations, with unit length over the channels at each place, squared differences.

    Args:
      layers: activations [N, *places, channels], one array for each layer.

    Returns:
      float64 [N, N]: summed over channels, averaged over places, then over layers. From 0 to 4; to 2 for rectified activations.

    Example:
      >>> perceptual_distances([np.array([[[1.0, 0.0]], [[0.0, 2.0]]])])
      array([[0., 2.],
             [2., 0.]])
    """
    found = []
    for activations in layers:
        places = activations.reshape(len(activations), -1, activations.shape[-1])
        units = places / np.maximum(np.linalg.norm(places, axis=-1, keepdims=True), 1e-10)
        flat = units.reshape(len(units), -1)
        products = (flat @ flat.T).astype(np.float64) / places.shape[1]
        squares = np.diag(products)
        found.append(np.maximum(squares[:, None] + squares - 2 * products, 0))
    return np.mean(found, axis=0)


def perceptual_distance(
    distances: np.ndarray,
    groups: np.ndarray,
    strong: np.ndarray,
    control: np.ndarray,
    examples: np.ndarray,
    coverage: float,
) -> Metric:
    """The mean distance of two pictures that excite the unit enough, and come from two groups.

    Args:
      distances: of the pictures, [N, N].
      groups: of the pictures, [N].
      strong: whether each picture excites the unit enough, bool [N].
      control: distances of one picture under several transforms, [M, M].
      examples: distances of dataset examples that excite the unit, [K, K].
      coverage: of the interval, in (0, 1).

    Returns:
      A `Metric`; 0 if no two pictures from different groups excite the unit enough.
    """

    def mean(kept: np.ndarray) -> float:
        kept = kept[strong[kept]]
        return _mean_apart(distances[np.ix_(kept, kept)], groups[kept])

    value = mean(np.arange(len(distances)))
    low, high = jackknife(mean, groups, value, coverage)
    copies = np.arange(len(control))
    beside, best = _mean_apart(control, copies), _mean_apart(examples, np.arange(len(examples)))
    ends = jackknife(lambda kept: _mean_apart(control[np.ix_(kept, kept)], kept), copies, beside, coverage)
    of = "of the distance between two of the unit's best examples"
    text = f"{value / best:.0%} {of}" if best > 0 else "the unit's best examples are all alike"
    return Metric(MEASURE, value, max(low, 0.0), high, beside, ends, best, text)


def _mean_apart(distances: np.ndarray, groups: np.ndarray) -> float:
    """The mean distance of two pictures of different groups, [N, N] and [N]; 0 if there are no two."""
    apart = groups[:, None] != groups
    return float(distances[apart].mean()) if apart.any() else 0.0
