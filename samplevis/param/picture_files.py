"""Picture files: found in folders, and read upright, for every part of the package that reads pictures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps

# What a folder is searched for.
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def picture_files(folder: str | os.PathLike) -> list[Path]:
    """The picture files of a folder and its subfolders, in the order of their paths.

    Args:
      folder: where to search.

    Returns:
      Paths whose suffix is one of `SUFFIXES`.

    Raises:
      NotADirectoryError: if it is no folder.

    Example:
      >>> [path.name for path in picture_files("photos")]
      ['cat.jpg', 'dog.png']
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f"images: expected a folder. Received: {str(folder)!r}")
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def open_upright(file: str | os.PathLike | IO[bytes]) -> Image.Image:
    """Reads a picture and turns it upright: cameras store the orientation beside the pixels (EXIF).

    Args:
      file: a path, or an open binary file.

    Returns:
      A Pillow image that is in memory. Grey pictures of 16 bits, which Pillow would cut off at 255, are rounded to 8 bits.

    Raises:
      OSError: if the file cannot be read, or is no picture.

    Example:
      >>> photograph = np.asarray(open_upright("cat.jpg").convert("RGB"), np.float32) / 255
    """
    with Image.open(file) as picture:
        return ImageOps.exif_transpose(_eight_bits(picture))


def _eight_bits(picture: Image.Image) -> Image.Image:
    if not picture.mode.startswith("I;16"):
        return picture
    rounded = Image.fromarray(np.round(np.asarray(picture, np.float64) / 257).astype(np.uint8))
    rounded.info = dict(picture.info)
    return rounded
