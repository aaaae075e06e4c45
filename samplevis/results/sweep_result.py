"""The result of `sweep`."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import overload

import numpy as np

from samplevis import export
from samplevis.export.grid_mixin import ColumnsGridMixin
from samplevis.export.pixels import tile_scale
from samplevis.results.sweep_store import UnitFile
from samplevis.runtime.deprecation import renamed_property

# The objective of a channel, which a sheet names as users do.
CHANNEL = re.compile(r"^channel\((.+), (\d+)\)$")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Sweep(ColumnsGridMixin, Sequence):
    """What `sweep` returns: a sequence of float32 images [H, W, C] in [0, 1].

    Images in a folder are read, and checked, when they are used: a file that was damaged or exchanged since is a ValueError.

    Attributes:
      objectives: the objective of each image, as it is printed.
      indices: int [n], the index of each image's objective among those asked for; all of them, unless interrupted.
      scores: float32 [n], of each objective in the last step, under that step's transforms; nan where it was not finite.
      complete: whether all images are there, with all their steps.
      bands: bands that pictures show as red, green and blue, of networks whose fourth channel is a band. Defaults to none.

    Example:
      >>> import samplevis
      >>> from samplevis import modelzoo, param
      >>> settings = dict(param=param.fourier(32), transforms=None, steps=4, redirect_steps=0, progress=False)
      >>> result = samplevis.sweep(modelzoo.Shapes(), ["logits:0", "logits:4"], **settings)
      >>> result.objectives, result.images.shape
      (('channel(logits, 0)', 'channel(logits, 4)'), (2, 32, 32, 3))
    """

    objectives: tuple[str, ...]
    indices: np.ndarray
    scores: np.ndarray
    complete: bool
    _images: tuple[np.ndarray | UnitFile, ...]
    bands: tuple[int, ...] | None = None

    places = renamed_property("places", "indices")

    @property
    def images(self) -> np.ndarray:
        """All images, float32 [n, H, W, C]."""
        return np.stack(list(self))

    def __len__(self) -> int:
        return len(self._images)

    @overload
    def __getitem__(self, n: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, n: slice) -> list[np.ndarray]: ...

    def __getitem__(self, n: int | slice) -> np.ndarray | list[np.ndarray]:
        if isinstance(n, slice):
            return [self[i] for i in range(len(self))[n]]
        image = self._images[n]
        return image.image() if isinstance(image, UnitFile) else image

    def __repr__(self) -> str:
        return f"<Sweep of {len(self)} images{'' if self.complete else ', interrupted'}>"

    def grid(self, columns: int | None = None, scale: int | None = None) -> np.ndarray:
        """The images with the names of their units.

        Args:
          columns: as in `export.grid`.
          scale: whole-number enlargement, >= 1. Defaults to what makes the longer side of an image at least 96 pixels.

        Returns:
          uint8 [height, width, 3].
        """
        pictures = export.false_colors(self.images, self.bands)
        labels = [CHANNEL.sub(r"\1:\2", name) for name in self.objectives]
        scale = tile_scale(pictures.shape[1:]) if scale is None else scale
        return export.grid(pictures, columns, scale=scale, labels=labels)
