"""Bytes of files and of web addresses. Source: lucid/misc/io/reading.py."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

# Seconds to wait for a server.
TIMEOUT = 60


def read(url: str | os.PathLike, encoding: str | None = None, cache: bool | str | None = None, mode: str = "rb") -> Any:
    """Reads a file or a web address.

    Args:
      url: a path, or an address that begins with http:// or https://.
      encoding: to decode the bytes with, such as "utf-8". Defaults to none.
      cache: False to fetch an address again. Defaults to a copy in the folder for temporary files.
      mode: "rb" (default) or "r", which decodes UTF-8.

    Returns:
      bytes, or text.

    Raises:
      OSError: if it cannot be read. Addresses gs:// are those of buckets that are gone.
    """
    text = encoding or (None if "b" in mode else "utf-8")
    data = _bytes(os.fspath(url), cache)
    return data.decode(text) if text else data


@contextlib.contextmanager
def read_handle(url: str | os.PathLike, cache: bool | str | None = None, mode: str = "rb") -> Iterator[IO]:
    """What `read` reads, as an open file.

    Args:
      url, cache, mode: as in `read`.

    Returns:
      A context manager that gives the file.
    """
    data = read(url, cache=cache, mode=mode)
    yield io.BytesIO(data) if isinstance(data, bytes) else io.StringIO(data)


def _bytes(url: str, cache: bool | str | None) -> bytes:
    scheme = url.partition("://")[0] if "://" in url else ""
    if scheme not in ("http", "https"):
        if scheme:
            gone = " Lucid's buckets are gone. Instead of its activations: samplevis.recipes.collect_activations."
            raise OSError(
                f"url: {url} is not read. Expected a path, or an address that begins with https://."
                f"{gone if scheme == 'gs' else ''}"
            )
        return Path(url).read_bytes()
    copy = Path(tempfile.gettempdir()) / "lucid_cache" / hashlib.sha256(url.encode()).hexdigest()
    if cache is not False and copy.is_file():
        return copy.read_bytes()
    request = urllib.request.Request(url, headers={"User-Agent": "samplevis"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            data = answer.read()
    except urllib.error.URLError as error:
        raise OSError(
            f"url: cannot fetch {url} ({error}). Fetch it elsewhere and give the path of the file."
        ) from error
    if cache is not False:
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(data)
    return data
