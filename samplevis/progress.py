"""One progress bar for all long work: stage, ETA and the figure that matters; Ctrl-C asks to stop after the step."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any

import tqdm.auto


class Progress:
    """A progress bar that turns the first Ctrl-C into a wish to stop.

    Inside the `with` block the first Ctrl-C sets `interrupted`, so that the step under way ends and its result is kept; the
    second one interrupts at once. A bar around this one learns of it too.

    Args:
      stage: what is being done.
      total: number of units of work.
      unit: name of a unit.
      show: whether to print the bar. Defaults to True.
      done: units that were done before. Defaults to 0.
    """

    def __init__(self, stage: str, total: int, unit: str, show: bool = True, done: int = 0):
        self.stage = stage
        self.interrupted = False
        self._bar = tqdm.auto.tqdm(
            total=total,
            initial=done,
            desc=f"{stage:<10}",
            unit=unit,
            disable=not show,
            file=sys.stderr,
            leave=True,
            dynamic_ncols=True,
        )
        self._previous: Any = None

    def update(self, units: int, **figures: float) -> None:
        """Adds finished units and shows figures beside the bar."""
        self._bar.set_postfix({name: f"{value:.4g}" for name, value in figures.items()}, refresh=False)
        self._bar.update(units)

    def __enter__(self) -> Progress:
        # Python delivers signals to the main thread only.
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
        self._bar.close()

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True
        around = getattr(self._previous, "__self__", None)
        if isinstance(around, Progress):
            around.interrupted = True
