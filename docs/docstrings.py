"""Griffe extension: converts this project's docstring style to the Google style that Griffe reads."""

from __future__ import annotations

import re
from typing import Any

import griffe

ITEM = re.compile(r"^(?P<indent> +)(?P<names>\*{0,2}\w+(?:, \*{0,2}\w+)+): (?P<text>.*)$")
SECTION = re.compile(r"^(Args|Attributes):$")
# A bound such as "> 0" at the start of a text, which Markdown would read as a quotation.
BOUND = re.compile(r"^( +(?:\*{0,2}\w+: )?)>(?=[= ])", re.MULTILINE)


class HouseStyle(griffe.Extension):
    """Makes "Example:" a section, splits "a, b: text" into two items, and escapes bounds such as "> 0"."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Converts the docstring of a loaded object."""
        if obj.docstring:
            obj.docstring.value = readable(obj.docstring.value)


def readable(text: str) -> str:
    """The docstring in Griffe's Google style."""
    lines, found, inside = text.splitlines(), [], False
    for number, line in enumerate(lines):
        if not line.startswith(" ") and line:
            inside = bool(SECTION.match(line))
        item = ITEM.match(line) if inside else None
        if not item:
            found.append("Examples:" if line == "Example:" else line)
            continue
        indent = item["indent"]
        more = [item["text"]]
        for later in lines[number + 1 :]:
            if not later.startswith(indent + " "):
                break
            more.append(later)
        for name in item["names"].split(", ")[:-1]:
            found += [f"{indent}{name}: {more[0]}", *more[1:]]
        found.append(f"{indent}{item['names'].split(', ')[-1]}: {more[0]}")
    return BOUND.sub(r"\1\>", "\n".join(found))
