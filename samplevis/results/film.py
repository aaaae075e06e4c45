"""The animation of a run: the draws of its chains side by side, before them the annealing, after them the chain means."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from samplevis import export
from samplevis.export.animation import FORMATS, chain_columns, chain_frames, sweep_frames
from samplevis.export.grid import PAPER, grid
from samplevis.export.pixels import enlarge, tile_scale, to_uint8
from samplevis.export.waveforms import as_pictures
from samplevis.results.colors import COLORS, in_colors
from samplevis.results.sample_grid import contrasted_means, mean_label
from samplevis.runtime import files
from samplevis.runtime.checks import check_choice
from samplevis.sampling.annealing import STEPS_PER_CALL

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

Layout = Literal["chains", "sweep", "anneal"]
LAYOUTS = get_args(Layout)
# Chains that are shown side by side.
FILM_CHAINS = 24
# Few draws are shown slowly enough to be looked at.
DEFAULT_FPS = 3
# Frames for which the chain means stay.
MEAN_FRAMES = 6


def film(samples: Samples, layout: Layout = "chains", captions: bool = True, scale: int | None = None) -> np.ndarray:
    """The frames of a run. Signals are drawn over time. Volumes are shown slice by slice, draw after draw.

    Args:
      samples: the run.
      layout: "chains" (side by side, in several rows if they are more than 4; at most the first 24), "sweep" (one after the
        other) or "anneal" (side by side, preceded by their annealing). Defaults to "chains".
      captions: whether lines above each frame say what it is; the level of chains side by side is their mean. The draws are
        then followed by the chain means, contrast stretched, which without captions might be taken for draws. Defaults to True.
      scale: whole-number enlargement, >= 1. Defaults to what makes the longer side of a picture at least 96 pixels.

    Returns:
      uint8 [N, H, W, C].

    Raises:
      ValueError: for another layout or scale, or "anneal" if the samples hold no images of it.

    Example:
      >>> film(samples, layout="anneal", scale=2).shape
      (45, 160, 518, 3)
    """
    check_choice("layout", layout, LAYOUTS)
    samples = in_colors(samples)
    count = len(samples.images) if layout == "sweep" else min(len(samples.images), FILM_CHAINS)
    pictures = [_draws(samples, count)]
    if layout == "anneal":
        pictures.insert(0, _annealing(samples, count))
    if captions:
        pictures.append(_means(samples, count))
    pictures = np.concatenate(pictures, axis=1)
    scale = tile_scale(pictures.shape[2:]) if scale is None else scale
    frames = sweep_frames(pictures) if layout == "sweep" else chain_frames(pictures, chain_columns(count))
    return _captioned(frames, _texts(samples, layout, count), scale) if captions else enlarge(frames, scale)


def save_animation(
    samples: Samples,
    path: str | os.PathLike,
    fps: float = DEFAULT_FPS,
    layout: Layout = "chains",
    scale: int | None = None,
    captions: bool = True,
) -> None:
    """Writes a run as an animation, in the format of the path's suffix: its draws, then the chain means. PNG files hold `metadata`.

    Signals are drawn over time. Of volumes, the animation shows the slices, draw after draw.

    Args:
      samples: the run.
      path: file to write: .gif, .png, .apng, .webp or .mp4, see `export.save_animation`.
      fps: frames per second, from 0.1 to 50 (.gif) or 1000. Defaults to 3.
      layout: "chains" (side by side, in several rows if they are more than 4; at most the first 24), "sweep" (one after the
        other) or "anneal" (side by side, preceded by their annealing). Defaults to "chains".
      scale: whole-number enlargement, >= 1. Defaults to what makes the longer side of a picture at least 96 pixels.
      captions: whether lines above each frame say what it is. The draws are then followed by the chain means, contrast
        stretched, which without captions might be taken for draws. Defaults to True.

    Raises:
      ValueError: if an argument is out of range.
      ImportError: for .mp4 without imageio-ffmpeg.
      OSError: if the file cannot be written.

    Example:
      >>> samples.save_animation("star.webp", layout="anneal", scale=2)
    """
    suffix = files.check_suffix(path, FORMATS)
    metadata = samples.metadata if suffix in (".png", ".apng") else None
    export.save_animation(film(samples, layout, captions, scale), path, fps, metadata=metadata)


def save_gif(
    samples: Samples,
    path: str | os.PathLike,
    fps: float = DEFAULT_FPS,
    layout: Layout = "chains",
    scale: int | None = None,
    captions: bool = True,
) -> None:
    """Writes a run as a GIF.

    Args:
      samples: the run.
      path: file to write, .gif. `save_animation` writes other formats.
      fps, layout, scale, captions: as in `Samples.save_animation`.

    Raises:
      ValueError: if an argument is out of range.
      OSError: if the file cannot be written.

    Example:
      >>> samples.save_gif("star.gif", fps=10)
    """
    files.check_suffix(path, (".gif",))
    export.save_gif(film(samples, layout, captions, scale), path, fps)


def _draws(samples: Samples, chains: int) -> np.ndarray:
    return _pictures(samples.images[:chains], samples.dimensions)


def _annealing(samples: Samples, chains: int) -> np.ndarray:
    if not samples.anneal_images.shape[1]:
        raise ValueError(
            "layout: 'anneal' shows the images of annealing. These samples have none: they are of the density "
            "'activation', or of an earlier version"
        )
    return _pictures(samples.anneal_images[:chains] / np.float32(255), samples.dimensions)


def _means(samples: Samples, chains: int) -> np.ndarray:
    means = _pictures(contrasted_means(samples)[:chains, None], samples.dimensions)
    return means.repeat(_held(samples), axis=1)


def _held(samples: Samples) -> int:
    """Frames for which a mean stays; the slices of a volume's mean pass by like those of a draw."""
    return 1 if samples.dimensions == 3 else MEAN_FRAMES


def _texts(samples: Samples, layout: Layout, chains: int) -> list[str]:
    """The captions of all frames."""
    levels, means = samples.levels, [mean_label(samples)] * _held(samples)
    if layout == "sweep":
        texts = [f"chain {c}, {text}" for c, chain in enumerate(levels) for text in _draw_texts(chain) + means]
    else:
        texts = _draw_texts(levels[:chains].mean(0)) + means
    if layout == "anneal":
        texts = [f"anneal {STEPS_PER_CALL * frame}" for frame in range(samples.anneal_images.shape[1])] + texts
    shown = "" if chains == len(levels) else f", first {chains} of {len(levels)} chains"
    colors = f", {samples.options[COLORS]}" if COLORS in samples.options else ""
    heading = f"{samples.objective}, {samples.model}{shown}{colors}\n"
    # The slices of a volume share a caption.
    slices = samples.images.shape[2] if samples.dimensions == 3 else 1
    return [heading + text for text in texts for _ in range(slices)]


def _draw_texts(levels: np.ndarray) -> list[str]:
    return [f"draw {draw}, level {level:.2f}" for draw, level in enumerate(levels)]


def _pictures(images: np.ndarray, dimensions: int) -> np.ndarray:
    """Images [chain, draw, ...] as uint8 [chain, frame, H, W, C], which takes a quarter of the memory of floats."""
    if dimensions == 3:
        chain, draw, depth, *slice_ = images.shape
        images = images.reshape(chain, draw * depth, *slice_)
    else:
        images = as_pictures(images, dimensions)
    return to_uint8(images, (1, 3, 4))


def _captioned(frames: np.ndarray, texts: Sequence[str], scale: int) -> np.ndarray:
    """Frames below their captions, which may have several lines. All have one size, with the image in the same place."""
    sheets = [grid(frame[None], labels=[text], scale=scale) for frame, text in zip(frames, texts, strict=True)]
    height, width = np.max([sheet.shape[:2] for sheet in sheets], axis=0)
    return np.stack(
        [np.pad(s, ((height - s.shape[0], 0), (0, width - s.shape[1]), (0, 0)), constant_values=PAPER) for s in sheets]
    )
