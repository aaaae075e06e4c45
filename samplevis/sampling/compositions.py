"""How many pictures chains hold: clusters of compositions, Vendi scores, and R-hat of thumbnails."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from samplevis.sampling.diagnostics import MIN_DRAWS, blocks, ess_bulk, rank_normalised
from samplevis.sampling.effective_size import size_from_means
from samplevis.sampling.stationarity import LONG

#: Sides of a thumbnail, by number of dimensions: large shapes, and few enough values for principal components of few draws.
THUMBNAIL_SIDES = {1: 64, 2: 8, 3: 4}
#: Principal components of thumbnails that are judged.
NUM_COMPONENTS = 4
#: Shuffles of the draws among the chains that R-hat of thumbnails is compared with: chains that agree exceed all of them in 1 of
#: 200 runs.
NUM_SHUFFLES = 199
# Chains hold one composition if their draws are at least this times as much alike as draws of one chain are.
SAME_COMPOSITION = 0.5
# Correlation of two draws of a chain below which it keeps no composition: four independent thumbnails of a 1/f prior, which has
# about eight large shapes, reach it by chance (standard deviation of six correlations, .35 / sqrt(6) = .14) in 1 of 25 chains.
NO_COMPOSITION = 0.25


class ThumbnailRhat(NamedTuple):
    """Whether chains show the same pictures.

    Attributes:
      rhat: R-hat of the leading principal component of thumbnails on which the chains agree least; nan if there are too few draws.
      control: the largest that the same draws gave when they were shuffled among the chains.
    """

    rhat: float
    control: float


def thumbnails(images: np.ndarray) -> np.ndarray:
    """Images averaged over the cells of a coarse grid.

    Args:
      images: [chain, draw, *image].

    Returns:
      float64 [chain, draw, cells, C]: 8 x 8 cells, 64 for signals and 4 x 4 x 4 for volumes; fewer where a side has fewer values.

    Example:
      >>> thumbnails(np.zeros((4, 2, 96, 96, 3))).shape
      (4, 2, 64, 3)
    """
    chains, draws, *size, channels = images.shape
    found = []
    for block in blocks(images.reshape(-1, *size, channels)):
        for axis, length in enumerate(size, 1):
            count = min(THUMBNAIL_SIDES[len(size)], length)
            first = np.arange(count) * length // count
            lengths = np.diff(np.append(first, length)).reshape([-1] + [1] * (block.ndim - 1 - axis))
            block = np.add.reduceat(block, first, axis=axis) / lengths
        found.append(block)
    return np.concatenate(found).reshape(chains, draws, -1, channels)


def thumbnail_rhat(small: np.ndarray) -> ThumbnailRhat:
    """R-hat of the leading principal components of thumbnails, the axes from even draws, the judgement on odd ones.

    Random projections lose sight of a mode as pixels are added, and symmetric modes have equal band powers; the leading
    components are where chains differ most. Axes and judgement do not share draws, so that noise gives 1.

    Args:
      small: thumbnails [chain, draw, cells, C].

    Returns:
      A `ThumbnailRhat`; nan for fewer than 2 chains or 4 draws, images that are not finite, and if all are equal.

    Example:
      >>> random = np.random.default_rng(0)
      >>> noise = random.normal(size=(4, 20, 64, 3))
      >>> thumbnail_rhat(noise).rhat < 1.2 < thumbnail_rhat(noise + random.normal(size=(4, 1, 64, 3))).rhat
      True
    """
    scores = _component_scores(small)
    if scores is None:
        return ThumbnailRhat(np.nan, np.nan)
    random, flat = np.random.default_rng(0), scores.reshape(len(scores), -1)
    orders = (random.permutation(flat.shape[1]) for _ in range(NUM_SHUFFLES))
    return ThumbnailRhat(
        _worst_rhat(scores), max(_worst_rhat(flat[:, order].reshape(scores.shape)) for order in orders)
    )


def effective_pictures(small: np.ndarray) -> float:
    """Effective sample size of thumbnails: of the leading principal component on which it is smallest.

    Args:
      small: thumbnails [chain, draw, cells, C].

    Returns:
      Independent draws that the pictures are worth; nan for fewer than 2 chains or 8 draws, which leave too few to judge.

    Example:
      >>> noise = np.random.default_rng(0).normal(size=(4, 20, 64, 3))
      >>> effective_pictures(noise) > 50, effective_pictures(noise + 3 * noise[:, :1]) > 50
      (True, False)
    """
    chains, draws = small.shape[:2]
    scores = _component_scores(small)
    if scores is None or scores.shape[2] < MIN_DRAWS:
        return np.nan
    # Half of the draws served for the axes.
    size = 2 * min(ess_bulk(score) for score in scores)
    if scores.shape[2] < LONG:
        size = min(size, _pictures_from_means(scores))
    return float(min(size, chains * draws))


def group_compositions(small: np.ndarray) -> np.ndarray:
    """Groups chains that hold the same composition.

    Two chains do if the mean correlation of their draws is at least half of that between draws of one chain. Chains whose own
    draws are not alike keep no composition, and count as one group. Groups are connected through any of their chains. Thumbnails
    are compared without their mean colour: a unit may demand a colour.

    Args:
      small: thumbnails [chain, draw, cells, C].

    Returns:
      int [chain]: the group of each chain, numbered by their first chains.

    Example:
      >>> random = np.random.default_rng(0)
      >>> pattern, noise = random.normal(size=(64, 3)), random.normal(size=(4, 10, 64, 3))
      >>> group_compositions(noise + np.array([1, 1, -1, 1])[:, None, None, None] * pattern)
      array([0, 0, 1, 0])
    """
    chains, draws = small.shape[:2]
    flat = (small - small.mean(axis=2, keepdims=True)).reshape(chains, draws, -1)
    means = (flat / np.maximum(np.linalg.norm(flat, axis=-1, keepdims=True), 1e-12)).mean(axis=1)
    between = means @ means.T
    # A mean over n unit vectors has the squared length (1 + (n - 1) * correlation) / n.
    own = (draws * np.diag(between) - 1) / (draws - 1) if draws > 1 else np.ones(chains)
    own = np.clip(own, 0.0, 1.0)
    nothing = own < NO_COMPOSITION
    return _connected((between >= SAME_COMPOSITION * (own[:, None] + own) / 2) | (nothing[:, None] & nothing))


def vendi_score(vectors: np.ndarray) -> float:
    """Effective number of different items: exp of the entropy of the eigenvalues of K / n, K the cosines (Friedman & Dieng 2023).

    Args:
      vectors: [N, F], one for each item. Their cosines are as given: centre the vectors first where a part of them is common to all
        items and says nothing.

    Returns:
      From 1 (all alike) to N (all orthogonal); nan if a vector is not finite or zero.

    Example:
      >>> vendi_score(np.eye(3)), vendi_score(np.ones((3, 5)))
      (3.0, 1.0)
    """
    vectors = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not len(vectors) or not np.all(np.isfinite(lengths)) or lengths.min() == 0:
        return np.nan
    units = vectors / lengths
    shares = np.linalg.eigvalsh(units @ units.T / len(units))
    shares = shares[shares > 1e-12]
    return round(float(np.exp(-np.sum(shares * np.log(shares)))), 9)


def vendi_of_pictures(images: np.ndarray) -> float:
    """Vendi score of pixels: cosines of the images without their mean colour.

    A unit may demand a colour; pictures that share one are not yet one picture.

    Args:
      images: [N, *image].

    Returns:
      As `vendi_score`; nan if an image has no contrast.

    Example:
      >>> noise = np.random.default_rng(0).uniform(size=(4, 32, 32, 3))
      >>> vendi_of_pictures(noise) > 3.9, vendi_of_pictures(noise[:1].repeat(4, axis=0))
      (True, 1.0)
    """
    images = np.asarray(images, np.float64)
    centred = images - images.mean(axis=tuple(range(1, images.ndim - 1)), keepdims=True)
    return vendi_score(centred.reshape(len(images), -1))


def _pictures_from_means(scores: np.ndarray) -> float:
    """What twice as many draws are worth by the spread of the chains' means of every other one, over all components together."""
    sizes = np.array([size_from_means(score) for score in scores])
    size = 1 / np.mean(1 / sizes)
    # The draws between would add as many if draws were independent, and nothing if neighbours were alike: the factor of an
    # autoregressive chain whose every other draw is worth `share`.
    share = min(size / scores[0].size, 1.0)
    memory = np.sqrt((1 - share) / (1 + share))
    return size * 2 * (1 + memory**2) / (1 + memory) ** 2


def _component_scores(small: np.ndarray) -> np.ndarray | None:
    """Odd draws along the leading principal axes of even ones, as normal scores; None if there are too few.

    They are [component, chain, draw].
    """
    chains, draws = small.shape[:2]
    flat = small.reshape(chains, draws, -1)
    if chains < 2 or draws < MIN_DRAWS or not np.all(np.isfinite(flat)) or np.ptp(flat, axis=(0, 1)).max() < 1e-9:
        return None
    even, odd = flat[:, 0::2], flat[:, 1::2]
    axes = np.linalg.svd((even - even.mean((0, 1))).reshape(-1, flat.shape[-1]), full_matrices=False)[2]
    return np.stack([rank_normalised(odd @ axis) for axis in axes[:NUM_COMPONENTS]])


def _worst_rhat(scores: np.ndarray) -> float:
    """The largest R-hat of components [component, chain, draw]; chains of few draws are not split."""
    half = scores.shape[2] // 2
    if scores.shape[2] >= MIN_DRAWS:
        scores = np.concatenate([scores[..., :half], scores[..., -half:]], axis=1)
    draws = scores.shape[2]
    within = scores.var(axis=2, ddof=1).mean(axis=1)
    between = scores.mean(axis=2).var(axis=1, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.sqrt(np.max((draws - 1) / draws + between / within)))


def _connected(linked: np.ndarray) -> np.ndarray:
    """Connected groups of a symmetric bool matrix, numbered by their first members."""
    labels = np.arange(len(linked))
    for i, j in np.argwhere(np.triu(linked, 1)):
        first, second = sorted((labels[i], labels[j]))
        labels[labels == second] = first
    return np.unique(labels, return_inverse=True)[1]
