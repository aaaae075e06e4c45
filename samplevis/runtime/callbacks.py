"""What a run tells as it goes on: progress bars, lines for machines, TensorBoard, and callbacks of the user's."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

import tqdm.auto

if TYPE_CHECKING:
    import numpy as np


class Callback:
    """Hears of a run's stages, steps and draws; override what you need.

    Stages are "optimise", "anneal", "warm-up" and "sample"; the warm-up comes twice, before and after the level is calibrated.
    A KeyboardInterrupt raised in `on_step` or `on_draw` does what the first Ctrl-C does: the run ends early and returns what
    there is. Any other exception ends the run.

    Example:
      >>> class Stop(samplevis.Callback):
      ...     def on_step(self, stage, done, total, figures):
      ...         if stage == "optimise" and figures["activation"] > 10:
      ...             raise KeyboardInterrupt
      >>> samplevis.optimize(model, "fire9:10", callbacks=[Stop()])
    """

    def on_stage_begin(self, stage: str, done: int, total: int, unit: str) -> None:
        """A stage begins.

        Args:
          stage: its name.
          done: units of work that an earlier process has done.
          total: units of work of the whole stage.
          unit: what a unit is, such as "step".
        """

    def on_step(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        """Some steps are done.

        Args:
          stage: its name.
          done: units of work that are done.
          total: units of work of the whole stage.
          figures: name -> value: "activation" or "level"; of annealing "strength"; of chains "acceptance".
        """

    def on_draw(self, draw: int, images: np.ndarray) -> None:
        """Every chain has a new draw that is kept.

        Args:
          draw: its number, from 0.
          images: float32 [chain, *image_shape] in [0, 1].
        """

    def on_stage_end(self, stage: str, interrupted: bool) -> None:
        """A stage has ended.

        Args:
          stage: its name.
          interrupted: whether it was asked to stop early.
        """


class ProgressBar(Callback):
    """A bar for each stage on one line of the terminal, or a widget in a notebook, with ETA and the figures that matter."""

    def __init__(self) -> None:
        self._bar: Any = None

    def on_stage_begin(self, stage: str, done: int, total: int, unit: str) -> None:
        self._bar = tqdm.auto.tqdm(
            total=total, initial=done, desc=f"{stage:<10}", unit=unit, file=sys.stderr, dynamic_ncols=True
        )

    def on_step(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        self._bar.set_postfix({name: f"{value:.4g}" for name, value in figures.items()}, refresh=False)
        self._bar.update(done - self._bar.n)

    def on_stage_end(self, stage: str, interrupted: bool) -> None:
        self._bar.close()


class JSONLines(Callback):
    """A JSON object on a line for every event, for machines: {"event": "step", "stage": "anneal", "done": 25, ...}.

    Args:
      file: text file that is open for writing. Defaults to the standard output.
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
        """Writes one line; numbers that are not finite become null, which JSON has a word for."""
        values = {name: None if isinstance(x, float) and x - x != 0 else x for name, x in values.items()}
        print(json.dumps({"event": event} | values), file=self._file or sys.stdout, flush=True)


def as_callbacks(progress: bool | Sequence[Callback], callbacks: Sequence[Callback] = ()) -> tuple[Callback, ...]:
    """The callbacks that a call asks for, the progress bar first.

    Args:
      progress: whether to show a progress bar, or what this function has returned.
      callbacks: others.

    Raises:
      TypeError: if one is no `Callback`.
    """
    shown = ((ProgressBar(),) if progress else ()) if isinstance(progress, bool) else tuple(progress)
    if isinstance(callbacks, Callback) or not all(isinstance(callback, Callback) for callback in callbacks):
        raise TypeError(f"callbacks: expected a list of samplevis.Callback. Received: {callbacks!r}")
    return (*shown, *callbacks)
