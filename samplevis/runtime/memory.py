"""Errors of full memory, or of memory that can never suffice: messages say which sizes to lower, and to what."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence

import tensorflow as tf

# Smallest side of an image.
MIN_SIDE = 4

Sizes = Mapping[str, int | Sequence[int]]


@contextlib.contextmanager
def explain_oom(sizes: Sizes) -> Iterator[None]:
    """Converts TensorFlow's out-of-memory error to a MemoryError that says which arguments to lower.

    Args:
      sizes: argument -> its value, for arguments that decide the memory: a number >= 1, or the sides of an image.

    Raises:
      MemoryError: if memory is full; it names each size that can be halved, and the half.

    Example:
      >>> import tensorflow as tf
      >>> from samplevis.runtime.memory import explain_oom
      >>> with explain_oom({"batch": 64}):
      ...     raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating a tensor")
      Traceback (most recent call last):
      MemoryError: out of memory: lower batch from 64 to 32. TensorFlow says: OOM when allocating a tensor
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        halves = [f"{name} from {_shown(size)} to {_shown(_half(size))}" for name, size in sizes.items() if _half(size)]
        advice = f"lower {', or '.join(halves)}" if halves else "everything is at its least; take a smaller network"
        raise MemoryError(f"out of memory: {advice}. TensorFlow says: {_first_line(error)}") from error


def check_fits(sizes: Mapping[str, int], values: int, what: str, argument: str, advice: str = "") -> None:
    """Refuses what no memory of this machine could hold, however the work is done.

    Args:
      sizes: argument -> its value >= 1; what is held grows with each of them. The first is the one to lower, if that is enough.
      values: float32 numbers that are held where all sizes are 1.
      what: what is held, for the message.
      argument: the dictionary of the sizes, as the caller knows it, such as "hmc_opts".
      advice: what else helps, a sentence that begins with a blank. Defaults to nothing.

    Raises:
      ValueError: if there are more of them than the machine has memory for; it says how many fit.
    """
    room, needed = of_machine(), 4 * values * math.prod(sizes.values())
    if needed <= room:
        return
    most = {name: int(room * size // needed) for name, size in sizes.items()}
    name = next((name for name in sizes if most[name]), None)
    if name is None:
        given = " and ".join(f"{name}={size}" for name, size in sizes.items())
        raise ValueError(
            f"{argument}: {what} of {given} take {needed / 1e9:.3g} GB, of {room / 1e9:.3g} GB of memory. Lower each, or the "
            f"images' size.{advice}"
        )
    others = " and ".join(f"{other}={size}" for other, size in sizes.items() if other != name)
    beside = f" with {others}" if others else ""
    raise ValueError(
        f"{argument}[{name!r}]: expected at most {most[name]}{beside}: {what} have to fit in {room / 1e9:.3g} GB of memory. "
        f"Received: {sizes[name]}, which take {needed / 1e9:.3g} GB.{advice}"
    )


def of_machine() -> float:
    """Bytes of the machine's memory; infinity where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return math.inf


def _half(size: int | Sequence[int]) -> int | tuple[int, ...] | None:
    """Half of a size, or None if that is too small."""
    if isinstance(size, int):
        return size // 2 or None
    half = tuple(side // 2 for side in size)
    return half if min(half) >= MIN_SIDE else None


def _shown(size: int | Sequence[int]) -> str:
    """An image of equal sides as one number."""
    return str(size if isinstance(size, int) else size[0] if len(set(size)) == 1 else tuple(size))


def _first_line(error: tf.errors.OpError) -> str:
    return error.message.strip().splitlines()[0] if error.message.strip() else type(error).__name__
