"""Activation atlases: the activations of many images, laid out by similarity, with an icon for each cell of a grid.

    activations = collect_activations(model, "fire9", "photos/", reducer="random position")
    atlas = activation_atlas(model, "fire9", activations)
    export.save_png(atlas.picture(), "atlas.png")

Source: Carter et al., Activation Atlas (Distill, 2019); lucid/recipes/activation_atlas.
"""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np

from samplevis import objectives, transform
from samplevis.export.bands import false_colors
from samplevis.export.grid import PAPER
from samplevis.export.pixels import to_uint8
from samplevis.network import Network, as_network
from samplevis.recipes.collected_activations import covariance, whitening
from samplevis.recipes.directions import IconRenderer
from samplevis.recipes.picture import picture_size
from samplevis.runtime import seeds
from samplevis.runtime.checks import check_choice, check_whole
from samplevis.transform import Transform

METHODS = ("umap", "pca")
# Pixels of a side of an icon, if the network takes any.
DEFAULT_SIZE = 64
# Lucid's parameters of UMAP: neighbours, and their minimum distance.
NEIGHBOURS, MIN_DISTANCE = 50, 0.05
# Lucid's percentiles that bound the layout, and the margin around them, relative to their distance.
PERCENTILES, MARGIN = (1.0, 99.0), 0.1
# Lucid's power of the cosine similarity.
COSSIM_POW = 2.0
# Lucid's transforms for icons: more jitter, and scales of at most 1, so that the centre of the icon is what is scored.
ICON_TRANSFORMS = (
    transform.pad(16, "reflect"),
    *(transform.jitter(d) for d in (4, 4, 8, 8, 8)),
    transform.random_scale([0.998**n for n in range(20, 40)]),
    transform.random_rotate([*range(-20, 20), *range(-10, 10), *range(-5, 5), *[0] * 5]),
    transform.jitter(2),
)


class Cells(NamedTuple):
    """The cells of a grid that hold enough activations, row by row.

    Attributes:
      places: int [cells, 2], (row, column) of each, from 0 at the top left.
      directions: float64 [cells, channels], the mean activation of each.
      counts: int [cells], the number of activations in each.

    Example:
      >>> bin_activations(activations, points, (10, 10)).counts.min()
      5
    """

    places: np.ndarray
    directions: np.ndarray
    counts: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Atlas:
    """The result of `activation_atlas`.

    Attributes:
      points: float64 [n, 2] in [0, 1], (x, y) of each activation, y downwards.
      cells: the cells of the grid that hold enough activations, as `Cells`.
      icons: float32 [cells, height, width, C] in [0, 1], the icon of each cell.
      grid: (rows, columns).
      method: method of the layout, "umap" or "pca".

    Example:
      >>> export.save_png(atlas.picture(), "atlas.png")
    """

    points: np.ndarray
    cells: Cells
    icons: np.ndarray
    grid: tuple[int, int]
    method: str

    def picture(self) -> np.ndarray:
        """Lays all icons out on white.

        Returns:
          uint8 [rows * height, columns * width, 3]; white where there is no icon.
        """
        return canvas(self.icons, self.cells.places, self.grid)


def activation_atlas(
    model: Network | keras.Model,
    layer: str,
    activations: np.ndarray,
    *,
    grid: int | tuple[int, int] = 10,
    minimum: int = 5,
    method: str | None = None,
    size: int | tuple[int, int] | None = None,
    transforms: Transform | Sequence[Transform] | None = ICON_TRANSFORMS,
    ridge: float = 1e-3,
    steps: int = 128,
    batch_size: int = 32,
    seed: int = 0,
    progress: bool = True,
) -> Atlas:
    """Lays activations out on a plane, averages them in the cells of a grid, and visualises the averages.

    An icon maximises d * max(0.1, cosine)^2 at the centre of the layer, with d the dot product of the activations there and the
    mean direction, whitened by the inverse of the layer's uncentred covariance. Whitening shows what is specific to the
    direction rather than what all images have in common.

    Args:
      model: a `Network` or a Keras model.
      layer: a name from `Network.layers`, with rows and columns.
      activations: array [n, channels], from `collect_activations` with reducer "random position". An atlas takes
        thousands; for a first look, use all positions of a few images: `reducer=None`, reshaped to [-1, channels].
      grid: rows and columns, one int for both or (rows, columns), each >= 1. Defaults to 10.
      minimum: activations that a cell must hold to get an icon, >= 1. Defaults to 5.
      method: as in `layout`.
      size: pixels of each icon, one int for a square or (height, width), each side >= 4. Defaults to the network's own size, and
        to 64 where it takes any.
      transforms: distortions, new ones in every step. Defaults to Lucid's for atlases; None for none.
      ridge: as in `whitening`. Defaults to 0.001.
      steps: number of updates, >= 1. Defaults to 128.
      batch_size: icons to optimise at a time, >= 1. Defaults to 32.
      seed: int from 0 to 2**31 - 1, for layout and icons.
      progress: whether to show a progress bar.

    Returns:
      An `Atlas`.

    Raises:
      ValueError: for an unknown layer, activations that are not its, or if no cell holds enough of them.
      ImportError: for method "umap" without umap-learn.

    Example:
      >>> activations = recipes.collect_activations(model, "fire9", "photos/", reducer="random position")
      >>> atlas = recipes.activation_atlas(model, "fire9", activations)
    """
    network = as_network(model)
    sides = picture_size(network, "size", size, DEFAULT_SIZE)
    renderer = IconRenderer(network, layer, sides, transforms, steps, batch_size, seed, progress)
    renderer.check()
    activations = _rows(activations)
    channels = network.layer_shape(layer)[-1]
    if activations.shape[1] != channels:
        raise ValueError(f"activations: {layer!r} has {channels} channels. Received shape: {activations.shape}")
    shape, method = _grid(grid), _method(method)
    check_whole("minimum", minimum, 1)
    whitener = whitening(covariance(activations), ridge=ridge)
    points = bounded(layout(activations, method, seed=seed))
    cells = bin_activations(activations, points, shape, minimum)
    if not len(cells.counts):
        raise ValueError(
            f"minimum: no cell of the grid holds {minimum} of the {len(activations)} activations. Collect more, or take a "
            "coarser grid or a lower minimum."
        )
    unit = functools.partial(objectives.direction_neuron, cossim_pow=COSSIM_POW)
    icons = renderer.render(cells.directions @ whitener, unit)
    return Atlas(points, cells, icons, shape, method)


def layout(activations: np.ndarray, method: str | None = None, *, seed: int = 0) -> np.ndarray:
    """Lays activations out on a plane, similar ones near each other.

    Args:
      activations: array [n, channels], n >= 3.
      method: "umap": UMAP with 50 neighbours at most, least distance 0.05 and the cosine distance. "pca": the two directions
        of largest variance, after scaling every activation to length 1. Defaults to UMAP where umap-learn is installed, and
        PCA, with a warning, where it is not.
      seed: int from 0 to 2**31 - 1, for UMAP.

    Returns:
      float64 [n, 2].

    Raises:
      ImportError: for method "umap" without umap-learn.
      ValueError: for another method, or other activations.

    References: McInnes, Healy and Melville, UMAP (2018).
    """
    activations, method = _rows(activations), _method(method)
    seeds.root(seed)
    if len(activations) < 3:
        raise ValueError(f"activations: expected at least 3 to lay out. Received: {len(activations)}")
    if method == "pca":
        unit = activations / np.maximum(np.linalg.norm(activations, axis=1, keepdims=True), 1e-12)
        left, scale, _ = np.linalg.svd(unit - unit.mean(0), full_matrices=False)
        return np.pad(left[:, :2] * scale[:2], ((0, 0), (0, max(2 - len(scale), 0))))
    import umap

    neighbours = min(NEIGHBOURS, len(activations) - 1)
    mapper = umap.UMAP(n_neighbors=neighbours, min_dist=MIN_DISTANCE, metric="cosine", random_state=seed, n_jobs=1)
    return np.asarray(mapper.fit_transform(activations), np.float64)


def bounded(points: np.ndarray) -> np.ndarray:
    """Scales a layout to [0, 1], outliers clipped.

    Each axis runs from its 1st percentile less a margin to its 99th plus one, the margin a tenth of the way between.

    Args:
      points: array [n, 2].

    Returns:
      float64 [n, 2] in [0, 1]; an axis on which all points are equal becomes 0.5.
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points) or not np.isfinite(points).all():
        raise ValueError(f"points: expected finite numbers [n, 2]. Received shape: {points.shape}")
    low, high = np.percentile(points, PERCENTILES, axis=0)
    margin = MARGIN * (high - low)
    low, high = low - margin, high + margin
    width = np.where(high > low, high - low, 1.0)
    return np.where(high > low, ((points - low) / width).clip(0, 1), 0.5)


def bin_activations(activations: np.ndarray, points: np.ndarray, grid: tuple[int, int], minimum: int = 5) -> Cells:
    """Averages the activations in each cell of a grid.

    Args:
      activations: array [n, channels].
      points: array [n, 2] in [0, 1], (x, y) of each; y downwards. 1 belongs to the last cell.
      grid: (rows, columns), each >= 1.
      minimum: activations that a cell must hold, >= 1. Defaults to 5.

    Returns:
      `Cells`, row by row; those with fewer activations are left out.

    Raises:
      ValueError: for shapes that do not fit, or points outside [0, 1].
    """
    activations, points = _rows(activations), np.asarray(points, np.float64)
    check_whole("minimum", minimum, 1)
    rows, columns = grid = _grid(grid)
    if points.shape != (len(activations), 2) or not ((points >= 0) & (points <= 1)).all():
        raise ValueError(f"points: expected [{len(activations)}, 2] in [0, 1]. Received shape: {points.shape}")
    place = np.minimum((points[:, ::-1] * grid).astype(int), np.array(grid) - 1)
    flat = place[:, 0] * columns + place[:, 1]
    counts = np.bincount(flat, minlength=rows * columns)
    sums = np.zeros((rows * columns, activations.shape[1]))
    np.add.at(sums, flat, activations)
    full = np.flatnonzero(counts >= minimum)
    places = np.stack(np.divmod(full, columns), axis=1)
    return Cells(places, sums[full] / counts[full, None], counts[full])


def canvas(icons: np.ndarray, places: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Lays icons out on white.

    Args:
      icons: [cells, H, W, C] in [0, 1]; other than 1 or 3 channels are shown in `export.false_colors`.
      places: int [cells, 2], (row, column) of each icon.
      grid: (rows, columns).

    Returns:
      uint8 [rows * H, columns * W, 3].
    """
    pixels = to_uint8(false_colors(icons))
    height, width = pixels.shape[1:3]
    paper = np.full((grid[0] * height, grid[1] * width, 3), PAPER, np.uint8)
    for icon, (row, column) in zip(pixels, places, strict=True):
        paper[row * height : (row + 1) * height, column * width : (column + 1) * width] = icon
    return paper


def _grid(grid: int | tuple[int, int]) -> tuple[int, int]:
    sides = (grid, grid) if np.ndim(grid) == 0 else tuple(grid)
    if len(sides) != 2:
        raise ValueError(f"grid: expected a whole number, or (rows, columns). Received: {grid!r}")
    for side in sides:
        check_whole("grid", side, 1)
    return sides


def _method(method: str | None) -> str:
    if method is not None:
        check_choice("method", method, METHODS)
    if method == "pca":
        return method
    try:
        import umap  # noqa: F401
    except ImportError as error:
        if method == "umap":
            raise ImportError("UMAP needs umap-learn: pip install samplevis[atlas]") from error
        warnings.warn(
            "umap-learn is not installed, so the layout is by PCA. For UMAP: pip install samplevis[atlas]", stacklevel=3
        )
        return "pca"
    return "umap"


def _rows(activations: np.ndarray) -> np.ndarray:
    activations = np.asarray(activations, np.float64)
    if activations.ndim != 2 or not activations.size or not np.isfinite(activations).all():
        raise ValueError(
            f"activations: expected finite numbers [n, channels]. Received shape: {activations.shape}"
            + (" (all positions: activations.reshape(-1, channels))" if activations.ndim == 4 else "")
        )
    return activations
