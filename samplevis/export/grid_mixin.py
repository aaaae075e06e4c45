"""Results that can be seen: classes with a `grid` get `save_grid` and `show`."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
from PIL import Image

from samplevis.export.image import save_made
from samplevis.export.notebook import show


class GridMixin:
    """Saves and shows what `grid(scale)` returns.

    A subclass has `grid`, and may have `metadata`.

    Example:
      >>> class Pair(GridMixin):
      ...     def grid(self, scale=1):
      ...         return export.grid(self.images, columns=2, scale=scale)
      >>> Pair().save_grid("pair.png", scale=2)
    """

    @property
    def metadata(self) -> Mapping[str, object]:
        """What a saved grid says of its making, for `export.load_metadata`. Defaults to nothing."""
        return {}

    def grid(self, scale: int = 1) -> np.ndarray:
        """The images in one picture.

        Args:
          scale: whole-number enlargement, >= 1. Defaults to 1.

        Returns:
          uint8 [height, width, 3].
        """
        raise NotImplementedError

    def save_grid(self, path: str | os.PathLike, scale: int = 1) -> None:
        """Writes `grid(scale)` in the format of the path's suffix. PNG files hold `metadata`.

        Args:
          path: file to write: .png, .webp, .jpg or .jpeg.
          scale: whole-number enlargement, >= 1. Defaults to 1.

        Raises:
          ValueError: if an argument is out of range.
          OSError: if the file cannot be written.
        """
        save_made(lambda: self.grid(scale), path, self.metadata)

    def show(self, scale: int = 1) -> Image.Image | None:
        """Shows `grid(scale)` in a notebook; elsewhere returns it as a Pillow image.

        Args:
          scale: whole-number enlargement, >= 1. Defaults to 1.

        Returns:
          None in a notebook, which has displayed it; a Pillow image elsewhere.
        """
        return show(self.grid(scale))


class ColumnsGridMixin(GridMixin):
    """Saves and shows what `grid(columns, scale)` returns: a `GridMixin` whose grid takes a number of columns, too."""

    def grid(self, columns: int | None = None, scale: int | None = None) -> np.ndarray:
        """The images in one picture.

        Args:
          columns: images in a row, >= 1.
          scale: whole-number enlargement, >= 1.

        Returns:
          uint8 [height, width, 3].
        """
        raise NotImplementedError

    def save_grid(self, path: str | os.PathLike, columns: int | None = None, scale: int | None = None) -> None:
        """Writes `grid(columns, scale)` in the format of the path's suffix. PNG files hold `metadata`.

        Args:
          path: file to write: .png, .webp, .jpg or .jpeg.
          columns, scale: as in `grid`. Default to its own defaults.

        Raises:
          ValueError: if an argument is out of range.
          OSError: if the file cannot be written.
        """
        save_made(lambda: self._grid(columns, scale), path, self.metadata)

    def show(self, columns: int | None = None, scale: int | None = None) -> Image.Image | None:
        """Shows `grid(columns, scale)` in a notebook; elsewhere returns it as a Pillow image.

        Args:
          columns, scale: as in `grid`. Default to its own defaults.

        Returns:
          None in a notebook, which has displayed it; a Pillow image elsewhere.
        """
        return show(self._grid(columns, scale))

    def _grid(self, columns: int | None, scale: int | None) -> np.ndarray:
        return self.grid(columns) if scale is None else self.grid(columns, scale)
