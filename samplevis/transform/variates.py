"""Uniform random numbers for the parameters of transforms: independent, or stratified over the transforms of a bank."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from samplevis.runtime import seeds

# The largest float32 below 1.
BELOW_ONE = 1 - 2.0**-24


def uniform(seed: tf.Tensor, shape: Sequence[int], low: float = 0.0, high: float = 1.0, strata: int = 1) -> tf.Tensor:
    """Samples uniform numbers, in Latin hypercubes of `strata` rows.

    In each column of a hypercube the range is divided into `strata` equal parts, and each row has a number of another part, in
    random order; the columns are independent of each other. Every number by itself is uniform. A mean over the rows has a smaller
    variance than that of independent numbers, by the part of a function that is a sum of functions of one column each
    (McKay, Beckman and Conover 1979; Stein 1987).

    Args:
      seed: int32 [2], stateless seed.
      shape: (batch, ...); each group of `strata` rows in sequence is a hypercube, independent of the others.
      low: lower end of the range. Defaults to 0.
      high: upper end of the range. Defaults to 1.
      strata: rows of a hypercube, >= 1; divides the batch. Defaults to 1: independent numbers.

    Returns:
      float32 tensor of `shape` in [low, high].

    Raises:
      ValueError: if `strata` does not divide the batch.

    Example:
      >>> import numpy as np
      >>> numbers = uniform([0, 1], (4, 2), strata=4)
      >>> np.sort(np.floor(4 * numbers), axis=0)[:, 0]
      array([0., 1., 2., 3.], dtype=float32)
    """
    batch, *rest = shape
    if strata < 1 or batch % strata:
        raise ValueError(f"strata: expected a divisor of the {batch} transforms. Received: {strata}")
    if strata == 1:
        return tf.random.stateless_uniform(shape, seed, low, high)
    hypercubes = (batch // strata, strata, *rest)
    # The order of independent uniform numbers is a uniform permutation.
    order = tf.argsort(tf.random.stateless_uniform(hypercubes, seeds.fold(seed, "strata")), axis=1)
    within = tf.random.stateless_uniform(hypercubes, seed)
    numbers = tf.minimum((tf.cast(order, tf.float32) + within) / strata, BELOW_ONE)
    return low + (high - low) * tf.reshape(numbers, shape)


def uniform_int(seed: tf.Tensor, shape: Sequence[int], low: int, high: int, strata: int = 1) -> tf.Tensor:
    """Samples uniform whole numbers from `low` to `high` - 1, in Latin hypercubes of `strata` rows as `uniform` does.

    Args:
      seed: int32 [2], stateless seed.
      shape: (batch, ...).
      low: smallest number.
      high: largest number + 1.
      strata: rows of a hypercube, >= 1; divides the batch. Defaults to 1: independent numbers.

    Returns:
      int32 tensor of `shape`.

    Raises:
      ValueError: if `strata` does not divide the batch.

    Example:
      >>> sorted(uniform_int([0, 1], (4,), 0, 4, strata=4).numpy().tolist())
      [0, 1, 2, 3]
    """
    if strata == 1:
        return tf.random.stateless_uniform(shape, seed, low, high, tf.int32)
    steps = tf.cast(uniform(seed, shape, 0.0, high - low, strata), tf.int32)
    return low + tf.minimum(steps, high - low - 1)
