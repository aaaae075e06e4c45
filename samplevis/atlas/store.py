"""The folder of an atlas: Parquet files that are written once, on a disk or on an object store (fsspec)."""

from __future__ import annotations

import functools
import io
import json
import logging
import os
import posixpath
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from samplevis.atlas.settings import digest
from samplevis.runtime import files
from samplevis.runtime.seals import SealError, blank_seal, check_seal, sealed

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 2
ATLAS, LAYERS = "atlas.json", "layers.json"
PARTS, EXAMPLES, WEIGHTS, SITE = "parts", "examples", "weights", "site"
# Metadata of a table of dataset examples: a digest of the shared images, empty for images that nothing tells from others.
SHARED = "shared_images"
# Where a file holds its seal: a field of JSON, metadata of a table.
SEAL = "seal"
# Files that a line of the log names.
MAX_NAMED = 3
MISSING = "atlas: Parquet files need pyarrow and fsspec: pip install 'samplevis[atlas]'"
# How often a write to a store that does not answer is tried, and seconds before the second time, doubled each time.
ATTEMPTS, FIRST_WAIT = 4, 0.5


logger = logging.getLogger(__name__)


class Store:
    """Reads and writes the files of an atlas; every file appears whole or not at all.

    On a disk a file is written under a temporary name and renamed; elsewhere it is one PUT. Tables and JSON hold a seal, which is
    checked when they are read: a checksum, and an identity made of the model, the settings and the file's name.

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
        # Files that the log has named, each once.
        self._reported: set[str] = set()
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
        """Writes a table as Parquet; returns the number of bytes, which are a function of atlas, name and table alone."""
        import pyarrow.parquet as pq

        stream = io.BytesIO()
        metadata = {**(table.schema.metadata or {}), SEAL: blank_seal(self._identity_of(name))}
        pq.write_table(table.replace_schema_metadata(metadata), stream, compression="zstd", use_dictionary=False)
        data = sealed(stream.getvalue())
        self.write(name, data)
        return len(data)

    def read_table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Reads a table, or some columns of it.

        Raises:
          FileNotFoundError: if there is no such file.
          ValueError: if it is damaged, or that of another name or another atlas; the message names it.
        """
        import pyarrow.parquet as pq

        # The whole file: a checksum of some columns would leave out where these are.
        return pq.read_table(io.BytesIO(self._checked(name)), columns=list(columns) if columns else None)

    def sound(self, folder: str) -> list[str]:
        """Names of the tables in a folder and below that can be used, sorted; the log names the others in one line."""
        bad = {}
        names = [name for name in self.names(folder) if name.endswith(".parquet")]
        for name in names:
            try:
                self._checked(name)
            except FileNotFoundError:
                bad[name] = "it was removed"
            except SealError as error:
                bad[name] = str(error.__cause__)
        if news := [f"{name} ({bad[name]})" for name in bad if name not in self._reported]:
            more = f" and {len(news) - MAX_NAMED} more" if len(news) > MAX_NAMED else ""
            shown = f"{', '.join(news[:MAX_NAMED])}{more}"
            logger.warning(
                "atlas: left out of %s: %s. What is missing is made again by the same call.", self.url, shown
            )
        self._reported |= set(bad)
        return [name for name in names if name not in bad]

    def is_sound(self, name: str) -> bool:
        """Whether there is a table of that name that can be used."""
        return name in self.sound(posixpath.dirname(name))

    def _checked(self, name: str) -> bytes:
        """The bytes of a file, whose seal is checked."""
        data = self.read(name)
        try:
            check_seal(data, self._identity_of(name))
        except SealError as error:
            raise SealError(f"folder: {self.url}/{name} cannot be used: {error}") from error
        return data

    def _identity_of(self, name: str) -> str:
        """What tells a file from all others, of this atlas and of others."""
        return name if name == ATLAS else f"{self._atlas} {name}"

    @functools.cached_property
    def _atlas(self) -> str:
        """A digest of what identifies the atlas; empty in a folder that holds none."""
        if not self.exists(ATLAS):
            return ""
        found = self.identity()
        return digest({name: found[name] for name in found if name != "versions"})

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
          ValueError: if the store is of another model or other settings, or of a later version; the message has what differs.
        """
        identity = json.loads(json.dumps({"format": FORMAT, **identity}))
        is_sound = self.exists(ATLAS)
        there: dict[str, Any] | None = None
        try:
            there = self.identity() if is_sound else None
        except SealError as error:
            logger.warning("%s. It is written again.", error)
            is_sound, there = False, self._unsealed_identity()
        known = identity if there is None else {name: there.get(name) for name in identity} | {"format": FORMAT}
        if differences := _differences(known, identity):
            raise ValueError(f"folder: {self.url} holds another atlas: {'; '.join(differences)}")
        if not is_sound:
            self._write_json(ATLAS, identity)

    def _unsealed_identity(self) -> dict[str, Any] | None:
        """What `atlas.json` of an earlier version says; None if this one is damaged."""
        try:
            found = json.loads(self.read(ATLAS))
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) and SEAL not in found else None

    def note_layers(self, notes: Mapping[str, Any]) -> None:
        """Adds to what is known of the atlas's layers, for the page."""
        there = self.layers()
        if any(there.get(name) != note for name, note in notes.items()):
            self._write_json(LAYERS, {**there, **notes})

    def layers(self) -> dict[str, Any]:
        """Name of a layer -> what is known of it."""
        if not self.exists(LAYERS):
            return {}
        try:
            return self._read_json(LAYERS)
        except SealError as error:
            logger.warning("%s. The same call writes it again.", error)
            return {}

    def identity(self) -> dict[str, Any]:
        """What `atlas.json` says.

        Raises:
          FileNotFoundError: if there is no atlas.
          ValueError: if it is damaged, or of another version of the format.
        """
        if not self.exists(ATLAS):
            raise FileNotFoundError(f"folder: there is no atlas in {self.url}")
        found = self._read_json(ATLAS)
        if found.get("format") != FORMAT:
            raise ValueError(
                f"folder: expected an atlas of format {FORMAT}. Received: {found.get('format')!r} in {self.url}"
            )
        return found

    def _write_json(self, name: str, value: Mapping[str, Any]) -> None:
        text = json.dumps({**value, SEAL: blank_seal(self._identity_of(name))}, indent=1, sort_keys=True)
        self.write(name, sealed(text.encode()))

    def _read_json(self, name: str) -> dict[str, Any]:
        found = json.loads(self._checked(name))
        del found[SEAL]
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
