"""Sprite maps: many small images in one texture, with a JSON file of their positions."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

import numpy as np
from PIL import Image

from samplevis.export.pixels import to_uint8
from samplevis.runtime import files
from samplevis.runtime.checks import check_whole

# Lossless formats: neighbours must not bleed into each other.
FORMATS = {".png": {"format": "PNG"}, ".webp": {"format": "WEBP", "lossless": True, "exact": True}}


def save_sprites(
    images: np.ndarray, path: str | os.PathLike, names: Sequence[str] | None = None, columns: int | None = None
) -> None:
    """Writes all images into one texture, without gaps, and their positions into a JSON file beside it.

    The JSON file has the texture's name with the suffix .json, and reads
    {"image": "units.png", "width": 96, "height": 64, "sprites": [{"name": "0", "x": 0, "y": 0, "width": 32, "height": 32}, ...]},
    in pixels from the top left.

    Args:
      images: [N, H, W, C] in [0, 1], or uint8; C is 1 (grey), 3, or 4 (colour and opacity). Filled row by row.
      path: texture to write, .png or .webp.
      names: one per image, all different. Defaults to "0", "1" and so on.
      columns: images per row, >= 1. Defaults to the root of N, rounded up.

    Raises:
      ValueError: for other suffixes, shapes or channel counts, values that are not finite or outside [0, 1], or names that are
        too few, too many or repeated.
      OSError: if a file cannot be written.

    Example:
      >>> save_sprites(result.images, "units.png", names=[f"fire9:{i}" for i in range(64)])
    """
    suffix = files.check_suffix(path, FORMATS)
    pixels = to_uint8(images, (1, 3, 4))
    if pixels.ndim != 4:
        raise ValueError(f"images: expected shape [N, H, W, C]. Received: {np.shape(images)}")
    count, height, width, channels = pixels.shape
    columns = int(np.ceil(np.sqrt(count))) if columns is None else columns
    check_whole("columns", columns, 1)
    names = [str(i) for i in range(count)] if names is None else [str(name) for name in names]
    if len(names) != count or len(set(names)) != count:
        raise ValueError(f"names: expected {count} different names. Received {len(names)}: {names!r}")

    rows = -(-count // columns)
    # The rest of the last row is transparent, or black.
    cells = np.zeros((rows * columns, height, width, channels), np.uint8)
    cells[:count] = pixels
    texture = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    texture = texture.reshape(rows * height, columns * width, channels)
    sprites = [
        {"name": name, "x": i % columns * width, "y": i // columns * height, "width": width, "height": height}
        for i, name in enumerate(names)
    ]
    base, name = os.path.splitext(os.fspath(path))[0], os.path.basename(os.fspath(path))
    described = {"image": name, "width": columns * width, "height": rows * height, "sprites": sprites}
    # Both are on the disk before either takes its name.
    with files.atomic_path(f"{base}.json") as listing, files.atomic_path(path) as picture:
        with open(listing, "w", encoding="utf-8") as file:
            json.dump(described, file, indent=1)
        Image.fromarray(texture).save(picture, **FORMATS[suffix])
