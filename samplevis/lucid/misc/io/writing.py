"""Bytes into files. Source: lucid/misc/io/writing.py."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO


def write(data: bytes | str, url: str | os.PathLike, mode: str = "wb") -> None:
    """Writes a file, and its folder if there is none.

    Args:
      data: bytes or text.
      url: a path; nothing is written to the web.
      mode: as in `open`. Defaults to "wb".
    """
    with write_handle(url, mode) as file:
        file.write(data)


@contextlib.contextmanager
def write_handle(url: str | os.PathLike, mode: str = "wb") -> Iterator[IO]:
    """A file to write to.

    Args:
      url: a path.
      mode: as in `open`. Defaults to "wb".

    Returns:
      A context manager that gives the file.
    """
    if "://" in os.fspath(url):
        raise OSError(f"url: nothing is written to {os.fspath(url)}. Expected a path.")
    path = Path(url)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open(mode, **({} if "b" in mode else {"encoding": "utf-8"})) as file:
        yield file
