"""Ratios of times that are robust against other work on the machine: runs take turns, and medians are reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


def in_turn(runs: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, np.ndarray]:
    """Times several runs in turn. Each round starts with another run, and one round before the first is not counted.

    Args:
      runs: name -> function that returns its time in seconds.
      rounds: number of rounds that count, >= 1.

    Returns:
      Name -> seconds, [round].
    """
    names, seconds = list(runs), {name: [] for name in runs}
    for round_ in range(-1, rounds):
        first = round_ % len(names)
        for name in names[first:] + names[:first]:
            spent = runs[name]()
            if round_ >= 0:
                seconds[name].append(spent)
    return {name: np.array(values) for name, values in seconds.items()}


def seconds(function: Callable[[], Any], count: int = 1) -> float:
    """Wall time of a call, divided by `count`."""
    clock = time.perf_counter()
    function()
    return (time.perf_counter() - clock) / count


def ratio(over: np.ndarray, under: np.ndarray) -> dict[str, float]:
    """Median, first and third quartile of the ratios of paired times."""
    ratios = np.asarray(over) / np.asarray(under)
    low, middle, high = np.percentile(ratios, (25, 50, 75))
    return {"ratio": float(middle), "low": float(low), "high": float(high)}


def show(found: Mapping[str, float] | None) -> str:
    """A ratio as text of 20 characters: its median and quartiles."""
    if found is None:
        return f"{'-':>20}"
    return f"{found['ratio']:>7.2f} ({found['low']:.2f}-{found['high']:.2f})".rjust(20)
