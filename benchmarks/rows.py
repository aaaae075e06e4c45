"""The rows of a benchmark: each printed as it is made, and all so far in a file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any


def write(rows: list[dict[str, Any]], file: Path | None) -> None:
    """Writes the figures so far, so that a run that is cut keeps them."""
    if file:
        file.write_text(json.dumps(rows, indent=1) + "\n")


def run_parts(parts: Mapping[str, Callable[..., Iterable[dict[str, Any]]]], options: argparse.Namespace) -> None:
    """Prints and writes the rows of the parts that the options `parts` name, to the file of the option `json`."""
    rows = []
    for part in options.parts:
        for row in parts[part](options):
            rows.append({"part": part} | row)
            print(json.dumps(rows[-1]), flush=True)
            write(rows, options.json)
