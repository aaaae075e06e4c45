"""Griffe extension: converts this project's docstring style to the Google style that Griffe reads."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import griffe

ITEM = re.compile(r"^(?P<indent> +)(?P<names>\*{0,2}\w+(?:, \*{0,2}\w+)+): (?P<text>.*)$")
SECTION = re.compile(r"^(Args|Attributes):$")
# A bound such as "> 0" at the start of a text, which Markdown would read as a quotation.
BOUND = re.compile(r"^( +(?:\*{0,2}\w+: )?)>(?=[= ])", re.MULTILINE)


# A default that names a value, such as `RenderOptions.level` or `DEFAULT_STEPS`.
NAMED = re.compile(r"[A-Za-z_][\w.]*")
# Values whose text says more than the name of a constant does.
PLAIN = (bool, int, float, str, tuple, type(None))


class HouseStyle(griffe.Extension):
    """Makes "Example:" a section, splits "a, b: text" into two items, and escapes bounds such as "> 0".

    Signatures show the value of a default, not the name of the constant that holds it.
    """

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Converts the docstring of a loaded object."""
        if obj.docstring:
            obj.docstring.value = readable(obj.docstring.value)

    def on_function(self, *, func: griffe.Function, **kwargs: Any) -> None:
        """Replace the defaults that are names by their values."""
        named = [one for one in func.parameters if NAMED.fullmatch(str(one.default or ""))]
        if not named or func.name.startswith("_"):
            return
        try:
            defined = importlib.import_module(func.module.path)
        except ImportError:
            # A module for an extra that the documentation does without.
            return
        for part in func.path.removeprefix(f"{func.module.path}.").split("."):
            defined = getattr(defined, part)
        signature = inspect.signature(defined)
        for parameter in named:
            value = signature.parameters[parameter.name].default
            if isinstance(value, PLAIN):
                parameter.default = repr(value)


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
