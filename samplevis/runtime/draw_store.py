"""Where the draws of a run are stored: in memory, or in files that are never read whole."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from samplevis.runtime import files, memory

STATES = "states.float32"
# Bytes that are read at a time.
BLOCK = 2**24


class InMemory:
    """Draws in memory; a checkpoint saves all of them."""

    def __init__(self) -> None:
        self._states: list[np.ndarray] = []

    def check_room(self, chains: int, draws: int, state: tuple[int, ...], image: tuple[int, ...]) -> None:
        """Raises ValueError if no memory of this machine could hold that many draws: states, latents and images."""
        sizes = {"num_results": draws, "num_chains": chains}
        memory.check_fits(
            sizes, _values(state, image), "the draws", "hmc_opts", " Or give checkpoint and storage='disk'."
        )

    def append(self, state: np.ndarray) -> None:
        """Adds a state of every chain, float32 [chain, ...]."""
        self._states.append(state)

    def state_dict(self) -> dict[str, np.ndarray]:
        """What a checkpoint has to save of the states."""
        return {"states": np.stack(self._states)}

    def resume(self, saved: Mapping[str, np.ndarray]) -> None:
        """Takes up what `state_dict` gave, beside "done" (how many states) and "state" (the last one)."""
        self._states = list(saved["states"])

    @property
    def states(self) -> np.ndarray:
        """All states, float32 [draw, chain, ...]."""
        return np.stack(self._states)

    def gather(self, name: str, count: int, draws: Iterable[np.ndarray]) -> np.ndarray:
        """Puts draws together.

        Args:
          name: what they are.
          count: how many there are.
          draws: each of all chains, float32 [chain, ...].

        Returns:
          float32 [chain, draw, ...].
        """
        return np.stack(list(draws), axis=1)

    def join(self, name: str, parts: Sequence[np.ndarray]) -> np.ndarray:
        """Puts the draws of batches of chains together.

        Args:
          name: what they are.
          parts: float32 [chain, draw, ...] of each batch, with the same number of draws.

        Returns:
          float32 [chain, draw, ...].
        """
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def of_batch(self, number: int) -> InMemory:
        """A store for the draws of another batch of chains."""
        return InMemory()


class OnDisk:
    """Draws in files of a checkpoint's folder: memory holds one at a time.

    States are appended to one file. What was written is never changed, so that a checkpoint that counts some of them finds these,
    whatever has come after; it holds their checksum.

    Args:
      folder: that of the checkpoint, which belongs to this process.
      argument: the caller's name of the folder, for messages. Defaults to "checkpoint".
    """

    def __init__(self, folder: str | os.PathLike, argument: str = "checkpoint"):
        self._folder, self._argument = os.fspath(folder), argument
        self._path = os.path.join(self._folder, STATES)
        self._count, self._shape, self._hash = 0, (), hashlib.sha256()

    def check_room(self, chains: int, draws: int, state: tuple[int, ...], image: tuple[int, ...]) -> None:
        """Raises OSError if the disk has no room for that many draws: states, latents and images."""
        there = os.path.getsize(self._path) if os.path.exists(self._path) else 0
        place = os.path.abspath(self._folder)
        while not os.path.exists(place):
            place = os.path.dirname(place)
        one, free = 4 * chains * _values(state, image), shutil.disk_usage(place).free
        needed = draws * one - there
        if needed > free:
            raise OSError(
                errno.ENOSPC,
                f"{self._argument}: {draws} draws of {chains} chains take {needed / 1e9:.3g} GB in {self._folder!r}, where "
                f"{free / 1e9:.3g} GB are free: {(free + there) // one} fit. Give a folder on another disk, or fewer num_results",
            )

    def append(self, state: np.ndarray) -> None:
        """As `InMemory.append`, but for OSError if the disk is full."""
        data = np.ascontiguousarray(state, np.float32).tobytes()
        try:
            # A file that an earlier process began, and did not count, is begun anew.
            with open(self._path, "ab" if self._count else "wb") as file:
                file.write(data)
        except OSError as error:
            raise OSError(
                error.errno,
                f"cannot write {self._path!r}: {error.strerror}. What was saved before is intact: once there is room, the same "
                "call resumes",
            ) from error
        self._count, self._shape = self._count + 1, state.shape
        self._hash.update(data)

    def state_dict(self) -> dict[str, np.ndarray]:
        """As `InMemory.state_dict`. The states are on the disk before the checkpoint that counts them."""
        files.to_disk(self._path)
        return {"checksum": np.frombuffer(self._hash.digest(), np.uint8)}

    def resume(self, saved: Mapping[str, np.ndarray]) -> None:
        """As `InMemory.resume`; cuts off what the checkpoint does not count.

        Raises:
          ValueError: if states are missing or damaged.
        """
        self._count, self._shape, self._hash = int(saved["done"]), saved["state"].shape, hashlib.sha256()
        size = rest = 4 * self._count * saved["state"].size
        try:
            with open(self._path, "r+b") as file:
                while block := file.read(min(rest, BLOCK)):
                    self._hash.update(block)
                    rest -= len(block)
                if rest or self._hash.digest() != saved["checksum"].tobytes():
                    raise ValueError(
                        f"{self._argument}: {self._path!r} is {'cut short' if rest else 'damaged'}. Remove {self._folder!r} to "
                        "start again"
                    )
                file.truncate(size)
        except FileNotFoundError as error:
            raise ValueError(
                f"{self._argument}: {self._path!r} is missing. Remove {self._folder!r} to start again"
            ) from error

    @property
    def states(self) -> np.ndarray:
        """As `InMemory.states`, mapped from the file."""
        return np.memmap(self._path, np.float32, "r", shape=(self._count, *self._shape))

    def gather(self, name: str, count: int, draws: Iterable[np.ndarray]) -> np.ndarray:
        """As `InMemory.gather`, mapped from the file `name`.npy, which is written atomically.

        Raises:
          OSError: if it cannot be written.
        """
        path = os.path.join(self._folder, f"{name}.npy")
        with files.atomic_path(path) as temporary, open(temporary, "wb") as file:
            # Written, not mapped: where a disk is full, a write fails and a map ends the process.
            for number, draw in enumerate(draws):
                draw = np.ascontiguousarray(draw, np.float32)
                if not number:
                    header = {"descr": "<f4", "fortran_order": False, "shape": (len(draw), count, *draw.shape[1:])}
                    np.lib.format.write_array_header_1_0(file, header)
                    start = file.tell()
                for chain, values in enumerate(draw):
                    file.seek(start + (chain * count + number) * values.nbytes)
                    file.write(values.tobytes())
        return np.load(path, mmap_mode="r")

    def join(self, name: str, parts: Sequence[np.ndarray]) -> np.ndarray:
        """As `InMemory.join`, mapped from the file `all-name`.npy, which is written atomically.

        Raises:
          OSError: if it cannot be written.
        """
        if len(parts) == 1:
            return parts[0]
        path = os.path.join(self._folder, f"all-{name}.npy")
        with files.atomic_path(path) as temporary, open(temporary, "wb") as file:
            shape = (sum(map(len, parts)), *parts[0].shape[1:])
            np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
            for part in parts:
                for chain in part:
                    file.write(np.ascontiguousarray(chain, np.float32).tobytes())
        return np.load(path, mmap_mode="r")

    def of_batch(self, number: int) -> OnDisk:
        """As `InMemory.of_batch`, in a folder of its own."""
        folder = os.path.join(self._folder, f"batch-{number}")
        os.makedirs(folder, exist_ok=True)
        return OnDisk(folder, self._argument)


def _values(state: tuple[int, ...], image: tuple[int, ...]) -> int:
    """Numbers of a draw of one chain: its state, its latents and its image."""
    return 2 * math.prod(state) + math.prod(image)


DrawStore = InMemory | OnDisk


def chosen(array: np.ndarray, chains: np.ndarray) -> np.ndarray:
    """`array[chains]`, for bool [chain]. Of what is mapped from a file, the copy is mapped, too, from one without a name."""
    if not isinstance(array, np.memmap):
        return array[chains]
    if chains.all():
        return array
    with tempfile.TemporaryFile(dir=array.filename and os.path.dirname(array.filename)) as file:
        for chain in np.flatnonzero(chains):
            for draw in array[chain]:
                file.write(draw.tobytes())
        file.flush()
        return np.memmap(file, array.dtype, "r", shape=(int(chains.sum()), *array.shape[1:]))


def as_array(values: Any) -> np.ndarray:
    """Values as an array; what is mapped from a file stays so."""
    return values if isinstance(values, np.memmap) else np.asarray(values)
