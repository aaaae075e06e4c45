"""Command-line flags from the fields of a dataclass: name, type, choices, default and help are written once, there."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

Options = TypeVar("Options")
# What stands for a value in the help, by its type.
METAVARS = {int: "N", float: "X", str: "NAME"}


@dataclasses.dataclass(frozen=True)
class Flag:
    """Where a flag differs from what its field says.

    Attributes:
      name: the flag without its dashes. Defaults to the field's name, without "num_" and with dashes.
      metavar: what stands for the value in the help. Defaults to the choices, or to a letter for the type.
      parse: text -> value of the field. Defaults to the field's type.
      help: Defaults to the field's entry in the dataclass's docstring.
      default: the default as the help shows it. Defaults to the field's.
    """

    name: str | None = None
    metavar: str | None = None
    parse: Callable[[str], Any] | None = None
    help: str | None = None
    default: str | None = None


def add_flags(
    parser: argparse._ActionsContainer,
    options: type,
    flags: Mapping[str, Flag] | None = None,
    *,
    only: Collection[str] | None = None,
    but: Collection[str] = (),
) -> None:
    """Adds a flag for each field of a dataclass.

    A flag that is not given leaves no trace in the namespace, so that the dataclass alone holds the defaults. Values are checked
    by the dataclass, whose messages name the nearest spelling.

    Args:
      parser: parser, or group of one.
      options: dataclass whose docstring describes its fields under "Attributes:".
      flags: field -> where its flag differs. Defaults to nowhere.
      only: fields to add. Defaults to all.
      but: fields to leave out. Defaults to none.

    Example:
      >>> parser = argparse.ArgumentParser()
      >>> add_flags(parser, RunOptions, only=["storage"])
      >>> read_flags(RunOptions, parser.parse_args(["--storage", "memory"])).storage
      'memory'
    """
    hints, described = typing.get_type_hints(options), descriptions(options)
    for field in dataclasses.fields(options):
        if field.name in but or (only is not None and field.name not in only):
            continue
        flag = (flags or {}).get(field.name, Flag())
        kind, several, choices = _value_type(hints[field.name])
        text, stated = described[field.name]
        settings: dict[str, Any] = {"dest": field.name, "default": argparse.SUPPRESS}
        if kind is bool:
            settings["action"] = argparse.BooleanOptionalAction
        else:
            metavar = flag.metavar or (f"{{{','.join(choices)}}}" if choices else METAVARS[kind])
            settings |= {"type": flag.parse or kind, "metavar": metavar}
        if several:
            settings["nargs"] = "+"
        action = parser.add_argument(f"--{flag.name or flag_name(field.name)}", **settings)
        default = flag.default or _shown(field.default) or stated
        # argparse reads % as the start of a format.
        action.help = f"{flag.help or text}{f' (default: {default})' if default else ''}".replace("%", "%%")


def read_flags(options: type[Options], namespace: argparse.Namespace) -> Options:
    """Makes a dataclass of the flags that were given; the others get the dataclass's own defaults.

    Args:
      options: the dataclass.
      namespace: what a parser with its flags returned.

    Returns:
      One of these dataclasses.

    Raises:
      ValueError, TypeError: as the dataclass does, for a value out of range.
    """
    given = vars(namespace)
    return options(**{field.name: given[field.name] for field in dataclasses.fields(options) if field.name in given})


def flag_name(field: str) -> str:
    """The usual flag of a field, without its leading dashes: "num_chains" -> "chains"."""
    return field.removeprefix("num_").replace("_", "-")


def descriptions(options: type) -> dict[str, tuple[str, str]]:
    """What the docstring of a dataclass says of each field, in two parts: the description, and its "Defaults to"."""
    section = (inspect.getdoc(options) or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^  (\w+): (.+?)(?=^  \w|\Z)", section, re.MULTILINE | re.DOTALL)
    return {name: _split_default(" ".join(text.split())) for name, text in entries}


def _split_default(text: str) -> tuple[str, str]:
    text = re.sub(r"[\"`](\S+?)[\"`]", r"\1", text)
    described, _, default = text.partition(" Defaults to ")
    return described.rstrip("."), default.rstrip(".")


def _value_type(hint: Any) -> tuple[type, bool, tuple[str, ...]]:
    """The type of a flag's value, whether it takes several, and the names that it takes, if only some."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        # The first that can be typed at a prompt: `str` of `str | os.PathLike | None`.
        hint = typing.get_args(hint)[0]
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Literal:
        return str, False, arguments
    return (arguments[0], True, ()) if arguments else (hint, False, ())


def _shown(default: Any) -> str:
    """A default as the help shows it; empty if it says nothing by itself."""
    if default is None or default == ():
        return ""
    if isinstance(default, bool):
        return "yes" if default else "no"
    return f"{default:g}" if isinstance(default, float) else str(default)
