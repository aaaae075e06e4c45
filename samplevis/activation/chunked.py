"""A mean over transforms, some draws at a time, in the memory of these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def chunked_mean(
    scores: Callable[[tf.Tensor, Any], tf.Tensor], z: tf.Tensor, transform_params: Any, most: int
) -> tf.Tensor:
    """Mean scores of latents over draws. Each part's gradient is taken with its values, so that only sums are kept.

    Args:
      scores: (latents [N, *latent_shape], k draws) -> scores [N, k], those of a latent by itself and differentiable in it.
      z: latents [N, *latent_shape].
      transform_params: nest of tensors [K, ...], at least one tensor.
      most: most draws at a time, >= 1. Parts are of one size, the largest divisor of K up to here.

    Returns:
      float32 tensor [N].
    """
    num_transforms = tf.nest.flatten(transform_params)[0].shape[0]
    size = largest_divisor(num_transforms, most)
    parts = tf.nest.map_structure(
        lambda leaf: tf.reshape(leaf, (num_transforms // size, size, *leaf.shape[1:])), transform_params
    )

    @tf.custom_gradient
    def mean(z: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def add(number: tf.Tensor, values: tf.Tensor, slopes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(z)
                found = tf.reduce_sum(scores(z, tf.nest.map_structure(lambda leaf: leaf[number], parts)), axis=1)
            slope = tape.gradient(found, z, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            return number + 1, values + found, slopes + slope

        first = tf.constant(0), tf.zeros(z.shape[0]), tf.zeros_like(z)
        _, values, slopes = tf.while_loop(
            lambda number, *_: number < num_transforms // size, add, first, parallel_iterations=1
        )

        def gradient(upstream: tf.Tensor, variables: Any = ()) -> tuple[tf.Tensor, list[None]]:
            rates = tf.reshape(upstream / num_transforms, [-1] + [1] * (z.shape.rank - 1))
            return rates * slopes, [None for _ in variables]

        return values / num_transforms, gradient

    return mean(z)


def largest_divisor(number: int, most: int) -> int:
    """The largest divisor of a number that is at most `most`; both >= 1."""
    return next(size for size in range(min(number, most), 0, -1) if number % size == 0)
