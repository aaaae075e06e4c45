"""Nested iterables with indices of several numbers. Source: lucid/misc/iter_nd_utils.py."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

Index = tuple[int, ...]


def recursive_enumerate_nd(
    it: Iterable[Any], stop_iter: Callable[[Any], bool] | None = None, prefix: Index = ()
) -> Iterator[tuple[Index, Any]]:
    """Enumerates what is in nested iterables.

    Args:
      it: the outermost iterable.
      stop_iter: whether something is not iterated over. Defaults to never.
      prefix: what indices begin with. Defaults to nothing.

    Returns:
      An iterator of (index, value).

    Example:
      >>> list(recursive_enumerate_nd([[5], [6, 7]]))
      [((0, 0), 5), ((1, 0), 6), ((1, 1), 7)]
    """
    for number, value in enumerate(it):
        index = (*prefix, number)
        if isinstance(value, Iterable) and not (stop_iter is not None and stop_iter(value)):
            yield from recursive_enumerate_nd(value, stop_iter, index)
        else:
            yield index, value


def dict_to_ndarray(d: Mapping[Index, Any]) -> np.ndarray:
    """An array of what a dictionary has at its indices, and of zeros elsewhere.

    Args:
      d: index -> number or array; not empty.

    Returns:
      Array, of the type of the arrays, or float32.

    Raises:
      ValueError: if it is empty, or indices have several lengths.

    Example:
      >>> dict_to_ndarray({(0, 0): 3, (1, 1): 7}).tolist()
      [[3.0, 0.0], [0.0, 7.0]]
    """
    if len({len(index) for index in d}) != 1:
        raise ValueError("d: expected indices of one length. Received: " + ("none" if not d else "several lengths"))
    first = next(iter(d.values()))
    values = first if isinstance(first, np.ndarray) else np.zeros((), np.float32)
    sizes = np.max(list(d), axis=0) + 1
    result = np.zeros((*sizes, *values.shape), values.dtype)
    for index, value in d.items():
        result[index] = value
    return result


def batch_iter(it: Iterable[Any], batch_size: int = 64) -> Iterator[list[Any]]:
    """Lists of the next values of an iterable, the last one shorter.

    Args:
      it: the iterable.
      batch_size: length of the lists. Defaults to 64.

    Returns:
      An iterator of lists.

    Example:
      >>> list(batch_iter(range(5), 2))
      [[0, 1], [2, 3], [4]]
    """
    values = iter(it)
    while batch := list(itertools.islice(values, batch_size)):
        yield batch
