"""The table of Lucid's capabilities in samplevis/lucid/core/facts.json is true: its names are public and its tests exist."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from functools import cache
from pathlib import Path

import pytest

from samplevis.lucid.core.facts import CAPABILITIES, CHOICES, Capability
from samplevis.lucid.core.facts import DROPPED as GONE

ROOT = Path(__file__).parents[2]
# Name of a file -> its path: the table names files, which are unique.
TESTS = {path.name: path for path in (ROOT / "tests").rglob("test_*.py")}
ROWS = [row for section in CAPABILITIES.values() for row in section]
INCLUDED = [row for row in ROWS if row.names]
DROPPED = [row for row in ROWS if not row.names]


def _parametrized(rows: list[Capability]) -> dict:
    return {"argvalues": rows, "ids": [row.capability for row in rows]}


def exists(name: str) -> bool:
    """Whether a public name exists, such as "objectives.neuron" or "optimize(seed)"."""
    path, parameter = re.fullmatch(r"([\w.]+)(?:\((\w+)\))?", name).groups()
    value = importlib.import_module("samplevis")
    for part in path.split("."):
        public = part in getattr(value, "__all__", [part])
        if not (public and hasattr(value, part)):
            return False
        value = getattr(value, part)
    return parameter is None or parameter in inspect.signature(value).parameters


@cache
def _tests_of(file: str) -> set[str]:
    tree = ast.parse(TESTS[file].read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def _has(test: str) -> bool:
    file, _, function = test.partition("::")
    return function.startswith("test_") and file in TESTS and function in _tests_of(file)


def test_the_table_is_well_formed():
    assert len(ROWS) >= 105 and len(DROPPED) < 10
    assert all(row.capability and row.lucid for row in ROWS)
    assert all(all(choice) for choice in CHOICES) and all("Instead: " in why for why in GONE.values())


@pytest.mark.parametrize("row", **_parametrized(INCLUDED))
def test_names_and_tests_exist(row):
    assert row.names and row.tests and row.note
    for name in row.names:
        assert exists(name), name
    for test in row.tests:
        assert _has(test), test


@pytest.mark.parametrize("row", **_parametrized(DROPPED))
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
    assert exists(name) == expected


def test_capabilities_are_named_once():
    names = [row.capability for row in ROWS]
    assert len(set(names)) == len(names)


def test_the_documentation_shows_the_table_and_the_readme_leads_there():
    assert "<!-- generated: from_lucid -->" in (ROOT / "docs" / "from_lucid.md").read_text(encoding="utf-8")
    assert "](docs/from_lucid.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
