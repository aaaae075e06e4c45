"""Atomic writes, and checks of paths."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Collection, Iterator
from typing import Any

from samplevis.runtime.checks import brief

# Prefix of temporary files.
PARTIAL = ".partial-"


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[str]:
    """Gives a temporary path in the same folder, which replaces `path` if the block succeeds.

    Args:
      path: file to write.

    Yields:
      A temporary path with the same suffix, to write to. After an error it is removed, and an existing file is unchanged.

    Raises:
      TypeError: if `path` is not a path.
      OSError: if the folder does not exist or cannot be written to, or the disk is full; the message names the path.

    Example:
      >>> import os, pathlib, tempfile
      >>> from samplevis.runtime.files import atomic_path
      >>> folder = tempfile.mkdtemp()
      >>> with atomic_path(os.path.join(folder, "notes.txt")) as temporary:
      ...     _ = pathlib.Path(temporary).write_text("complete, or not there at all")
      >>> os.listdir(folder)
      ['notes.txt']
    """
    path = check_path(path)
    temporary = _temporary(path)
    try:
        yield temporary
        # Otherwise a power cut could leave an empty file with the new name.
        to_disk(temporary)
        os.replace(temporary, path)
        to_disk(os.path.dirname(path) or ".")
    except OSError as error:
        if isinstance(error.__cause__, OSError):
            raise  # A nested block has already named its file.
        raise _failure(error, path) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)


def check_writable(path: str | os.PathLike) -> None:
    """Checks, before long work, that a file can be written.

    Args:
      path: the file.

    Raises:
      OSError: if the folder does not exist or cannot be written to, or if `path` is a folder; the message names the path.
    """
    os.remove(_temporary(check_path(path)))


def to_disk(path: str) -> None:
    """Waits until a file, or the entries of a folder, are written to disk (fsync)."""
    if os.path.isdir(path) and os.name == "nt":
        return  # Windows cannot open folders.
    handle = os.open(path, os.O_RDONLY if os.path.isdir(path) else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check_path(path: Any, name: str = "path") -> str:
    """Checks the path of a file or a folder.

    Args:
      path: the path.
      name: name of the argument, for messages. Defaults to "path".

    Returns:
      The path as a string.

    Raises:
      TypeError: if it is not a path.
      ValueError: if it is empty, or has a null character.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{name}: expected the path of a file. Received: {brief(path)}")
    text = os.fspath(path)
    if not text or "\0" in text:
        raise ValueError(f"{name}: expected the path of a file. Received: {text!r}")
    return text


def make_folder(path: str | os.PathLike) -> None:
    """Makes a folder and its parents, unless it exists.

    Raises:
      OSError: if it cannot be made; the message names the path.
    """
    try:
        os.makedirs(check_path(path), exist_ok=True)
    except OSError as error:
        raise type(error)(f"cannot make the folder {os.fspath(path)!r}: {error.strerror or error}") from error


def remove_partial(folder: str | os.PathLike) -> None:
    """Removes temporary files of killed processes from a folder that no other process uses."""
    for name in os.listdir(folder):
        if name.startswith(PARTIAL):
            os.remove(os.path.join(folder, name))


def check_suffix(path: str | os.PathLike, allowed: Collection[str], name: str = "path") -> str:
    """The suffix of a path, in lower case.

    Args:
      path: the file.
      allowed: suffixes with their dots, in lower case.
      name: name of the argument, for messages. Defaults to "path".

    Raises:
      TypeError, ValueError: if it is not a path, or its suffix is not allowed.
    """
    text = check_path(path, name)
    suffix = os.path.splitext(text)[1].lower()
    if suffix not in allowed:
        raise ValueError(f"{name}: expected a name that ends in {', '.join(allowed)}. Received: {text!r}")
    return suffix


def _temporary(path: str) -> str:
    """Makes an empty file in the folder of `path`, with the default permissions of a new file."""
    if os.path.isdir(path):
        raise IsADirectoryError(f"cannot write {path!r}: it is a folder")
    folder, name = os.path.split(path)
    try:
        handle, temporary = tempfile.mkstemp(os.path.splitext(name)[1], PARTIAL, folder or ".")
    except OSError as error:
        raise _failure(error, path) from error
    os.close(handle)
    # mkstemp makes private files; these get the permissions that `open` would set.
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(temporary, 0o666 & ~mask)
    return temporary


def _failure(error: OSError, path: str) -> OSError:
    folder = os.path.dirname(path) or "."
    reason = f"the folder {folder!r} does not exist" if not os.path.isdir(folder) else error.strerror or str(error)
    failure = type(error)(f"cannot write {path!r}: {reason}")
    failure.errno = error.errno
    return failure
