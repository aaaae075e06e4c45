"""The loop of a stage as others see it: callbacks are told, it is logged, and Ctrl-C asks to stop after the step."""

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
    """Tells callbacks of a stage's loop, and turns the first Ctrl-C into a wish to stop.

    Inside the `with` block the first Ctrl-C sets `interrupted`, so that the step under way ends and its result is kept; the
    second one interrupts at once. A stage around this one learns of it too.

    Args:
      stage: what is being done.
      total: number of units of work.
      unit: name of a unit.
      watching: whether to show a progress bar, or the callbacks to tell. Defaults to True.
      done: units that were done before. Defaults to 0.
    """

    def __init__(self, stage: str, total: int, unit: str, watching: bool | Sequence[Callback] = True, done: int = 0):
        self.stage, self.total, self.unit, self.done = stage, total, unit, done
        self.interrupted = False
        self._callbacks = as_callbacks(watching)
        self._previous: Any = None

    @property
    def watched(self) -> bool:
        """Whether anybody sees the figures."""
        return bool(self._callbacks) or logger.isEnabledFor(logging.DEBUG)

    def update(self, units: int, **figures: float) -> None:
        """Adds finished units and tells the figures."""
        self.done += units
        logger.debug("%s: %d of %d, %s", self.stage, self.done, self.total, figures)
        for callback in self._callbacks:
            self._tell(callback.on_step, self.stage, self.done, self.total, figures)

    def draw(self, number: int, images: Callable[[], np.ndarray]) -> None:
        """Tells of a draw of every chain; `images` is called if somebody wants to see it."""
        hearers = [each for each in self._callbacks if type(each).on_draw is not Callback.on_draw]
        shown = images() if hearers else None
        for callback in hearers:
            self._tell(callback.on_draw, number, shown)

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

    def _tell(self, hear: Callable[..., None], *news: Any) -> None:
        try:
            hear(*news)
        except KeyboardInterrupt:
            self._interrupt()

    def _interrupt(self, number: int | None = None, frame: FrameType | None = None) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True
        around = getattr(self._previous, "__self__", None)
        if isinstance(around, Progress):
            around.interrupted = True
