"""From values to pixels: rounded, and never stretched by default."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps

from samplevis.runtime.checks import check_array, check_whole

UNIT = (0.0, 1.0)
# Largest image after enlarging; viewers open no larger ones.
MAX_BYTES = 2**31
# Percentiles of a picture that become black and white if its contrast is stretched.
PERCENTILES = (0.5, 99.5)
# Smaller pictures are enlarged until their longer side has as many pixels.
MIN_TILE = 96
# Light and dark squares behind transparent parts, and their side in pixels.
LIGHT, DARK, SQUARE = 255, 204, 8


def to_uint8(images: np.ndarray, channels: tuple[int, ...] = (1, 3), domain: tuple[float, float] = UNIT) -> np.ndarray:
    """Converts values to colour pixels: round(255 * (value - low) / (high - low)).

    Args:
      images: [..., H, W, C] in the domain, or uint8, which is returned unchanged but for its channels.
      channels: the counts of channels allowed: 1 (grey), 3 (colour), 4 (colour and opacity). Defaults to (1, 3).
      domain: the values (low, high) that become black and white. Defaults to (0, 1).

    Returns:
      uint8 [..., H, W, 3], or [..., H, W, 4] for 4 channels.

    Raises:
      ValueError: for other channel counts, no pixels, or values that are not finite or outside the domain.

    Example:
      >>> to_uint8(np.full((1, 1, 1), 0.5))
      array([[[128, 128, 128]]], dtype=uint8)
    """
    images = check_array("images", images, None)
    if images.ndim < 3 or images.shape[-1] not in channels:
        counts = " or ".join(map(str, channels))
        raise ValueError(
            f"images: expected [..., height, width, channels] with {counts} channels. Received shape: {images.shape}"
        )
    if not images.size:
        raise ValueError(f"images: expected at least one image. Received shape: {images.shape}")
    if images.dtype != np.uint8:
        images = _scaled(images, *_checked_domain(domain))
    return np.broadcast_to(images, (*images.shape[:-1], max(images.shape[-1], 3)))


def check_finite(images: np.ndarray) -> None:
    """Raises a ValueError that counts the values that are not finite, unless there are none."""
    bad = ~np.isfinite(images)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"images: {bad.sum()} of {images.size} values are not finite, the first ({images[first]}) at {list(first)}"
        )


def enlarge(images: np.ndarray, scale: int) -> np.ndarray:
    """Repeats every pixel of [..., H, W, C] `scale` times in both directions."""
    check_whole("scale", scale, 1, max(int((MAX_BYTES / images.size) ** 0.5), 1))
    return images.repeat(scale, axis=-3).repeat(scale, axis=-2)


def tile_scale(image_shape: Sequence[int]) -> int:
    """The enlargement of small pictures that are laid out beside each other.

    Args:
      image_shape: (height, width, channels).

    Returns:
      The smallest whole number that makes the longer side at least 96 pixels; 1 for larger pictures.

    Example:
      >>> [tile_scale((side, side, 3)) for side in (8, 28, 32, 64, 128)]
      [12, 4, 3, 2, 1]
    """
    return -(-MIN_TILE // min(max(image_shape[:2]), MIN_TILE))


def stretch_contrast(images: np.ndarray, dimensions: int = 2) -> np.ndarray:
    """Stretches the contrast of each picture: its 0.5 percentile becomes black, its 99.5 percentile white.

    The percentiles are those of all pixels and colours of a picture together, so that hues hardly change. A picture of one
    value is returned unchanged, and so is opacity.

    Args:
      images: [..., H, W, C] or, of volumes, [..., depth, H, W, C], in [0, 1]; of 4 channels, the last is opacity.
      dimensions: 2 for pictures, 3 for volumes. Defaults to 2.

    Returns:
      float32 of the same shape, in [0, 1].

    Raises:
      ValueError: for other shapes, no pixels, or values that are not finite or outside [0, 1].

    Example:
      >>> export.show(export.stretch_contrast(samples.chain_means))
    """
    images = check_array("images", images, None)
    check_whole("dimensions", dimensions, 2, 3)
    if images.ndim <= dimensions or not images.size:
        sides = "height, width" if dimensions == 2 else "depth, height, width"
        raise ValueError(f"images: expected shape [..., {sides}, channels]. Received: {images.shape}")
    check_finite(images)
    if images.min() < 0 or images.max() > 1:
        raise ValueError(f"images: expected values in [0, 1]. Received: {images.min():g} to {images.max():g}")
    images = images.astype(np.float32)
    colors, opacity = (images[..., :3], images[..., 3:]) if images.shape[-1] == 4 else (images, images[..., :0])
    low, high = np.percentile(colors, PERCENTILES, axis=tuple(range(-dimensions - 1, 0)), keepdims=True)
    flat = high <= low
    stretched = (colors - low) / np.where(flat, 1, high - low)
    stretched = np.where(flat, colors, np.clip(stretched, 0, 1)).astype(np.float32)
    return np.concatenate([stretched, opacity], axis=-1)


def cropped(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Crops a picture about its centre to the aspect ratio of (height, width), and resizes it to that size (Lanczos)."""
    return ImageOps.fit(picture, size[::-1], Image.Resampling.LANCZOS)


def on_checkerboard(pixels: np.ndarray) -> np.ndarray:
    """Lays uint8 [..., H, W, 4] over a grey and white checkerboard; uint8 [..., H, W, 3]. Three channels are returned unchanged."""
    if pixels.shape[-1] == 3:
        return pixels
    rows, columns = np.indices(pixels.shape[-3:-1]) // SQUARE
    board = np.where((rows + columns) % 2, DARK, LIGHT)[..., None]
    opacity = pixels[..., 3:] / 255.0
    return np.round(opacity * pixels[..., :3] + (1 - opacity) * board).astype(np.uint8)


def collapse_channels(activations: np.ndarray) -> np.ndarray:
    """Turns any number of channels into colours: one hue per channel, bright where the channel is strong.

    The hues are spread evenly over the colour circle; negative values get the opposite hues. The colours of the channels are
    added and divided by the largest sum over all images, so that the images of one call are comparable.

    Args:
      activations: [..., C], finite.

    Returns:
      float32 [..., 3] in [0, 1]; black where all channels are zero. Source: the idea of lucid/misc/io/collapse_channels.py.

    Raises:
      ValueError: if there are no values or values that are not finite.

    Example:
      >>> export.show(export.collapse_channels(network.activations(images, ["conv3"])["conv3"]))
    """
    activations = check_array("activations", activations, None)
    if activations.ndim < 1 or not activations.size:
        raise ValueError(f"activations: expected shape [..., channels]. Received: {activations.shape}")
    check_finite(activations)
    if activations.min() < 0:
        # The second half of the hues is opposite to the first.
        activations = np.concatenate([np.maximum(activations, 0), np.maximum(-activations, 0)], axis=-1)
    count = activations.shape[-1]
    colors = np.array([colorsys.hsv_to_rgb(channel / count, 1, 1) for channel in range(count)])
    added = activations @ colors
    return (added / max(added.max(), np.finfo(np.float32).tiny)).astype(np.float32)


def _scaled(images: np.ndarray, low: float, high: float) -> np.ndarray:
    lowest, highest = images.min(), images.max()
    if not np.isfinite([lowest, highest]).all():
        check_finite(images)
    if lowest < low or highest > high:
        raise ValueError(
            f"images: expected finite values in [{low:g}, {high:g}]. Received values from {lowest:g} to {highest:g}"
        )
    # One at a time: they may be a memory map of a file that is larger than memory.
    pixels = np.empty(images.shape, np.uint8)
    for place in np.ndindex(images.shape[:-3]):
        pixels[place] = np.round(255.0 * ((images[place] - low) / (high - low)))
    return pixels


def _checked_domain(domain: tuple[float, float]) -> tuple[float, float]:
    try:
        low, high = map(float, domain)
        right = math.isfinite(high - low) and low < high
    except (TypeError, ValueError):
        right = False
    if not right:
        raise ValueError(f"domain: expected two numbers (low, high) with low < high. Received: {domain!r}")
    return low, high
