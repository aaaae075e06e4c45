"""Old public names that work for one more release, with a warning that says the new one."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar


def warn_renamed(old: str, new: str, stacklevel: int = 3) -> None:
    """Warns that a name is now another.

    Args:
      old: the name that was used.
      new: the name to use.
      stacklevel: frames between the user's line and here, as in `warnings.warn`. Defaults to 3, the caller of the caller.
    """
    warnings.warn(f"{old} is now {new}; the old name goes with the next release", DeprecationWarning, stacklevel)


def renamed_keywords(**names: str) -> Callable[[Callable], Callable]:
    """A decorator: a function takes old keywords under their new names.

    Args:
      **names: old keyword -> new keyword.

    Returns:
      The decorator. The function raises TypeError if it gets a keyword under both names.

    Example:
      >>> @renamed_keywords(keep="storage")
      ... def run(storage="memory"): ...
    """

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def renamed(*args: Any, **kwargs: Any) -> Any:
            for old, new in names.items():
                if old in kwargs:
                    if new in kwargs:
                        raise TypeError(f"{old}: it is now {new}, which is given, too. Give {new} alone")
                    warn_renamed(old, new)
                    kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return renamed

    return decorate


def renamed_property(old: str, new: str) -> property:
    """A property for a class's old attribute: it reads the new one, and warns.

    Args:
      old: the name before.
      new: the name of today.

    Returns:
      The property.
    """

    def read(self: Any) -> Any:
        warn_renamed(f"{type(self).__name__}.{old}", new)
        return getattr(self, new)

    return property(read, doc=f"Deprecated name of `{new}`.")


def renamed_keys(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """A dictionary with today's keys, of one that may have been written with the keys of an earlier version.

    Args:
      values: what was stored.
      names: old key -> new key.

    Returns:
      The same values in the same order.
    """
    return {names.get(key, key): value for key, value in values.items()}


class RenamedKeys(dict):
    """A dictionary whose old keys can still be read, with a warning. A subclass says them.

    Attributes:
      names: old key -> new key.
    """

    names: ClassVar[Mapping[str, str]] = {}

    def __missing__(self, key: Any) -> Any:
        if key not in self.names or self.names[key] not in self:
            raise KeyError(key)
        warn_renamed(f"[{key!r}]", repr(self.names[key]))
        return self[self.names[key]]
