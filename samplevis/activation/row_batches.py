"""Rows in batches of one size, the last one filled up, so that one graph serves all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf


def padded(values: Sequence[Any], size: int) -> list[Any]:
    """Values, repeated at the end up to a fixed size, so that the last batch runs the code of the others."""
    return [*values, *[values[-1]] * (size - len(values))]


def in_batches(run: Callable[..., Any], size: int, *arrays: np.ndarray) -> Any:
    """What a function makes of rows, in batches of one size.

    Args:
      run: takes a batch of each array, [size, ...], and returns an array [size, ...] or a nest of such arrays.
      size: rows of a batch, >= 1; the last one is `padded`.
      *arrays: of the same length, at least 1.

    Returns:
      The results, [rows, ...], nested as those of `run`.
    """
    found = []
    for first in range(0, len(arrays[0]), size):
        parts = [each[first : first + size] for each in arrays]
        results, count = run(*(np.stack(padded(part, size)) for part in parts)), len(parts[0])
        found.append(tf.nest.map_structure(lambda result, count=count: result[:count], results))
    return tf.nest.map_structure(lambda *results: np.concatenate(results), *found)
