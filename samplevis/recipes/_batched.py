"""Pictures of many directions at once: image i of a batch is scored by direction i."""

# TODO merge: `directions` belongs to the objectives, beside `direction`, on what they share for dot products and norms.

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis import seeds
from samplevis.activation import make_activation
from samplevis.export.grid import check_whole
from samplevis.network import Network
from samplevis.objectives import Objective
from samplevis.objectives.base import Accessor
from samplevis.optimize import ascend
from samplevis.param import fourier
from samplevis.progress import Progress
from samplevis.transform import Transform

# Lucid's constants: 0.1 keeps a gradient where the cosine is negative, 1e-4 a silent position from dividing by zero.
LEAST_COSINE, EPSILON = 0.1, 1e-4


def directions(layer: str, vectors: np.ndarray, *, cossim_pow: float = 0.0, center: bool = False) -> Objective:
    """For image i, dot * max(0.1, cosine)^cossim_pow with direction i; the mean over positions, or the center.

    Args:
      layer: a layer's name.
      vectors: array [batch, channels].
      cossim_pow: power, >= 0.
      center: whether to look only at row H // 2, column W // 2.

    Returns:
      An objective for batches of exactly as many images.
    """
    vectors = np.asarray(vectors, np.float32)
    if not cossim_pow >= 0:
        raise ValueError(f"cossim_pow: expected a number >= 0. Received: {cossim_pow!r}")
    power = float(cossim_pow)

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        activations = T(layer)
        if center:
            activations = activations[(slice(None), *(size // 2 for size in activations.shape[1:-1]))]
        batch, channels = activations.shape[0], activations.shape[-1]
        activations = tf.reshape(activations, (batch, -1, channels))
        # An objective is checked on two images, whatever the batch.
        own = tf.cast(parameters[0], tf.float32)[:batch, None]
        dot = tf.reduce_sum(activations * own, -1)
        if power:
            norms = (EPSILON + safe_norm(activations)) * (EPSILON + tf.norm(own, axis=-1))
            dot *= tf.maximum(LEAST_COSINE, dot / norms) ** power
        return tf.reduce_mean(dot, 1)

    where = ", center" if center else ""
    return Objective(
        score,
        ("directions", layer, power, center),
        (vectors,),
        f"directions({layer}, {list(vectors.shape)}{where})",
    )


def safe_norm(x: tf.Tensor) -> tf.Tensor:
    """Norm over the last axis, with a zero gradient at zero."""
    square = tf.reduce_sum(tf.square(x), -1)
    zero = square == 0
    return tf.where(zero, 0.0, tf.sqrt(tf.where(zero, 1.0, square)))


def check_rendering(
    network: Network,
    layer: str,
    size: int,
    transforms: Transform | Sequence[Transform] | None,
    steps: int,
    batch_size: int,
    seed: int,
) -> None:
    """Raises ValueError or TypeError, before long work, for what `render_directions` could not do."""
    network.check_layer(layer)
    check_whole("steps", steps, 1)
    check_whole("batch_size", batch_size, 1)
    seeds.root(seed)
    obj = directions(layer, np.ones((1, network.layers[layer][-1])))
    make_activation(network, obj, fourier(size, channels=network.image_shape[-1]), transforms)


def render_directions(
    network: Network,
    layer: str,
    vectors: np.ndarray,
    *,
    size: int,
    steps: int,
    transforms: Transform | Sequence[Transform] | None,
    batch_size: int,
    seed: int,
    progress: bool,
    cossim_pow: float = 0.0,
    center: bool = False,
) -> np.ndarray:
    """The feature visualisation of each of many directions, from one trace.

    All start from the same faint noise, so that like directions give like pictures.

    Args:
      vectors: array [n, channels], n >= 1.
      size: pixels of the square images.

    Returns:
      float32 images [n, size, size, C] in [0, 1].
    """
    check_rendering(network, layer, size, transforms, steps, batch_size, seed)
    vectors, channels = np.asarray(vectors, np.float32), network.layers[layer][-1]
    if vectors.ndim != 2 or vectors.shape[1] != channels or not np.isfinite(vectors).all():
        raise ValueError(f"directions: expected finite numbers [n, {channels}]. Received shape: {vectors.shape}")
    # A direction says where to go, not how far: equal lengths give equal scores to all.
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    count = len(vectors)
    batch = min(batch_size, count)
    param = fourier(size, channels=network.image_shape[-1])
    root = seeds.fold(seeds.root(seed), "directions")
    start = tf.repeat(param.start(root, 1), batch, axis=0)
    images = []
    with Progress("render", count, "image", show=progress) as bar:
        for first in range(0, count, batch):
            # The last batch is filled up: another size would be compiled anew.
            own = vectors[np.arange(first, first + batch) % count]
            obj = directions(layer, own, cossim_pow=cossim_pow, center=center)
            found = ascend(make_activation(network, obj, param, transforms), start, steps, seed=root)
            # Ctrl-C ends the ascent early; half of the pictures would be of no use.
            if bar.interrupted or len(found.history) < steps:
                raise KeyboardInterrupt
            images.append(found.images)
            bar.update(min(batch, count - first))
    return np.concatenate(images)[:count]
