"""The dictionary that forgets."""

from __future__ import annotations

import pytest

from samplevis.runtime.lru import LRUDict


def test_what_was_looked_up_stays():
    kept = LRUDict(2)
    kept["a"], kept["b"] = 1, 2
    assert kept["a"] == 1
    kept["c"] = 3
    assert dict(kept.items()) == {"a": 1, "c": 3} and "b" not in kept and kept.get("b", 4) == 4
    assert kept.get("a") == 1
    kept["d"] = 5
    assert list(kept) == ["a", "d"] and list(kept.values()) == [1, 5]
    kept["a"] = 6
    assert list(kept) == ["d", "a"] and len(kept) == 2


def test_what_is_not_there_is_a_key_error():
    kept = LRUDict(1)
    with pytest.raises(KeyError):
        kept["a"]
