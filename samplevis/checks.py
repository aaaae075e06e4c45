"""Checks of arguments, which say what is wrong before any work."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any

import numpy as np


def check_whole(name: str, value: Any, lowest: int) -> None:
    """Raises ValueError unless a value is a whole number >= `lowest`."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < lowest:
        raise ValueError(f"{name}: expected a whole number >= {lowest}. Received: {value!r}")


def check_number(name: str, value: Any, least: float = -math.inf, above: bool = False) -> None:
    """Raises TypeError or ValueError unless a value is a finite number >= `least`, or > `least` if `above`."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: expected a number. Received: {value!r}")
    if not math.isfinite(value) or value < least or (above and value == least):
        bound = "" if least == -math.inf else f" {'>' if above else '>='} {least}"
        raise ValueError(f"{name}: expected a finite number{bound}. Received: {value!r}")


def check_between(name: str, value: Any, lowest: float, highest: float) -> None:
    """Raises ValueError unless a value is a number from `lowest` to `highest`, both allowed."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not lowest <= value <= highest:
        raise ValueError(f"{name}: expected a number from {lowest:g} to {highest:g}. Received: {value!r}")


def check_numbers(name: str, values: Any, above: float = -math.inf) -> tuple[float, ...]:
    """Finite numbers > `above`, at least one, as floats; raises TypeError or ValueError for others."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise TypeError(f"{name}: expected a list of numbers. Received: {values!r}")
    values = tuple(values)
    if not values:
        raise ValueError(f"{name}: expected at least one number. Received: an empty list")
    for position, value in enumerate(values):
        check_number(f"{name}[{position}]", value, above, above=True)
    return tuple(map(float, values))


def did_you_mean(value: Any, names: Iterable[str], most: int = 1, cutoff: float = 0.4) -> str:
    """A sentence with the nearest of some names, at most `most`, led by a blank; empty if none is as near as `cutoff`."""
    near = difflib.get_close_matches(str(value), names, n=most, cutoff=cutoff)
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def check_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """The value, if it is one of some names; otherwise raises ValueError that lists them, the nearest spelling first."""
    if value not in choices:
        order = sorted(choices, key=lambda choice: -difflib.SequenceMatcher(None, str(value), choice).ratio())
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, order))}. Received: {value!r}")
    return value
