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
from samplevis.results.families import (
    MAX_LOG_Z_SPREAD,
    family_sizes,
    has_families,
    log_z_spread,
    num_independent,
)
from samplevis.runtime import compiled
from samplevis.runtime.checks import brief, check_between

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

# Fewer independent draws than these tell no share.
MIN_INDEPENDENT = 20
# Variance of the shares of four populations over that of chance above which they disagree: one in a thousand do by chance.
MAX_DISAGREEMENT = 5.4
ADVICE = "Ask for more draws (num_results), or a lower level"
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
      num_independent: independent draws that they are worth for the label that families share most: relatives with the same label
        count once, and populations that differ by more than chance make it fewer.

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
    "smc", under a prior that knows what the unit responds to (`param.flow`). Shares by "rejection" are those of the density. Shares
    by "smc" are those among the modes that its populations found: the intervals do not cover a mode that all of them missed.

    Args:
      judge: who names what is in an image: a network with labels, whose last layer is an argmax, or a function of images
        [N, H, W, C] that returns N labels.
      coverage: of the intervals (Wilson's, for the number of independent draws), in (0, 1). Defaults to 0.9.

    Returns:
      `Shares`.

    Raises:
      ValueError: if the draws are those of chains, or worth fewer than 20 independent ones, or if their populations disagree.
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
    _check_families(samples)
    images = np.reshape(samples.images, (-1, *samples.images.shape[2:]))
    named = judged(judge, images)
    independent = _worth(samples, named)
    labels, counts = np.unique(named, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    share = counts[order] / len(named)
    low, high = wilson(share, independent[order], coverage)
    return Shares(
        tuple(map(str, labels[order])),
        *(tuple(map(float, values)) for values in (share, low, high)),
        coverage,
        len(named),
        float(independent.min()),
    )


def _check_families(samples: Samples) -> None:
    """Raises ValueError if the draws are worth too few, or their populations disagree."""
    families = family_sizes(samples.stats["ancestor"])
    _check_number(samples, num_independent(families))
    nats, spread = log_z_spread(samples)
    if spread > MAX_LOG_Z_SPREAD:
        raise ValueError(
            f"shares: the populations disagree by {nats:.1f} nats on how rare the event is, so that some of them have missed "
            f"images that others found. {ADVICE}"
        )


def _check_number(samples: Samples, independent: float) -> None:
    if independent < MIN_INDEPENDENT:
        families = family_sizes(samples.stats["ancestor"])
        raise ValueError(
            f"shares: the {families.sum()} draws descend from {len(families)} draws of the prior and are worth {independent:.0f} "
            f"independent ones; expected at least {MIN_INDEPENDENT}. {ADVICE}"
        )


def _worth(samples: Samples, named: np.ndarray) -> np.ndarray:
    """How many independent draws each label is worth; fewer if the populations differ by more than chance."""
    independent = effective_draws(named, np.ravel(samples.stats["ancestor"]))
    if not has_families(samples):
        return independent
    ratio = disagreement(named, np.ravel(samples.stats["population"]), independent)
    if ratio > MAX_DISAGREEMENT:
        raise ValueError(
            f"shares: the populations disagree: their shares differ {np.sqrt(ratio):.1f} times as much as by chance. {ADVICE}"
        )
    independent = independent / max(ratio, 1.0)
    _check_number(samples, float(independent.min()))
    return independent


def effective_draws(labels: np.ndarray, ancestors: np.ndarray) -> np.ndarray:
    """How many independent draws related draws are worth, for the share of each of their labels.

    Families are independent, so that the variance of a share is a sum over them (Chan and Lai 2013). It is too small for a label
    that few families have. The other bound is Kish's design effect, with the correlation of relatives that an analysis of variance
    finds over all labels (Kish 1965; Donner 1986): relatives that transitions have led apart have labels of their own.

    Args:
      labels: of the draws, [N].
      ancestors: of the draws, int [N].

    Returns:
      For each label in the order of `np.unique`, from 1 to N.

    Example:
      >>> effective_draws(np.array(["a", "a", "b", "b"]), np.array([0, 0, 1, 1]))
      array([2., 2.])
    """
    count = len(labels)
    names, label = np.unique(labels, return_inverse=True)
    families, family, sizes = np.unique(ancestors, return_inverse=True, return_counts=True)
    if len(families) in (1, count):
        return np.full(len(names), float(len(families)))
    found = np.zeros((len(families), len(names)))
    np.add.at(found, (family, label), 1)
    share = found.sum(0) / count
    excess = found - sizes[:, None] * share
    between = np.sum(excess**2 / sizes[:, None]) / (len(families) - 1)
    within = np.sum(found * (1 - found / sizes[:, None])) / (count - len(families))
    squares = np.square(sizes).sum() / count
    typical = (count - squares) / (len(families) - 1)
    total = between + (typical - 1) * within
    correlation = np.clip((between - within) / total, 0, 1) if total > 0 else 1.0
    alike = count / (1 + correlation * (squares - 1))
    variance = np.square(excess).sum(0) / count**2
    with np.errstate(divide="ignore", invalid="ignore"):
        summed = share * (1 - share) / variance
    return np.clip(np.fmin(summed, alike), 1.0, count)


def disagreement(labels: np.ndarray, populations: np.ndarray, independent: np.ndarray) -> float:
    """How much the shares of the labels differ between populations, over what independent draws would differ by chance.

    Args:
      labels: of the draws, [N].
      populations: of the draws, int [N].
      independent: independent draws that all of them are worth, for each label in the order of `np.unique`.

    Returns:
      A ratio of variances, 1 on average if the populations agree; 0 for one population, or one label.
    """
    numbers, names = np.unique(populations), np.unique(labels)
    if len(numbers) < 2 or len(names) < 2:
        return 0.0
    shares = np.array([[np.mean(labels[populations == number] == name) for name in names] for number in numbers])
    mean = np.array([np.mean(labels == name) for name in names])
    found = np.sum((shares - mean) ** 2) / (len(numbers) - 1)
    return float(found / len(numbers) / np.sum(mean * (1 - mean) / independent))


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


def wilson(share: np.ndarray, count: np.ndarray | float, coverage: float) -> tuple[np.ndarray, np.ndarray]:
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
