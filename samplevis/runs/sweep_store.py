"""The files of a sweep: one for each unit, and a picture beside it."""

from __future__ import annotations

import logging
import os
import re
import zipfile
from collections.abc import Sequence

import numpy as np

from samplevis import export
from samplevis.runtime import files

# Letters of an objective's name that go into a file's name.
MAX_LENGTH = 60

logger = logging.getLogger(__name__)


def paths(folder: str | os.PathLike, names: Sequence[str]) -> list[str]:
    """A path for each unit: its number, and what of its name every file system takes.

    Args:
      folder: where the files are.
      names: how the units' objectives are printed.

    Returns:
      Paths that end in .npz.
    """
    digits = len(str(len(names) - 1))
    plain = (re.sub(r"[^A-Za-z0-9+.]+", "-", name).strip("-.")[:MAX_LENGTH] for name in names)
    return [os.path.join(folder, f"{n:0{digits}}-{name}.npz") for n, name in enumerate(plain)]


def save(path: str, name: str, image: np.ndarray, latent: np.ndarray, score: float) -> None:
    """Writes a unit's file; its picture first, so that a unit whose file is there has all its files."""
    if image.ndim == 3 and image.shape[-1] in (1, 3, 4):
        export.save_png(image, os.path.splitext(path)[0] + ".png", {"Objective": name})
    with files.atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, image=image, latent=latent, score=np.float32(score), objective=np.array(name))


def image(path: str) -> np.ndarray:
    """The image of a unit's file, float32 [H, W, C]."""
    with np.load(path, allow_pickle=False) as archive:
        return archive["image"]


def score(path: str) -> float | None:
    """The score of a unit's file; None if there is none that can be used."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            # Reads all of the file: its checksums tell whether it is damaged.
            return float({name: archive[name] for name in archive.files}["score"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        logger.warning("folder: %r cannot be used (%s) and is made again.", path, error)
        return None
