"""Public names of a package that are imported when they are first used: TensorFlow takes seconds to load."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping

from samplevis.runtime.quiet_start import quiet_start


def lazy_exports(
    package: str, sources: Mapping[str, str | None]
) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """Makes what a package needs to import its public names on demand (PEP 562).

    Args:
      package: name of the package, its `__name__`.
      sources: public name -> module of the package that defines it, such as "runtime.callbacks"; None for a name that is a
        module itself.

    Returns:
      `__getattr__`, `__dir__` and `__all__` of the package.

    Example:
      >>> _SOURCES = {"render": "runs.rendering", "param": None}
      >>> __getattr__, __dir__, __all__ = lazy_exports(__name__, _SOURCES)
    """

    def getattribute(name: str) -> object:
        if name not in sources:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        source = sources[name]
        with quiet_start():
            module = importlib.import_module(f"{package}.{source or name}")
        value = getattr(module, name) if source else module
        # Found without this function the next time.
        setattr(sys.modules[package], name, value)
        return value

    def directory() -> list[str]:
        return sorted({*vars(sys.modules[package]), *sources})

    return getattribute, directory, list(sources)
