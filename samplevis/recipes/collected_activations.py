"""Activations of many images, and linear algebra on them: covariance, whitening, and maps to another layer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

import keras
import numpy as np

from samplevis.analysis import image_stream
from samplevis.network import Network, as_network
from samplevis.runtime import seeds
from samplevis.runtime.checks import check_array, check_choice, check_whole

# Activations [batch, *positions, channels] and numbers in [0, 1) [batch, 2] -> [batch, channels].
Reducer = Callable[[np.ndarray, np.ndarray], np.ndarray]


def collect_activations(
    model: Network | keras.Model,
    layer: str,
    images: np.ndarray | Iterable | str | os.PathLike,
    *,
    reducer: str | None = "mean",
    batch_size: int = 64,
    image_size: tuple[int, int] | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Runs images through the network and collects one vector per image, in their order.

    Images are streamed: memory holds one batch at a time. The vector of an image does not depend on the others, nor on
    `batch_size`. Calls with equal seeds choose corresponding positions in all layers, so that the rows of two calls are aligned.

    Args:
      model: a `Network` or a Keras model.
      layer: a name from `Network.layers`.
      images: float array [n, H, W, C] in [0, 1]; a folder, searched with its subfolders in the order of the names; or
        anything to iterate over, such as a list of files, a generator or a `tf.data.Dataset`, of paths, images [H, W, C] or
        batches [b, H, W, C], alone or first in a tuple (image, label).
      reducer: how the positions [*positions, channels] of an image become one vector. "mean", "max", "rms" (root of the mean
        square), "centre" (row H // 2, column W // 2), "random position", or None to keep all. Defaults to "mean".
      batch_size: images to run at a time, >= 1. Defaults to 64.
      image_size: (height, width) that the files of a folder are cropped (about their centre) and scaled to. Defaults to what
        the network declares, or to each file's own size.
      seed: int from 0 to 2**31 - 1, for "random position".

    Returns:
      float32 [n, channels]; with `reducer=None` [n, *positions, channels].

    Raises:
      ValueError: for an unknown layer or reducer, no images, or images that are no floats in [0, 1] of the network's shape.
      OSError: if the folder or a file cannot be read.

    Source: lucid/modelzoo/get_activations.py and aligned_activations.py.

    Example:
      >>> activations = collect_activations(model, "fire9", "photos/", reducer="random position")
    """
    network = as_network(model)
    network.check_layer(layer)
    reduce = _reducer(reducer)
    check_whole("batch_size", batch_size, 1)
    seeds.root(seed)
    generator = np.random.default_rng(seed)
    rows = []
    for batch, _ in image_stream.batches(image_stream.stream(network, images, image_size), batch_size):
        found = network.activations(batch, layer)[layer].numpy()
        # Two numbers for each image, in order: the same whatever the layer and the size of the batch.
        rows.append(reduce(found, generator.random((len(batch), 2))))
    if not rows:
        raise ValueError("images: expected at least one. Received: none")
    if len({part.shape[1:] for part in rows}) > 1:
        raise ValueError(
            "reducer: None needs images of one size. Give image_size, or a reducer. Received activations of shapes "
            f"{sorted({part.shape[1:] for part in rows})}"
        )
    return np.concatenate(rows)


def covariance(a: np.ndarray, b: np.ndarray | None = None, *, centred: bool = False) -> np.ndarray:
    """Computes the covariance of activations, A^T B / n.

    Args:
      a: array [n, channels].
      b: array [n, channels of b], aligned with `a`. Defaults to `a`.
      centred: whether to subtract the means first (still divided by n). Defaults to False, as in Lucid.

    Returns:
      float64 [channels, channels of b].

    Raises:
      ValueError: for other shapes.

    Source: lucid/modelzoo/aligned_activations.py.

    Example:
      >>> recipes.covariance(activations).shape
      (512, 512)
    """
    a, b = _aligned(a, a if b is None else b)
    if centred:
        a, b = a - a.mean(0), b - b.mean(0)
    return a.T @ b / len(a)


def whitening(covariance: np.ndarray, *, ridge: float = 1e-3) -> np.ndarray:
    """Inverts a covariance, with a ridge.

    Args:
      covariance: symmetric array [channels, channels], from `covariance`.
      ridge: this share of the mean variance is added to every variance, >= 0. Without it, silent channels, or fewer images than
        channels, have no inverse. Defaults to 0.001.

    Returns:
      S, float64 [channels, channels].

    Raises:
      ValueError: for another shape or ridge, or if the covariance cannot be inverted.

    Example:
      >>> recipes.whitening(recipes.covariance(activations)).shape
      (512, 512)
    """
    matrix = check_array("covariance", covariance, np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not np.isfinite(matrix).all():
        raise ValueError(f"covariance: expected finite numbers [channels, channels]. Received shape: {matrix.shape}")
    if not 0 <= ridge < np.inf:
        raise ValueError(f"ridge: expected a number >= 0. Received: {ridge!r}")
    identity = np.eye(len(matrix))
    try:
        return np.linalg.inv(matrix + ridge * np.trace(matrix) / len(matrix) * identity)
    except np.linalg.LinAlgError as error:
        raise ValueError("covariance: it cannot be inverted. Give a ridge > 0, or more activations.") from error


def whitened_direction(direction: np.ndarray, covariance: np.ndarray, *, ridge: float = 1e-3) -> np.ndarray:
    """Whitens a direction, which shows what is specific to it: v S, with S the inverse of the layer's covariance.

    Args:
      direction: array [..., channels].
      covariance: uncentred covariance of the layer's activations, [channels, channels].
      ridge: as in `whitening`.

    Returns:
      float64 array of the shape of `direction`.

    Raises:
      ValueError: if the shapes do not fit, or the covariance cannot be inverted.

    Source: Carter et al., Activation Atlas (Distill, 2019).

    Example:
      >>> direction = recipes.whitened_direction(activations[0], recipes.covariance(activations))
      >>> samplevis.optimize(model, objectives.direction("fire9", direction))
    """
    directions = np.asarray(direction, np.float64)
    whitener = whitening(covariance, ridge=ridge)
    if directions.ndim < 1 or directions.shape[-1] != len(whitener):
        raise ValueError(f"direction: expected [..., {len(whitener)}]. Received shape: {directions.shape}")
    return directions @ whitener


def push_activations(activations: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Maps activations of one layer to another by least squares, a C_ss^-1 C_st.

    Args:
      activations: array [..., channels of the source].
      source: activations of the first layer, [n, channels].
      target: activations of the second layer at matching positions, [n, other channels]: collected with the same seed.

    Returns:
      float64 array [..., other channels]. If `source` does not span all channels, this is the map of least norm.

    Raises:
      ValueError: for shapes that do not fit.

    Source: lucid/modelzoo/aligned_activations.py.

    Example:
      >>> early, late = (recipes.collect_activations(model, layer, "photos/") for layer in ("fire5", "fire9"))
      >>> recipes.push_activations(early[0], early, late).shape
      (512,)
    """
    source, target = _aligned(source, target)
    values = np.asarray(activations, np.float64)
    if values.ndim < 1 or values.shape[-1] != source.shape[1]:
        raise ValueError(f"activations: expected [..., {source.shape[1]}]. Received shape: {values.shape}")
    return values @ np.linalg.lstsq(source, target, rcond=None)[0]


def _aligned(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = check_array("activations", a, np.float64), check_array("activations", b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or len(a) != len(b) or not len(a):
        raise ValueError(
            f"activations: expected [n, channels], of one n >= 1. Received shapes: {a.shape} and {b.shape}"
        )
    return a, b


def _mean(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    return values.mean(_positions(values))


def _rms(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(values).mean(_positions(values)))


def _max(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    return values.max(_positions(values))


def _centre(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    return values[(slice(None), *(size // 2 for size in values.shape[1:-1]))]


def _random_position(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    sizes = values.shape[1:-1]
    where = ((numbers[:, axis] * size).astype(int) for axis, size in enumerate(sizes))
    return values[(np.arange(len(values)), *where)]


def _positions(values: np.ndarray) -> tuple[int, ...]:
    return tuple(range(1, values.ndim - 1))


REDUCERS: dict[str | None, Reducer] = {
    "mean": _mean,
    "rms": _rms,
    "max": _max,
    "centre": _centre,
    "random position": _random_position,
    None: lambda values, numbers: values,
}


def _reducer(name: str | None) -> Reducer:
    return REDUCERS[None if name is None else check_choice("reducer", name, [key for key in REDUCERS if key])]
