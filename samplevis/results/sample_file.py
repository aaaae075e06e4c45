"""The file of samples: one .npz archive of plain arrays, and of JSON for the rest."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from samplevis.results.sample_checks import ARRAYS, present_arrays
from samplevis.runtime import files
from samplevis.runtime.deprecation import renamed_keys
from samplevis.runtime.untrusted import parse_json, read_arrays
from samplevis.sampling.kernels.stats import RENAMED_STATS

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

FORMAT, VERSION = "samplevis-samples", 2
# Names in the files of earlier versions.
RENAMED = {"law_numbers": "density_params", "mean_images": "chain_means"}
# Dictionaries of arrays; an array in the file is called "stats.energy".
GROUPS = ("stats", "scalars", "kernel_checks")


def write_samples(samples: Samples, path: str | os.PathLike) -> None:
    """Writes all fields of samples to one file atomically.

    Args:
      samples: the samples.
      path: file to write, .npz.

    Raises:
      TypeError: if an option is no plain value.
      ValueError: if the path ends in something else.
      OSError: if the file cannot be written.
    """
    files.check_suffix(path, (".npz",))
    arrays = {name: getattr(samples, name) for name in present_arrays(samples)}
    for group in GROUPS:
        arrays |= {f"{group}.{name}": array for name, array in getattr(samples, group).items()}
    plain: dict[str, Any] = {"format": FORMAT, "version": VERSION}
    for field in dataclasses.fields(samples):
        if field.name not in (*ARRAYS, *GROUPS, "rerun"):
            plain[field.name] = getattr(samples, field.name)
    metadata = np.array(json.dumps(plain, default=_plain))
    with files.atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, metadata=metadata, **arrays)


def read_fields(path: str | os.PathLike) -> dict[str, Any]:
    """Reads the fields of samples under today's names.

    Args:
      path: file that `write_samples` wrote, in this version or an earlier one.

    Returns:
      Name of the field -> value.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is damaged, something else, or written by a later version.
    """
    path = files.check_path(path)
    try:
        arrays = read_arrays(path)
        plain = parse_json(str(arrays.pop("metadata")))
        found, version = plain.pop("format"), plain.pop("version")
    except OSError:
        raise
    except Exception as error:  # Once the bytes are read, whatever fails is their fault.
        raise damaged(path, error.__cause__ or error) from error
    if found != FORMAT or version not in range(1, VERSION + 1):
        raise ValueError(f"path: expected {FORMAT} version {VERSION} in {path!r}. Received: {found} version {version}")
    groups: dict[str, dict[str, np.ndarray]] = {group: {} for group in GROUPS}
    for name in list(arrays):
        group, _, key = name.partition(".")
        if key and group in groups:
            groups[group][key] = arrays.pop(name)
    groups["stats"] = renamed_keys(groups["stats"], RENAMED_STATS)
    return {"versions": {}} | renamed_keys(plain | arrays, RENAMED) | groups


def unit_in(path: str | os.PathLike) -> tuple[str, str] | None:
    """The objective and the model of a file of samples, without reading its arrays; None if there is no such file."""
    try:
        plain = parse_json(str(read_arrays(path, ("metadata",))["metadata"]))
        return str(plain["objective"]), str(plain["model"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def damaged(path: str | os.PathLike, error: BaseException) -> ValueError:
    """The error for a file that holds no samples."""
    return ValueError(f"path: {os.fspath(path)!r} is damaged or not saved samples ({error})")


def _plain(value: Any) -> Any:
    """NumPy numbers as Python's, for JSON."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"options: expected plain values. Received: {value!r}")
