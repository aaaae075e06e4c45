"""A dictionary that forgets."""

from __future__ import annotations

from typing import Any


class LRUDict(dict):
    """A dictionary that keeps what was last made or looked up, so that a cache does not grow without end.

    Compiled code holds graphs of megabytes, and a function written anew for every call is a new key each time.
    """

    def __init__(self, most: int):
        super().__init__()
        self.most = most

    def __getitem__(self, key: Any) -> Any:
        # A dictionary is in the order in which its keys came: the one that was looked up goes to the end.
        value = super().pop(key)
        super().__setitem__(key, value)
        return value

    def __setitem__(self, key: Any, value: Any) -> None:
        super().pop(key, None)
        super().__setitem__(key, value)
        while len(self) > self.most:
            super().pop(next(iter(self)))

    def get(self, key: Any, default: Any = None) -> Any:
        return self[key] if key in self else default
