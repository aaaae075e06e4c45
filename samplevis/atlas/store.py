"""The folder of an atlas: Parquet files that are written once, on a disk or on an object store (fsspec)."""

from __future__ import annotations

import io
import json
import os
import posixpath
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from samplevis.atlas.settings import digest
from samplevis.runtime import files

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
ATLAS, LAYERS = "atlas.json", "layers.json"
PARTS, EXAMPLES, WEIGHTS, SITE = "parts", "examples", "weights", "site"
# Metadata of a table of dataset examples: a digest of the shared images, empty for images that nothing tells from others.
SHARED = "shared_images"
MISSING = "atlas: Parquet files need pyarrow and fsspec: pip install 'samplevis[atlas]'"
# How often a write to a store that does not answer is tried, and seconds before the second time, doubled each time.
ATTEMPTS, FIRST_WAIT = 4, 0.5


class Store:
    """Reads and writes the files of an atlas; every file appears whole or not at all.

    On a disk a file is written under a temporary name and renamed; elsewhere it is one PUT.

    Args:
      folder: a path, or a URL that fsspec takes, such as "s3://bucket/atlas" or "memory://atlas".
      durable: whether a write on a disk waits until it is there, so that a power cut loses nothing. Defaults to True.

    Raises:
      ImportError: if pyarrow or fsspec is missing.

    Example:
      >>> store = Store("memory://example")
      >>> store.write_text("notes.txt", "complete")
      >>> store.read_text("notes.txt")
      'complete'
    """

    def __init__(self, folder: str | os.PathLike, durable: bool = True):
        try:
            import fsspec
            import pyarrow.parquet  # noqa: F401
        except ImportError as error:
            raise ImportError(MISSING) from error
        self.durable = durable
        self.url = files.check_path(folder, "folder")
        self._files, self._root = fsspec.core.url_to_fs(self.url)
        self.is_local = "file" in (
            self._files.protocol if isinstance(self._files.protocol, tuple) else (self._files.protocol,)
        )

    def path(self, name: str) -> str:
        """A file of the store as its file system names it."""
        return posixpath.join(self._root, name)

    def exists(self, name: str) -> bool:
        """Whether there is a file of that name."""
        return bool(self._files.exists(self.path(name)))

    def names(self, folder: str) -> list[str]:
        """Names of the finished files in a folder and below, relative to the store, sorted."""
        self._files.invalidate_cache()
        found = self._files.find(self.path(folder)) if self._files.exists(self.path(folder)) else []
        prefix = self._files._strip_protocol(self._root).rstrip("/") + "/"
        names = (self._files._strip_protocol(each).removeprefix(prefix) for each in found)
        return sorted(name for name in names if not posixpath.basename(name).startswith(files.PARTIAL))

    def write(self, name: str, data: bytes) -> None:
        """Writes a file whole; a store that does not answer is tried again.

        Raises:
          OSError: if it cannot be written; the message names the path.
        """
        _tried(lambda: self._write_local(name, data) if self.is_local else self._files.pipe_file(self.path(name), data))

    def _write_local(self, name: str, data: bytes) -> None:
        path = self.path(name)
        files.make_folder(os.path.dirname(path))
        if not self.durable:
            # Made again at any time, and of thousands of files.
            with open(path, "wb") as file:
                file.write(data)
            return
        with files.atomic_path(path) as temporary, open(temporary, "wb") as file:
            file.write(data)

    def read(self, name: str) -> bytes:
        """The bytes of a file."""
        return self._files.cat_file(self.path(name))

    def write_text(self, name: str, text: str) -> None:
        """Writes a text in UTF-8."""
        self.write(name, text.encode())

    def read_text(self, name: str) -> str:
        """The text of a file in UTF-8."""
        return self.read(name).decode()

    def write_table(self, name: str, table: pa.Table) -> int:
        """Writes a table as Parquet; returns the number of bytes, which are a function of the table alone."""
        import pyarrow.parquet as pq

        stream = io.BytesIO()
        pq.write_table(table, stream, compression="zstd", use_dictionary=False)
        data = stream.getvalue()
        self.write(name, data)
        return len(data)

    def read_table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A table, or some columns of it."""
        import pyarrow.parquet as pq

        # Of some columns, no more than these is read.
        with self._files.open(self.path(name), "rb") as file:
            return pq.read_table(file, columns=list(columns) if columns else None)

    def remove_partial(self) -> None:
        """Removes temporary files that killed processes left."""
        if self.is_local and os.path.isdir(self._root):
            for folder, _, names in os.walk(self._root):
                if any(name.startswith(files.PARTIAL) for name in names):
                    files.remove_partial(folder)

    def claim(self, identity: Mapping[str, Any]) -> None:
        """Makes the store that of a model and its settings, or checks that it is.

        Args:
          identity: what all parts share, as JSON holds it.

        Raises:
          ValueError: if the store is of another model or other settings; the message has what differs.
        """
        identity = json.loads(json.dumps({"format": FORMAT, **identity}))
        if not self.exists(ATLAS):
            self.write_text(ATLAS, json.dumps(identity, indent=1, sort_keys=True))
            return
        there = self.identity()
        if differences := _differences(there, identity):
            raise ValueError(f"folder: {self.url} holds another atlas: {'; '.join(differences)}")

    def note_layers(self, notes: Mapping[str, Any]) -> None:
        """Adds to what is known of the atlas's layers, for the page."""
        there = self.layers()
        if any(there.get(name) != note for name, note in notes.items()):
            self.write_text(LAYERS, json.dumps({**there, **notes}, indent=1, sort_keys=True))

    def layers(self) -> dict[str, Any]:
        """Name of a layer -> what is known of it."""
        return json.loads(self.read_text(LAYERS)) if self.exists(LAYERS) else {}

    def identity(self) -> dict[str, Any]:
        """What `atlas.json` says.

        Raises:
          FileNotFoundError: if there is no atlas.
          ValueError: if it is damaged, or of a later version of the format.
        """
        if not self.exists(ATLAS):
            raise FileNotFoundError(f"folder: there is no atlas in {self.url}")
        try:
            found = json.loads(self.read_text(ATLAS))
        except ValueError as error:
            raise ValueError(f"folder: {self.url}/{ATLAS} is damaged") from error
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            shown = found.get("format") if isinstance(found, dict) else None
            raise ValueError(f"folder: expected an atlas of format {FORMAT}. Received: {shown!r} in {self.url}")
        return found


def folder_name(layer: str) -> str:
    """A layer's name as that of a folder: short, of letters that every file system has, and different for every layer."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", layer).strip("_")[:40]
    return f"{plain}-{digest(layer)[:8]}"


def _differences(there: Any, here: Any, name: str = "") -> list[str]:
    """What differs between two nests of dictionaries, in words."""
    if isinstance(there, dict) and isinstance(here, dict):
        keys = [key for key in {**there, **here} if key != "versions"]
        return [
            each
            for key in keys
            for each in _differences(there.get(key), here.get(key), f"{name}.{key}" if name else str(key))
        ]
    return [] if there == here else [f"{name} is {_short(there)} there, and {_short(here)} here"]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 60 else f"{text[:56]}..."


def _tried(action: Callable[[], Any]) -> None:
    """Tries an action again while it fails as a store that is out of reach; a full disk or a missing permission is an error."""
    for attempt in range(ATTEMPTS):
        try:
            action()
            return
        except (ConnectionError, TimeoutError):
            if attempt == ATTEMPTS - 1:
                raise
        time.sleep(FIRST_WAIT * 2**attempt)
