"""Renamed public names: the old ones work for one more release, with a DeprecationWarning."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar, cast

# Type checkers see what is decorated.
Function = TypeVar("Function", bound=Callable[..., Any])


def warn_renamed(old: str, new: str, stacklevel: int = 3) -> None:
    """Warns that a name was replaced by another.

    Args:
      old: the name that was used.
      new: the name to use.
      stacklevel: as in `warnings.warn`. Defaults to 3, the line that called the caller.
    """
    warnings.warn(f"{old} is now {new}; the old name goes with the next release", DeprecationWarning, stacklevel)


def renamed_keywords(**names: str) -> Callable[[Function], Function]:
    """Decorates a function so that it also takes old names of its keywords.

    Args:
      **names: old keyword -> new keyword.

    Returns:
      The decorator. The function raises TypeError if it gets a keyword under both names.

    Example:
      >>> import warnings
      >>> from samplevis.runtime.deprecation import renamed_keywords
      >>> @renamed_keywords(keep="storage")
      ... def run(storage="memory"):
      ...     return storage
      >>> with warnings.catch_warnings(record=True) as caught:
      ...     warnings.simplefilter("always")
      ...     run(keep="disk")
      'disk'
      >>> caught[0].category.__name__
      'DeprecationWarning'
    """

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def renamed(*args: Any, **kwargs: Any) -> Any:
            for old, new in names.items():
                if old in kwargs:
                    if new in kwargs:
                        raise TypeError(f"{old}: it is now {new}, which is given, too. Give {new} alone")
                    warn_renamed(old, new)
                    kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return cast(Function, renamed)

    return decorate


def renamed_property(old: str, new: str) -> property:
    """A property for the old name of an attribute, which warns.

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
    """Renames the keys of a dictionary that an earlier version may have stored.

    Args:
      values: the stored dictionary.
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
