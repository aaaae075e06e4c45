"""Animations, such as the draws of a chain one after the other, in the format of the file's suffix."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import imageio.v3 as imageio
import numpy as np
from PIL import Image

from samplevis.export.image import text_chunks
from samplevis.export.pixels import enlarge, to_uint8
from samplevis.runtime import files
from samplevis.runtime.checks import check_whole

MIN_FPS = 0.1
# Pixels between chains.
GAP = 2
# Chains that fit in one row.
MAX_ROW = 4


def save_animation(
    frames: np.ndarray,
    path: str | os.PathLike,
    fps: float = 5,
    scale: int = 1,
    metadata: Mapping[str, object] | None = None,
) -> None:
    """Writes an animation in the format of the path's suffix atomically.

    | suffix | pixels | loops | needs |
    |---|---|---|---|
    | .gif | 256 colours per frame | forever | |
    | .png, .apng | lossless, with opacity | forever | |
    | .webp | lossless, with opacity | forever | |
    | .mp4 | H.264: lossy, colours at half resolution | no | `pip install samplevis[video]` |

    A frame that equals the previous one is stored as a longer duration, except in .mp4. Pixels that are fully transparent lose
    their colour in .webp.

    Args:
      frames: [N, H, W, C] in [0, 1], or uint8; C is 1 (grey), 3, or 4 (colour and opacity; .png, .apng and .webp only).
      path: file to write.
      fps: frames per second, from 0.1 to 50 (.gif) or 1000. Defaults to 5.
      scale: whole-number enlargement by repeating pixels, >= 1. Defaults to 1.
      metadata: as in `save_image`, for .png and .apng only.

    Raises:
      ValueError: for other suffixes, shapes or channel counts, values that are not finite or outside [0, 1], or a bad `fps`,
        `scale` or `metadata`.
      ImportError: for .mp4 without imageio-ffmpeg.
      OSError: if the file cannot be written.

    Example:
      >>> save_animation(chain_frames(samples.images), "chains.webp", fps=10)
    """
    kind = FORMATS[files.check_suffix(path, FORMATS)]
    if metadata and kind is not PNG:
        raise ValueError(
            f"metadata: expected a path that ends in .png or .apng to write it to. Received: {os.fspath(path)!r}"
        )
    _save(frames, path, kind, fps, scale, **({"pnginfo": text_chunks(metadata)} if metadata else {}))


def save_gif(frames: np.ndarray, path: str | os.PathLike, fps: float = 5, scale: int = 1) -> None:
    """Writes a GIF that loops forever.

    Args:
      frames: [N, H, W, C] in [0, 1], or uint8; C is 1 (grey) or 3.
      path: file to write, .gif.
      fps: frames per second, from 0.1 to 50. Defaults to 5.
      scale: as in `save_animation`. Defaults to 1.

    Raises:
      ValueError, OSError: as in `save_animation`.

    Example:
      >>> save_gif(chain_frames(samples.images), "chains.gif")
    """
    files.check_suffix(path, (".gif",))
    _save(frames, path, GIF, fps, scale)


def chain_frames(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Lays all chains side by side, one frame per draw.

    Args:
      images: [chain, draw, H, W, C] in [0, 1], or uint8.
      columns: chains per row, >= 1. Defaults to all, in one row; `chain_columns` says how many make a sheet.

    Returns:
      [draw, rows * H + 2 * (rows - 1), columns * W + 2 * (columns - 1), C], with white lines of 2 pixels between the chains.
      The rest of the last row is white.

    Raises:
      ValueError: for another shape, or if `columns` is out of range.

    Example:
      >>> save_animation(chain_frames(samples.images, columns=4), "chains.webp")
    """
    images = _checked(images)
    chains, draws, height, width, channels = images.shape
    columns = chains if columns is None else columns
    check_whole("columns", columns, 1)
    columns = min(columns, chains)
    rows = -(-chains // columns)
    white = 255 if images.dtype == np.uint8 else 1
    cells = np.full((rows * columns, draws, height + GAP, width + GAP, channels), white, images.dtype)
    cells[:chains, :, :height, :width] = images
    cells = cells.reshape(rows, columns, *cells.shape[1:]).transpose(2, 0, 3, 1, 4, 5)
    return cells.reshape(draws, rows * (height + GAP), columns * (width + GAP), channels)[:, :-GAP, :-GAP]


def chain_columns(chains: int) -> int:
    """How many chains are shown in a row: up to 4 in one row, more in even rows of a sheet that is wider than high.

    Args:
      chains: number of chains, >= 1.

    Returns:
      Chains per row.

    Example:
      >>> [chain_columns(chains) for chains in (4, 6, 12, 100)]
      [4, 3, 4, 12]
    """
    if chains <= MAX_ROW:
        return chains
    rows = -(-chains // math.ceil(math.sqrt(4 / 3 * chains)))
    return -(-chains // rows)


def sweep_frames(images: np.ndarray) -> np.ndarray:
    """Puts one chain after the other, one frame per draw.

    Args:
      images: [chain, draw, H, W, C].

    Returns:
      [chain * draw, H, W, C].

    Raises:
      ValueError: for another shape.

    Example:
      >>> save_animation(sweep_frames(samples.images), "sweep.webp")
    """
    images = _checked(images)
    return images.reshape(-1, *images.shape[2:])


def _save(frames: np.ndarray, path: str | os.PathLike, kind: Format, fps: float, scale: int, **options: Any) -> None:
    if isinstance(fps, bool) or not isinstance(fps, (int, float, np.number)) or not MIN_FPS <= fps <= kind.max_fps:
        raise ValueError(f"fps: expected frames per second, from {MIN_FPS:g} to {kind.max_fps:g}. Received: {fps!r}")
    if kind is MP4:
        _require_ffmpeg()
    pixels = enlarge(to_uint8(frames, kind.channels), scale)
    if pixels.ndim != 4:
        raise ValueError(f"frames: expected shape [N, H, W, C]. Received: {np.shape(frames)}")
    with files.atomic_path(path) as temporary:
        kind.write(pixels, temporary, float(fps), **options)


def _gif(pixels: np.ndarray, path: str, fps: float) -> None:
    try:
        _pillow(pixels, path, fps, format="GIF")
    except OverflowError as error:
        raise ValueError(
            f"fps: a frame of a GIF lasts 655 seconds at most, this one lasts longer. Received: {fps:g}"
        ) from error


def _png(pixels: np.ndarray, path: str, fps: float, **options: Any) -> None:
    _pillow(pixels, path, fps, format="PNG", **options)


def _webp(pixels: np.ndarray, path: str, fps: float) -> None:
    _pillow(pixels, path, fps, format="WEBP", lossless=True, exact=True)


def _pillow(pixels: np.ndarray, path: str, fps: float, **options: Any) -> None:
    first, *others = map(Image.fromarray, pixels)
    # A loop of 0 is forever.
    first.save(path, save_all=True, append_images=others, duration=round(1000 / fps), loop=0, **options)


def _mp4(pixels: np.ndarray, path: str, fps: float) -> None:
    # H.264 halves the resolution of colours, so its sides must be even: an odd last row or column is repeated.
    even = np.pad(pixels, ((0, 0), (0, pixels.shape[1] % 2), (0, pixels.shape[2] % 2), (0, 0)), "edge")
    imageio.imwrite(
        path, even, plugin="FFMPEG", fps=fps, codec="libx264", quality=9, macro_block_size=2, ffmpeg_log_level="error"
    )


def _require_ffmpeg() -> None:
    try:
        import imageio_ffmpeg  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "save_animation needs imageio-ffmpeg to write .mp4: pip install samplevis[video]; .webp needs no extra"
        ) from error


class Format(NamedTuple):
    """A file format.

    Attributes:
      write: function of (frames uint8 [N, H, W, C], path, fps, **options).
      channels: counts of channels that it takes.
      max_fps: frames per second, at most.
    """

    write: Callable[..., None]
    channels: tuple[int, ...]
    max_fps: float


# GIF counts in hundredths of a second, and viewers slow down frames shorter than two; PNG and WebP count in thousandths.
GIF = Format(_gif, (1, 3), 50.0)
PNG = Format(_png, (1, 3, 4), 1000.0)
WEBP = Format(_webp, (1, 3, 4), 1000.0)
MP4 = Format(_mp4, (1, 3), 1000.0)
FORMATS = {".gif": GIF, ".png": PNG, ".apng": PNG, ".webp": WEBP, ".mp4": MP4}


def _checked(images: np.ndarray) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim != 5 or not images.size:
        raise ValueError(f"images: expected shape [chain, draw, H, W, C]. Received: {images.shape}")
    return images
