"""Stateless seeds: every random number is a function of one integer and a path of names."""

from __future__ import annotations

import zlib

import tensorflow as tf

from samplevis.runtime.checks import brief, is_whole


def root(seed: int) -> tf.Tensor:
    """Turns the user's integer into a stateless seed.

    Args:
      seed: int, 0 <= seed < 2**31.

    Returns:
      int32 tensor of shape [2].

    Raises:
      ValueError: if `seed` is not an integer in that range.
    """
    if not (is_whole(seed) and 0 <= int(seed) < 2**31):
        raise ValueError(f"seed: expected an integer from 0 to 2**31 - 1. Received: {brief(seed)}")
    return tf.constant([0x5A3B1E, int(seed)], tf.int32)


def fold(seed: tf.Tensor, *path: str | int | tf.Tensor) -> tf.Tensor:
    """Derives an independent seed for each place where random numbers are drawn.

    Args:
      seed: int32 tensor of shape [2], or [groups, 2] for one seed per group of images.
      *path: names or step numbers that say which place it is.

    Returns:
      int32 tensor in the shape of `seed`.
    """
    seed = tf.convert_to_tensor(seed, tf.int32)
    if seed.shape.rank == 2:
        return tf.stack([fold(each, *path) for each in tf.unstack(seed)])
    for part in path:
        number = zlib.crc32(part.encode()) & 0x7FFFFFFF if isinstance(part, str) else part
        seed = tf.random.experimental.stateless_fold_in(seed, number)
    return seed


def normal(shape: tuple[int, ...] | tf.TensorShape, seed: tf.Tensor) -> tf.Tensor:
    """Draws standard normal noise; with one seed per group of rows, a group's noise does not depend on the other groups.

    Args:
      shape: of the noise; its first axis is divided into as many equal groups as there are seeds.
      seed: int32 tensor of shape [2], or [groups, 2].

    Returns:
      float32 tensor of that shape.

    Example:
      >>> both = tf.stack([fold(root(0), name) for name in ("a", "b")])
      >>> bool(tf.reduce_all(normal((4, 3), both)[2:] == normal((2, 3), both[1])))
      True
    """
    seed = tf.convert_to_tensor(seed, tf.int32)
    if seed.shape.rank == 1:
        return tf.random.stateless_normal(shape, seed)
    rows, *rest = shape
    return tf.concat([normal((rows // seed.shape[0], *rest), each) for each in tf.unstack(seed)], 0)


def as_seed(seed: int | tf.Tensor) -> tf.Tensor:
    """A stateless seed of a user's integer, as `root` makes it; a tensor is one already.

    Args:
      seed: int, 0 <= seed < 2**31, or an int32 tensor of shape [2].

    Returns:
      int32 tensor of shape [2].

    Raises:
      ValueError: if `seed` is another number.

    Example:
      >>> as_seed(3).numpy().tolist() == root(3).numpy().tolist()
      True
    """
    return seed if tf.is_tensor(seed) else root(seed)
