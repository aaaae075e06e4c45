"""What the first batch normalization of a model has stored of its input in training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

# A channel counts if its gain is at least this share of the largest.
MIN_GAIN = 1e-3


class HasLayers(Protocol):
    """A network, or its source."""

    image_shape: tuple[int | None, ...]
    layers: Mapping[str, tuple[int | None, ...]]
    operations: Mapping[str, Any]


def first_normalization(model: HasLayers) -> str | None:
    """The first batch normalization over the last axis, or None."""
    for layer, operation in model.operations.items():
        if (
            type(operation).__name__ == "BatchNormalization"
            and model.layers[layer][-1] == operation.moving_mean.shape[0]
        ):
            return layer
    return None


def is_untrained(norm: Any) -> bool:
    """Whether a batch normalization has its initial statistics."""
    return not np.any(norm.moving_mean) and bool(np.all(np.asarray(norm.moving_variance) == 1))


def divergence(norm: Any, outputs: np.ndarray) -> float:
    """How far the input of a batch normalization is from that of its training.

    Its output, before scale and shift, has mean 0 and variance 1 on images like those of the training set.

    Args:
      norm: a Keras batch normalization over the last axis.
      outputs: its output [..., channels] on some images.

    Returns:
      The Kullback-Leibler divergence of a Gaussian with the measured moments from N(0, 1), in nats, averaged over channels; NaN
      if the layer gives the same output for all images.
    """
    gamma = np.ones(1) if norm.gamma is None else np.asarray(norm.gamma, np.float64)
    beta = np.zeros(1) if norm.beta is None else np.asarray(norm.beta, np.float64)
    alive = np.broadcast_to(np.abs(gamma) > MIN_GAIN * np.abs(gamma).max(), outputs.shape[-1:])
    if not alive.any():
        return float("nan")
    with np.errstate(divide="ignore", invalid="ignore"):
        values = ((np.asarray(outputs, np.float64) - beta) / gamma)[..., alive].reshape(-1, int(alive.sum()))
    mean, variance = values.mean(0), np.maximum(values.var(0), 1e-12)
    return float(np.mean(variance + mean**2 - 1 - np.log(variance)) / 2)
