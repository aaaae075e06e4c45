"""A dictionary with a maximum size, for caches."""

from __future__ import annotations

from typing import Any


class LRUDict(dict):
    """A dictionary that drops the least recently used items above a maximum size.

    It bounds caches of compiled code: a graph may take megabytes, and every new function object is a new key.

    Args:
      max_size: maximum number of items, >= 1.

    Example:
      >>> from samplevis.runtime.lru import LRUDict
      >>> cache = LRUDict(2)
      >>> cache["a"], cache["b"] = 1, 2
      >>> cache["a"]
      1
      >>> cache["c"] = 3
      >>> list(cache)
      ['a', 'c']
    """

    def __init__(self, max_size: int):
        super().__init__()
        self.max_size = max_size

    def __getitem__(self, key: Any) -> Any:
        # Dictionaries are in insertion order: move the key to the end.
        value = super().pop(key)
        super().__setitem__(key, value)
        return value

    def __setitem__(self, key: Any, value: Any) -> None:
        super().pop(key, None)
        super().__setitem__(key, value)
        while len(self) > self.max_size:
            super().pop(next(iter(self)))

    def get(self, key: Any, default: Any = None) -> Any:
        return self[key] if key in self else default
