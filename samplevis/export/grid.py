"""Labelled grids of images. Contrast is not stretched."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from samplevis.export.bands import false_colors
from samplevis.export.pixels import enlarge, on_checkerboard, to_uint8
from samplevis.runtime.checks import brief, check_whole

PAPER, INK, FRAME = 255, 0, 176
# Values from which a pixel looks like paper.
NEARLY_PAPER = 240
# Pixels of a label's letters: a share of the image's width, within limits.
LETTERS, MIN_LETTERS, MAX_LETTERS = 1 / 9, 13, 16
# Labels are broken into lines of at most this many times the size of their letters, or the width of an image if it is larger.
MAX_LABEL_WIDTH = 9
# Pixels between a label and what is beside it, as a share of the size of its letters.
GUTTER = 0.45


def grid(
    images: np.ndarray,
    columns: int | None = None,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    gap: int = 4,
    scale: int = 1,
    title: str | None = None,
    labels: Sequence[str] | None = None,
    present: np.ndarray | None = None,
) -> np.ndarray:
    """Lays images out on a white background. A white image has a thin grey frame, if there is a gap for it.

    Args:
      images: [N, H, W, C] in [0, 1], filled row by row, or [rows, columns, H, W, C]; C is 1 (grey), 3, or 4
        (colour and opacity; transparent parts show a checkerboard); other numbers are shown in `false_colors`.
      columns: images per row, >= 1, for [N, H, W, C] only. Defaults to the root of N, rounded up.
      row_labels: one per row, at the left. Defaults to none. Long labels, also of images and columns, are broken into lines.
      column_labels: one per column, at the top. Defaults to none.
      gap: pixels between images and around them, >= 0. Defaults to 4.
      scale: whole-number enlargement by repeating pixels, >= 1. Defaults to 1.
      title: first line. Defaults to none.
      labels: one per image, above it. Defaults to none.
      present: whether each image is shown, bool [N] or [rows, columns]; the places of the others stay empty. Defaults to all.

    Returns:
      uint8 [height, width, 3]; a pixel is round(255 * value).

    Raises:
      ValueError: for other shapes, channel counts, values that are not finite or outside [0, 1], or a wrong number of labels.

    Example:
      >>> save_png(grid(samples.images, row_labels=["chain 0", "chain 1"]), "samples.png")
    """
    check_whole("gap", gap, 0)
    pixels, rows, columns = _cells(
        on_checkerboard(enlarge(to_uint8(false_colors(images), channels=(1, 3, 4)), scale)), columns, images
    )
    present = _check_present(present, len(pixels))
    check_labels("row_labels", row_labels, rows)
    check_labels("column_labels", column_labels, columns)
    check_labels("labels", labels, len(pixels))

    height, width = pixels.shape[1:3]
    font = font_for(width)
    line, room, gutter = font.line, max(width, MAX_LABEL_WIDTH * font.size), max(gap, round(GUTTER * font.size))
    of_columns, of_images = ([_lines(label, room, font) for label in names or ()] for names in (column_labels, labels))
    of_rows = [_lines_beside(label, room, height // line, font) for label in row_labels or ()]
    # If images are tiny, a cell is as wide as its label.
    cell = max([width, *map(font.block_width, of_columns + of_images)])
    left = gap + (max(map(font.block_width, of_rows)) + gutter if row_labels else 0)
    label_height = line * max(map(len, of_images), default=1) + gutter if labels is not None else 0
    heading = (line + gutter if title is not None else 0) + (
        line * max(map(len, of_columns), default=1) + gutter if column_labels is not None else 0
    )
    top = gap + heading + label_height
    paper_width = left + columns * (cell + gap)
    if title is not None:
        paper_width = max(paper_width, font.width(title) + 2 * gap)
    pitch = label_height + height + gap
    paper = np.full((top - label_height + rows * pitch, paper_width, 3), PAPER, np.uint8)
    corners = [(top + i // columns * pitch, left + i % columns * (cell + gap)) for i in range(rows * columns)]
    for image, is_shown, (y, x) in zip(pixels, present, corners, strict=False):
        if not is_shown:
            continue
        if gap and _is_white(image):
            # White images on white paper would look as if they were missing.
            paper[y - 1 : y + height + 1, x - 1 : x + width + 1] = FRAME
        paper[y : y + height, x : x + width] = image

    # Corners of the blocks of lines: headings and labels end right above what they name, row labels are centred.
    blocks = [] if title is None else [(gap, gap, [title])]
    blocks += [(corners[i][1], top - label_height - gutter - line * len(b), b) for i, b in enumerate(of_columns)]
    blocks += [(x, y - gutter - line * len(b), b) for (y, x), b in zip(corners, of_images, strict=False)]
    blocks += [(gap, corners[i * columns][0] + max(height - line * len(b), 0) // 2, b) for i, b in enumerate(of_rows)]
    return font.write(paper, [(x, y + n * line, text) for x, y, block in blocks for n, text in enumerate(block)])


def _check_present(present: np.ndarray | None, count: int) -> np.ndarray:
    """Which images are shown, bool [count]; raises ValueError for another number of them."""
    found = np.ones(count, bool) if present is None else np.ravel(present)
    if found.shape != (count,) or found.dtype != bool:
        raise ValueError(f"present: expected True or False for each of {count} images. Received: {brief(present)}")
    return found


def _is_white(image: np.ndarray) -> bool:
    """Whether most of an image's edge cannot be told from the paper."""
    edges = (image[0], image[-1], image[:, 0], image[:, -1])
    return float(np.mean(np.concatenate(edges).min(-1) >= NEARLY_PAPER)) > 0.5


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


def _lines(label: str, room: int, font: Font) -> list[str]:
    """A label in lines of at most `room` pixels, broken after words and parts of names; longer parts stay whole."""
    lines = []
    for one in str(label).split("\n"):
        lines.append("")
        for part in re.findall(r".+?(?:[\s_:,/]+|$)", _printable(one)):
            if lines[-1] and font.width((lines[-1] + part).strip()) > room:
                lines.append("")
            lines[-1] += part
    return [text.strip() for text in lines]


def _lines_beside(label: str, room: int, max_lines: int, font: Font) -> list[str]:
    """A label in at most `max_lines` lines, wider than `room` if necessary: rows must not overlap."""
    if str(label).count("\n") >= max(max_lines, 1):
        label = _printable(label)
    while len(lines := _lines(label, room, font)) > max(max_lines, 1):
        room *= 2
    return lines


class Font:
    """Pillow's own TrueType face in one size.

    Args:
      size: of its letters, in pixels.

    Attributes:
      line: pixels from one line to the next.
    """

    def __init__(self, size: int):
        self.size = size
        self._face = ImageFont.load_default(size)
        # Room for the parts of letters below the line.
        self.line: int = math.ceil(self._face.getbbox("Ag|")[3] + size / 8)

    def width(self, text: str) -> int:
        """Pixels of a line."""
        return math.ceil(self._face.getbbox(_printable(text))[2])

    def block_width(self, lines: Sequence[str]) -> int:
        """Pixels of the longest of some lines."""
        return max(map(self.width, lines))

    def write(self, paper: np.ndarray, texts: Sequence[tuple[int, int, str]]) -> np.ndarray:
        """A copy of the paper with texts at (x, y)."""
        canvas = Image.fromarray(paper)
        pen = ImageDraw.Draw(canvas)
        for x, y, text in texts:
            pen.text((x, y), _printable(text), fill=(INK,) * 3, font=self._face)
        return np.asarray(canvas)


@functools.lru_cache(maxsize=MAX_LETTERS)
def font_for(width: int) -> Font:
    """The font for labels of images of a width in pixels."""
    return Font(min(max(round(LETTERS * width), MIN_LETTERS), MAX_LETTERS))


def _printable(text: str) -> str:
    """One line, in the characters of the default font."""
    return " ".join(str(text).split()).encode("latin-1", "replace").decode("latin-1")
