"""Progress of a stage: notifies callbacks, logs, and turns Ctrl-C into a request to stop after the current step."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from samplevis.runtime.callbacks import Callback, as_callbacks

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def noticing(call: str) -> Iterator[Progress]:
    """Notices Ctrl-C in all of a call, so that none is lost where no stage runs.

    Python raises KeyboardInterrupt wherever the process is. In the midst of TensorFlow's tracing it is now and then ignored, as in
    a callback of a weak reference, or comes out as a SystemError. Here it is not forgotten: no stage begins after it, and an error
    after it is a KeyboardInterrupt.

    Args:
      call: its name.

    Yields:
      The `Progress` of the call, which knows whether it was interrupted.

    Raises:
      KeyboardInterrupt: after Ctrl-C, unless a stage ended early and what it gives is used.

    Example:
      >>> from samplevis.runtime.progress import Progress, noticing
      >>> with noticing("optimize"), Progress("optimise", 100, "step", callbacks=False) as bar:
      ...     bar.update(100)
    """
    bar = Progress(call, 1, "call", callbacks=False, keeps=False)
    bar._listen()
    try:
        if bar.interrupted:
            raise KeyboardInterrupt(f"stopped in {call}")
        yield bar
    except OSError:
        raise
    except Exception as error:
        if bar.interrupted:
            raise KeyboardInterrupt(f"stopped in {call}") from error
        raise
    finally:
        bar._restore()


@contextlib.contextmanager
def all_or_nothing(call: str) -> Iterator[None]:
    """Makes one of several runs, which are worth nothing without each other: Ctrl-C in a run ends the call where that run ends.

    Args:
      call: its name.

    Raises:
      KeyboardInterrupt: after Ctrl-C.

    Example:
      >>> from samplevis.runtime.progress import Progress, all_or_nothing
      >>> with all_or_nothing("compare"), Progress("optimise", 100, "step", callbacks=False) as bar:
      ...     bar.update(100)
    """
    with noticing(call) as bar:
        yield
    if bar.interrupted:
        raise KeyboardInterrupt(f"stopped in {call}")


class Progress:
    """Reports the progress of a stage, and turns the first Ctrl-C into a request to stop.

    Inside the `with` block, the first Ctrl-C sets `interrupted`, so that the current step can finish and its results are used;
    the second one raises KeyboardInterrupt at once. So does the first while a step is compiled, which takes long and computes
    nothing: a loop that has something to keep catches it. An enclosing stage is interrupted, too, and inside an interrupted one
    no other begins.

    Args:
      stage: name of the stage.
      total: number of units of work.
      unit: name of a unit.
      callbacks: the callbacks to notify; True for a progress bar, False for none. Defaults to True.
      done: units that were done before. Defaults to 0.
      keeps: whether a step under way is worth its end. False for steps whose work is lost unless they are whole, as the tasks of
        an atlas: the first Ctrl-C raises KeyboardInterrupt. Defaults to True.

    Attributes:
      done: units that are done.
      interrupted: whether the stage was asked to stop.
      insisted: whether it was asked a second time.

    Example:
      >>> from samplevis.runtime.progress import Progress
      >>> with Progress("optimise", 100, "step", callbacks=False) as bar:
      ...     for _ in range(4):
      ...         bar.update(25, activation=1.5)
      >>> bar.done, bar.interrupted
      (100, False)
    """

    def __init__(
        self,
        stage: str,
        total: int,
        unit: str,
        callbacks: bool | Sequence[Callback] = True,
        done: int = 0,
        keeps: bool = True,
    ):
        self.stage, self.total, self.unit, self.done = stage, total, unit, done
        self.interrupted = self.insisted = False
        self._keeps = keeps
        self._callbacks = as_callbacks(callbacks)
        # The signal handler outside this block.
        self._previous: Any = None

    @property
    def watched(self) -> bool:
        """Whether figures are reported to a callback or a log."""
        return bool(self._callbacks) or logger.isEnabledFor(logging.DEBUG)

    def update(self, units: int, **figures: float) -> None:
        """Adds finished units, and reports figures such as `activation`."""
        self.reach(self.done + units, **figures)

    def reach(self, done: float, **figures: float) -> None:
        """Sets the number of units that are done, whole ones and parts of those under way, and reports figures."""
        self.done = done
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
        self._listen()
        logger.info("%s: %d of %d %ss done", self.stage, self.done, self.total, self.unit)
        try:
            for callback in self._callbacks:
                callback.on_stage_begin(self.stage, self.done, self.total, self.unit)
            if self.interrupted:
                raise KeyboardInterrupt(f"stopped in {self.stage}")
        except BaseException:
            # The block is never left, since it was not entered.
            self._restore()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()
        for callback in self._callbacks:
            callback.on_stage_end(self.stage, self.interrupted)
        logger.info("%s: %s at %d of %d", self.stage, "stopped" if self.interrupted else "ended", self.done, self.total)

    def _notify(self, method: Callable[..., None], *arguments: Any) -> None:
        try:
            method(*arguments)
        except KeyboardInterrupt:
            self._interrupt()

    @property
    def _enclosing(self) -> Progress | None:
        """The stage around this one."""
        stage = getattr(self._previous, "__self__", None)
        return stage if isinstance(stage, Progress) else None

    def _listen(self) -> None:
        """Takes Ctrl-C over from the enclosing stage, and whether it came there."""
        # Python delivers signals to the main thread only.
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._interrupt)
            self.interrupted = self._enclosing is not None and self._enclosing.interrupted

    def _restore(self) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _interrupt(self, number: int | None = None, frame: FrameType | None = None) -> None:
        again, stage = self.interrupted, self
        while stage is not None:
            stage.interrupted, stage.insisted = True, stage.insisted or again
            stage = stage._enclosing
        if again or not self._keeps or _is_compiling():
            raise KeyboardInterrupt(f"stopped in {self.stage}")


def _is_compiling() -> bool:
    """Whether TensorFlow traces a function, which takes long and computes nothing."""
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and tensorflow.inside_function()
