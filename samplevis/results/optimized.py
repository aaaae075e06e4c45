"""The result of an optimisation."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
from PIL import Image

from samplevis import export
from samplevis._version import __version__
from samplevis.export.bands import BandsLike
from samplevis.export.data_url import png_url
from samplevis.export.image import save_made
from samplevis.export.pixels import tile_scale
from samplevis.runtime.plain_text import as_html


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Optimized:
    """The result of `optimize`. Notebooks show its images.

    Attributes:
      images: float32 [batch, *image_shape] in [0, 1], after the last step.
      latents: float32 [batch, *latent_shape].
      history: float32 [steps, batch], the activation before each step's update; for "cma" and "genetic", that of the best
        candidate so far. Shorter if the optimiser converged or was interrupted. The first `smooth_steps` rows are activations
        of the smoothed network, which are not comparable with the rows after them.
      snapshots: number of updates -> images [batch, *image_shape].
      objective: the objective, as it is printed.
      model: name of the network.
      bands: bands that pictures show as red, green and blue, of networks whose fourth channel is a band. Defaults to none: pictures
        are shown as they are, and other numbers of channels in thirds, see `export.false_colors`.
      smooth_steps: number of first steps that were made on the smoothed network, see `smooth` of `optimize`. Defaults to 0.

    Example:
      >>> result = samplevis.optimize(model, "fire9:10", steps=128, thresholds=[64, 128])
      >>> result.history.shape, sorted(result.snapshots)
      ((128, 1), [64, 128])
      >>> of_the_network = result.history[result.smooth_steps :]
      >>> result.save("fire9-10.png")
    """

    images: np.ndarray
    latents: np.ndarray
    history: np.ndarray
    snapshots: dict[int, np.ndarray]
    objective: str = ""
    model: str = ""
    bands: tuple[int, ...] | None = None
    smooth_steps: int = 0

    @property
    def metadata(self) -> dict[str, str]:
        """What a saved picture says of its making, for `export.load_metadata`."""
        return {"Objective": self.objective, "Model": self.model, "Software": f"samplevis {__version__}"}

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        count, *size, _ = self.images.shape
        pixels = f"{' x '.join(map(str, size))} {'values' if len(size) == 1 else 'pixels'}"
        return f"<Optimized {self._unit()}: {count} image{'' if count == 1 else 's'} of {pixels}{self._scores()}>"

    def _repr_html_(self) -> str:
        picture = f'<img src="{png_url(self.grid())}" alt="Images that maximise {as_html(self._unit())}">'
        return f"{picture}<br><code>{as_html(repr(self))}</code>"

    def grid(self, columns: int | None = None, scale: int | None = None, bands: BandsLike | None = None) -> np.ndarray:
        """The images in one picture. Signals are drawn over time, volumes as slices.

        Args:
          columns: images per row, >= 1. Defaults to the root of their number, rounded up.
          scale: whole-number enlargement, >= 1. Defaults to what makes the longer side of an image at least 96 pixels.
          bands: three bands for red, green and blue, "pca" or "grid", see `export.false_colors`. Defaults to `self.bands`.

        Returns:
          uint8 [height, width, 3].

        Example:
          >>> export.show(result.grid(columns=2))
        """
        pictures = self._pictures(bands)
        return export.grid(pictures, columns, scale=tile_scale(pictures.shape[1:]) if scale is None else scale)

    def save(self, path: str | os.PathLike, bands: BandsLike | None = None) -> None:
        """Writes each image as a picture, in the format of the path's suffix. PNG files hold `metadata`.

        Args:
          path: file to write: .png, .webp, .jpg or .jpeg. Several images go to files with their numbers: star-0.png, star-1.png.
          bands: as in `grid`.

        Raises:
          ValueError: for another suffix.
          OSError: if a file cannot be written.

        Example:
          >>> result.save("star.png")
        """
        pictures = self._pictures(bands)
        base, suffix = os.path.splitext(os.fspath(path))
        for number, picture in enumerate(pictures):
            name = path if len(pictures) == 1 else f"{base}-{number}{suffix}"
            save_made(lambda picture=picture: picture, name, self.metadata)

    def save_grid(
        self,
        path: str | os.PathLike,
        columns: int | None = None,
        scale: int | None = None,
        bands: BandsLike | None = None,
    ) -> None:
        """Writes `grid(columns, scale, bands)` in the format of the path's suffix. PNG files hold `metadata`.

        Args:
          path: file to write: .png, .webp, .jpg or .jpeg.
          columns, scale, bands: as in `grid`.

        Raises:
          ValueError: if an argument is out of range.
          OSError: if the file cannot be written.

        Example:
          >>> result.save_grid("stars.png", scale=2)
        """
        save_made(lambda: self.grid(columns, scale, bands), path, self.metadata)

    def show(self, columns: int | None = None, scale: int | None = None) -> Image.Image | None:
        """Shows `grid(columns, scale)` in a notebook; elsewhere returns it as a Pillow image.

        Args:
          columns, scale: as in `grid`.

        Returns:
          None in a notebook, which has displayed it; a Pillow image elsewhere.

        Example:
          >>> result.show(columns=2)
        """
        return export.show(self.grid(columns, scale))

    def _pictures(self, bands: BandsLike | None) -> np.ndarray:
        """The images as pictures, [batch, height, width, channels]."""
        pictures = export.as_pictures(self.images, self.images.ndim - 2)
        bands = self.bands if bands is None else bands
        return pictures if self.images.ndim == 3 else export.false_colors(pictures, bands)

    def _unit(self) -> str:
        return f"{self.objective} in {self.model}" if self.objective else "objective"

    def _scores(self) -> str:
        if not len(self.history):
            return ""
        last = self.history[-1]
        scores = f"{last.min():.4g}" if len(last) == 1 else f"{last.min():.4g} to {last.max():.4g}"
        smoothed = " on the smoothed network" if len(self.history) <= self.smooth_steps else ""
        return f", activation {scores}{smoothed} after {len(self.history)} steps"
