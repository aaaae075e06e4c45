"""Labelled grids of images. Contrast is not stretched."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from samplevis.export.pixels import enlarge, on_checkerboard, to_uint8
from samplevis.runtime.checks import brief, check_whole

PAPER, INK = 255, 0
# Labels are broken into lines of at most this width in pixels, or the width of an image if it is larger.
MAX_LABEL_WIDTH = 96


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
    """Lays images out on a white background.

    Args:
      images: [N, H, W, C] in [0, 1], filled row by row, or [rows, columns, H, W, C]; C is 1 (grey), 3, or 4
        (colour and opacity; transparent parts show a checkerboard).
      columns: images per row, >= 1, for [N, H, W, C] only. Defaults to the root of N, rounded up.
      row_labels: one per row, at the left. Defaults to none. Long labels, also of images and columns, are broken into lines.
      column_labels: one per column, at the top. Defaults to none.
      gap: pixels between images and around them, >= 0. Defaults to 4.
      scale: whole-number enlargement by repeating pixels, >= 1. Defaults to 1.
      title: first line. Defaults to none.
      labels: one per image, above it. Defaults to none.

    Returns:
      uint8 [height, width, 3]; a pixel is round(255 * value).

    Raises:
      ValueError: for other shapes, channel counts, values that are not finite or outside [0, 1], or a wrong number of labels.

    Example:
      >>> save_png(grid(samples.images, row_labels=["chain 0", "chain 1"]), "samples.png")
    """
    check_whole("gap", gap, 0)
    pixels, rows, columns = _cells(
        on_checkerboard(enlarge(to_uint8(images, channels=(1, 3, 4)), scale)), columns, images
    )
    check_labels("row_labels", row_labels, rows)
    check_labels("column_labels", column_labels, columns)
    check_labels("labels", labels, len(pixels))

    height, width = pixels.shape[1:3]
    line, room = _text_size("Ag")[1], max(width, MAX_LABEL_WIDTH)
    of_columns, of_images = ([_lines(label, room) for label in names or ()] for names in (column_labels, labels))
    of_rows = [_lines_beside(label, room, height // line) for label in row_labels or ()]
    # If images are tiny, a cell is as wide as its label.
    cell = max([width, *map(_width, of_columns + of_images)])
    left = gap + (max(map(_width, of_rows)) + gap if row_labels else 0)
    label_height = line * max(map(len, of_images), default=1) + gap if labels is not None else 0
    heading = (line + gap if title is not None else 0) + (
        line * max(map(len, of_columns), default=1) + gap if column_labels is not None else 0
    )
    top = gap + heading + label_height
    paper_width = left + columns * (cell + gap)
    if title is not None:
        paper_width = max(paper_width, _text_size(title)[0] + 2 * gap)
    pitch = label_height + height + gap
    paper = np.full((top - label_height + rows * pitch, paper_width, 3), PAPER, np.uint8)
    corners = [(top + i // columns * pitch, left + i % columns * (cell + gap)) for i in range(rows * columns)]
    for image, (y, x) in zip(pixels, corners, strict=False):
        paper[y : y + height, x : x + width] = image

    # Corners of the blocks of lines: headings and labels end right above what they name, row labels are centred.
    blocks = [] if title is None else [(gap, gap, [title])]
    blocks += [(corners[i][1], top - label_height - gap - line * len(b), b) for i, b in enumerate(of_columns)]
    blocks += [(x, y - gap - line * len(b), b) for (y, x), b in zip(corners, of_images, strict=False)]
    blocks += [(gap, corners[i * columns][0] + max(height - line * len(b), 0) // 2, b) for i, b in enumerate(of_rows)]
    return _write(paper, [(x, y + n * line, text) for x, y, block in blocks for n, text in enumerate(block)])


def _cells(pixels: np.ndarray, columns: int | None, images: np.ndarray) -> tuple[np.ndarray, int, int]:
    """The images [n, H, W, 3] of a grid, row by row, and its numbers of rows and columns."""
    if pixels.ndim not in (4, 5):
        raise ValueError(f"images: expected [N, H, W, C] or [rows, columns, H, W, C]. Received: {np.shape(images)}")
    if pixels.ndim == 4:
        count = len(pixels)
        columns = int(np.ceil(np.sqrt(count))) if columns is None else columns
        check_whole("columns", columns, 1)
        return pixels, -(-count // columns), columns
    if columns is not None:
        raise ValueError(f"columns: images of shape {np.shape(images)} have their own columns. Received: {columns!r}")
    return pixels.reshape(-1, *pixels.shape[2:]), *pixels.shape[:2]


def check_labels(name: str, labels: Sequence[str] | None, expected: int) -> None:
    """Raises TypeError or ValueError unless labels are None or a list of the expected length."""
    if isinstance(labels, str) or not isinstance(labels, (Sequence, np.ndarray, type(None))):
        raise TypeError(f"{name}: expected a list of {expected} labels. Received: {brief(labels)}")
    if labels is not None and len(labels) != expected:
        raise ValueError(f"{name}: expected {expected} labels. Received {len(labels)}: {list(labels)!r}")


def _lines(label: str, room: int) -> list[str]:
    """A label in lines of at most `room` pixels, broken after words and parts of names; longer parts stay whole."""
    lines = []
    for one in str(label).split("\n"):
        lines.append("")
        for part in re.findall(r".+?(?:[\s_:,/]+|$)", _printable(one)):
            if lines[-1] and _text_size((lines[-1] + part).strip())[0] > room:
                lines.append("")
            lines[-1] += part
    return [text.strip() for text in lines]


def _lines_beside(label: str, room: int, max_lines: int) -> list[str]:
    """A label in at most `max_lines` lines, wider than `room` if necessary: rows must not overlap."""
    if str(label).count("\n") >= max(max_lines, 1):
        label = _printable(label)
    while len(lines := _lines(label, room)) > max(max_lines, 1):
        room *= 2
    return lines


def _width(lines: Sequence[str]) -> int:
    return max(_text_size(text)[0] for text in lines)


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
    """One line, in the characters of the default font."""
    return " ".join(str(text).split()).encode("latin-1", "replace").decode("latin-1")
