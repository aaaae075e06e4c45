"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Collection, Iterator


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[str]:
    """Gives a temporary path in the same folder, which replaces `path` if the block succeeds.

    Args:
      path: file to write.

    Yields:
      Path with the same suffix, to write to. After an error it is removed and an older file stays as it was.

    Raises:
      OSError: if the folder does not exist or cannot be written to; the message names the path.

    Example:
      >>> with atomic_path("samples.npz") as temporary:
      ...     np.savez(temporary, x=x)
    """
    path = os.fspath(path)
    temporary = _temporary(path)
    try:
        yield temporary
        try:
            # Without it, a power cut could leave the new name with nothing in it.
            _to_disk(temporary)
            os.replace(temporary, path)
            _to_disk(os.path.dirname(path) or ".")
        except OSError as error:
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
    os.remove(_temporary(os.fspath(path)))


def check_suffix(path: str | os.PathLike, allowed: Collection[str]) -> str:
    """The suffix of a path, in lower case.

    Args:
      path: the file.
      allowed: suffixes with their dots, in lower case.

    Raises:
      ValueError: if it is none of those allowed.
    """
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in allowed:
        raise ValueError(f"path: expected a name that ends in {', '.join(allowed)}. Received: {os.fspath(path)!r}")
    return suffix


def _temporary(path: str) -> str:
    """A new empty file beside `path`, with the permissions that any new file would get."""
    if os.path.isdir(path):
        raise IsADirectoryError(f"cannot write {path!r}: it is a folder")
    folder, name = os.path.split(path)
    try:
        handle, temporary = tempfile.mkstemp(os.path.splitext(name)[1], ".partial-", folder or ".")
    except OSError as error:
        raise _failure(error, path) from error
    os.close(handle)
    # mkstemp makes the file private; a person expects what `open` gives.
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(temporary, 0o666 & ~mask)
    return temporary


def _to_disk(path: str) -> None:
    """Waits until a file, or the names in a folder, are on the disk and not only on their way."""
    if os.path.isdir(path) and os.name == "nt":
        return  # Windows does not open folders.
    handle = os.open(path, os.O_RDONLY if os.path.isdir(path) else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _failure(error: OSError, path: str) -> OSError:
    folder = os.path.dirname(path) or "."
    reason = f"the folder {folder!r} does not exist" if not os.path.isdir(folder) else error.strerror or str(error)
    return type(error)(f"cannot write {path!r}: {reason}")
