"""The dictionary with a maximum size."""

from __future__ import annotations

import pytest

from samplevis.runtime.lru import LRUDict


def test_the_least_recently_used_item_is_dropped():
    cache = LRUDict(2)
    cache["a"], cache["b"] = 1, 2
    assert cache["a"] == 1
    cache["c"] = 3
    assert dict(cache.items()) == {"a": 1, "c": 3} and "b" not in cache and cache.get("b", 4) == 4
    assert cache.get("a") == 1
    cache["d"] = 5
    assert list(cache) == ["a", "d"] and list(cache.values()) == [1, 5]
    cache["a"] = 6
    assert list(cache) == ["d", "a"] and len(cache) == 2


def test_a_missing_key_is_an_error():
    cache = LRUDict(1)
    with pytest.raises(KeyError):
        cache["a"]
