"""Line charts as SVG text for a page, without a library; colours come from the page's style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from samplevis.runtime.plain_text import as_html

# Size of the chart and its margins for labels, in SVG units.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 480, 280, 52, 10, 12, 44
# Right margin if there are marks, for their names.
NAMES = 80
TICKS = 5


class Line(NamedTuple):
    """A line of a chart.

    Attributes:
      x, y: its points [n]; points that are not finite are left out.
      style: classes of the style sheet.
    """

    x: np.ndarray
    y: np.ndarray
    style: str


def line_chart(
    lines: Sequence[Line],
    description: str,
    x_label: str,
    y_label: str,
    marks: Sequence[tuple[float, str]] = (),
    logarithmic: bool = False,
) -> str:
    """Plots lines in one pair of axes.

    Args:
      lines: what to plot, the last on top.
      description: what screen readers read in place of the chart.
      x_label, y_label: names of the axes.
      marks: (y, text) of named horizontal lines. Defaults to none.
      logarithmic: whether both axes are logarithmic. Defaults to False.

    Returns:
      An <svg> element that fills the width of its container.

    Example:
      >>> svg = line_chart([Line(np.arange(3), np.array([0.1, 0.5, 0.7]), "c0")], "Trace", "draw", "level")
    """
    points = [_points(line, logarithmic) for line in lines]
    every = np.concatenate([*points, np.zeros((0, 2))])
    heights = np.append(every[:, 1], [height for height, _ in marks])
    (left, right), (low, high) = _range(every[:, 0]), _range(heights)
    # Padding between lines and frame.
    low, high = low - 0.04 * (high - low), high + 0.06 * (high - low)

    edge = WIDTH - (NAMES if marks else RIGHT)

    def across(x: float) -> float:
        return LEFT + (x - left) / (right - left) * (edge - LEFT)

    def down(y: float) -> float:
        return TOP + (high - y) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = []
    for value, text in _ticks(low, high, logarithmic):
        y = down(value)
        parts += [f'<path class="rule" d="M{LEFT} {y:.1f}H{edge}"/>']
        parts += [f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>']
    for value, text in _ticks(left, right, logarithmic):
        parts += [f'<text x="{across(value):.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{text}</text>']
    for value, text in marks:
        y = down(value)
        parts += [f'<path class="mark" d="M{LEFT} {y:.1f}H{edge}"/>']
        parts += [f'<text class="name" x="{edge + 6}" y="{y + 4:.1f}">{as_html(text)}</text>']
    for line, found in zip(lines, points, strict=True):
        corners = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in found)
        parts += [f'<polyline class="{line.style}" points="{corners}"/>']
    middle = TOP + (HEIGHT - TOP - BOTTOM) / 2
    parts += [
        f'<text x="{(LEFT + edge) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{as_html(x_label)}</text>',
        f'<text transform="translate(13 {middle}) rotate(-90)" text-anchor="middle">{as_html(y_label)}</text>',
    ]
    title = as_html(description)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">{"".join(parts)}</svg>'


def _points(line: Line, logarithmic: bool) -> np.ndarray:
    """The finite points [n, 2], as logarithms if asked for."""
    points = np.stack([line.x, line.y], axis=-1).astype(np.float64)
    if logarithmic:
        points = np.log10(points[(points > 0).all(axis=-1)])
    return points[np.isfinite(points).all(axis=-1)]


def _range(values: np.ndarray) -> tuple[float, float]:
    """Lowest and highest value; they always differ."""
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _ticks(low: float, high: float, logarithmic: bool) -> list[tuple[float, str]]:
    """Round values in a range and their labels; of logarithms, powers of ten or, in a narrow range, 1, 2 and 5 times them."""
    if logarithmic:
        factors = (1, 2, 5) if high - low < 2 else (1,)
        values = [factor * 10.0**power for power in range(int(np.floor(low)), int(high) + 2) for factor in factors]
        every = 1 + len([v for v in values if low <= np.log10(v) <= high]) // (TICKS + 2)
        return [(np.log10(value), f"{value:g}") for value in values if low <= np.log10(value) <= high][::every]
    rough = (high - low) / TICKS
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [(i * step, f"{i * step:.6g}") for i in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]
