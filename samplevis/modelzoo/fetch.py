"""Published files, fetched once into Keras's cache and checked."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder of Keras's cache for weights: `$KERAS_HOME/models`, by default `~/.keras/models`."""
    return Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"


def sha256(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def fetch(name: str, url: str, digest: str | None, instead: str, argument: str, *, extract: bool = False) -> Path:
    """Fetches a file into Keras's cache, once, and checks it.

    Args:
      name: the file's name in the cache.
      url: where it comes from.
      digest: its SHA-256 or MD5, hexadecimal; None if the caller checks it.
      instead: what the caller can do without a network; it ends the error message.
      argument: the argument that asked for the file; it begins the error message.
      extract: whether to unpack an archive. Defaults to False.

    Returns:
      The path of the file, or of the folder that the archive was unpacked into.

    Raises:
      OSError: if the file cannot be fetched or is not the expected one; the message says which file to put where.
    """
    import keras

    folder = cache_folder()
    try:
        return Path(
            keras.utils.get_file(
                name, url, file_hash=digest, cache_subdir=folder.name, cache_dir=folder.parent, extract=extract
            )
        )
    except Exception as error:  # Keras raises bare Exceptions here.
        raise OSError(
            f"{argument}: cannot fetch {url} ({error}). Put that file at {str(folder / name)!r}, or {instead}."
        ) from error
