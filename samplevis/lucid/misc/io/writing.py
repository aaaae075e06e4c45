"""Bytes into files. Source: lucid/misc/io/writing.py."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from samplevis.lucid.misc.io.scoping import scope_url


def write(data: bytes | str, url: str | os.PathLike, mode: str = "wb") -> None:
    """Writes a file, and its folder if there is none.

    Args:
      data: bytes or text.
      url: a path; nothing is written to the web.
      mode: as in `open`. Defaults to "wb"; text is written as UTF-8.
    """
    data = data.encode() if isinstance(data, str) and "b" in mode else data
    with write_handle(url, mode) as file:
        file.write(data)


@contextlib.contextmanager
def write_handle(path: str | os.PathLike, mode: str | None = None) -> Iterator[IO]:
    """A file to write to.

    Args:
      path: its path.
      mode: as in `open`. Defaults to "wb".

    Returns:
      A context manager that gives the file.
    """
    mode = mode or "wb"
    url = scope_url(path)
    if "://" in url:
        raise OSError(f"url: nothing is written to {url}. Expected a path.")
    Path(url).parent.mkdir(parents=True, exist_ok=True)
    with Path(url).open(mode, **({} if "b" in mode else {"encoding": "utf-8"})) as file:
        yield file
