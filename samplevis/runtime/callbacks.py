"""Callbacks of a run: a progress bar, JSON lines, and the base class for your own."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from samplevis.runtime.plain_text import cursor_stream, printable

if TYPE_CHECKING:
    import numpy as np


#: The stages of `render`, in order.
STAGES = ("optimise", "anneal", "calibrate", "warm-up", "sample")


class Callback:
    """Is notified of a run's stages, steps and draws; override the methods that you need.

    Stages are "optimise", "anneal", "calibrate" (of the level, the first half of the warm-up), "warm-up" and "sample". A
    KeyboardInterrupt raised in `on_step` or `on_draw` acts like the first Ctrl-C: the run stops early and returns its
    results so far. Any other exception aborts the run.

    Example:
      >>> import samplevis
      >>> from samplevis import modelzoo, param
      >>> class EarlyStopping(samplevis.Callback):
      ...     def on_step(self, stage, done, total, figures):
      ...         if stage == "optimise" and done >= 16:
      ...             raise KeyboardInterrupt
      >>> settings = dict(param=param.fourier(32), transforms=None, steps=64, progress=False)
      >>> result = samplevis.optimize(modelzoo.Shapes(), "logits:4", callbacks=[EarlyStopping()], **settings)
      >>> len(result.history)
      16
    """

    def on_stage_begin(self, stage: str, done: int, total: int, unit: str) -> None:
        """Called at the beginning of a stage.

        Args:
          stage: its name.
          done: units of work that were done before, by an earlier process.
          total: units of work of the stage.
          unit: name of a unit, such as "step".
        """

    def on_step(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        """Called after one or more steps.

        Args:
          stage: name of the stage.
          done: units of work that are done. Those of an atlas have decimals, for the units under way.
          total: units of work of the stage.
          figures: name -> value: "activation" or "level"; "strength" in annealing; "acceptance" of chains.
        """

    def on_draw(self, draw: int, images: np.ndarray) -> None:
        """Called after a new draw of every chain (after thinning).

        Args:
          draw: number of the draw, from 0.
          images: float32 [chain, *image_shape] in [0, 1].
        """

    def on_stage_end(self, stage: str, interrupted: bool) -> None:
        """Called at the end of a stage.

        Args:
          stage: its name.
          interrupted: whether it was stopped early.
        """


class ProgressBar(Callback):
    """Shows a progress bar for each stage, with the remaining time and the current figures (tqdm).

    Args:
      stages: names of the stages to number, as in "[2/5] anneal". Defaults to none.

    Example:
      >>> import samplevis
      >>> from samplevis import modelzoo, param
      >>> settings = dict(param=param.fourier(32), transforms=None, steps=16, progress=False)
      >>> result = samplevis.optimize(modelzoo.Shapes(), "logits:4", callbacks=[samplevis.ProgressBar()], **settings)
    """

    def __init__(self, stages: Sequence[str] = ()) -> None:
        self._stages = tuple(stages)
        self._bar: Any = None

    def on_stage_begin(self, stage: str, done: int, total: int, unit: str) -> None:
        # It takes longer than the command's help, which needs no bar.
        import tqdm.auto

        number = f"[{self._stages.index(stage) + 1}/{len(self._stages)}] " if stage in self._stages else ""
        self._bar = tqdm.auto.tqdm(
            total=total,
            initial=done,
            desc=f"{number}{printable(stage):<10}",
            unit=printable(unit),
            file=cursor_stream(sys.stderr),
            dynamic_ncols=True,
        )

    def on_step(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        self._bar.set_postfix({printable(name): f"{value:.4g}" for name, value in figures.items()}, refresh=False)
        self._bar.update(done - self._bar.n)

    def on_stage_end(self, stage: str, interrupted: bool) -> None:
        self._bar.close()


class OneStage(Callback):
    """Reports one stage of a part of a run under the part's name, and none of its others.

    Args:
      callback: what is notified.
      stage: the stage's name in the part.
      name: of the part.
    """

    def __init__(self, callback: Callback, stage: str, name: str):
        self._callback, self._stage, self._name = callback, stage, name

    def on_stage_begin(self, stage: str, done: int, total: int, unit: str) -> None:
        if stage == self._stage:
            self._callback.on_stage_begin(self._name, done, total, unit)

    def on_step(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        if stage == self._stage:
            self._callback.on_step(self._name, done, total, figures)

    def on_stage_end(self, stage: str, interrupted: bool) -> None:
        if stage == self._stage:
            self._callback.on_stage_end(self._name, interrupted)


class JSONLines(Callback):
    """Writes a line of JSON for every event, for other programs: {"event": "step", "stage": "anneal", "done": 25, ...}.

    Args:
      file: text file that is open for writing. Defaults to the standard output.

    Example:
      >>> import io, json
      >>> import samplevis
      >>> from samplevis import modelzoo, param
      >>> log = io.StringIO()
      >>> settings = dict(param=param.fourier(32), transforms=None, steps=16, progress=False)
      >>> result = samplevis.optimize(modelzoo.Shapes(), "logits:4", callbacks=[samplevis.JSONLines(log)], **settings)
      >>> [json.loads(line)["event"] for line in log.getvalue().splitlines()]
      ['stage_begin', 'step', 'stage_end']
    """

    def __init__(self, file: TextIO | None = None):
        self._file = file

    def on_stage_begin(self, stage: str, done: int, total: int, unit: str) -> None:
        self.write("stage_begin", stage=stage, done=done, total=total, unit=unit)

    def on_step(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        self.write("step", stage=stage, done=done, total=total, **figures)

    def on_draw(self, draw: int, images: np.ndarray) -> None:
        self.write("draw", draw=draw)

    def on_stage_end(self, stage: str, interrupted: bool) -> None:
        self.write("stage_end", stage=stage, interrupted=interrupted)

    def write(self, event: str, **values: Any) -> None:
        """Writes one line; numbers that are not finite become null, since JSON has no others."""
        values = {name: None if isinstance(x, float) and x - x != 0 else x for name, x in values.items()}
        print(json.dumps({"event": event} | values), file=self._file or sys.stdout, flush=True)


def as_callbacks(progress: bool | Sequence[Callback], callbacks: Sequence[Callback] = ()) -> tuple[Callback, ...]:
    """Combines the arguments `progress` and `callbacks` of a call to one tuple of callbacks, the progress bar first.

    Args:
      progress: whether to show a progress bar, or a tuple that this function returned.
      callbacks: other callbacks. Defaults to none.

    Returns:
      The callbacks.

    Raises:
      TypeError: if an item is not a `Callback`.

    Example:
      >>> from samplevis import ProgressBar
      >>> from samplevis.runtime.callbacks import as_callbacks
      >>> as_callbacks(False, [])
      ()
      >>> isinstance(as_callbacks(True)[0], ProgressBar)
      True
    """
    first = ((ProgressBar(),) if progress else ()) if isinstance(progress, bool) else tuple(progress)
    if isinstance(callbacks, Callback) or not all(isinstance(callback, Callback) for callback in callbacks):
        raise TypeError(f"callbacks: expected a list of samplevis.Callback. Received: {callbacks!r}")
    return (*first, *callbacks)
