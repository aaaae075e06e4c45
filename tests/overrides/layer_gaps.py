"""How far the layers of a copy are from those of the network that it was made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from samplevis import Network

# A layer that is silent in the original has no scale of its own; others are of the order of 1.
SILENT = 1e-3


def wrong_layers(
    network: Network,
    copy: Callable[[np.ndarray, Sequence[str]], Mapping[str, np.ndarray]],
    images: np.ndarray,
    names: Sequence[str],
    allowed: float,
) -> dict[str, float]:
    """The layers whose values differ by more than a part of the largest, and by how much.

    Args:
      network: the original.
      copy: (images, names of layers) -> the copy's values of each.
      images: what both are given.
      names: of the layers.
      allowed: the largest difference, relative to the largest value of the original's layer.

    Returns:
      Name -> difference, of the layers where it is too large or not a number.
    """
    expected, found = network.activations(images, names), copy(images, names)
    gaps = {
        name: float(np.abs(found[name] - value).max() / max(np.abs(value).max(), SILENT))
        for name, value in expected.items()
    }
    return {name: gap for name, gap in gaps.items() if not gap <= allowed}
