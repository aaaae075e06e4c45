"""Checks of arguments, before any work."""

from __future__ import annotations

import difflib
import inspect
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

# Maximum number of characters of a value in a message.
MAX_LENGTH = 200


def brief(value: Any) -> str:
    """A value for a message: an array by its shape, anything else by its repr, truncated if it is long."""
    if getattr(value, "shape", ()) != ():
        return f"an array of shape {tuple(value.shape)}"
    text = repr(value)
    return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}..."


def is_whole(value: Any) -> bool:
    """Whether a value is an integer: an int, or a NumPy integer."""
    try:
        return not isinstance(value, (bool, np.bool_)) and operator.index(value) is not None
    except TypeError:
        return False


def check_whole(name: str, value: Any, lowest: int, highest: int | None = None) -> None:
    """Raises ValueError unless a value is an integer from `lowest` to `highest`; None is no upper limit."""
    if not is_whole(value) or value < lowest or (highest is not None and value > highest):
        allowed = f">= {lowest}" if highest is None else f"from {lowest} to {highest}"
        raise ValueError(f"{name}: expected a whole number {allowed}. Received: {brief(value)}")


def is_list(value: Any) -> bool:
    """Whether a value is iterable, and not a string, a dictionary or a 0-dimensional array."""
    is_single = isinstance(value, (str, bytes, Mapping)) or getattr(value, "shape", None) == ()
    return isinstance(value, Iterable) and not is_single


def check_wholes(name: str, values: Any, lowest: int) -> tuple[int, ...]:
    """Returns integers >= `lowest` as a tuple of ints; raises TypeError or ValueError for anything else."""
    if not is_list(values):
        raise TypeError(f"{name}: expected a list of whole numbers >= {lowest}. Received: {brief(values)}")
    values = tuple(values)
    for value in values:
        check_whole(name, value, lowest)
    return tuple(map(int, values))


def check_flag(name: str, value: Any) -> None:
    """Raises TypeError unless a value is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected True or False. Received: {brief(value)}")


def check_number(name: str, value: Any, least: float = -math.inf, above: bool = False) -> None:
    """Raises TypeError or ValueError unless a value is a finite number >= `least` (> `least` if `above`)."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: expected a number. Received: {brief(value)}")
    if not math.isfinite(value) or value < least or (above and value == least):
        bound = "" if least == -math.inf else f" {'>' if above else '>='} {least}"
        raise ValueError(f"{name}: expected a finite number{bound}. Received: {value!r}")


def check_between(name: str, value: Any, lowest: float, highest: float) -> None:
    """Raises ValueError unless a value is a number from `lowest` to `highest`, inclusive."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not lowest <= value <= highest:
        raise ValueError(f"{name}: expected a number from {lowest:g} to {highest:g}. Received: {brief(value)}")


def check_numbers(name: str, values: Any, above: float = -math.inf) -> tuple[float, ...]:
    """Returns at least one finite number > `above` as a tuple of floats; raises TypeError or ValueError for anything else."""
    if not is_list(values):
        raise TypeError(f"{name}: expected a list of numbers. Received: {brief(values)}")
    values = tuple(values)
    if not values:
        raise ValueError(f"{name}: expected at least one number. Received: an empty list")
    for position, value in enumerate(values):
        check_number(f"{name}[{position}]", value, above, above=True)
    return tuple(map(float, values))


def check_array(name: str, values: Any, kind: Any = np.float32) -> np.ndarray:
    """Returns real numbers as an array of dtype `kind` (None: unchanged); raises ValueError for anything else."""
    try:
        array = np.asarray(values)
    except ValueError:
        # Rows of different lengths.
        array = np.asarray(None)
    if array.dtype.kind not in "fiub":
        shown = f"{brief(values)} of {array.dtype}" if hasattr(values, "dtype") else brief(values)
        raise ValueError(f"{name}: expected an array of numbers. Received: {shown}")
    return array if kind is None else array.astype(kind)


def check_names(name: str, values: Any) -> tuple[str, ...]:
    """Returns one name or several as a tuple of at least one; raises TypeError or ValueError for anything else."""
    values = (values,) if isinstance(values, str) else values
    if not is_list(values) or hasattr(values, "shape"):
        raise TypeError(f"{name}: expected a name, or a list of names. Received: {brief(values)}")
    values = tuple(values)
    if not values:
        raise ValueError(f"{name}: expected at least one. Received: none")
    return values


def did_you_mean(value: Any, names: Iterable[str], limit: int = 1, cutoff: float = 0.4) -> str:
    """A sentence, after a space, with at most `limit` names that are similar to a value; empty if no similarity is `cutoff`."""
    near = difflib.get_close_matches(str(value), names, n=limit, cutoff=cutoff)
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def check_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """Returns the value if it is one of the choices; otherwise raises ValueError that lists them, the nearest spelling first."""
    # A value that is not hashable could not be looked up in a dictionary of choices.
    if not isinstance(value, str) or value not in choices:
        order = sorted(choices, key=lambda choice: -difflib.SequenceMatcher(None, str(value), choice).ratio())
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, order))}. Received: {brief(value)}")
    return value


def keywords(function: Callable, *but: str) -> tuple[str, ...]:
    """Names of a function's keyword-only arguments, without those in `but`."""
    parameters = inspect.signature(function).parameters.values()
    return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in but)


def check_known(settings: Iterable[str], known: Iterable[str]) -> None:
    """Raises TypeError with the nearest spelling if a setting is not a known argument."""
    known = list(known)
    for name in settings:
        if name not in known:
            raise TypeError(f"{name}: no argument here.{did_you_mean(name, known)} Expected: {', '.join(known)}")
