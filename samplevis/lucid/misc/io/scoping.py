"""Paths below a folder for a part of a program, and names for files. Source: lucid/misc/io/scoping.py, sanitizing.py."""

from __future__ import annotations

import contextlib
import os
import posixpath
import threading
from collections.abc import Iterator

# Every thread has scopes of its own, as in Lucid.
_thread_local_scopes = threading.local()


def current_io_scopes() -> list[str]:
    """The folders of this thread, the outermost first."""
    if not hasattr(_thread_local_scopes, "io_scopes"):
        _thread_local_scopes.io_scopes = []
    return _thread_local_scopes.io_scopes


def set_io_scopes(scopes: list[str]) -> None:
    """Sets the folders of this thread."""
    _thread_local_scopes.io_scopes = scopes


@contextlib.contextmanager
def io_scope(path: str | list[str], replace_current_scopes: bool = False) -> Iterator[None]:
    """In this block, `load` and `save` take relative paths as those in a folder.

    Args:
      path: the folder, relative to that of an enclosing block.
      replace_current_scopes: whether to forget enclosing blocks. Defaults to False.

    Example:
      >>> with io_scope("pictures"), io_scope("small"):
      ...     scope_url("a.png")
      'pictures/small/a.png'
    """
    before = current_io_scopes()
    added = list(path) if isinstance(path, list) else [path]
    set_io_scopes(added if replace_current_scopes else [*before, *added])
    try:
        yield
    finally:
        set_io_scopes(before)


def scope_url(url: str | os.PathLike, io_scopes: list[str] | None = None) -> str:
    """A path or address in the folders of this thread.

    Args:
      url: the path; absolute ones and addresses stay as they are.
      io_scopes: folders in their place. Defaults to `current_io_scopes()`.

    Returns:
      The path.

    Example:
      >>> scope_url("a.png", ["gs://bucket", "folder/.."])
      'gs://bucket/a.png'
    """
    url = os.fspath(url)
    folders = io_scopes or current_io_scopes()
    if not folders or "//" in url or os.path.isabs(url):
        return url
    return _normalize_url(posixpath.join(*folders, url))


def _normalize_url(url: str) -> str:
    scheme, separator, path = url.partition("://")
    if not separator:
        return os.path.normpath(url)
    return scheme + separator + (posixpath.normpath(path) if path else "")


def sanitize(string: str) -> str:
    """A name for a file: without slashes."""
    return string.replace("/", "_")
