"""The table of Lucid's capabilities says what is true: its names and tests exist, and it is where it is read."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import nbformat
import pytest

from benchmarks import parity
from benchmarks.lucid import Row

# Name of a file -> its path: the table names files, which are unique.
TESTS = {path.name: path for path in Path(__file__).parents[1].rglob("test_*.py")}
ROWS = list(parity.rows())
PROVED = [row for row in ROWS if row.names]
DROPPED = [row for row in ROWS if not row.names]


def _named(rows: list[Row]) -> dict:
    return {"argvalues": rows, "ids": [row.capability for row in rows]}


@cache
def _tests_of(file: str) -> set[str]:
    tree = ast.parse(TESTS[file].read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def _has(test: str) -> bool:
    file, _, function = test.partition("::")
    return function.startswith("test_") and file in TESTS and function in _tests_of(file)


@pytest.mark.parametrize("row", **_named(PROVED))
def test_names_and_tests_exist(row):
    assert row.tests
    for name in row.names:
        assert parity.exists(name), name
    for test in row.tests:
        assert _has(test), test


@pytest.mark.parametrize("row", **_named(DROPPED))
def test_what_is_dropped_has_a_reason(row):
    assert row.note and not row.tests


@pytest.mark.parametrize(
    "name, expected",
    [
        ("objectives.neuron", True),
        ("optimize(seed)", True),
        ("Samples.save_gif", True),
        ("export.save_gif(fps)", True),
        ("objectives.neurone", False),
        ("optimize(seeds)", False),
        # There, but not public.
        ("export.pixels", False),
    ],
)
def test_exists_knows_what_is_public(name, expected):
    assert parity.exists(name) == expected


def test_capabilities_are_named_once():
    names = [row.capability for row in ROWS]
    assert len(set(names)) == len(names)


def test_the_readme_has_the_table():
    text = parity.README.read_text(encoding="utf-8")
    assert parity.with_table(text, parity.readme_table()) == text


def test_the_notebook_has_the_table():
    cells = nbformat.read(parity.NOTEBOOK, as_version=4).cells
    (cell,) = [cell for cell in cells if parity.START in cell.source]
    assert parity.with_table(cell.source, parity.notebook_table()) == cell.source


def test_a_text_needs_its_marks():
    whole = f"a {parity.START} old {parity.END} b"
    assert parity.with_table(whole, "new") == f"a {parity.START}\n\nnew\n\n{parity.END} b"
    for text in ("", f"{parity.START}", whole + whole):
        with pytest.raises(ValueError, match="once each"):
            parity.with_table(text, "new")
