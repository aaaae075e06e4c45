"""Files of priors: a `.keras` file with a note of what its numbers mean."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import keras

from samplevis.runtime.checks import MAX_LENGTH
from samplevis.runtime.files import atomic_path, check_path, check_suffix
from samplevis.runtime.untrusted import MAX_JSON, check_directory, parse_json

# What is in the archive beside Keras's own files.
NOTE, FORMAT = "samplevis_prior.json", "samplevis-prior"
# Equal runs write equal bytes: no file has the time at which it was written.
NO_TIME = (1980, 1, 1, 0, 0, 0)


def write_prior(path: str | os.PathLike, model: keras.Model, settings: Mapping[str, Any]) -> None:
    """Writes a model and what `param.flow` needs to know about it, atomically; equal ones give equal bytes.

    Args:
      path: a name that ends in .keras.
      model: the velocity.
      settings: plain values: "value_range", "verdict", and whatever else is worth knowing.

    Raises:
      OSError: if the file cannot be written.
      ValueError: for another suffix.
    """
    check_suffix(path, (".keras",))
    with atomic_path(path) as temporary:
        whole = f"{temporary}.whole.keras"
        try:
            model.save(whole)
            with zipfile.ZipFile(whole) as source, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as target:
                for name in sorted(source.namelist()):
                    target.writestr(_entry(name), REPRODUCIBLE.get(name, bytes)(source.read(name)))
                note = {"format": FORMAT, **settings}
                target.writestr(_entry(NOTE), json.dumps(note, indent=1))
        finally:
            if os.path.exists(whole):
                os.remove(whole)


def read_prior(path: str | os.PathLike) -> tuple[keras.Model, dict[str, Any]]:
    """Reads what `write_prior` wrote.

    Args:
      path: the file.

    Returns:
      (the model, its settings).

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is no such file.
    """
    path = Path(check_path(path, "model"))
    with path.open("rb") as file:
        try:
            settings = _read_note(file)
        except Exception as error:  # Readers raise many kinds for a bad file.
            raise ValueError(
                f"model: {str(path)!r} is not a file of samplevis.fit_prior. Load other models yourself: "
                "param.flow(keras.saving.load_model(path), ...)"
            ) from error
    # Keras finds classes that were imported.
    from samplevis.param.unet import VelocityUNet

    objects = {f"samplevis>{VelocityUNet.__name__}": VelocityUNet}
    try:
        return keras.saving.load_model(path, custom_objects=objects, compile=False), settings
    except Exception as error:
        raise ValueError(f"model: {str(path)!r} is damaged: {str(error)[:MAX_LENGTH]}") from error


def _read_note(file: BinaryIO) -> dict[str, Any]:
    """The note in a file of a prior; raises an error of any kind for another file."""
    check_directory(file)
    with zipfile.ZipFile(file) as archive, archive.open(NOTE) as note:
        settings = parse_json(note.read(MAX_JSON).decode())
    if settings.pop("format") != FORMAT:
        raise ValueError(f"it is not of the format {FORMAT}")
    return settings


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, NO_TIME)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _undated(metadata: bytes) -> bytes:
    return json.dumps(json.loads(metadata) | {"date_saved": ""}).encode()


def _unnamed(weights: bytes) -> bytes:
    """Weights without the names of layers, which Keras numbers through a process and does not read."""
    buffer = io.BytesIO()
    with h5py.File(io.BytesIO(weights), "r") as source, h5py.File(buffer, "w") as target:

        def copy(name: str, item: h5py.Dataset | h5py.Group) -> None:
            if isinstance(item, h5py.Dataset):
                target.create_dataset(name, data=item[()])
            else:
                target.require_group(name)

        source.visititems(copy)
    return buffer.getvalue()


# Files of the archive that differ between equal models, and what makes them equal.
REPRODUCIBLE = {"metadata.json": _undated, "model.weights.h5": _unnamed}
