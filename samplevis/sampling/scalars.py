"""Scalar summaries of a state for diagnostics of mixing: pixels are too many, and nearly all alike."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from samplevis.runtime import seeds

NUM_PROJECTIONS = 8
# Of the bands of a prior, from coarse to fine.
THIRDS = ("low", "middle", "high")


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
    powers = _means_of_thirds("power", bands)

    def scalars(state: tf.Tensor) -> dict[str, tf.Tensor]:
        flat = tf.reshape(state, [-1, size])
        squares = tf.square(flat)
        found = {"radius": tf.reduce_mean(squares, 1)} | powers(squares)
        projected = flat @ directions
        return found | {f"projection_{i}": projected[:, i] for i in range(NUM_PROJECTIONS)}

    return scalars


def virial_fn(shape: tuple[int, ...], bands: np.ndarray) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """Makes the function that averages the virial of every transition.

    The virial of a coordinate is z_i dU / dz_i, where U is minus the log density. In equilibrium its expectation is 1, whatever the
    density (integrate by parts). Where a band is too hot, its virial is above 1, and below where it is too cold, even if the
    velocities are those of a temperature of 1.

    Args:
      shape: of one state.
      bands: int, of that shape: the label of the band of each coordinate, coarse bands first.

    Returns:
      Function: virial of the coordinates [chain, *shape] -> name -> [chain]: "virial", the mean over all of them; and
      "virial_low", "virial_middle" and "virial_high", the means over thirds of the bands, if there are at least three bands.

    Example:
      >>> prior = param.fourier(16)
      >>> z = prior.prior(seeds.root(0), 4)
      >>> virial = virial_fn(prior.latent_shape, prior.bands())(z**2)  # Of N(0, I), where U = |z|^2 / 2.
      >>> sorted(virial)
      ['virial', 'virial_high', 'virial_low', 'virial_middle']
    """
    size, means_of_thirds = int(np.prod(shape)), _means_of_thirds("virial", bands)

    def virials(virial: tf.Tensor) -> dict[str, tf.Tensor]:
        flat = tf.reshape(virial, [-1, size])
        return {"virial": tf.reduce_mean(flat, 1)} | means_of_thirds(flat)

    return virials


def thirds(bands: np.ndarray) -> dict[str, np.ndarray]:
    """Splits bands into thirds, from coarse to fine.

    Args:
      bands: int: the label of the band of each coordinate, coarse bands first.

    Returns:
      "low", "middle", "high" -> True for its coordinates, bool [coordinate]; nothing if there are fewer than three bands.
    """
    labels = np.searchsorted(np.unique(bands), bands.ravel())
    third = labels * len(THIRDS) // (labels.max() + 1)
    masks = {name: third == i for i, name in enumerate(THIRDS)}
    return masks if all(mask.any() for mask in masks.values()) else {}


def _means_of_thirds(name: str, bands: np.ndarray) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """Function: values [chain, coordinate] -> name of the third -> mean [chain]; nothing if there are fewer than three bands."""
    masks = {f"{name}_{third}": mask for third, mask in thirds(bands).items()}
    if not masks:
        return lambda values: {}
    weights = np.stack([mask / mask.sum() for mask in masks.values()], axis=1).astype(np.float32)

    def means(values: tf.Tensor) -> dict[str, tf.Tensor]:
        found = values @ tf.constant(weights)
        return {name: found[:, i] for i, name in enumerate(masks)}

    return means
