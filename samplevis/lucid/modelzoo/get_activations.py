"""Activations of many images. Source: lucid/modelzoo/get_activations.py."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from samplevis.lucid.core import graphs
from samplevis.lucid.core.eager import outside
from samplevis.lucid.core.networks import imports_itself, network_of
from samplevis.runtime.checks import check_choice

Reducer = Literal["mean", "rms", "max"]
Index = tuple[int, ...]
# Name -> (sum or maximum of two, first value of one, result from it and the number of images).
REDUCERS: dict[str, tuple[Callable, Callable, Callable]] = {
    "mean": (np.add, lambda x: x, lambda x, n: x / n),
    "rms": (np.add, np.square, lambda x, n: np.sqrt(x / n)),
    "max": (np.maximum, lambda x: x, lambda x, n: x),
}


def get_activations_iter(
    model: Any,
    layer: Any,
    generator: Iterable[tuple[Index, np.ndarray]],
    reducer: Reducer = "mean",
    batch_size: int = 64,
    dtype: Any = None,
    ind_shape: Sequence[int] | None = None,
    center_only: bool = False,
) -> np.ndarray:
    """Activations of images that come with an index; several images of one index are reduced to one.

    Args:
      model: the model.
      layer: a layer, or its name.
      generator: gives (index, image [height, width, channels] in [0, 1]).
      reducer: "mean" (default), "rms" or "max".
      batch_size: images at a time. Defaults to 64.
      dtype: of the result. Defaults to float32.
      ind_shape: how many of each index there are. Defaults to as many as come.
      center_only: whether to take the middle position only. Defaults to False.

    Returns:
      Array [*indices, ...].
    """
    check_choice("reducer", reducer, REDUCERS)
    with _computing(model, getattr(layer, "name", layer)) as compute:
        return _reduced(compute, generator, reducer, batch_size, dtype, ind_shape, center_only)


@contextlib.contextmanager
def _computing(model: Any, layer: str) -> Iterator[Callable[[np.ndarray], np.ndarray]]:
    if imports_itself(model):
        with graphs.running(model, layer) as compute:
            yield compute
        return
    network = network_of(model)

    def compute(images: np.ndarray) -> np.ndarray:
        # Splines may leave [0, 1] a little, and Lucid takes any floats.
        return network.cut((layer,))(tf.constant(images, tf.float32))[layer].numpy()

    yield lambda images: outside(lambda: compute(images))


def _reduced(
    compute: Callable[[np.ndarray], np.ndarray],
    generator: Iterable[tuple[Index, np.ndarray]],
    reducer: Reducer,
    batch_size: int,
    dtype: Any,
    ind_shape: Sequence[int] | None,
    center_only: bool,
) -> np.ndarray:
    combine, first, finish = REDUCERS[reducer]
    found: dict[Index, np.ndarray] = {}
    counts: dict[Index, int] = defaultdict(int)
    images = iter(generator)
    while batch := list(islice(images, batch_size)):
        stacked = np.stack([image for _, image in batch])
        if not np.issubdtype(stacked.dtype, np.floating):
            raise ValueError(f"examples: expected floats in [0, 1] (divide bytes by 255). Received: {stacked.dtype}")
        acts = compute(stacked)
        if center_only:
            acts = acts[:, acts.shape[1] // 2, acts.shape[2] // 2]
        for (index, _), act in zip(batch, acts, strict=True):
            index = tuple(np.atleast_1d(index))
            found[index] = combine(found[index], first(act)) if index in found else first(act)
            counts[index] += 1
    shape = tuple(ind_shape) if ind_shape is not None else tuple(np.max(list(found), axis=0) + 1)
    result = np.zeros((*shape, *next(iter(found.values())).shape), dtype or np.float32)
    for index, value in found.items():
        result[index] = finish(value, counts[index])
    return result


def get_activations(
    model: Any,
    layer: Any,
    examples: Any,
    batch_size: int = 64,
    dtype: Any = None,
    ind_shape: Sequence[int] | None = None,
    center_only: bool = False,
) -> np.ndarray:
    """Activations of an array of images, or of nested lists of them.

    Args:
      model, layer, batch_size, dtype, ind_shape, center_only: as in `get_activations_iter`.
      examples: [..., height, width, channels] in [0, 1], or lists of such.

    Returns:
      Array [...] of activations.
    """
    if ind_shape is None and isinstance(examples, np.ndarray):
        ind_shape = examples.shape[:-3]
    return get_activations_iter(model, layer, _enumerated(examples), "mean", batch_size, dtype, ind_shape, center_only)


def _enumerated(examples: Any, before: Index = ()) -> Iterator[tuple[Index, np.ndarray]]:
    """(index, image) of every image in nested arrays and lists."""
    if isinstance(examples, np.ndarray) and examples.ndim == 3:
        yield before, examples
        return
    for number, each in enumerate(examples):
        yield from _enumerated(each, (*before, number))
