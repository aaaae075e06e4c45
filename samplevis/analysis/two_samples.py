"""Whether two sets of pictures come from the same distribution: spectra, colours, features, and a classifier."""

from __future__ import annotations

import numpy as np

# Rings of the spectrum, splits into halves that give a band, folds and steps of the classifier, and its ridge.
NUM_RINGS, NUM_SPLITS, NUM_FOLDS, NEWTON_STEPS, RIDGE = 8, 200, 5, 12, 1e-2

# Features of less than this share of the usual standard deviation are measured in that.
SILENT = 0.01


def ring_power(images: np.ndarray) -> np.ndarray:
    """Mean power in rings of frequency, coarse first: [N, H, W, C] -> float64 [N, ring]."""
    x = images.astype(np.float64) - images.mean((1, 2), keepdims=True)
    power = np.mean(np.abs(np.fft.fft2(x, axes=(1, 2))) ** 2, axis=3)
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(side) for side in images.shape[1:3]), indexing="ij"))
    edges = np.geomspace(0.9 / max(images.shape[1:3]), 0.72, NUM_RINGS + 1)
    inside = np.digitize(frequency, edges)[..., None] == np.arange(1, NUM_RINGS + 1)
    inside = inside[..., inside.any((0, 1))]
    return np.tensordot(power, inside / inside.sum((0, 1)), 2) + 1e-12


def standardized(features: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Features less the mean of a reference, over its standard deviation. What is silent there must not drown the others."""
    spread = reference.std(0)
    return ((features - reference.mean(0)) / (np.maximum(spread, SILENT * np.median(spread)) + 1e-6)).astype(np.float64)


def kernel_matrix(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The cubic kernel (x . y / d + 1)^3 of KID (Binkowski et al. 2018, arXiv:1801.01401), [n, m]."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances of all pairs, [n, F] and [m, F] -> [n, m]."""
    return np.maximum(np.square(x).sum(1)[:, None] + np.square(y).sum(1) - 2 * x @ y.T, 0)


def mmd(kernel: np.ndarray, first: np.ndarray, second: np.ndarray, groups: np.ndarray | None = None) -> float:
    """The unbiased squared maximum mean discrepancy (Gretton et al. 2012, lemma 6), which may be negative.

    Args:
      kernel: of all items, [N, N].
      first: numbers of the items of one set.
      second: those of the other.
      groups: of all items; pairs of a set that are in one group do not count, since they are not independent. Defaults to a
        group for each item.

    Returns:
      Mean kernel within the first set, plus that within the second, less twice that between them.
    """
    within = 0.0
    for chosen in (first, second):
        values = kernel[np.ix_(chosen, chosen)]
        if groups is None:
            within += (values.sum() - np.trace(values)) / (len(chosen) * (len(chosen) - 1))
        else:
            within += values[groups[chosen][:, None] != groups[chosen]].mean()
    return float(within - 2 * kernel[np.ix_(first, second)].mean())


def split_mmds(kernel: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The `mmd` of random parts of items and the rest of them.

    Args:
      kernel: of the items, [N, N].
      count: size of the parts, from 2 to N - 2.
      rng: draws them.

    Returns:
      float64 [NUM_SPLITS].
    """
    rest, part = len(kernel) - count, np.zeros((len(kernel), NUM_SPLITS))
    np.put_along_axis(part, rng.permuted(np.tile(np.arange(len(kernel))[:, None], NUM_SPLITS), axis=0)[:count], 1, 0)
    sums, diagonal = kernel @ part, np.diag(kernel) @ part
    inside, crossed = np.sum(part * sums, 0), sums.sum(0) - np.sum(part * sums, 0)
    outside = kernel.sum() - inside - 2 * crossed
    within = (inside - diagonal) / (count * (count - 1)) + (outside - np.trace(kernel) + diagonal) / (rest * (rest - 1))
    return within - 2 * crossed / (count * rest)


def mmd_and_band(draws: np.ndarray, pictures: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """The MMD of draws and pictures, beside that of two halves of the pictures.

    Args:
      draws: features [n, F].
      pictures: features [m, F].
      seed: of the halves.

    Returns:
      (mean squared MMD between the draws and halves of the pictures, 95 % quantile of that between two halves).
    """
    rng = np.random.default_rng(seed)
    count = min(len(draws), len(pictures) // 2)
    both = np.concatenate([standardized(pictures, pictures), standardized(draws[:count], pictures)])
    kernel, own = kernel_matrix(both, both), len(pictures) + np.arange(count)
    between, halves = [], []
    for _ in range(NUM_SPLITS):
        order = rng.permutation(len(pictures))
        between.append(mmd(kernel, own, order[:count]))
        halves.append(mmd(kernel, order[count : 2 * count], order[:count]))
    return float(np.mean(between)), float(np.quantile(halves, 0.95))


def classifier_accuracy(draws: np.ndarray, pictures: np.ndarray, seed: int = 0) -> float:
    """How often a classifier tells draws from pictures that it was not fitted to (Lopez-Paz and Oquab 2017, arXiv:1610.06545).

    Args:
      draws: features [n, F].
      pictures: features [m, F].
      seed: of the folds.

    Returns:
      Accuracy of logistic regression in five-fold cross-validation, on as many draws as pictures: 0.5 if they cannot be told.
    """
    count = min(len(draws), len(pictures))
    x = np.concatenate([draws[:count], pictures[:count]])
    x = np.concatenate([standardized(x, x), np.ones((2 * count, 1))], axis=1)
    y = np.repeat([1.0, 0.0], count)
    # A draw and a picture of the same number are in the same fold: its halves are as large.
    fold = np.tile(np.random.default_rng(seed).permutation(count) % NUM_FOLDS, 2)
    right = 0
    for number in range(NUM_FOLDS):
        weights = _logistic(x[fold != number], y[fold != number])
        right += np.sum((x[fold == number] @ weights > 0) == (y[fold == number] > 0.5))
    return float(right / len(y))


def nearest_distances(images: np.ndarray, among: np.ndarray, part: int = 256) -> np.ndarray:
    """The rms distance of each image to the nearest of others, [N, ...] and [M, ...] -> [N]."""
    x, y = (np.reshape(a, (len(a), -1)).astype(np.float32) for a in (images, among))
    squares = np.square(y).sum(1)
    found = [
        np.square(p).sum(1) + np.min(squares - 2 * p @ y.T, axis=1) for p in np.split(x, range(part, len(x), part))
    ]
    return np.sqrt(np.maximum(np.concatenate(found), 0) / x.shape[1])


def _logistic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Weights of a logistic regression with a ridge, by Newton's method."""
    weights, ridge = np.zeros(x.shape[1]), RIDGE * len(x) * np.eye(x.shape[1])
    for _ in range(NEWTON_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + ridge
        weights = weights + np.linalg.solve(hessian, x.T @ (y - p) - ridge @ weights)
    return weights
