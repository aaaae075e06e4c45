"""Checks of the arguments of transforms."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any

import numpy as np


def check_integer(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: expected an integer. Received: {value!r}")
    if value < least:
        raise ValueError(f"{name}: expected an integer >= {least}. Received: {value!r}")


def check_number(name: str, value: Any, least: float = -math.inf, above: bool = False) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: expected a number. Received: {value!r}")
    if not math.isfinite(value) or value < least or (above and value == least):
        bound = "" if least == -math.inf else f" {'>' if above else '>='} {least}"
        raise ValueError(f"{name}: expected a finite number{bound}. Received: {value!r}")


def numbers(name: str, values: Any, above: float = -math.inf) -> tuple[float, ...]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise TypeError(f"{name}: expected a list of numbers. Received: {values!r}")
    values = tuple(values)
    if not values:
        raise ValueError(f"{name}: expected at least one number. Received: an empty list")
    for position, value in enumerate(values):
        check_number(f"{name}[{position}]", value, above, above=True)
    return tuple(map(float, values))


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    if value not in choices:
        # The nearest spelling first.
        order = sorted(choices, key=lambda choice: -difflib.SequenceMatcher(None, str(value), choice).ratio())
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, order))}. Received: {value!r}")
    return value
