"""Comparisons in one figure: one unit by several methods, or samples of several units."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from PIL import Image

from samplevis import export
from samplevis.activation import default_param
from samplevis.export.grid import check_labels
from samplevis.export.grid_mixin import GridMixin
from samplevis.export.pixels import cropped, tile_scale, to_uint8
from samplevis.network import Network, as_network
from samplevis.objectives import Objective, as_objective, diversity, only_after
from samplevis.param import Parameterization
from samplevis.recipes.deep_dream import deep_dream, octave_sizes
from samplevis.results.colors import BANDS
from samplevis.results.samples import Samples
from samplevis.runs.optimization import optimize
from samplevis.runs.rendering import render, render_keywords
from samplevis.runtime.checks import brief, check_known, check_whole
from samplevis.runtime.progress import all_or_nothing
from samplevis.sampling.options import HMCOptions, hmc_options

# A dream from noise needs more steps than one from a photograph; its first octave is at least MIN_SIDE pixels.
DREAM = dict(steps=40, learning_rate=(0.04, 0.02), blur_sigma=(0.8, 0.3))
MIN_SIDE = 16
# Optimiser steps before diversity is asked for.
DIVERSITY_START = 16


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Comparison(GridMixin):
    """The result of `compare`.

    Attributes:
      samples: the samples, with their optimised images.
      panels: name -> images [n, H, W, C] in [0, 1], in the order of the figure.

    Example:
      >>> recipes.compare(model, "fire5:7", im_size=96).save_grid("methods.png")
    """

    samples: Samples
    panels: dict[str, np.ndarray]

    def __repr__(self) -> str:
        return f"<Comparison of {self.samples.objective}: {', '.join(self.panels)}>"

    def grid(self, scale: int = 1) -> np.ndarray:
        """One row per panel, white where it has fewer images than others.

        Args:
          scale: whole-number enlargement, >= 1. Defaults to 1.

        Returns:
          uint8 [height, width, 3].
        """
        images, present = _rows(self.panels.values())
        return export.grid(
            export.false_colors(images, self.samples.options.get(BANDS)),
            present=present,
            row_labels=list(self.panels),
            scale=scale,
            title=f"{self.samples.objective}, {self.samples.model}",
        )


def compare(
    model: Network | keras.Model,
    obj: Objective | str | Callable,
    panels: Mapping[str, np.ndarray] | None = None,
    hmc_opts: Mapping[str, Any] | HMCOptions | None = None,
    examples: Any = None,
    **settings: Any,
) -> Comparison:
    """Shows one unit by deep dream, optimisation, optimisation for diversity, sampling, and dataset examples.

    Args:
      model, obj, hmc_opts, **settings: as in `render`. Each method shows one image per chain.
      panels: name -> images [n, H, W, C] in [0, 1] of other methods, in the size that is rendered. They are shown between the
        optimised images and the samples, instead of deep dream and diversity. Defaults to these two.
      examples: dataset examples, shown after the samples, at most one per chain: float array [n, H, W, C] in [0, 1], strongest
        first, or `Examples` from `samplevis.collect`. They are cropped about their centre and resized (Lanczos). Defaults to
        none.

    Returns:
      A `Comparison`.

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work.
      KeyboardInterrupt: after Ctrl-C: the methods are compared or not.

    Example:
      >>> recipes.compare(model, "fire5:7", im_size=96).save_grid("methods.png")
    """
    check_known(settings, render_keywords())
    network = as_network(model)
    param = settings.get("param") or default_param(network, settings.get("im_size"))
    found = {} if examples is None else {"dataset examples": _resized(examples, param.image_shape)}
    if panels is not None:
        if not isinstance(panels, Mapping):
            raise TypeError(f"panels: expected a dictionary {{name: images}}. Received: {brief(panels)}")
        panels = {name: np.asarray(images) for name, images in panels.items()}
        _check_panels(panels, param.image_shape)
    with all_or_nothing("compare"):
        dreams = {}
        if panels is None:
            count = hmc_options(hmc_opts, settings).num_chains
            dreams = {"deep dream": _dreams(network, obj, param, count, settings)}
        samples = render(network, obj, hmc_opts, **settings)
        diverse = _diverse(network, obj, param, samples, settings) if panels is None else panels
    sampled = f"sampled, level {samples.level:g}" if samples.level is not None else "sampled"
    shown = dreams | {"optimised": samples.optimized} | diverse | {sampled: samples.images[:, -1]}
    return Comparison(samples, shown | {name: images[: len(samples.optimized)] for name, images in found.items()})


def sample_sheet(
    runs: Sequence[Samples], labels: Sequence[str] | None = None, draws: int = 6, scale: int | None = None
) -> np.ndarray:
    """Combines samples of several units into one image, one row per unit: its optimised image, its draws, and a verdict.

    The draws come from all chains in turn, the last draw of each first. The caption holds the unit, the level of the draws on
    fresh transforms, R-hat (of the activation or the worst scalar, whichever is larger), and the verdict of the summary.

    Args:
      runs: samples of each unit, at least one; their images are of one size.
      labels: names of the units for readers. Defaults to the objectives, with the model where they are of several.
      draws: largest number of draws per run, >= 1. Defaults to 6.
      scale: whole-number enlargement, >= 1. Defaults to what makes the longer side of a picture at least 96 pixels.

    Returns:
      uint8 [height, width, 3].

    Raises:
      ValueError, TypeError: if an argument is out of range.

    Example:
      >>> runs = [samplevis.render(model, f"logits:{name}", im_size=64) for name in ("star", "heart")]
      >>> export.save_png(recipes.sample_sheet(runs, scale=2), "units.png")
    """
    if not isinstance(runs, (list, tuple)) or not all(isinstance(run, Samples) for run in runs):
        raise TypeError(f"runs: expected a list of samples, such as Samples.load returns. Received: {brief(runs)}")
    check_whole("draws", draws, 1)
    shapes = sorted({run.images.shape[2:] for run in runs})
    if len(shapes) != 1:
        raise ValueError(f"runs: expected at least one, with images of one size. Received: {shapes or 'none'}")
    models = {run.model for run in runs}
    if labels is None:
        labels = [run.objective + (f" in {run.model}" if len(models) > 1 else "") for run in runs]
    check_labels("labels", labels, len(runs))
    shown = [np.concatenate([run.optimized[:1], _from_all_chains(run, draws)]) for run in runs]
    cells, present = _rows([export.as_pictures(images, runs[0].dimensions) for images in shown])
    if runs[0].dimensions > 1:
        cells = export.false_colors(cells, runs[0].options.get(BANDS))
    return export.grid(
        cells,
        row_labels=[f"{label}\n{run.summary().caption}" for label, run in zip(labels, runs, strict=True)],
        column_labels=["optimised", "draws", *[""] * (cells.shape[1] - 2)],
        scale=tile_scale(cells.shape[2:]) if scale is None else scale,
        title=models.pop() if len(models) == 1 else None,
        present=present,
    )


def _from_all_chains(samples: Samples, limit: int) -> np.ndarray:
    """At most `limit` draws [n, *image] of all chains in turn; each chain's evenly spaced from the last to the first."""
    chains, draws = samples.images.shape[:2]
    number = np.arange(min(limit, len(samples)))
    when = np.linspace(draws - 1, 0, -(-len(number) // chains)).round().astype(int)
    return samples.images[number % chains, when[number // chains]]


def _rows(rows: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of images [n, *image] as one array [rows, columns, *image], white where a row has fewer than others, and which
    are there, bool [rows, columns].
    """
    rows = list(rows)
    columns = max(map(len, rows))
    images = [np.concatenate([row, np.ones((columns - len(row), *row.shape[1:]), row.dtype)]) for row in rows]
    return np.stack(images), np.arange(columns) < np.array([[len(row)] for row in rows])


def _resized(examples: Any, shape: tuple[int, int, int]) -> np.ndarray:
    """Dataset examples as float32 [n, *shape]."""
    images = np.asarray(getattr(examples, "top_images", examples))
    if images.ndim != 4 or images.shape[-1] != shape[-1]:
        raise ValueError(f"examples: expected images [n, H, W, {shape[-1]}]. Received: {images.shape}")
    try:
        # Band by band, so that any number of channels can be resized.
        pixels = to_uint8(np.moveaxis(images, -1, 1)[..., None], (1,))[..., 0]
    except ValueError as error:
        raise ValueError(f"examples: {error}") from error
    fitted = [[np.asarray(cropped(Image.fromarray(band), shape[:2])) for band in image] for image in pixels]
    return np.moveaxis(np.float32(fitted) / 255, 1, -1)


def _check_panels(panels: Mapping[str, np.ndarray], shape: tuple[int, int, int]) -> None:
    for name, images in panels.items():
        if images.ndim != 4 or images.shape[1:] != shape:
            raise ValueError(
                f"panels: expected images [n, {', '.join(map(str, shape))}] for {name!r}. Received: {images.shape}"
            )
        try:
            export.grid(images)
        except ValueError as error:
            raise ValueError(f"panels: {name!r} cannot be shown: {error}") from error


def _dreams(network: Network, obj: Any, param: Parameterization, count: int, settings: Mapping[str, Any]) -> np.ndarray:
    """Deep dreams of the objective from noise, [count, H, W, C]."""
    *size, _ = param.image_shape
    # A network of a fixed size takes no smaller octave.
    is_free = network.image_shape[:2] == (None, None)
    octaves = min(4, 1 + int(np.log(max(min(size) / MIN_SIDE, 1)) / np.log(1.4))) if is_free else 1
    dreams = (
        deep_dream(
            network,
            obj,
            octaves=octave_sizes(tuple(size), octaves),
            seed=(settings.get("seed", 0) + number) % 2**31,
            progress=settings.get("progress", True),
            **DREAM,
        ).image
        for number in range(count)
    )
    return np.stack(list(dreams))


def _diverse(
    network: Network, obj: Any, param: Parameterization, samples: Samples, settings: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """The panel of images optimised for diversity; none for a single chain, or if no layer before the unit has positions.

    If all images are alike, the penalty is half of the distance between prior mean and optimum. It starts once the images show
    something: before, they would differ most by staying noise.
    """
    objective, count = as_objective(obj), len(samples.optimized)
    names = list(network.layers)
    read = [names.index(layer) for layer in objective.resolve(network, param.image_shape[:2]).layers if layer in names]
    layers = [name for name in names[: 1 + max(read, default=-1)] if len(network.layers[name]) == 3]
    if count < 2 or not layers:
        return {}
    weight = 0.5 * (samples.optimum_activation - samples.prior_activation) / (count - 1)
    transforms, steps = settings.get("transforms", "robust"), settings.get("optimize_steps", 256)
    found = optimize(
        network,
        objective - float(weight) * only_after(min(DIVERSITY_START, steps // 4)) * diversity(layers[-1]),
        param=param,
        transforms=transforms,
        steps=steps,
        batch=count,
        seed=settings.get("seed", 0),
        progress=settings.get("progress", True),
    )
    return {"optimised, diverse": found.images}
