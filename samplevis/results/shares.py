"""How often something appears in independent draws."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from samplevis.network import Network, as_network
from samplevis.runtime import compiled
from samplevis.runtime.checks import brief, check_between

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

# Fewer independent draws than these tell no share.
MIN_INDEPENDENT = 20
BATCH_SIZE = 64

Judge = Network | keras.Model | Callable[[np.ndarray], Sequence[str]]


@dataclasses.dataclass(frozen=True)
class Shares:
    """The share of each label among the draws; printing it shows them, the most frequent first.

    Attributes:
      labels: that appeared, the most frequent first.
      share: of each, in [0, 1].
      low: lower end of its interval.
      high: upper end.
      coverage: of the intervals.
      num_draws: draws that were judged.
      num_independent: independent draws that they are worth: equally large families of one ancestor count once.

    Example:
      >>> found = samples.shares(modelzoo.ShapesJudge())
      >>> found["stripes"]
      0.74
    """

    labels: tuple[str, ...]
    share: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    coverage: float
    num_draws: int
    num_independent: float

    def __getitem__(self, label: str) -> float:
        """The share of a label, 0 if it did not appear."""
        return dict(zip(self.labels, self.share, strict=True)).get(label, 0.0)

    def __str__(self) -> str:
        width = max(map(len, self.labels))
        rows = zip(self.labels, self.share, self.low, self.high, strict=True)
        lines = [f"  {label:<{width}}  {share:.3f}  ({low:.3f} to {high:.3f})" for label, share, low, high in rows]
        title = (
            f"{self.num_draws} draws, worth {self.num_independent:.0f} independent ones; {self.coverage:.0%} intervals"
        )
        return "\n".join([title, *lines])


def shares(samples: Samples, judge: Judge, coverage: float = 0.9) -> Shares:
    """How often each label appears among independent draws, with intervals.

    Chains keep the composition that they started with, so that their draws tell no shares: sample with the kernel "rejection" or
    "smc", under a prior that knows what the unit responds to (`param.flow`).

    Args:
      judge: who names what is in an image: a network with labels, whose last layer is an argmax, or a function of images
        [N, H, W, C] that returns N labels.
      coverage: of the intervals (Wilson's, for the number of independent draws), in (0, 1). Defaults to 0.9.

    Returns:
      `Shares`.

    Raises:
      ValueError: if the draws are those of chains, or worth fewer than 20 independent ones.
      TypeError: if `judge` is neither.

    Example:
      >>> prior = modelzoo.shapes.prior()
      >>> samples = samplevis.render(modelzoo.Shapes(), "logits:star|stripes", dict(kernel="smc", num_results=64), param=prior)
      >>> print(samples.shares(modelzoo.ShapesJudge()))
    """
    check_between("coverage", coverage, 1e-6, 1 - 1e-6)
    if "ancestor" not in samples.stats:
        raise ValueError(
            f"shares: expected independent draws, of the kernel 'rejection' or 'smc'. Received: chains of {samples.kernel!r}, "
            "each of which keeps its composition"
        )
    families = family_sizes(samples.stats["ancestor"])
    independent = num_independent(families)
    if independent < MIN_INDEPENDENT:
        raise ValueError(
            f"shares: the {families.sum()} draws descend from {len(families)} draws of the prior and are worth {independent:.0f} "
            f"independent ones; expected at least {MIN_INDEPENDENT}. Ask for more draws (num_results), or a lower level"
        )
    images = np.reshape(samples.images, (-1, *samples.images.shape[2:]))
    named = judged(judge, images)
    labels, counts = np.unique(named, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    share = counts[order] / len(named)
    low, high = wilson(share, independent, coverage)
    return Shares(
        tuple(map(str, labels[order])),
        *(tuple(map(float, values)) for values in (share, low, high)),
        coverage,
        len(named),
        independent,
    )


def family_sizes(ancestors: np.ndarray) -> np.ndarray:
    """How many draws descend from each ancestor that has any: ancestors of any shape -> int [families]."""
    return np.unique(ancestors, return_counts=True)[1]


def num_independent(families: np.ndarray) -> float:
    """How many independent draws those of families of these sizes are worth; equally large families count once (Kish 1965).

    Args:
      families: draws in each family, int [families].

    Returns:
      From 1 to the number of families.

    Example:
      >>> num_independent(np.array([2, 2, 2]))
      3.0
    """
    return float(families.sum() ** 2 / np.square(families).sum())


def judged(judge: Judge, images: np.ndarray) -> np.ndarray:
    """The label of each image.

    Args:
      judge: as in `shares`.
      images: float32 [N, H, W, C] in [0, 1].

    Returns:
      str [N].
    """
    if isinstance(judge, (Network, keras.Model)):
        network = as_network(judge)
        layer = list(network.layers)[-1]
        run = compiled.cached(network.compiled, layer)("judged", lambda batch: network.cut((layer,))(batch)[layer])
        parts = [images[i : i + BATCH_SIZE] for i in range(0, len(images), BATCH_SIZE)]
        scores = np.concatenate([run(tf.constant(part, tf.float32)).numpy() for part in parts])
        best = scores.reshape(len(images), -1).argmax(1)
        labels = network.labels
        return np.array([str(i) if labels is None else labels[i] for i in best])
    if not callable(judge):
        raise TypeError(f"judge: expected a network or a function of images. Received: {brief(judge)}")
    found = np.array([str(label) for label in judge(images)])
    if len(found) != len(images):
        raise ValueError(f"judge: expected a label for each of {len(images)} images. Received: {len(found)}")
    return found


def wilson(share: np.ndarray, count: float, coverage: float) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval for a share (Wilson 1927).

    Args:
      share: found, in [0, 1].
      count: of independent draws, > 0.
      coverage: in (0, 1).

    Returns:
      (low, high), in [0, 1].

    Example:
      >>> low, high = wilson(np.array([0.5]), 100, 0.9)
      >>> low.round(3), high.round(3)
      (array([0.419]), array([0.581]))
    """
    z = NormalDist().inv_cdf((1 + coverage) / 2)
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)
