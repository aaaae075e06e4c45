"""The contact sheet of a run: of each chain its optimised image, its draws and its mean."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from PIL import Image

from samplevis import export
from samplevis.export.grid import PAPER
from samplevis.export.image import save_made
from samplevis.export.pixels import tile_scale
from samplevis.results.colors import COLORS, in_colors
from samplevis.runtime.checks import check_choice, check_whole
from samplevis.runtime.deprecation import renamed_keywords

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

Contrast = Literal["stretch"]
# Draws of a chain, and chains, that are shown in full by default; other chains get one picture each.
GRID_DRAWS, GRID_CHAINS = 10, 12


@renamed_keywords(columns="draws")
def sample_grid(
    samples: Samples,
    draws: int | None = None,
    scale: int | None = None,
    *,
    means: bool = True,
    contrast: Contrast | None = "stretch",
) -> np.ndarray:
    """The contact sheet of a run: of each chain its optimised image, its draws and its mean, with labels.

    Whichever are more, chains or pictures of a chain, go from left to right. Of more than 12 chains, the first 12 are shown so, and
    below them one picture of each other chain. Signals are drawn over time, volumes as slices.

    Args:
      samples: the run.
      draws: draws per chain, evenly spaced from the first to the last, >= 1. Defaults to all, at most 10.
      scale: whole-number enlargement, >= 1. Defaults to what makes the longer side of a picture at least 96 pixels.
      means: whether to show the chain means, which are no draws, and of the chains below one mean each rather than the last draw.
        Defaults to True.
      contrast: "stretch" to stretch each mean to its 0.5 and 99.5 percentiles, see `export.stretch_contrast`, or None. Draws
        and optimised images are never stretched, nor are signals. Defaults to "stretch".

    Returns:
      uint8 [height, width, 3].

    Raises:
      ValueError: if an argument is out of range.

    Example:
      >>> export.save_png(samples.grid(draws=4), "star.png")
    """
    samples = in_colors(samples)
    count, first = samples.images.shape[1], min(len(samples.images), GRID_CHAINS)
    draws = min(count, GRID_DRAWS) if draws is None else draws
    check_whole("draws", draws, 1, count)
    averages = export.as_pictures(contrasted_means(samples, contrast), samples.dimensions)
    shown = list(evenly(count, draws))
    names = ["optimised", *(f"draw {i}" for i in shown)]
    cells = [samples.optimized[:first, None], samples.images[:first][:, shown]]
    cells = export.as_pictures(np.concatenate(cells, axis=1), samples.dimensions)
    if means:
        names.append(mean_label(samples, contrast))
        cells = np.concatenate([cells, averages[:first, None]], axis=1)
    scale = tile_scale(cells.shape[2:]) if scale is None else scale
    paper = _chains(cells, names, chain_labels(samples, 0, first), scale, _title(samples, scale))
    if first == len(samples.images):
        return paper
    others = averages[first:] if means else export.as_pictures(samples.images[first:, -1], samples.dimensions)
    title = f"The other {len(others)} chains: {mean_label(samples, contrast) if means else 'last draw'}"
    labels = chain_labels(samples, first, len(samples.images))
    return _stacked(paper, export.grid(others, max(cells.shape[:2]), labels=labels, scale=scale, title=title))


@renamed_keywords(columns="draws")
def save_sample_grid(
    samples: Samples,
    path: str | os.PathLike,
    draws: int | None = None,
    scale: int | None = None,
    *,
    means: bool = True,
    contrast: Contrast | None = "stretch",
) -> None:
    """Writes the contact sheet of a run in the format of the path's suffix. PNG files hold `Samples.metadata`.

    Args:
      samples: the run.
      path: file to write: .png, .webp, .jpg or .jpeg.
      draws, scale, means, contrast: as in `Samples.grid`.

    Raises:
      ValueError: if an argument is out of range.
      OSError: if the file cannot be written.

    Example:
      >>> samples.save_grid("star.png", draws=4)
    """
    save_made(lambda: sample_grid(samples, draws, scale, means=means, contrast=contrast), path, samples.metadata)


@renamed_keywords(columns="draws")
def show_sample_grid(
    samples: Samples,
    draws: int | None = None,
    scale: int | None = None,
    *,
    means: bool = True,
    contrast: Contrast | None = "stretch",
) -> Image.Image | None:
    """Shows the contact sheet of a run in a notebook; elsewhere returns it as a Pillow image.

    Args:
      samples: the run.
      draws, scale, means, contrast: as in `Samples.grid`.

    Returns:
      None in a notebook, which has displayed it; a Pillow image elsewhere.

    Raises:
      ValueError: if an argument is out of range.

    Example:
      >>> samples.show(draws=4)
    """
    return export.show(sample_grid(samples, draws, scale, means=means, contrast=contrast))


def contrasted_means(samples: Samples, contrast: Contrast | None = "stretch") -> np.ndarray:
    """The chain means [chain, *image] in [0, 1], with stretched contrast if asked for; of signals, always as they are."""
    if contrast is not None:
        check_choice("contrast", contrast, get_args(Contrast))
    # Rounding may take a mean beyond its values.
    means = np.clip(samples.chain_means, 0, 1)
    return export.stretch_contrast(means, samples.dimensions) if _stretches(samples, contrast) else means


def mean_label(samples: Samples, contrast: Contrast | None = "stretch") -> str:
    """What a picture of a chain mean says of itself."""
    return "mean of chain, not a draw" + (" (contrast stretched)" if _stretches(samples, contrast) else "")


def chain_labels(samples: Samples, first: int, stop: int) -> list[str]:
    """The chains from `first` to `stop`, with the mean level of their draws."""
    return [f"chain {i}\nlevel {samples.levels[i].mean():.2f}" for i in range(first, stop)]


def evenly(count: int, limit: int) -> Sequence[int]:
    """At most `limit` of `count` indices, evenly spaced from the first to the last; the last alone if the limit is 1."""
    if count <= limit:
        return range(count)
    return [int(i) for i in np.linspace(0, count - 1, limit).round()] if limit > 1 else [count - 1]


def _chains(cells: np.ndarray, names: list[str], labels: list[str], scale: int, title: str) -> np.ndarray:
    """The sheet of pictures [chain, n, H, W, C]: the longer side goes from left to right, as on screens."""
    if len(labels) > len(names):
        return export.grid(cells.swapaxes(0, 1), row_labels=names, column_labels=labels, scale=scale, title=title)
    return export.grid(cells, row_labels=labels, column_labels=names, scale=scale, title=title)


def _title(samples: Samples, scale: int) -> str:
    chains, draws = samples.images.shape[:2]
    enlarged = f", enlarged {scale} times" if scale > 1 else ""
    colors = f", {samples.options[COLORS]}" if COLORS in samples.options else ""
    return f"{samples.objective}, {samples.model}: {chains} chains x {draws} draws{enlarged}{colors}"


def _stacked(*papers: np.ndarray) -> np.ndarray:
    """One sheet above the other, on white. Their columns end together, and are equally wide."""
    width = max(paper.shape[1] for paper in papers)
    return np.concatenate(
        [np.pad(paper, ((0, 0), (width - paper.shape[1], 0), (0, 0)), constant_values=PAPER) for paper in papers]
    )


def _stretches(samples: Samples, contrast: Contrast | None) -> bool:
    # The plot of a signal has an axis, which says what its values are.
    return contrast is not None and samples.dimensions > 1
