"""Out of memory: the message says which sizes to lower, and to what."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import tensorflow as tf

from samplevis.network import Network

# Smallest side of an image.
SMALLEST = 4

Sizes = Mapping[str, int | Sequence[int]]


@contextlib.contextmanager
def told(sizes: Sizes) -> Iterator[None]:
    """Turns TensorFlow's error of a full memory into one that says what to lower.

    Args:
      sizes: argument -> its value, on which the memory depends: a number >= 1, or the sides of an image.

    Raises:
      MemoryError: in its place, which names each size that can be halved, and the half.

    Example:
      >>> with told({"batch": 64}):
      ...     run()
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        halves = [f"{name} from {_shown(size)} to {_shown(_half(size))}" for name, size in sizes.items() if _half(size)]
        advice = f"lower {', or '.join(halves)}" if halves else "everything is at its least; take a smaller network"
        raise MemoryError(f"out of memory: {advice}. TensorFlow says: {_first_line(error)}") from error


def sides(network: Network, image_shape: Sequence[int]) -> Sizes:
    """The size of the images; nothing for a network that takes one size only."""
    return {"the images' size": image_shape[:-1]} if None in network.image_shape[:-1] else {}


def _half(size: int | Sequence[int]) -> int | tuple[int, ...] | None:
    """Half of a size, or None if that is too small."""
    if isinstance(size, int):
        return size // 2 or None
    half = tuple(side // 2 for side in size)
    return half if min(half) >= SMALLEST else None


def _shown(size: int | Sequence[int]) -> str:
    """An image of equal sides as one number."""
    return str(size if isinstance(size, int) else size[0] if len(set(size)) == 1 else tuple(size))


def _first_line(error: tf.errors.OpError) -> str:
    return error.message.strip().splitlines()[0] if error.message.strip() else type(error).__name__
