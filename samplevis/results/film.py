"""The frames of a run's animation: its draws, and before them the annealing of the chains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from samplevis.export.animation import chain_frames, sweep_frames
from samplevis.export.grid import PAPER, grid
from samplevis.export.pixels import enlarge, to_uint8
from samplevis.export.waveforms import as_pictures
from samplevis.runtime.checks import check_choice
from samplevis.sampling.annealing import STEPS_PER_CALL

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

LAYOUTS = ("chains", "sweep", "anneal")


def film(samples: Samples, layout: str = "chains", captions: bool | None = None, scale: int = 1) -> np.ndarray:
    """The frames of a run. Signals are drawn over time. Volumes are shown slice by slice, draw after draw.

    Args:
      samples: the run.
      layout: "chains" (side by side), "sweep" (one after the other) or "anneal" (side by side, preceded by their annealing).
        Defaults to "chains".
      captions: whether a line above each frame says what it is; the level of chains side by side is their mean. Defaults to
        True for "anneal", else False.
      scale: whole-number enlargement, >= 1. Defaults to 1.

    Returns:
      uint8 [N, H, W, C].

    Raises:
      ValueError: for another layout or scale, or "anneal" if the samples hold no images of it.

    Example:
      >>> film(samples, layout="anneal", scale=2).shape
      (45, 154, 518, 3)
    """
    check_choice("layout", layout, LAYOUTS)
    images, levels = _pictures(samples.images, samples.dimensions), samples.levels
    if layout == "sweep":
        frames = sweep_frames(images)
        texts = [f"chain {c}, {_draw_caption(i, x)}" for c, chain in enumerate(levels) for i, x in enumerate(chain)]
    else:
        frames, texts = chain_frames(images), [_draw_caption(i, x) for i, x in enumerate(levels.mean(0))]
    if layout == "anneal":
        count = samples.anneal_images.shape[1]
        if not count:
            raise ValueError(
                "layout: 'anneal' shows the images of annealing. These samples have none: they are of the density "
                "'activation', or of an earlier version"
            )
        before = _pictures(samples.anneal_images / np.float32(255), samples.dimensions)
        frames = np.concatenate([chain_frames(before), frames])
        texts = [*(f"anneal {STEPS_PER_CALL * frame}" for frame in range(count)), *texts]
    if layout == "anneal" if captions is None else captions:
        # The slices of a volume share a caption.
        return _captioned(frames, np.repeat(texts, len(frames) // len(texts)), scale)
    return enlarge(frames, scale)


def _pictures(images: np.ndarray, dimensions: int) -> np.ndarray:
    """Images [chain, draw, ...] as uint8 [chain, frame, H, W, C], which takes a quarter of the memory of floats."""
    if dimensions == 3:
        chain, draw, depth, *slice_ = images.shape
        images = images.reshape(chain, draw * depth, *slice_)
    else:
        images = as_pictures(images, dimensions)
    return to_uint8(images, (1, 3, 4))


def _draw_caption(draw: int, level: float) -> str:
    return f"draw {draw}, level {level:.2f}"


def _captioned(frames: np.ndarray, texts: Sequence[str], scale: int) -> np.ndarray:
    """Frames below their captions, which may have several lines. All have one size, with the image in the same place."""
    sheets = [grid(frame[None], labels=[text], scale=scale) for frame, text in zip(frames, texts, strict=True)]
    height, width = np.max([sheet.shape[:2] for sheet in sheets], axis=0)
    return np.stack(
        [np.pad(s, ((height - s.shape[0], 0), (0, width - s.shape[1]), (0, 0)), constant_values=PAPER) for s in sheets]
    )
