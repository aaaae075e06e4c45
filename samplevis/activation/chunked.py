"""A mean over the transforms of a bank that computes a few at a time, to save memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def chunked_mean(
    scores: Callable[[tf.Tensor, Any], tf.Tensor], z: tf.Tensor, transform_params: Any, chunk_size: int
) -> tf.Tensor:
    """Computes mean scores of latents over transforms, one chunk of transforms at a time.

    A chunk's gradient is computed with its values, so that only the sums over chunks are held in memory.

    Args:
      scores: (latents [N, *latent_shape], parameters of k transforms) -> scores [N, k], which are differentiable and depend on
        one latent each.
      z: latents [N, *latent_shape].
      transform_params: parameters of K transforms, nest of tensors [K, ...] with at least one tensor.
      chunk_size: maximum number of transforms at a time, >= 1. All chunks have the same size, the largest divisor of K up to
        `chunk_size`.

    Returns:
      float32 tensor [N].
    """
    num_transforms = tf.nest.flatten(transform_params)[0].shape[0]
    size = largest_divisor(num_transforms, chunk_size)
    chunks = tf.nest.map_structure(
        lambda leaf: tf.reshape(leaf, (num_transforms // size, size, *leaf.shape[1:])), transform_params
    )

    @tf.custom_gradient
    def mean(z: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def add(number: tf.Tensor, values: tf.Tensor, slopes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(z)
                value = tf.reduce_sum(scores(z, tf.nest.map_structure(lambda leaf: leaf[number], chunks)), axis=1)
            slope = tape.gradient(value, z, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            return number + 1, values + value, slopes + slope

        first = tf.constant(0), tf.zeros(z.shape[0]), tf.zeros_like(z)
        _, values, slopes = tf.while_loop(
            lambda number, *_: number < num_transforms // size, add, first, parallel_iterations=1
        )

        def gradient(upstream: tf.Tensor, variables: Any = ()) -> tuple[tf.Tensor, list[None]]:
            rates = tf.reshape(upstream / num_transforms, [-1] + [1] * (z.shape.rank - 1))
            return rates * slopes, [None for _ in variables]

        return values / num_transforms, gradient

    return mean(z)


def bank_size(transform_params: Any) -> int:
    """Number of transforms of a bank, nest of tensors [K, ...]: 1 for a transform without parameters."""
    leaves = tf.nest.flatten(transform_params)
    return leaves[0].shape[0] if leaves else 1


def largest_divisor(number: int, limit: int) -> int:
    """The largest divisor of a number that is at most `limit`; both >= 1."""
    return next(size for size in range(min(number, limit), 0, -1) if number % size == 0)
