"""The lock of a folder that one process uses at a time."""

from __future__ import annotations

import contextlib
import os
from typing import TextIO

try:
    import fcntl
except ImportError:  # Windows has no such locks; there, two processes on one folder are not noticed.
    fcntl = None

LOCK = "lock"


def lock_folder(folder: str, argument: str) -> TextIO:
    """Makes a folder and takes its lock, which the system frees when the process ends, however it ends.

    Args:
      folder: the folder; created if missing.
      argument: the caller's name of the folder, for messages.

    Returns:
      The file that holds the lock; closing it frees the folder.

    Raises:
      OSError: if the folder cannot be used or written to, or another process uses it; the message names it.
    """
    try:
        os.makedirs(folder, exist_ok=True)
        file = open(os.path.join(folder, LOCK), "a+")
    except OSError as error:
        raise type(error)(f"{argument}: cannot use the folder {folder!r}: {error.strerror or error}") from error
    if fcntl is None:
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        user = file.read() or "another process"
        file.close()
        raise OSError(f"{argument}: {folder!r} is in use by {user}") from error
    except OSError as error:
        file.close()
        raise type(error)(f"{argument}: cannot lock the folder {folder!r}: {error.strerror or error}") from error
    _note_user(file, argument)
    return file


def _note_user(file: TextIO, argument: str) -> None:
    """Writes into the lock who has it, for the message that another process gets."""
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
    except OSError as error:
        with contextlib.suppress(OSError):  # Closing a file tries the write again.
            file.close()
        raise type(error)(error.errno, f"{argument}: cannot write {file.name!r}: {error.strerror or error}") from error
