"""Run MkDocs as in an environment that holds nothing but `samplevis[docs]`, the command that the documentation gives."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Sequence
from typing import Any

from packaging.requirements import Requirement


def installed_with(name: str, extra: str = "") -> set[str]:
    """Return the normalized names of the distributions that `pip install name[extra]` installs."""
    found: set[str] = set()
    waiting = [Requirement(f"{name}[{extra}]" if extra else name)]
    visited = set()
    while waiting:
        requirement = waiting.pop()
        key = (normalized(requirement.name), frozenset(requirement.extras))
        if key in visited:
            continue
        visited.add(key)
        try:
            lines = importlib.metadata.requires(requirement.name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        found.add(key[0])
        for line in lines:
            needed = Requirement(line)
            extras = ("", *requirement.extras)
            if needed.marker is None or any(needed.marker.evaluate({"extra": one}) for one in extras):
                waiting.append(needed)
    return found


def normalized(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


class OnlyInstalledWith:
    """Refuse to import modules of distributions that are not in an environment."""

    def __init__(self, distributions: set[str]):
        self.refused = set()
        for module, owners in importlib.metadata.packages_distributions().items():
            if not any(normalized(owner) in distributions for owner in owners):
                self.refused.add(module)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> None:
        if name.partition(".")[0] in self.refused:
            raise ModuleNotFoundError(f"{name} does not come with samplevis[docs]", name=name)


if __name__ == "__main__":
    # Editable installs and build tools import through these, before and after this program.
    tools = {"setuptools", "pip", "wheel"}
    sys.meta_path.insert(0, OnlyInstalledWith(installed_with("samplevis", "docs") | tools))
    from mkdocs.__main__ import cli

    cli()
