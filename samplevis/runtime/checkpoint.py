"""Checkpoints: what a run has done so far, saved in a folder, from which the same run resumes."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import threading
import time
import zipfile
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis._version import __version__
from samplevis.runtime import files
from samplevis.runtime.deprecation import renamed_keys
from samplevis.runtime.locks import lock_folder

FORMAT, VERSION = "samplevis-checkpoint", 2
# Written in turn: the last good file is never touched while the next is written.
NAMES = ("checkpoint-a.npz", "checkpoint-b.npz")
# Arguments that an error lists.
MAX_LISTED = 8
# How far values may be from stored ones: of their spread, and of their size.
MAX_SHIFT, MAX_ROUNDING = 0.01, 1e-5
CHECKSUM = hashlib.sha256().digest_size

Arrays = dict[str, np.ndarray]

logger = logging.getLogger(__name__)


class Checkpoint:
    """What a run has done so far. Without a folder nothing is saved, and every stage starts from the beginning.

    All random numbers follow from the seed and the place where they are drawn, so that a run is a sequence of stages, each a
    function of those before. A stage saves the state of its loop here. Entered again, it resumes; a finished one has nothing
    left to do.

    The folder holds two generations of one file, arrays and JSON in an .npz with a checksum; no pickle. It belongs to one process
    at a time. Inside the `with` block, SIGTERM does what Ctrl-C does.

    Args:
      folder: where to save; created if missing. Defaults to none.
      interval: seconds between two saves inside a stage, >= 0. Defaults to 60. Every stage saves at its end.
      run_id: name of an argument -> plain value: what tells this run from others. Defaults to none.
      argument: the caller's name of the folder, for messages. Defaults to "checkpoint".
      renamed: old name -> new name of arguments, for folders written by earlier versions. Defaults to none.

    Raises:
      ValueError: if the folder holds another run (the arguments that differ are named), or no undamaged file of several.
      OSError: if the folder cannot be used, or another process uses it.
    """

    def __init__(
        self,
        folder: str | os.PathLike | None = None,
        interval: float = 60.0,
        run_id: Mapping[str, Any] | None = None,
        argument: str = "checkpoint",
        renamed: Mapping[str, str] | None = None,
    ):
        self.folder = None if folder is None else os.fspath(folder)
        self._interval, self._argument, self._renamed = interval, argument, renamed or {}
        # As it comes back from the file: tuples are lists there.
        self._run_id = json.loads(json.dumps(dict(run_id or {}), default=lambda value: value.item()))
        self._arrays: Arrays = {}
        self._seconds: dict[str, float] = {}
        self._clock: tuple[str, float] | None = None
        self._saves, self._stopped, self._lock, self._previous = 0, None, None, None
        if self.folder is None:
            return
        self._lock = lock_folder(self.folder, argument)
        try:
            files.remove_partial(self.folder)
            if not self._load():
                # Whether the disk takes it is known before the work.
                self._write()
        except BaseException:
            self.close()
            raise
        self._saved_at = time.monotonic()

    def stage(self, name: str) -> Stage:
        """The place of a stage's state.

        Raises:
          KeyboardInterrupt: if an earlier stage was asked to stop.
        """
        if self._stopped:
            raise self._interruption()
        return Stage(self, name)

    def _interruption(self) -> KeyboardInterrupt:
        resumes = "" if self.folder is None else f"; the same call with {self.folder!r} resumes"
        return KeyboardInterrupt(f"stopped in {self._stopped}{resumes}")

    def get_or_compute(self, name: str, make: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """What `make` returns, a mapping of names to numbers or arrays; computed once and saved."""
        stage = self.stage(name)
        if stage.saved is None:
            made = make()
            if self.folder is None:
                return made
            self._put(name, made)
        return stage.saved

    def check(self, what: str, values: np.ndarray, of_one_kind: bool = True) -> np.ndarray:
        """Returns the numbers at the run's beginning; raises ValueError if `values` differ from them by more than machines do.

        Values of one kind may differ by a fraction of their spread and size, others each by a fraction of its own size, so that
        probabilities of e^-30 are told apart as well as logits.
        """
        if self.folder is None:
            return values
        stored = self.get_or_compute(f"check/{what}", lambda: {"values": values})["values"]
        pairs = [(stored, values)] if of_one_kind else zip(stored[:, None], values[:, None], strict=False)
        if stored.shape != values.shape or not all(_agree(*pair) for pair in pairs):
            raise self._other_run(f"{what}: stored {stored.tolist()}, received {values.tolist()}")
        return stored

    def flush(self) -> None:
        """Saves now, for a run whose results are stored elsewhere."""
        if self.folder is not None:
            self._save()

    def start_timer(self, part: str) -> None:
        """Counts the time from now on towards a part of the run."""
        self._seconds = self.seconds
        self._seconds.setdefault(part, 0.0)
        self._clock = part, time.perf_counter()

    @property
    def seconds(self) -> dict[str, float]:
        """Part of the run -> wall time in seconds, summed over all processes that worked on it."""
        if self._clock is None:
            return dict(self._seconds)
        part, since = self._clock
        return self._seconds | {part: self._seconds[part] + time.perf_counter() - since}

    def close(self) -> None:
        """Releases the folder for other processes."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Checkpoint:
        if self.folder is not None and threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGTERM, _as_interrupt)
        return self

    def __exit__(self, *error: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGTERM, self._previous)
        self.close()

    def _put(self, stage: str, state: Mapping[str, Any]) -> None:
        self._arrays |= {f"{stage}/{name}": np.array(value) for name, value in state.items()}

    def _get(self, stage: str) -> Arrays | None:
        prefix = f"{stage}/"
        found = {name.removeprefix(prefix): a for name, a in self._arrays.items() if name.startswith(prefix)}
        return found or None

    @property
    def _due(self) -> bool:
        return self.folder is not None and time.monotonic() - self._saved_at >= self._interval

    def _save(self) -> None:
        """Writes; a disk that is full does not end the run, which holds all in memory."""
        try:
            self._write()
        except OSError as error:
            logger.warning("checkpoint: %s. The run goes on; what was written before is intact.", error)
        self._saved_at = time.monotonic()

    def _write(self) -> None:
        header = {
            "format": FORMAT,
            "version": VERSION,
            "samplevis": __version__,
            "save": self._saves + 1,
            "about": self._run_id,
            "seconds": self.seconds,
        }
        with files.atomic_path(os.path.join(self.folder, NAMES[self._saves % 2])) as temporary:
            with open(temporary, "wb") as file:
                np.savez(file, header=np.array(json.dumps(header)), **self._arrays)
            _seal(temporary)
        self._saves += 1

    def _load(self) -> bool:
        """Takes up the newest undamaged file; False if there is none at all."""
        newest = _newest(self.folder, self._argument)
        if newest is None:
            return False
        header, self._arrays = newest
        stored, run_id = renamed_keys(header["about"], self._renamed), self._run_id
        names = [name for name in {**stored, **run_id} if stored.get(name) != run_id.get(name)]
        if names:
            listed = [f"{n}: stored {stored.get(n)!r}, received {run_id.get(n)!r}" for n in names[:MAX_LISTED]]
            more = f" and {len(names) - MAX_LISTED} more" if names[MAX_LISTED:] else ""
            raise self._other_run("; ".join(listed) + more)
        self._saves, self._seconds = header["save"], header["seconds"]
        return True

    def _other_run(self, difference: str) -> ValueError:
        return ValueError(
            f"{self._argument}: {self.folder!r} belongs to another run. {difference}. Give the same arguments or another folder"
        )


def stored_run_id(folder: str | os.PathLike) -> Mapping[str, Any]:
    """What tells the run in a folder from others; empty if the folder holds none that can be read.

    Args:
      folder: of a checkpoint; it may be missing.

    Returns:
      Name of an argument -> plain value.

    Example:
      >>> stored_run_id("no such folder")
      {}
    """
    for name in NAMES:
        try:
            return _read(os.path.join(folder, name))[0]["about"]
        except (OSError, ValueError):
            continue
    return {}


class Stage:
    """The place of one loop in a checkpoint."""

    def __init__(self, checkpoint: Checkpoint, name: str):
        self._checkpoint, self._name, self._news = checkpoint, name, False

    @property
    def saved(self) -> Arrays | None:
        """The state that was saved last; None to start from the beginning."""
        return self._checkpoint._get(self._name)

    def update(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Updates the saved state if the interval has passed; call it after every step."""
        self._news = True
        if self._checkpoint._due:
            self._save(state)

    def close(self, state: Callable[[], Mapping[str, Any]], interrupted: bool, is_last: bool = False) -> None:
        """Saves the state at the end of the loop, or where it was `interrupted`; then no other stage begins.

        Raises:
          KeyboardInterrupt: if it was interrupted, unless it `is_last`: a part of what it gives is a result.
        """
        if interrupted:
            self._checkpoint._stopped = self._name
        # A stage that was done before has nothing new to save.
        if self._checkpoint.folder is not None and self._news:
            self._save(state)
        if interrupted and not is_last:
            raise self._checkpoint._interruption()

    def _save(self, state: Callable[[], Mapping[str, Any]]) -> None:
        self._checkpoint._put(self._name, state())
        self._checkpoint._save()
        self._news = False


def saved_arrays(folder: str | os.PathLike) -> Arrays:
    """The arrays of a checkpoint.

    Args:
      folder: that of the checkpoint.

    Returns:
      "stage/name" -> array.

    Raises:
      FileNotFoundError: if it holds no run.
      ValueError: if it is damaged.
    """
    newest = _newest(os.fspath(folder), "checkpoint")
    if newest is None:
        raise FileNotFoundError(f"checkpoint: there is no run in {os.fspath(folder)!r}")
    return newest[1]


def flat(prefix: str, nest: Any) -> Arrays:
    """The arrays of a nest of tensors, by number."""
    return {f"{prefix}.{i}": np.asarray(leaf) for i, leaf in enumerate(tf.nest.flatten(nest))}


def refilled(prefix: str, like: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """A nest of the structure of `like`, of tensors that `flat` made arrays of."""
    leaves = [tf.constant(arrays[f"{prefix}.{i}"]) for i in range(len(tf.nest.flatten(like)))]
    return tf.nest.pack_sequence_as(like, leaves)


def _newest(folder: str, argument: str) -> tuple[dict, Arrays] | None:
    """Header and arrays of the newest undamaged file, None if there is no file; raises ValueError if all are damaged."""
    found, damaged = [], []
    for path in (os.path.join(folder, name) for name in NAMES):
        try:
            found.append(_read(path))
        except (FileNotFoundError, NotADirectoryError):
            pass
        except ValueError as error:
            damaged.append(f"{path!r} cannot be used ({error})")
    if damaged and not found:
        raise ValueError(f"{argument}: {' and '.join(damaged)}. Remove {folder!r} to start again")
    for message in damaged:
        logger.warning("checkpoint: %s. The run goes on from the other one.", message)
    return max(found, key=lambda pair: pair[0]["save"], default=None)


def _read(path: str) -> tuple[dict, Arrays]:
    """Header and arrays of a file.

    Raises:
      FileNotFoundError: if there is none.
      ValueError: if it is damaged, or written by a later version.
    """
    if os.path.getsize(path) <= CHECKSUM:
        raise ValueError("it is cut short")
    content = np.memmap(path, np.uint8, "r")
    if hashlib.sha256(content[:-CHECKSUM]).digest() != content[-CHECKSUM:].tobytes():
        raise ValueError("its checksum is wrong")
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(str(arrays.pop("header")))
    if (header["format"], header["version"]) != (FORMAT, VERSION):
        raise ValueError(f"expected {FORMAT} version {VERSION}, found {header['format']} version {header['version']}")
    return header, arrays


def _seal(path: str) -> None:
    """Ends an .npz file with the checksum of all bytes before it, as the comment of the archive."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = bytes(CHECKSUM)
    content = np.memmap(path, np.uint8, "r+")
    content[-CHECKSUM:] = np.frombuffer(hashlib.sha256(content[:-CHECKSUM]).digest(), np.uint8)
    content.flush()


def _agree(stored: np.ndarray, values: np.ndarray) -> bool:
    """Whether values of one kind are the stored ones, up to a machine's rounding."""
    known = stored[np.isfinite(stored)].astype(np.float64)
    if not len(known):
        return np.array_equal(stored, values, equal_nan=True)
    size = np.abs(known).max()
    # A value by itself has no spread to compare with.
    spread = known.std() if len(known) > 1 else 0.1 * size
    tolerance = MAX_SHIFT * spread + MAX_ROUNDING * size
    return np.allclose(stored, values, rtol=0, atol=tolerance, equal_nan=True)


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    handler = signal.getsignal(signal.SIGINT)
    (handler if callable(handler) else signal.default_int_handler)(number, frame)
