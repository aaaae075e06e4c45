"""Random numbers in programs written for Lucid: stateless ones inside the compiled optimiser, TensorFlow's elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar

import tensorflow as tf

from samplevis.runtime import seeds


class _Stream:
    """A seed, and the number of random tensors that were made with it."""

    def __init__(self, seed: tf.Tensor):
        self.seed, self.count = seed, 0

    def next(self) -> tf.Tensor:
        self.count += 1
        return seeds.fold(self.seed, self.count)


_stream: ContextVar[_Stream | None] = ContextVar("stream", default=None)


@contextlib.contextmanager
def stream(seed: tf.Tensor) -> Iterator[None]:
    """All random numbers in this block follow from a seed.

    Args:
      seed: int32 [2].
    """
    token = _stream.set(_Stream(seed))
    try:
        yield
    finally:
        _stream.reset(token)


def uniform(
    shape: Sequence[int], low: float = 0, high: float = 1, dtype: str = "float32", seed: int | None = None
) -> tf.Tensor:
    """Uniform numbers in [low, high).

    Args:
      shape: of the result.
      low, high: the range.
      dtype: "float32" or "int32".
      seed: Lucid's seed of one operation; inside the optimiser, whose seed fixes everything, it has no effect.

    Returns:
      Tensor of `shape`.
    """
    if (current := _stream.get()) is not None:
        return tf.random.stateless_uniform(shape, current.next(), low, high, dtype)
    return tf.random.uniform(shape, low, high, dtype, seed=seed)


def normal(shape: Sequence[int]) -> tf.Tensor:
    """Standard normal numbers, float32."""
    if (current := _stream.get()) is not None:
        return tf.random.stateless_normal(shape, current.next())
    return tf.random.normal(shape)
