"""A callback that writes the figures and draws of a run for TensorBoard."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from samplevis.export.animation import chain_columns
from samplevis.export.grid import grid
from samplevis.export.waveforms import as_pictures
from samplevis.runtime.callbacks import Callback

if TYPE_CHECKING:
    import numpy as np


class TensorBoard(Callback):
    """Writes the scalars of every stage and the images of every draw for TensorBoard.

    Args:
      folder: folder of the event files, for `tensorboard --logdir`.

    Raises:
      ImportError: if TensorBoard is not installed.

    Example:
      >>> samplevis.render(model, "fire9:10", callbacks=[samplevis.TensorBoard("logs")])
    """

    def __init__(self, folder: str | os.PathLike):
        try:
            import tensorboard  # noqa: F401
        except ImportError as error:
            raise ImportError("TensorBoard needs tensorboard: pip install samplevis[tensorboard]") from error
        import tensorflow as tf

        self._summary = tf.summary
        self._writer = tf.summary.create_file_writer(os.fspath(folder))

    def on_step(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        with self._writer.as_default():
            for name, value in figures.items():
                self._summary.scalar(f"{stage}/{name}", value, step=done)

    def on_draw(self, draw: int, images: np.ndarray) -> None:
        # A grid has the same pixels as in files, and shows signals and volumes, too.
        shown = grid(as_pictures(images, images.ndim - 2), chain_columns(len(images)))
        with self._writer.as_default():
            self._summary.image("draws", shown[None], step=draw)

    def on_stage_end(self, stage: str, interrupted: bool) -> None:
        self._writer.flush()
