"""A diagonal mass, learned from the curvature that the force shows at the chains' states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.runtime import compiled, seeds
from samplevis.sampling.kernels.base import value_and_gradient

# Displacement at which the curvature is measured, in radians: about a leapfrog step, so that kinks that a step meets count.
ANGLE = 0.03
NUM_PAIRS = 4


def learn_preconditioner(
    target_fn: Callable[..., tf.Tensor],
    state: tf.Tensor,
    bands: np.ndarray,
    seed: tf.Tensor,
    numbers: Sequence[Any] = (),
    compile: compiled.Compile = compiled.uncached,
) -> np.ndarray:
    """Measures how stiff each band of coordinates is, and preconditions the stiff ones to shorter steps.

    The states are turned a little towards prior noise; the change of the force over the displacement, root mean square over a
    band, all chains and four such turns, is its curvature k. The prior's own curvature is 1, so that the
    preconditioner, the root of the inverse mass, is 1 / sqrt(1 + k).

    Args:
      target_fn: (state [chain, ...], *numbers) -> tilt [chain].
      state: where the chains are, [chain, ...].
      bands: int, shape of one state: the label of the band of each coordinate.
      seed: int32 tensor of shape [2].
      numbers: further arguments of `target_fn`, nests of tensors. Defaults to none.
      compile: how `target_fn` is compiled. Defaults to a compiler without a cache.

    Returns:
      float32 array of the shape of `bands`, values in (0, 1].

    Example:
      >>> stiffness = tf.constant([0.0, 3.0])
      >>> state = tf.random.stateless_normal((4, 2), (0, 1))
      >>> def target_fn(x):
      ...     return -tf.reduce_sum(stiffness * x**2, 1) / 2
      >>> learn_preconditioner(target_fn, state, np.array([0, 1]), seeds.root(0)).round(2)
      array([1. , 0.5], dtype=float32)
    """

    def force(x: tf.Tensor, *numbers: Any) -> tf.Tensor:
        return value_and_gradient(lambda x: target_fn(x, *numbers), x)[1]

    force = compile("force", force)
    before = force(state, *numbers)
    # A chain whose force is not finite is excluded.
    finite = np.isfinite(before.numpy().reshape(len(before), -1)).all(1)
    if not finite.any():
        return np.ones(bands.shape, np.float32)
    labels, count = bands.ravel(), bands.max() + 1
    change, moved = np.zeros(count), np.zeros(count)
    for pair in range(NUM_PAIRS):
        noise = tf.random.stateless_normal(state.shape, seeds.fold(seed, "mass", pair))
        there = state * np.cos(ANGLE) + noise * np.sin(ANGLE)
        for total, difference in ((change, force(there, *numbers) - before), (moved, there - state)):
            squares = np.square(difference.numpy()[finite].astype(np.float64)).mean(0)
            total += np.bincount(labels, squares.ravel(), count)
    curvature = np.sqrt(np.divide(change, moved, out=np.zeros(count), where=moved > 0))
    curvature[~np.isfinite(curvature)] = 0
    return (1 / np.sqrt(1 + curvature))[bands].astype(np.float32)
