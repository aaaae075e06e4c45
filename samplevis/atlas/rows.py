"""The row of a unit: names and types of its columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

# Longest text of a cell.
MAX_TEXT = 4000
# Column -> its type, in the order of the file.
SCHEMA = {
    "group": "string",
    "layer": "string",
    "unit": "int32",
    "name": "string",
    "status": "string",
    "error": "string",
    "prior": "float64",
    "optimum": "float64",
    "level": "float64",
    "levels": "floats",
    "reached": "float64",
    "surprisal_slope": "float64",
    "diversity": "float64",
    "gradients": "int64",
    "optimized_activation": "float64",
    "sample_activations": "floats",
    "exact_verdict": "string",
    "exact_level": "float64",
    "exact_summary": "string",
    "optimized": "binary",
    "samples": "pictures",
    "means": "pictures",
    "exact_samples": "pictures",
}
PICTURES = ("optimized", "samples", "means", "exact_samples")
FIGURES = tuple(name for name in SCHEMA if name not in PICTURES)
EMPTY = {"string": "", "int32": 0, "int64": 0, "float64": np.nan, "floats": (), "binary": None, "pictures": ()}


def empty(group: str, layer: str, unit: int, name: str) -> dict[str, Any]:
    """The row of a unit of which nothing is known yet.

    Args:
      group: name of the layer, or of the set of directions.
      layer: the network's layer.
      unit: its number.
      name: its label, or "".

    Returns:
      Column -> value.
    """
    record = {column: EMPTY[kind] for column, kind in SCHEMA.items()}
    return record | {"group": group, "layer": layer, "unit": unit, "name": name, "status": "planned"}


def table(records: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows as a table with the columns of `SCHEMA`."""
    import pyarrow as pa

    columns = {
        name: pa.array([_plain(record[name]) for record in records], _type(kind)) for name, kind in SCHEMA.items()
    }
    return pa.table(columns)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _type(kind: str) -> pa.DataType:
    import pyarrow as pa

    types = {
        "string": pa.string(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "floats": pa.list_(pa.float64()),
        "binary": pa.binary(),
        "pictures": pa.list_(pa.binary()),
    }
    return types[kind]
