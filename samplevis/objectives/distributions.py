"""Objectives that compare distributions of activations with those of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.objectives.base import Accessor, Context, Objective
from samplevis.runtime.checks import check_array, check_names, check_numbers

# Pictures that the network sees at a time.
BATCH = 16


def match_features(layers: str | Sequence[str], images: Any, weights: Sequence[float] | None = None) -> Objective:
    """How near the activations of layers are to those of pictures, as distributions over positions: 0 is nearest.

    For each layer, the activations of each channel are sorted over positions, and compared with the sorted activations of the
    pictures, averaged over them:

        score = -sum over layers l of weight_l * mean over c, p of (sorted(x_lc)_p - mean over pictures of sorted(r_lc)_p)^2

    This is minus the squared 2-Wasserstein distance of a channel's values from their barycentre, averaged over channels. Where
    things are in the pictures does not matter. Pictures that excite a unit, such as `samplevis.collect` finds, give a
    visualization of it that the network sees as it sees pictures; add the unit to ask for more.

    Args:
      layers: names of layers, early and late ones.
      images: float array [n, H, W, C] in [0, 1]: some tens of pictures. The network sees them once, without transforms. If a layer
        has more or fewer positions for them than for the images that are optimised, their sorted values are interpolated.
      weights: one number >= 0 for each layer. Defaults to 1 for each.

    Returns:
      An objective.

    Raises:
      ValueError: if there are no layers or pictures, or other numbers of weights; when resolved, if the pictures do not fit the
        network.

    Source: Görgün, Schiele and Fischer, "VITAL: More Understandable Feature Visualization through Distribution Alignment and
    Relevant Information Flow", ICCV 2025, arXiv:2503.22399: sort matching, as its published code computes it for one image. It
    optimises pixels with penalties of their norm and total variation. Its relevance scores, which select features for inner
    units, are not included.

    Example:
      >>> pictures = np.stack([photo, 1 - photo])
      >>> objective = objectives.match_features(["conv1", "conv2"], pictures) - 0.01 * objectives.total_variation()
      >>> result = samplevis.optimize(model, objective, param=param.fourier(16))
    """
    names = check_names("layers", layers)
    images = check_array("images", images)
    if images.ndim < 3 or not len(images):
        raise ValueError(f"images: expected [n, height, width, channels]. Received shape: {images.shape}")
    shares = check_numbers("weights", (1.0,) * len(names) if weights is None else weights)
    if len(shares) != len(names) or min(shares) < 0:
        raise ValueError(f"weights: expected {len(names)} numbers >= 0, one for each layer. Received: {weights!r}")

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        *references, shares = parameters
        gaps = [
            tf.reduce_mean(tf.square(sorted_values(T(layer)) - tf.cast(reference, tf.float32)), (1, 2))
            for layer, reference in zip(names, references, strict=True)
        ]
        return -tf.add_n([tf.cast(shares, tf.float32)[k] * gap for k, gap in enumerate(gaps)])

    def check(context: Context, parameters: tuple) -> tuple:
        means = _means(context, images, names)
        references = [_resampled(means[layer], int(np.prod(context.shape(layer)[:-1]))) for layer in names]
        return *references, np.float32(shares)

    return Objective(
        score,
        ("match_features", names),
        (None,) * (len(names) + 1),
        f"match_features({', '.join(names)}, {len(images)} images)",
        resolver=check,
    )


def sorted_values(activations: tf.Tensor) -> tf.Tensor:
    """Activations [batch, *positions, channels] as [batch, positions, channels], sorted over positions for each channel."""
    flat = tf.reshape(
        activations, (activations.shape[0] or -1, int(np.prod(activations.shape[1:-1])), activations.shape[-1])
    )
    return tf.sort(flat, axis=1)


def _means(context: Context, images: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The sorted values of each layer, averaged over pictures, [positions, channels]."""
    sums: dict[str, np.ndarray] = {}
    for start in range(0, len(images), BATCH):
        found = context.network.activations(images[start : start + BATCH], names)
        for layer, values in found.items():
            sums[layer] = sums.get(layer, 0) + sorted_values(values).numpy().sum(0, dtype=np.float64)
    return {layer: values / len(images) for layer, values in sums.items()}


def _resampled(values: np.ndarray, count: int) -> np.ndarray:
    """Quantiles [positions, channels] at another number of positions, in the middle of equal shares; float32."""
    if len(values) == count:
        return values.astype(np.float32)
    at, known = ((np.arange(n) + 0.5) / n for n in (count, len(values)))
    return np.stack([np.interp(at, known, column) for column in values.T], -1).astype(np.float32)
