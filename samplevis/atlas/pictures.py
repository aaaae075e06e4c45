"""Pictures as bytes of WebP files, and many of them as one sheet."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from samplevis.export.bands import false_colors
from samplevis.export.pixels import to_uint8

# Longest side of a WebP file.
MAX_SIDE = 16383


def to_webp(image: np.ndarray, quality: int) -> bytes:
    """An image as the bytes of a WebP file; values that are not finite are black.

    Args:
      image: [H, W, C] in [0, 1], or uint8; other than 1, 3 or 4 channels are shown in `export.false_colors`.
      quality: from 1 to 100.

    Returns:
      The file's bytes.
    """
    stream = io.BytesIO()
    Image.fromarray(to_pixels(image)).save(stream, "webp", quality=quality, method=4)
    return stream.getvalue()


def to_pixels(image: np.ndarray) -> np.ndarray:
    """An image as uint8 [H, W, 3]."""
    if image.dtype != np.uint8:
        image = np.clip(np.nan_to_num(image), 0, 1)
    return to_uint8(false_colors(image)[..., :3])


def from_webp(data: bytes) -> np.ndarray:
    """The pixels of a file, uint8 [H, W, 3]."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def sheet(pictures: Sequence[bytes | None], tile: int, columns: int) -> Image.Image:
    """Pictures side by side, row by row, each scaled to a square tile; None leaves its tile grey."""
    rows = -(-len(pictures) // columns)
    canvas = Image.new("RGB", (columns * tile, max(rows, 1) * tile), (128, 128, 128))
    for n, data in enumerate(pictures):
        if data is None:
            continue
        with Image.open(io.BytesIO(data)) as image:
            square = image.convert("RGB")
        if square.size != (tile, tile):
            square = square.resize((tile, tile), Image.Resampling.LANCZOS)
        canvas.paste(square, (n % columns * tile, n // columns * tile))
    return canvas
