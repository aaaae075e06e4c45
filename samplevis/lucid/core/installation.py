"""`import lucid` in old programs."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import samplevis
from samplevis.lucid.core.facts import DROPPED

ROOM = "samplevis.lucid"


def modules() -> list[str]:
    """The names of all modules that Lucid has too, relative to `samplevis.lucid`, sorted."""
    found: list[str] = []

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
