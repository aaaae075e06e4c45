"""Damage to files, made from a seed: what disks, copies and strangers do to them."""

from __future__ import annotations

import numpy as np


def flipped(data: bytes, rng: np.random.Generator) -> bytes:
    """A file with one bit flipped."""
    place, bit = int(rng.integers(len(data))), int(rng.integers(8))
    return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


def truncated(data: bytes, rng: np.random.Generator) -> bytes:
    """The first part of a file, at times nothing of it."""
    return data[: int(rng.integers(len(data)))]


def zeroed(data: bytes, rng: np.random.Generator) -> bytes:
    """A file with a block of zeros, as a power cut leaves it."""
    place, size = int(rng.integers(len(data))), int(rng.integers(1, 513))
    end = min(len(data), place + size)
    return data[:place] + bytes(end - place) + data[end:]


def spliced(data: bytes, rng: np.random.Generator) -> bytes:
    """A file with a part of itself copied to another place."""
    source, target = rng.integers(len(data), size=2)
    part = data[source : source + int(rng.integers(1, 65))]
    return data[:target] + part + data[target + len(part) :]


def overwritten(data: bytes, rng: np.random.Generator) -> bytes:
    """A file with a few random bytes in one place, such as the sizes that it declares."""
    place = int(rng.integers(len(data)))
    part = rng.bytes(int(rng.integers(1, 9)))
    return data[:place] + part + data[place + len(part) :]


KINDS = (flipped, truncated, zeroed, spliced, overwritten)


def damages(data: bytes, count: int, seed: int, kinds=KINDS) -> list[bytes]:
    """As many damaged copies of a file, each other than the file itself."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < count:
        damaged = kinds[len(found) % len(kinds)](data, rng)
        if damaged != data:
            found.append(damaged)
    return found
