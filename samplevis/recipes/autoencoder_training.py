"""Fitting a sparse autoencoder to activations, by Adam."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from samplevis.recipes.autoencoder import SparseAutoencoder, sparse
from samplevis.runtime import seeds
from samplevis.runtime.callbacks import Callback
from samplevis.runtime.checks import brief, check_array, check_number, check_whole
from samplevis.runtime.progress import Progress

# Adam's decay of moments, and its offset.
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
# Dead features are looked for so many times, in the first half of the steps. The new encoders are this share of the others' mean
# length (Bricken et al. 2023, "resampling").
RESAMPLINGS, RESAMPLED_GAIN = 4, 0.2
# Steps between two reports of progress.
REPORTED = 50

Weights = dict[str, np.ndarray]


def sparse_autoencoder(
    activations: np.ndarray,
    layer: str,
    num_features: int | None = None,
    *,
    top_k: int | None = None,
    sparsity: float = 0.1,
    steps: int = 4000,
    batch_size: int = 256,
    learning_rate: float = 2e-3,
    seed: int = 0,
    progress: bool | Sequence[Callback] = True,
) -> SparseAutoencoder:
    """Fits a sparse autoencoder: directions of a layer such that each activation is a sum of few of them.

    With rectified features the loss is the squared error of an activation, summed over channels, plus `sparsity` times the sum of
    its features times the root of the number of channels, with directions of length 1; with `top_k` features the error alone.
    Activations are first divided by their root mean square about the mean, so that `sparsity` means the same for every layer.
    Features that were 0 for every activation of a stretch of steps start again at activations that are reconstructed badly.

    Ctrl-C ends the fit early and returns what there is.

    Args:
      activations: array [..., channels], as of `collect_activations(..., reducer="random position")`; thousands of rows.
      layer: the name of their layer, for `SparseAutoencoder.feature`.
      num_features: number of directions, >= 1. Defaults to four times the channels.
      top_k: how many features an activation may use, >= 1. Defaults to None: as many as `sparsity` leaves.
      sparsity: weight of the sum of features, >= 0; unused with `top_k`. Defaults to 0.1.
      steps: updates, >= 1. Defaults to 4,000.
      batch_size: activations of an update, >= 1. Defaults to 256.
      learning_rate: of Adam, > 0; it falls to 0 over the last fifth. Defaults to 0.002.
      seed: int from 0 to 2**31 - 1.
      progress: whether to show a progress bar, or callbacks. Defaults to True.

    Returns:
      A `SparseAutoencoder`; `figures` says how good it is.

    Raises:
      ValueError: if the activations are fewer than two, do not vary, or are not finite, or another argument is out of range.

    Source: Bricken et al. 2023, "Towards Monosemanticity" (loss, unit directions, resampling); Gao et al. 2024,
    arXiv:2406.04093 (top k, the decoder's transpose as the encoder at first).

    Example:
      >>> rows = recipes.collect_activations(model, "fire9", "photos/", reducer="random position")
      >>> sae = recipes.sparse_autoencoder(rows, "fire9", 2048, top_k=16)
      >>> samples = samplevis.render(model, sae.feature(7))
    """
    rows = _rows(activations)
    num_features = 4 * rows.shape[1] if num_features is None else num_features
    check_whole("num_features", num_features, 1)
    if top_k is not None:
        check_whole("top_k", top_k, 1, num_features)
    check_number("sparsity", sparsity, 0)
    for name, value in {"steps": steps, "batch_size": batch_size}.items():
        check_whole(name, value, 1)
    check_number("learning_rate", learning_rate, 0, above=True)
    seeds.root(seed)
    mean = rows.mean(0)
    scale = float(np.sqrt(np.square(rows - mean).mean()))
    if not scale > 0:
        raise ValueError("activations: expected some that vary. Received: equal ones")
    random = np.random.default_rng(seed)
    fit = Fit((rows - mean) / scale, num_features, top_k, sparsity, random)
    with Progress("fit", steps, "step", progress) as bar:
        resampled = {(steps // 2) * (k + 1) // RESAMPLINGS for k in range(RESAMPLINGS)}
        for step in range(1, steps + 1):
            rate = learning_rate * min(1.0, 5 * (steps + 1 - step) / steps)
            fit.update(random.integers(0, len(rows), batch_size), rate)
            if step in resampled:
                fit.resample()
            if step % REPORTED == 0 or step == steps:
                bar.update((step - 1) % REPORTED + 1, error=fit.error)
            if bar.interrupted:
                break
    # Back on the scale of the activations: a feature is in their units.
    w = fit.weights
    return SparseAutoencoder(
        layer, w["encoder"], scale * w["encoder_bias"], w["decoder"], mean + scale * w["bias"], top_k
    )


class Fit:
    """The state of a fit: weights, Adam's moments, and which features have been seen since the last look.

    Args:
      rows: float32 [n, channels], of mean 0 and mean square 1.
      num_features, top_k, sparsity: as in `sparse_autoencoder`.
      random: NumPy's generator.
    """

    def __init__(
        self, rows: np.ndarray, num_features: int, top_k: int | None, sparsity: float, random: np.random.Generator
    ):
        self._rows, self._top_k, self._sparsity, self._random = rows, top_k, sparsity, random
        channels = rows.shape[1]
        decoder = _unit(random.normal(size=(num_features, channels)).astype(np.float32))
        self.weights: Weights = {
            "encoder": decoder.copy(),
            "encoder_bias": np.zeros(num_features, np.float32),
            "decoder": decoder,
            "bias": np.zeros(channels, np.float32),
        }
        self._first = {name: np.zeros_like(value) for name, value in self.weights.items()}
        self._second = {name: np.zeros_like(value) for name, value in self.weights.items()}
        self._seen, self._done = np.zeros(num_features, bool), 0
        #: Mean squared error of the last batch, as a share of the variance.
        self.error = 1.0

    def update(self, chosen: np.ndarray, rate: float) -> None:
        """One step of Adam on some rows; directions keep length 1."""
        x = self._rows[chosen]
        error, _, gradient, features = loss_and_gradient(self.weights, x, self._top_k, self._sparsity)
        self.error = error / x.shape[1]
        self._seen |= (features > 0).any(0)
        # Only what turns a direction counts: its length is fixed.
        decoder = self.weights["decoder"]
        gradient["decoder"] -= (gradient["decoder"] * decoder).sum(1, keepdims=True) * decoder
        self._done += 1
        for name, slope in gradient.items():
            self._first[name] = BETA_1 * self._first[name] + (1 - BETA_1) * slope
            self._second[name] = BETA_2 * self._second[name] + (1 - BETA_2) * np.square(slope)
            mean = self._first[name] / (1 - BETA_1**self._done)
            spread = np.sqrt(self._second[name] / (1 - BETA_2**self._done))
            self.weights[name] = self.weights[name] - np.float32(rate) * mean / (spread + EPSILON)
        self.weights["decoder"] = _unit(self.weights["decoder"])

    def resample(self) -> None:
        """Dead features start again at rows that are reconstructed badly: drawn by their squared loss."""
        dead, w = np.flatnonzero(~self._seen), self.weights
        self._seen[:] = False
        if not len(dead):
            return
        some = self._rows[self._random.integers(0, len(self._rows), min(len(self._rows), 8192))]
        features = sparse((some - w["bias"]) @ w["encoder"].T + w["encoder_bias"], self._top_k)
        residual = some - features @ w["decoder"] - w["bias"]
        losses = np.square(np.square(residual).sum(1), dtype=np.float64)
        chosen = self._random.choice(len(some), len(dead), p=losses / losses.sum())
        alive = np.setdiff1d(np.arange(len(w["encoder"])), dead)
        length = np.linalg.norm(w["encoder"][alive], axis=1).mean() if len(alive) else 1.0
        w["decoder"][dead] = _unit(residual[chosen])
        w["encoder"][dead] = RESAMPLED_GAIN * length * w["decoder"][dead]
        w["encoder_bias"][dead] = 0
        for moments in (self._first, self._second):
            for name in ("encoder", "encoder_bias", "decoder"):
                moments[name][dead] = 0


def loss_and_gradient(
    weights: Weights, x: np.ndarray, top_k: int | None, sparsity: float
) -> tuple[float, float, Weights, np.ndarray]:
    """The squared error of a batch [b, channels], the loss, its gradient in each weight, and the features [b, features].

    The loss is the mean over the batch of the squared error, summed over channels, plus, if there is no `top_k`, `sparsity` times
    the root of the number of channels times the sum of features.
    """
    centred = x - weights["bias"]
    features = sparse(centred @ weights["encoder"].T + weights["encoder_bias"], top_k)
    error = features @ weights["decoder"] + weights["bias"] - x
    cost = sparsity * np.sqrt(x.shape[1]) if top_k is None else 0.0
    squared = float(np.square(error).sum(1).mean())
    loss = squared + float(cost * features.sum(1).mean())
    slope = 2 * error / len(x)
    inner = np.where(features > 0, slope @ weights["decoder"].T + np.float32(cost / len(x)), 0)
    gradient = {
        "encoder": inner.T @ centred,
        "encoder_bias": inner.sum(0),
        "decoder": features.T @ slope,
        "bias": slope.sum(0) - inner.sum(0) @ weights["encoder"],
    }
    return squared, loss, gradient, features


def _rows(activations: np.ndarray) -> np.ndarray:
    values = check_array("activations", activations)
    rows = values.reshape(-1, values.shape[-1]) if values.ndim > 1 else values
    if rows.ndim != 2 or len(rows) < 2 or not np.isfinite(rows).all():
        raise ValueError(f"activations: expected finite numbers [..., channels]. Received: {brief(values)}")
    return rows


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
