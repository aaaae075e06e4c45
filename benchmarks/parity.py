"""The table of Lucid's capabilities: `python -m benchmarks.parity` prints it, `--write` puts it where it is read.

The rows are in `benchmarks.lucid`. README.md gets what is here and the tests that prove it; notebooks/from_lucid.ipynb gets
Lucid's names, ours, and what differs.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.lucid import SECTIONS, Row

ROOT = Path(__file__).parent.parent
README, NOTEBOOK = ROOT / "README.md", ROOT / "notebooks" / "from_lucid.ipynb"
START, END = "<!-- from Lucid -->", "<!-- end of from Lucid -->"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="update README.md and notebooks/from_lucid.ipynb")
    if not parser.parse_args().write:
        print(readme_table())
        return
    README.write_text(with_table(README.read_text(encoding="utf-8"), readme_table()), encoding="utf-8")
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if START in "".join(cell["source"]):
            cell["source"] = with_table("".join(cell["source"]), notebook_table()).splitlines(keepends=True)
    NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def rows() -> Iterator[Row]:
    """All rows, section by section."""
    for section in SECTIONS.values():
        yield from section


def readme_table() -> str:
    """Capability, Lucid's name, ours, and the tests that prove it."""
    lines = ["| capability | in Lucid | in samplevis | proved by |", "|---|---|---|---|"]
    for title, section in SECTIONS.items():
        lines.append(f"| **{title}** | | | |")
        for row in section:
            lines.append(_line(row.capability, _code(row.lucid), _here(row), _proof(row)))
    return "\n".join(lines)


def notebook_table() -> str:
    """Lucid's names, ours, and what differs."""
    lines = ["| Lucid | samplevis | what differs, and why |", "|---|---|---|"]
    for title, section in SECTIONS.items():
        lines.append(f"| **{title}** | | |")
        lines += [_line(_code(row.lucid), _here(row, reason=False), row.note) for row in section]
    return "\n".join(lines)


def with_table(text: str, table: str) -> str:
    """A text with the table between its two marks.

    Raises:
      ValueError: unless there is exactly one pair of marks.
    """
    if text.count(START) != 1 or text.count(END) != 1:
        raise ValueError(f"text: expected {START} and {END} once each")
    before, rest = text.split(START)
    return f"{before}{START}\n\n{table}\n\n{END}{rest.split(END)[1]}"


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


def _here(row: Row, reason: bool = True) -> str:
    if not row.names:
        return f"dropped: {row.note}" if reason else "dropped"
    return ", ".join(map(_code, row.names))


def _proof(row: Row) -> str:
    return ", ".join(map(_code, row.tests))


def _code(text: str) -> str:
    """Names in code; what stands in parentheses is no name."""
    return text if text.startswith("(") else f"`{text}`"


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    main()
