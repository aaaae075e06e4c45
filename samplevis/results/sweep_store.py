"""The files of a sweep: an .npz file for each unit, with a PNG file of its image."""

from __future__ import annotations

import logging
import os
import re
import zipfile
from collections.abc import Sequence

import numpy as np

from samplevis import export
from samplevis.runtime import files

# Maximum number of characters of an objective's name in a file name.
MAX_LENGTH = 60

logger = logging.getLogger(__name__)


def paths(folder: str | os.PathLike, names: Sequence[str]) -> list[str]:
    """The path of each unit's file: its number, and the characters of its name that every file system takes.

    Args:
      folder: folder of the sweep.
      names: the units' objectives, as they are printed.

    Returns:
      Paths that end in .npz.
    """
    digits = len(str(len(names) - 1))
    plain = (re.sub(r"[^A-Za-z0-9+.]+", "-", name).strip("-.")[:MAX_LENGTH] for name in names)
    return [os.path.join(folder, f"{n:0{digits}}-{name}.npz") for n, name in enumerate(plain)]


def save(path: str, name: str, image: np.ndarray, latent: np.ndarray, score: float) -> None:
    """Writes the files of a unit, the PNG first: a unit with an .npz file is complete.

    Args:
      path: from `paths`.
      name: the unit's objective, as it is printed.
      image: float32 [H, W, C] in [0, 1].
      latent: float32 [*latent_shape].
      score: of the objective in the last step.

    Raises:
      OSError: if a file cannot be written.
    """
    if image.ndim == 3:
        export.save_png(export.false_colors(image), os.path.splitext(path)[0] + ".png", {"Objective": name})
    with files.atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, image=image, latent=latent, score=np.float32(score), objective=np.array(name))


def image(path: str) -> np.ndarray:
    """The image of a unit's file, float32 [H, W, C]."""
    with np.load(path, allow_pickle=False) as archive:
        return archive["image"]


def score(path: str) -> float | None:
    """The score of a unit's file; None if the file is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            # Reads the whole file, to verify its checksums.
            return float({name: archive[name] for name in archive.files}["score"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        logger.warning("folder: %r cannot be used (%s) and is computed again.", path, error)
        return None
