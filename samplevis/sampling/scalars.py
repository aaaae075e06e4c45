"""Scalar summaries of a state for diagnostics of mixing: pixels are too many, and nearly all alike."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from samplevis.runtime import seeds

NUM_PROJECTIONS = 8
# Thirds of the bands of a prior, from coarse to fine.
POWERS = ("power_low", "power_middle", "power_high")


def scalar_fn(shape: tuple[int, ...], bands: np.ndarray) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """Makes the function that computes the scalars of every transition.

    Args:
      shape: of one state.
      bands: int, of that shape: the label of the band of each coordinate, coarse bands first.

    Returns:
      Function: state [chain, *shape] -> name -> [chain]. "radius" is |z|^2 / d, which is 1 under the prior; "power_low",
      "power_middle" and "power_high" are the same for thirds of the bands, if there are at least three bands; "projection_0" to
      "projection_7" are inner products with fixed random directions of unit length.

    Example:
      >>> prior = param.fourier(16)
      >>> scalars = scalar_fn(prior.latent_shape, prior.bands())(prior.prior(seeds.root(0), 4))
      >>> scalars["radius"].shape
      TensorShape([4])
    """
    size = int(np.prod(shape))
    seed = seeds.fold(seeds.root(0), "projections")
    directions = tf.random.stateless_normal((size, NUM_PROJECTIONS), seed)
    directions /= tf.norm(directions, axis=0)
    labels = np.searchsorted(np.unique(bands), bands.ravel())
    third = labels * len(POWERS) // (labels.max() + 1)
    weights = np.stack([third == i for i in range(len(POWERS))], 1).astype(np.float32)
    weights /= np.maximum(weights.sum(0), 1)
    powers = POWERS if weights.any(0).all() else ()

    def scalars(state: tf.Tensor) -> dict[str, tf.Tensor]:
        flat = tf.reshape(state, [-1, size])
        squares = tf.square(flat)
        found = {"radius": tf.reduce_mean(squares, 1)}
        power = squares @ tf.constant(weights)
        found |= {name: power[:, i] for i, name in enumerate(powers)}
        projected = flat @ directions
        return found | {f"projection_{i}": projected[:, i] for i in range(NUM_PROJECTIONS)}

    return scalars
