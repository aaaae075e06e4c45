"""The thresholds of a run, shown while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

# The optimizer's latents are the first of its variables.
LATENTS = "variables.0"


class Thresholds:
    """A stage of a checkpoint that stores nothing: it hears of each state of an ascent.

    Args:
      updates: numbers of updates after which to notify.
      notify: called with Lucid's number of the last step (from 0), the score before its update, and the latents.
    """

    saved = None

    def __init__(self, updates: Sequence[int], notify: Callable[[int, float, np.ndarray], None]):
        self._updates, self._notify = set(updates), notify
        self.interrupted: Mapping[str, Any] | None = None

    def update(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Notifies if these steps are a threshold."""
        now = state()
        if int(now["done"]) in self._updates:
            self._notify(int(now["done"]) - 1, float(now["history"][-1, 0]), now[LATENTS])

    def close(self, state: Callable[[], Mapping[str, Any]], interrupted: bool) -> None:
        """Remembers the state at which the run was interrupted."""
        if interrupted:
            self.interrupted = state()
