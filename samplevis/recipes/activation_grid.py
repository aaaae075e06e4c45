"""Activation grids: feature visualisations of the activations at each position of a layer."""

from __future__ import annotations

import dataclasses
import functools

import keras
import numpy as np
from PIL import Image

from samplevis import objectives
from samplevis.export.bands import false_colors
from samplevis.export.grid import PAPER
from samplevis.export.pixels import to_uint8
from samplevis.network import Network, as_network
from samplevis.recipes.directions import IconRenderer
from samplevis.recipes.picture import activations_by_position, picture_size
from samplevis.recipes.reducer import ChannelReducer
from samplevis.runtime.checks import check_whole
from samplevis.transform.base import TransformLike

# Pixels of a side of an icon, if the network takes any.
DEFAULT_CELL = 48


@dataclasses.dataclass(frozen=True, eq=False)
class ActivationGrid:
    """The result of `activation_grid`.

    Attributes:
      cells: float32 [rows, columns, height, width, C] in [0, 1], the icon of each position.
      magnitudes: float32 [rows, columns], the norm of the activations at each position.
      icons: with `groups`, float32 [groups, height, width, C], the icon of each group; else None.
      weights: with `groups`, float32 [rows, columns, groups], the weight of each group at each position; else None.
      reducer: with `groups`, the fitted `ChannelReducer`, for other images of the same layer; else None.

    Example:
      >>> found = recipes.activation_grid(model, "fire9", photograph, groups=6)
      >>> export.save_png(found.picture(by_magnitude=True), "grid.png")
    """

    cells: np.ndarray
    magnitudes: np.ndarray
    icons: np.ndarray | None = None
    weights: np.ndarray | None = None
    reducer: ChannelReducer | None = None

    def picture(self, by_magnitude: bool = False) -> np.ndarray:
        """Lays all cells out at their positions.

        Args:
          by_magnitude: whether to shrink cells, so that their area is proportional to their magnitude. Defaults to False.

        Returns:
          uint8 [rows * height, columns * width, 3].
        """
        share = self.magnitudes / max(self.magnitudes.max(), 1e-12)
        return tile(self.cells, np.sqrt(share) if by_magnitude else None)


def activation_grid(
    model: Network | keras.Model,
    layer: str,
    image: np.ndarray,
    *,
    groups: int | None = None,
    cell: int | tuple[int, int] | None = None,
    cossim_pow: float = 0.0,
    transforms: TransformLike = "standard",
    steps: int = 128,
    batch_size: int = 32,
    seed: int = 0,
    progress: bool = True,
) -> ActivationGrid:
    """Visualises the direction of the activations at each position of a layer.

    All icons start from the same noise and see the same transforms, so that similar activations look similar. They are
    optimised in batches that share one compiled step. An icon does not depend on the others, nor on `batch_size`.

    Args:
      model: a `Network` or a Keras model.
      layer: a name from `Network.layers`, with rows and columns.
      image: array [H, W, C] in [0, 1].
      groups: number of groups, >= 1. The activations are factored into groups by non-negative matrix factorisation, and each
        cell is a mixture of the icons of the groups: faster and smoother. Needs scikit-learn and activations >= 0. Defaults to
        no groups.
      cell: pixels of each icon, one int for a square or (height, width), each side >= 4. Defaults to the network's own size, and
        to 48 where it takes any.
      cossim_pow: power of the cosine similarity in the objective (`objectives.direction`), >= 0. Defaults to 0.
      transforms: distortions, new ones in every step. Defaults to "standard", Lucid's set; None for none.
      steps: number of updates, >= 1. Defaults to 128.
      batch_size: icons to optimise at a time, >= 1. Defaults to 32.
      seed: int from 0 to 2**31 - 1.
      progress: whether to show a progress bar.

    Returns:
      An `ActivationGrid`.

    Raises:
      ValueError: for an unknown layer or one without positions, or an image that the network does not take.
      ImportError: for `groups` without scikit-learn.

    Source: the ActivationGrid notebook of Lucid's Building Blocks.

    Example:
      >>> grid = activation_grid(model, "fire9", photo)
      >>> export.save_png(grid.picture(), "grid.png")
    """
    network = as_network(model)
    size = picture_size(network, "cell", cell, DEFAULT_CELL)
    activations = activations_by_position(network, layer, image)
    if groups is None:
        reducer, directions = None, activations.reshape(-1, activations.shape[-1])
    else:
        check_whole("groups", groups, 1)
        reducer = ChannelReducer(groups, seed=seed, max_iter=1000).fit(activations)
        directions = reducer.directions
    renderer = IconRenderer(network, layer, size, transforms, steps, batch_size, seed, progress)
    icons = renderer.render(directions, functools.partial(objectives.direction, cossim_pow=cossim_pow))
    magnitudes = np.linalg.norm(activations, axis=-1)
    if reducer is None:
        return ActivationGrid(icons.reshape(*magnitudes.shape, *icons.shape[1:]), magnitudes)
    # Weights are in units of the length of the direction.
    weights = reducer.transform(activations) * np.linalg.norm(directions, axis=-1)
    shares = weights / np.maximum(weights.sum(-1, keepdims=True), 1e-12)
    # Where all weights are 0, the cell is the mean of the icons.
    shares[weights.sum(-1) <= 0] = 1 / groups
    return ActivationGrid(np.tensordot(shares, icons, 1).clip(0, 1), magnitudes, icons, weights, reducer)


def tile(cells: np.ndarray, sides: np.ndarray | None = None) -> np.ndarray:
    """Lays images out on white, each shrunk about its centre.

    Args:
      cells: [rows, columns, H, W, C] in [0, 1]; other than 1 or 3 channels are shown in `export.false_colors`.
      sides: [rows, columns] in [0, 1], the length of each cell's sides relative to its full size; below half a pixel the
        cell is white. Defaults to 1.

    Returns:
      uint8 [rows * H, columns * W, 3].
    """
    pixels = to_uint8(false_colors(cells))
    rows, columns, height, width, _ = pixels.shape
    if sides is not None:
        pixels = np.stack(
            [
                np.stack([_shrunk(cell, side) for cell, side in zip(*row, strict=True)])
                for row in zip(pixels, sides, strict=True)
            ]
        )
    return pixels.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3)


def _shrunk(cell: np.ndarray, side: float) -> np.ndarray:
    height, width = cell.shape[:2]
    small = round(float(side) * height), round(float(side) * width)
    paper = np.full_like(cell, PAPER)
    if min(small) > 0:
        top, left = (height - small[0]) // 2, (width - small[1]) // 2
        resized = Image.fromarray(cell).resize(small[::-1], Image.Resampling.LANCZOS)
        paper[top : top + small[0], left : left + small[1]] = np.asarray(resized)
    return paper
