"""How much of a task is done, by the gradients that its stages take."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from samplevis.runtime.callbacks import Callback


class Meter:
    """Counts the gradients of a task, and reports the share that is done.

    Args:
      expected: gradients of the whole task; some tasks take more or fewer.
      notify: called with the share, from 0 to 1. Defaults to none.

    Example:
      >>> meter = Meter(200, print)
      >>> meter.add(50)
      0.25
    """

    def __init__(self, expected: float, notify: Callable[[float], None] | None = None):
        self._expected, self._notify, self._done = expected, notify, 0.0

    def add(self, gradients: float) -> None:
        """Counts gradients that are done."""
        self._done += gradients
        if self._notify is not None:
            self._notify(min(self._done / self._expected, 1.0))

    def stages(self, gradients: Mapping[str, float]) -> Callback:
        """A callback that counts the stages of a run.

        Args:
          gradients: name of a stage -> its gradients; stages without a name here do not count.

        Returns:
          The callback.
        """
        return _Stages(self, gradients)


class _Stages(Callback):
    """Counts the stages of a run on a meter."""

    def __init__(self, meter: Meter, gradients: Mapping[str, float]):
        self._meter, self._gradients, self._before = meter, gradients, 0

    def on_stage_begin(self, stage: str, done: int, total: int, unit: str) -> None:
        self._before = done

    def on_step(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        part, self._before = (done - self._before) / total, done
        self._meter.add(part * self._gradients.get(stage, 0.0))
