"""Labelled grids of images, shown as they are: no contrast is stretched."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from samplevis import files

PAPER, INK = 255, 0


def grid(
    images: np.ndarray,
    columns: int | None = None,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    gap: int = 4,
    scale: int = 1,
    title: str | None = None,
    labels: Sequence[str] | None = None,
) -> np.ndarray:
    """Lays images out on white paper.

    Args:
      images: [N, H, W, C] in [0, 1], filled row by row, or [rows, columns, H, W, C]; C is 1 (grey) or 3.
      columns: images in a row, >= 1, for [N, H, W, C] only. Defaults to the root of N, rounded up.
      row_labels: one for each row, at the left.
      column_labels: one for each column, at the top.
      gap: pixels between images and around them, >= 0. Defaults to 4.
      scale: whole-number enlargement by repeating pixels, >= 1. Defaults to 1.
      title: first line.
      labels: one for each image, above it, row by row.

    Returns:
      uint8 [height, width, 3]; a pixel is round(255 * value).

    Raises:
      ValueError: for other shapes, channel counts, values that are not finite or outside [0, 1], or a wrong number of labels.

    Example:
      >>> grid(samples.images, row_labels=["chain 0", "chain 1"]).shape
    """
    check_whole("gap", gap, 0)
    pixels = enlarge(to_uint8(images), scale)
    if pixels.ndim not in (4, 5):
        raise ValueError(f"images: expected [N, H, W, C] or [rows, columns, H, W, C]. Received: {np.shape(images)}")
    if pixels.ndim == 4:
        count = len(pixels)
        columns = int(np.ceil(np.sqrt(count))) if columns is None else columns
        check_whole("columns", columns, 1)
        rows = -(-count // columns)
    else:
        if columns is not None:
            raise ValueError(
                f"columns: images of shape {np.shape(images)} have their own columns. Received: {columns!r}"
            )
        rows, columns = pixels.shape[:2]
        pixels = pixels.reshape(-1, *pixels.shape[2:])
    for name, given, expected in (
        ("row_labels", row_labels, rows),
        ("column_labels", column_labels, columns),
        ("labels", labels, len(pixels)),
    ):
        if given is not None and len(given) != expected:
            raise ValueError(f"{name}: expected {expected} labels. Received {len(given)}: {list(given)!r}")

    height, width = pixels.shape[1:3]
    line = _text_size("Ag")[1]
    # A cell is as wide as its label if the image is tiny.
    cell = max([width, *(_text_size(label)[0] for label in (*(column_labels or ()), *(labels or ())))])
    left = gap + (max(_text_size(label)[0] for label in row_labels) + gap if row_labels else 0)
    top = gap + (line + gap) * ((title is not None) + (column_labels is not None))
    paper_width = left + columns * (cell + gap)
    if title is not None:
        paper_width = max(paper_width, _text_size(title)[0] + 2 * gap)
    above = 0 if labels is None else line + gap
    step = above + height + gap
    paper = np.full((top + rows * step, paper_width, 3), PAPER, np.uint8)
    corners = [(top + above + i // columns * step, left + i % columns * (cell + gap)) for i in range(rows * columns)]
    for image, (y, x) in zip(pixels, corners, strict=False):
        paper[y : y + height, x : x + width] = image

    texts = [] if title is None else [(gap, gap, title)]
    texts += [(corners[i][1], top - gap - line, label) for i, label in enumerate(column_labels or ())]
    texts += [(corners[i][1], corners[i][0] - above, label) for i, label in enumerate(labels or ())]
    texts += [
        (gap, corners[i * columns][0] + max(height - line, 0) // 2, label) for i, label in enumerate(row_labels or ())
    ]
    return _write(paper, texts)


def save_png(image: np.ndarray, path: str | os.PathLike) -> None:
    """Writes one image, whole or not at all.

    Args:
      image: [H, W, C] in [0, 1], or uint8; C is 1 or 3.
      path: file to write; the format is PNG whatever its suffix.

    Raises:
      ValueError: as in `grid`.
      OSError: if the file cannot be written.
    """
    pixels = to_uint8(image)
    if pixels.ndim != 3:
        raise ValueError(f"image: expected shape [H, W, C]. Received: {np.shape(image)}")
    with files.atomic_path(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")


def to_uint8(images: np.ndarray) -> np.ndarray:
    """round(255 * value), in colour.

    Args:
      images: [..., H, W, C] in [0, 1], or uint8, which passes; C is 1 or 3.

    Returns:
      uint8 [..., H, W, 3].

    Raises:
      ValueError: for other channel counts, no pixels, or values that are not finite or outside [0, 1].
    """
    images = np.asarray(images)
    if images.ndim < 3 or images.shape[-1] not in (1, 3):
        raise ValueError(f"images: expected [..., height, width, 1 or 3 channels]. Received shape: {images.shape}")
    if not images.size:
        raise ValueError(f"images: expected at least one image. Received shape: {images.shape}")
    if images.dtype != np.uint8:
        lowest, highest = images.min(), images.max()
        # Written so that nan fails.
        if not (lowest >= 0 and highest <= 1):
            raise ValueError(
                f"images: expected finite values in [0, 1]. Received values from {lowest:g} to {highest:g}"
            )
        images = np.round(255.0 * images).astype(np.uint8)
    return np.broadcast_to(images, (*images.shape[:-1], 3))


def enlarge(images: np.ndarray, scale: int) -> np.ndarray:
    """Repeats every pixel of [..., H, W, C] `scale` times in both directions."""
    check_whole("scale", scale, 1)
    return images.repeat(scale, axis=-3).repeat(scale, axis=-2)


def check_whole(name: str, value: int, lowest: int) -> None:
    """Raises a ValueError unless `value` is a whole number of at least `lowest`."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < lowest:
        raise ValueError(f"{name}: expected a whole number >= {lowest}. Received: {value!r}")


def _write(paper: np.ndarray, texts: list[tuple[int, int, str]]) -> np.ndarray:
    canvas = Image.fromarray(paper)
    pen = ImageDraw.Draw(canvas)
    for x, y, text in texts:
        pen.text((x, y), _printable(text), fill=(INK,) * 3, font=ImageFont.load_default())
    return np.asarray(canvas)


def _text_size(text: str) -> tuple[int, int]:
    """Width and height in pixels, from the pen's position."""
    _, _, right, bottom = ImageFont.load_default().getbbox(_printable(text))
    return int(np.ceil(right)), int(np.ceil(bottom))


def _printable(text: str) -> str:
    """One line in the characters that the default font has."""
    return " ".join(str(text).split()).encode("latin-1", "replace").decode("latin-1")
