"""Animations: a chain as a film."""

from __future__ import annotations

import os

import imageio.v3 as imageio
import numpy as np

from samplevis import files
from samplevis.export.grid import enlarge, to_uint8

#: GIF counts in hundredths of a second, and viewers slow down frames shorter than two.
FASTEST = 50.0
GAP = 2


def save_gif(frames: np.ndarray, path: str | os.PathLike, fps: float = 5, scale: int = 1) -> None:
    """Writes an animation that loops for ever, whole or not at all.

    GIF has 256 colours a frame, and a frame equal to the one before it is stored as a longer duration.

    Args:
      frames: [N, H, W, C] in [0, 1]; C is 1 (grey) or 3.
      path: file to write.
      fps: frames in a second, in (0, 50]. Defaults to 5.
      scale: whole-number enlargement by repeating pixels, >= 1. Defaults to 1.

    Raises:
      ValueError: for other shapes, channel counts, values that are not finite or outside [0, 1], or a bad `fps` or `scale`.
      OSError: if the file cannot be written.

    Example:
      >>> save_gif(chain_frames(samples.images), "chains.gif")
    """
    if isinstance(fps, bool) or not isinstance(fps, (int, float, np.number)) or not 0 < fps <= FASTEST:
        raise ValueError(f"fps: expected frames in a second, in (0, {FASTEST:g}]. Received: {fps!r}")
    pixels = enlarge(to_uint8(frames), scale)
    if pixels.ndim != 4:
        raise ValueError(f"frames: expected shape [N, H, W, C]. Received: {np.shape(frames)}")
    with files.atomic_path(path) as temporary:
        imageio.imwrite(temporary, pixels, plugin="pillow", extension=".gif", duration=1000 / fps, loop=0)


def chain_frames(images: np.ndarray) -> np.ndarray:
    """All chains side by side, a frame for each draw.

    Args:
      images: [chain, draw, H, W, C] in [0, 1].

    Returns:
      [draw, H, chain * W + 2 * (chain - 1), C], with white lines of 2 pixels between the chains.
    """
    images = _checked(images)
    padded = np.pad(images, ((0, 0), (0, 0), (0, 0), (0, GAP), (0, 0)), constant_values=1)
    return np.concatenate(padded, axis=2)[:, :, :-GAP]


def sweep_frames(images: np.ndarray) -> np.ndarray:
    """One chain after the other, a frame for each draw.

    Args:
      images: [chain, draw, H, W, C].

    Returns:
      [chain * draw, H, W, C].
    """
    images = _checked(images)
    return images.reshape(-1, *images.shape[2:])


def _checked(images: np.ndarray) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim != 5 or not images.size:
        raise ValueError(f"images: expected shape [chain, draw, H, W, C]. Received: {images.shape}")
    return images
