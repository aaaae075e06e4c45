"""Progress of a stage: notifies callbacks, logs, and turns Ctrl-C into a request to stop after the current step."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from samplevis.runtime.callbacks import Callback, as_callbacks

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger(__name__)


class Progress:
    """Reports the progress of a stage, and turns the first Ctrl-C into a request to stop.

    Inside the `with` block, the first Ctrl-C sets `interrupted`, so that the current step can finish and its results are used;
    the second one interrupts at once. An enclosing stage is interrupted, too.

    Args:
      stage: name of the stage.
      total: number of units of work.
      unit: name of a unit.
      callbacks: the callbacks to notify; True for a progress bar, False for none. Defaults to True.
      done: units that were done before. Defaults to 0.

    Attributes:
      done: units that are done.
      interrupted: whether the stage was asked to stop.

    Example:
      >>> from samplevis.runtime.progress import Progress
      >>> with Progress("optimise", 100, "step", callbacks=False) as bar:
      ...     for _ in range(4):
      ...         bar.update(25, activation=1.5)
      >>> bar.done, bar.interrupted
      (100, False)
    """

    def __init__(self, stage: str, total: int, unit: str, callbacks: bool | Sequence[Callback] = True, done: int = 0):
        self.stage, self.total, self.unit, self.done = stage, total, unit, done
        self.interrupted = False
        self._callbacks = as_callbacks(callbacks)
        # The signal handler outside this block.
        self._previous: Any = None

    @property
    def watched(self) -> bool:
        """Whether figures are reported to a callback or a log."""
        return bool(self._callbacks) or logger.isEnabledFor(logging.DEBUG)

    def update(self, units: int, **figures: float) -> None:
        """Adds finished units, and reports figures such as `activation`."""
        self.done += units
        logger.debug("%s: %d of %d, %s", self.stage, self.done, self.total, figures)
        for callback in self._callbacks:
            self._notify(callback.on_step, self.stage, self.done, self.total, figures)

    def draw(self, number: int, images: Callable[[], np.ndarray]) -> None:
        """Reports a draw of every chain; `images` is called only if a callback overrides `on_draw`."""
        callbacks = [callback for callback in self._callbacks if type(callback).on_draw is not Callback.on_draw]
        pixels = images() if callbacks else None
        for callback in callbacks:
            self._notify(callback.on_draw, number, pixels)

    def __enter__(self) -> Progress:
        # Python delivers signals to the main thread only.
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._interrupt)
        logger.info("%s: %d of %d %ss done", self.stage, self.done, self.total, self.unit)
        for callback in self._callbacks:
            callback.on_stage_begin(self.stage, self.done, self.total, self.unit)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
        for callback in self._callbacks:
            callback.on_stage_end(self.stage, self.interrupted)
        logger.info("%s: %s at %d of %d", self.stage, "stopped" if self.interrupted else "ended", self.done, self.total)

    def _notify(self, method: Callable[..., None], *arguments: Any) -> None:
        try:
            method(*arguments)
        except KeyboardInterrupt:
            self._interrupt()

    def _interrupt(self, number: int | None = None, frame: FrameType | None = None) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True
        enclosing = getattr(self._previous, "__self__", None)
        if isinstance(enclosing, Progress):
            enclosing.interrupted = True
