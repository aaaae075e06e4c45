"""The files of a sweep: an .npz file for each unit, with a PNG file of its image."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import logging
import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from samplevis import export
from samplevis.runtime import files
from samplevis.runtime.seals import blank_seal, check_seal, sealed
from samplevis.runtime.untrusted import arrays_in

# Maximum number of characters of an objective's name in a file name.
MAX_LENGTH = 60

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class UnitFile:
    """The files of a unit: what it is, and where they are.

    Attributes:
      path: the .npz file.
      name: the unit's objective, as it is printed.
      identity: what tells the unit's files from those of other units and other runs.
      bands: that the picture shows, see `Sweep.bands`. Defaults to none.
    """

    path: str
    name: str
    identity: str
    bands: tuple[int, ...] | None = None

    @property
    def picture(self) -> str:
        """The PNG file."""
        return os.path.splitext(self.path)[0] + ".png"

    def save(self, image: np.ndarray, latent: np.ndarray, score: float) -> None:
        """Writes the files, the PNG first: a unit with an .npz file is complete.

        Args:
          image: float32 [H, W, C] in [0, 1]. Of signals and volumes there is no PNG.
          latent: float32 [*latent_shape].
          score: of the objective in the last step.

        Raises:
          OSError: if a file cannot be written.
        """
        if image.ndim == 3:
            export.save_png(export.false_colors(image, self.bands), self.picture, {"Objective": self.name})
        arrays = {"image": image, "latent": latent, "score": np.float32(score), "objective": np.array(self.name)}
        content = io.BytesIO()
        np.savez(content, picture=np.array(self._picture_digest()), **arrays)
        with zipfile.ZipFile(content, "a") as archive:
            archive.comment = blank_seal(self.identity).encode()
        with files.atomic_path(self.path) as temporary, open(temporary, "wb") as file:
            file.write(sealed(content.getvalue()))

    def image(self) -> np.ndarray:
        """Returns the image, float32 [H, W, C].

        Raises:
          OSError: if the file is missing or cannot be read.
          ValueError: if it is damaged, or that of another unit or run; the message names it.
        """
        return self._arrays()["image"]

    def stored_score(self) -> float | None:
        """Returns the score; None if a file is missing or does not fit, which a line of the log reports."""
        try:
            arrays = self._arrays()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            logger.warning("folder: %s; the unit is computed again.", error)
            return None
        if str(arrays["picture"]) != self._picture_digest():
            logger.warning("folder: %r is missing or was changed; it is written again.", self.picture)
            self.save(arrays["image"], arrays["latent"], float(arrays["score"]))
        return float(arrays["score"])

    def _arrays(self) -> dict[str, np.ndarray]:
        with open(self.path, "rb") as file:
            content = file.read()
        try:
            check_seal(content, self.identity)
        except ValueError as error:
            raise ValueError(f"{self.path!r} cannot be used: {error}") from error
        return arrays_in(io.BytesIO(content))

    def _picture_digest(self) -> str:
        """The digest of the PNG file, empty if there is none."""
        if not os.path.isfile(self.picture):
            return ""
        with open(self.picture, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()


def unit_files(
    folder: str | os.PathLike, names: Sequence[str], run: Mapping[str, Any], bands: tuple[int, ...] | None = None
) -> list[UnitFile]:
    """The files of each unit of a sweep.

    Args:
      folder: folder of the sweep.
      names: the units' objectives, as they are printed.
      run: plain values that tell the sweep from others.
      bands: that the pictures show, see `Sweep.bands`. Defaults to none.

    Returns:
      A `UnitFile` for each unit, with a path that ends in .npz: the unit's number, and the characters of its name that every file
      system takes.
    """
    digits = len(str(len(names) - 1))
    plain = [re.sub(r"[^A-Za-z0-9+.]+", "-", name).strip("-.")[:MAX_LENGTH] for name in names]
    paths = [os.path.join(folder, f"{n:0{digits}}-{each}.npz") for n, each in enumerate(plain)]
    sweep = hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()
    return [UnitFile(path, names[n], f"sweep {sweep} unit {n}", bands) for n, path in enumerate(paths)]
