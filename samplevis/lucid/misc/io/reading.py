"""Bytes of files and of web addresses. Source: lucid/misc/io/reading.py."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from samplevis.lucid.misc.io.scoping import scope_url

# Seconds to wait for a server.
TIMEOUT = 60
RESERVED_PATH_CHARS = re.compile("[^a-zA-Z0-9]")
LUCID_CACHE_DIR_NAME = "lucid_cache"
MAX_FILENAME_LENGTH = 200


def read(url: str | os.PathLike, encoding: str | None = None, cache: bool | str | None = None, mode: str = "rb") -> Any:
    """Reads a file or a web address.

    Args:
      url: a path, or an address that begins with http:// or https://.
      encoding: to decode the bytes with, such as "utf-8". Defaults to none.
      cache: False or "purge" to fetch an address again. Defaults to a copy in the folder for temporary files.
      mode: "rb" (default) or "r", which decodes UTF-8.

    Returns:
      bytes, or text.

    Raises:
      OSError: if it cannot be read. Addresses gs:// are those of buckets that are gone.
    """
    text = encoding or (None if "b" in mode else "utf-8")
    data = _bytes(scope_url(url), cache)
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
    file: IO = io.BytesIO(data) if isinstance(data, bytes) else io.StringIO(data)
    file.name = os.fspath(url)
    yield file


def local_file(url: str | os.PathLike) -> Path:
    """The path of a file; of a web address, that of its copy, which is fetched if there is none."""
    url = scope_url(url)
    if "://" not in url:
        return Path(url)
    _bytes(url, cache=True)
    copy = Path(local_cache_path(url))
    named = copy.with_name(copy.name + Path(url.partition("?")[0]).suffix)
    named.write_bytes(copy.read_bytes())
    return named


def local_cache_path(remote_url: str) -> str:
    """Where the copy of a web address is kept.

    Args:
      remote_url: the address.

    Returns:
      A path in the folder for temporary files.
    """
    name = RESERVED_PATH_CHARS.sub("_", remote_url)
    if len(name) > MAX_FILENAME_LENGTH:
        digest = hashlib.sha256(name.encode()).hexdigest()
        name = f"{name[: MAX_FILENAME_LENGTH - len(digest) - 1]}-{digest}"
    folder = Path(tempfile.gettempdir()) / LUCID_CACHE_DIR_NAME
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / name)


def _bytes(url: str, cache: bool | str | None) -> bytes:
    scheme = url.partition("://")[0] if "://" in url else ""
    if not scheme:
        return Path(url).read_bytes()
    if scheme not in ("http", "https"):
        gone = " Lucid's buckets are gone. Instead of its activations: samplevis.recipes.collect_activations."
        raise OSError(
            f"url: {url} is not read. Expected a path, or an address that begins with https://."
            f"{gone if scheme == 'gs' else ''}"
        )
    copy = Path(local_cache_path(url))
    if cache not in (False, "purge") and copy.is_file():
        return copy.read_bytes()
    request = urllib.request.Request(url, headers={"User-Agent": "samplevis"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            data = answer.read()
    except (urllib.error.URLError, TimeoutError) as error:
        raise OSError(
            f"url: cannot fetch {url} ({error}). Fetch it elsewhere and give the path of the file."
        ) from error
    if cache is not False:
        # Whole or not at all, also if two programs write it.
        part = copy.with_name(f"{copy.name}.{os.getpid()}")
        part.write_bytes(data)
        part.replace(copy)
    return data
