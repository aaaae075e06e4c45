"""Lucid's module paths: those without a file of their own, those that are gone, and `import lucid` in old programs."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import pkgutil
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import samplevis
from samplevis.lucid.core.facts import DROPPED, MOVED, Moved, dropped_error

ROOM = "samplevis.lucid"


class _Loader(importlib.abc.Loader):
    """Makes a module of names that another one defines."""

    def __init__(self, moved: Moved, children: list[str]):
        self._moved, self._children = moved, children

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        # Before the names: an import binds a module in its package, and Lucid has modules with the names of classes.
        for child in self._children:
            importlib.import_module(f"{module.__name__}.{child}")
        source = importlib.import_module(f"{ROOM}.{self._moved.source}")
        module.__doc__ = f"Lucid's place of names that `{source.__name__}` defines."
        public = [name for name in self._moved.names if not name.startswith("_")]
        vars(module).update({name: getattr(source, name) for name in self._moved.names})
        vars(module)["__all__"] = public


class _Finder(importlib.abc.MetaPathFinder):
    """Finds what has no file: modules of Lucid's whose names are elsewhere, and errors for those that are gone."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        root = "lucid." if sys.modules.get("lucid") is sys.modules.get(ROOM) else f"{ROOM}."
        start = next((one for one in (f"{ROOM}.", root) if fullname.startswith(one)), None)
        if start is None:
            return None
        name = fullname.removeprefix(start)
        gone = next((one for one in DROPPED if f"{name}.".startswith(f"{one}.")), None)
        if gone is not None and name not in MOVED:
            raise dropped_error(gone)
        if name not in MOVED:
            return None
        children = [other.removeprefix(f"{name}.") for other in MOVED if other.startswith(f"{name}.")]
        loader = _Loader(MOVED[name], children)
        return importlib.machinery.ModuleSpec(fullname, loader, is_package=bool(children))


def find_moved_modules() -> None:
    """From now on, imports find them; called when `samplevis.lucid` is imported."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())


def modules() -> list[str]:
    """The names of all modules that Lucid has too, relative to `samplevis.lucid`, sorted."""
    found: list[str] = list(MOVED)

    def walk(folder: list[str], prefix: str) -> None:
        for module in pkgutil.iter_modules(folder):
            name = prefix + module.name
            if name == "core" or name in DROPPED:
                continue
            found.append(name)
            if module.ispkg:
                walk([f"{folder[0]}/{module.name}"], f"{name}.")

    walk([f"{samplevis.__path__[0]}/lucid"], "")
    return sorted(found)


def install() -> None:
    """Makes `import lucid` give this package, for programs whose imports cannot be changed.

    Call it before the first import of Lucid.

    Raises:
      RuntimeError: if Lucid itself is imported already.

    Example:
      >>> import samplevis.lucid
      >>> samplevis.lucid.install()
      >>> import lucid.optvis.objectives as objectives
      >>> objectives.channel("mixed4a", 476).description
      'Channel [mixed4a, 476]'
    """
    room = importlib.import_module(ROOM)
    if sys.modules.get("lucid", room) is not room:
        raise RuntimeError(
            "install: Lucid itself is imported already. Call install() before the first import of lucid."
        )
    sys.modules["lucid"] = room
    for name in modules():
        sys.modules[f"lucid.{name}"] = importlib.import_module(f"{ROOM}.{name}")
