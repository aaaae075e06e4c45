"""Latents of given images under a generator that has no inverse, by optimisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from samplevis.runtime import seeds

# What a pixel may be off by, a grey level: the least squares are weighed against the prior's |z|^2 / 2 with it.
PIXEL_ERROR = 1 / 255
# Draws of the prior among which the nearest is where an image starts, and iterations of L-BFGS.
NUM_STARTS, MAX_ITERATIONS = 256, 60
BATCH_SIZE = 32


def closest_latents(
    decode: Callable[[tf.Tensor], tf.Tensor],
    images: tf.Tensor,
    shape: Sequence[int],
    start: tf.Tensor | None = None,
    iterations: int = MAX_ITERATIONS,
) -> tf.Tensor:
    """Finds the most probable latents of images that are known up to `PIXEL_ERROR`.

    Minimises |decode(z) - image|^2 / (2 PIXEL_ERROR^2) + |z|^2 / 2 of each image by itself, by L-BFGS.

    Args:
      decode: latents [N, *shape] -> images [N, ...], not clipped.
      images: float32 [N, ...].
      shape: of one latent.
      start: latents to begin with, [N, *shape]. Defaults to the nearest of `NUM_STARTS` draws of the prior.
      iterations: of L-BFGS, >= 1. Defaults to 60.

    Returns:
      float32 tensor [N, *shape]; where the optimiser does not improve the start, that.

    Example:
      >>> z = closest_latents(lambda z: 0.5 + 0.1 * z, tf.constant([[0.6, 0.4]]), (2,))
      >>> z.numpy().round(2)
      array([[ 1., -1.]], dtype=float32)
    """
    found = []
    for first in range(0, images.shape[0], BATCH_SIZE):
        part = images[first : first + BATCH_SIZE]
        begin = _nearest(decode, part, shape) if start is None else start[first : first + BATCH_SIZE]
        found.append(_minimised(decode, part, tf.convert_to_tensor(begin), iterations))
    return tf.concat(found, 0) if found else tf.zeros((0, *shape))


def _minimised(
    decode: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor, start: tf.Tensor, iterations: int
) -> tf.Tensor:
    # Its import takes longer than a short optimisation.
    import tensorflow_probability as tfp

    def loss(flat: tf.Tensor) -> tf.Tensor:
        gap = decode(tf.reshape(flat, start.shape)) - images
        squares = tf.reduce_sum(tf.square(gap), range(1, gap.shape.rank)) / PIXEL_ERROR**2
        return (squares + tf.reduce_sum(tf.square(flat), 1)) / 2

    def run(flat: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        result = tfp.optimizer.lbfgs_minimize(
            lambda x: tfp.math.value_and_gradient(loss, x), flat, max_iterations=iterations, tolerance=1e-3
        )
        return result.position, result.objective_value, loss(flat)

    flat = tf.reshape(start, (start.shape[0], -1))
    position, after, before = tf.function(run, autograph=False)(flat)
    # Also where the result is not finite.
    better = (after < before)[:, None]
    return tf.reshape(tf.where(better, position, flat), start.shape)


def _nearest(decode: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor, shape: Sequence[int]) -> tf.Tensor:
    """Of draws of the prior, the one whose image is nearest to each."""
    draws = tf.random.stateless_normal((NUM_STARTS, *shape), seeds.fold(seeds.root(0), "inverse"))
    wanted, gaps = tf.reshape(images, (images.shape[0], -1)), []
    for first in range(0, NUM_STARTS, BATCH_SIZE):
        decoded = tf.reshape(decode(draws[first : first + BATCH_SIZE]), (BATCH_SIZE, -1))
        # |decoded - image|^2 less |image|^2, the same for all.
        gaps.append(tf.reduce_sum(tf.square(decoded), 1) - 2 * tf.matmul(wanted, decoded, transpose_b=True))
    return tf.gather(draws, tf.constant(np.concatenate(gaps, axis=1).argmin(1)))
