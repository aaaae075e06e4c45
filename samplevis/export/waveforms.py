"""Signals and volumes as pictures: waveforms and slices."""

from __future__ import annotations

import colorsys

import numpy as np

from samplevis.export.pixels import check_finite
from samplevis.runtime.checks import check_array, check_whole

# Size of the picture of a signal, in pixels.
WIDTH, HEIGHT = 160, 64
# Points of a line per column of pixels.
POINTS = 8
# Greys of the background, and of the line at 1/2, which is silence to most networks of sound.
PAPER, MIDDLE = 0.95, 0.8
# Slices of a volume that a picture shows by default.
DEFAULT_SLICES = 16


def waveforms(signals: np.ndarray, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Plots signals over time: 0 at the bottom, 1 at the top, a grey line at 1/2, one colour per channel.

    As in sound editors, a column of pixels is filled from the lowest to the highest value of its time.

    Args:
      signals: [..., length, channels] in [0, 1].
      width: pixels, >= 1. Defaults to 160.
      height: pixels, >= 2. Defaults to 64.

    Returns:
      float32 [..., height, width, 3] in [0, 1]. A single channel is black.

    Raises:
      ValueError: for other shapes, or values that are not finite or outside [0, 1].

    Example:
      >>> export.save_png(export.grid(export.waveforms(samples.images)), "chirps.png")
    """
    check_whole("width", width, 1)
    check_whole("height", height, 2)
    signals = _checked(signals, 2, "[..., length, channels]")
    *batch, length, channels = signals.shape
    # As many points between two values as it takes to meet every value.
    steps = -(-POINTS * width // length)
    points = np.arange((length - 1) * steps + 1) / steps
    lower = points.astype(int)
    upper, part = np.minimum(lower + 1, length - 1), (points - lower)[:, None]
    line = signals[..., lower, :] * (1 - part) + signals[..., upper, :] * part
    first = np.arange(width) * len(points) // width
    # A column reaches to the start of the next one.
    following = np.concatenate([line[..., first[1:], :], line[..., -1:, :]], -2)
    lowest = np.minimum(np.minimum.reduceat(line, first, -2), following)
    highest = np.maximum(np.maximum.reduceat(line, first, -2), following)
    top, bottom = (np.round((1 - values) * (height - 1)) for values in (highest, lowest))
    rows = np.arange(height)[:, None]
    picture = np.full((*batch, height, width, 3), PAPER, np.float32)
    picture[..., int(np.round((height - 1) / 2)), :, :] = MIDDLE
    for channel in range(channels):
        inside = (rows >= top[..., None, :, channel]) & (rows <= bottom[..., None, :, channel])
        picture[inside] = (0, 0, 0) if channels == 1 else colorsys.hsv_to_rgb(channel / channels, 1, 0.75)
    return picture


def slices(volumes: np.ndarray, most: int = DEFAULT_SLICES) -> np.ndarray:
    """Lays the slices of volumes out row by row, from the first depth to the last, with white lines between them.

    Args:
      volumes: [..., depth, height, width, channels] in [0, 1].
      most: largest number of slices per volume, >= 1; evenly spaced ones if there are more. Defaults to 16.

    Returns:
      float32 [..., height', width', channels].

    Raises:
      ValueError: for other shapes, or values that are not finite or outside [0, 1].

    Example:
      >>> export.save_png(export.grid(export.slices(samples.images)), "volumes.png")
    """
    check_whole("most", most, 1)
    volumes = _checked(volumes, 4, "[..., depth, height, width, channels]")
    *batch, depth, height, width, channels = volumes.shape
    shown = volumes[..., np.linspace(0, depth - 1, min(depth, most)).round().astype(int), :, :, :]
    count = shown.shape[-4]
    columns = int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    paper = np.ones((*batch, rows * (height + 1) - 1, columns * (width + 1) - 1, channels), np.float32)
    for number in range(count):
        y, x = number // columns * (height + 1), number % columns * (width + 1)
        paper[..., y : y + height, x : x + width, :] = shown[..., number, :, :, :]
    return paper


def as_pictures(images: np.ndarray, dimensions: int) -> np.ndarray:
    """Makes pictures of signals (`waveforms`) and volumes (`slices`); pictures are returned unchanged.

    Args:
      images: [..., length, channels], [..., height, width, channels] or [..., depth, height, width, channels] in [0, 1].
      dimensions: 1 for signals, 2 for pictures, 3 for volumes.

    Returns:
      [..., height, width, channels].

    Raises:
      ValueError: for another number of dimensions, and as in `waveforms` and `slices`.

    Example:
      >>> export.show(export.as_pictures(samples[:], samples.dimensions))
    """
    check_whole("dimensions", dimensions, 1, 3)
    return {1: waveforms, 2: np.asarray, 3: slices}[dimensions](images)


def _checked(images: np.ndarray, rank: int, shape: str) -> np.ndarray:
    images = check_array("images", images, None)
    if images.ndim < rank or not images.size:
        raise ValueError(f"images: expected shape {shape}. Received: {images.shape}")
    check_finite(images)
    if images.min() < 0 or images.max() > 1:
        raise ValueError(f"images: expected values in [0, 1]. Received: {images.min():g} to {images.max():g}")
    return images.astype(np.float32)
