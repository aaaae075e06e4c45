"""The rows of a benchmark: printed one by one, and all written to a file after each."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any


def read(file: Path | None) -> list[dict[str, Any]]:
    """The rows that an earlier run wrote; none if there are none."""
    return json.loads(file.read_text()) if file and file.is_file() else []


def write(rows: list[dict[str, Any]], file: Path | None) -> None:
    """Writes the rows so far, so that an interrupted run does not lose them."""
    if file:
        file.write_text(json.dumps(rows, indent=1) + "\n")


def run_parts(parts: Mapping[str, Callable[..., Iterable[dict[str, Any]]]], options: argparse.Namespace) -> None:
    """Runs the parts named in `options.parts`; prints their rows and writes them to `options.json`."""
    rows = []
    for part in options.parts:
        for row in parts[part](options):
            rows.append({"part": part} | row)
            print(json.dumps(rows[-1]), flush=True)
            write(rows, options.json)
