"""Images of several units: pairs of units, and interpolations between units."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samplevis import export
from samplevis.activation import default_param
from samplevis.export.grid_mixin import GridMixin
from samplevis.network import Network, as_network
from samplevis.objectives import Objective, as_objective, each
from samplevis.param import Parameterization
from samplevis.param.base import Derived
from samplevis.recipes.settings import check_settings
from samplevis.runs.optimization import optimize
from samplevis.runs.sweeping import sweep
from samplevis.runtime.checks import brief, check_whole

Unit = Objective | str | Callable


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class InteractionGrid(GridMixin):
    """The result of `interaction_grid`: one image for each pair of units.

    Attributes:
      images: float32 [rows, columns, H, W, C] in [0, 1]; white if Ctrl-C came before.
      activation: float32 [rows, columns], the mean of the two units in the last step; nan if Ctrl-C came before.
      rows: names of the units of the rows.
      columns: names of the units of the columns.

    Example:
      >>> together = recipes.interaction_grid(model, ["fire5:7", "fire5:20"])
      >>> together.save_grid("together.png", scale=2)
    """

    images: np.ndarray
    activation: np.ndarray
    rows: tuple[str, ...]
    columns: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<InteractionGrid of {len(self.rows)} x {len(self.columns)} units>"

    def grid(self, scale: int = 1) -> np.ndarray:
        """The images with the names of their units.

        Args:
          scale: whole-number enlargement, >= 1. Defaults to 1.

        Returns:
          uint8 [height, width, 3].
        """
        return export.grid(self.images, row_labels=self.rows, column_labels=self.columns, scale=scale)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Interpolation(GridMixin):
    """The result of `interpolation`: images between units. From unit m to unit n and back, they are the same images.

    Attributes:
      images: float32 [units, units, points, H, W, C] in [0, 1]: `images[m, n, i]` is of (1 - t) * unit m + t * unit n, where
        t = i / (points - 1).
      activation: float32 [units, units, points], the same mixture in the last step, with the other terms of the score.
      units: names of the units.

    Example:
      >>> recipes.interpolation(model, "fire5:7", "fire5:20").save_grid("interpolation.png")
    """

    images: np.ndarray
    activation: np.ndarray
    units: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<Interpolation between {len(self.units)} units at {self.images.shape[2]} points>"

    def grid(self, scale: int = 1) -> np.ndarray:
        """One row per pair of units, from the first to the second.

        Args:
          scale: whole-number enlargement, >= 1. Defaults to 1.

        Returns:
          uint8 [height, width, 3].
        """
        pairs = [(m, n) for n in range(len(self.units)) for m in range(n)]
        parts = np.linspace(0, 1, self.images.shape[2])
        return export.grid(
            np.stack([self.images[pair] for pair in pairs]),
            row_labels=[f"{self.units[m]} - {self.units[n]}" for m, n in pairs],
            column_labels=[f"{part:.2f}" for part in parts],
            scale=scale,
        )


def interaction_grid(
    model: Network | keras.Model,
    units: Sequence[Unit],
    others: Sequence[Unit] | None = None,
    *,
    aligned: bool = False,
    batch_size: int = 16,
    **settings: Any,
) -> InteractionGrid:
    """Optimises one image for each pair of units.

    An image maximises the mean of its two units, so that the diagonal of a single list shows the units alone. With a single
    list, the grid is symmetric and every pair is optimised once. All images start from the same noise and see the same
    transforms, as in `sweep`. Ctrl-C ends the run and keeps the images so far.

    Args:
      model: a `Network` or a Keras model.
      units: units of the rows: objectives, strings "layer:channel" or functions of `T`, at least one. Their scores are added
        unscaled: multiply a unit whose scores are much smaller than those of the others.
      others: units of the columns. Defaults to `units`.
      aligned: whether images with a unit in common share a part of their latents, so that what they share is in the same place.
        All images are then optimised in one batch. Defaults to False.
      batch_size: images to optimise at a time, >= 1, unless they are aligned or `param` couples them. Defaults to 16.
      **settings: other arguments of `optimize`: `param`, `transforms`, `steps`, `optimizer`, `seed`, `progress`.

    Returns:
      An `InteractionGrid`.

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work.

    Example:
      >>> recipes.interaction_grid(model, ["fire5:7", "fire5:20", "fire5:90"]).save_grid("together.png")

    Source: lucid's notebook misc/neuron_interaction_grids; Olah et al., "Feature Visualization", 2017.
    """
    check_settings(settings, "others", "aligned", "batch_size")
    rows, names = _units("units", units, 1)
    columns, other_names = (rows, names) if others is None else _units("others", others, 1)
    everything = rows if others is None else [*rows, *columns]
    first = 0 if others is None else len(rows)
    pairs = [(m, first + n) for m in range(len(rows)) for n in range(len(columns))]
    # A pair is its two units in any order: one image for both.
    unique = sorted({tuple(sorted(pair)) for pair in pairs})
    alone = np.eye(len(everything))
    weights = np.array([(alone[m] + alone[n]) / 2 for m, n in unique])
    check_whole("batch_size", batch_size, 1)
    network, mixtures = as_network(model), [_mixture(everything, row) for row in weights]
    param = settings.get("param") or default_param(network, settings.get("im_size"))
    if aligned:
        images, scores = _together(network, mixtures, settings | {"param": _aligned(param, weights)})
    elif getattr(param, "couples_images", False):
        images, scores = _together(network, mixtures, settings)
    else:
        images, scores = _sweep(network, mixtures, batch_size, settings)
    index = np.reshape([unique.index(tuple(sorted(pair))) for pair in pairs], (len(rows), len(columns)))
    return InteractionGrid(images[index], scores[index], names, other_names)


def interpolation(
    model: Network | keras.Model,
    a: Unit,
    b: Unit,
    points: int = 6,
    *,
    also: Objective | None = None,
    aligned: bool = True,
    **settings: Any,
) -> Interpolation:
    """Interpolates between two units, in images that change little from one to the next.

    Args:
      model, also, aligned, **settings: as in `multi_interpolation`.
      a: the first unit.
      b: the last.
      points: images, >= 2, with both ends; they are neighbours in the batch. Defaults to 6.

    Returns:
      An `Interpolation` of two units.

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work.

    Example:
      >>> recipes.interpolation(model, "fire5:7", "fire5:20").save_grid("way.png")
    """
    return multi_interpolation(model, [a, b], points, also=also, aligned=aligned, **settings)


def multi_interpolation(
    model: Network | keras.Model,
    units: Sequence[Unit],
    points: int = 5,
    *,
    also: Objective | None = None,
    aligned: bool = True,
    **settings: Any,
) -> Interpolation:
    """Interpolates between every two of several units.

    All images are optimised in one batch, each of them once: the image of a unit is shared by all of its interpolations, and the
    images from n to m are exactly those from m to n in reverse.

    Args:
      model: a `Network` or a Keras model.
      units: objectives, strings "layer:channel" or functions of `T`, at least two.
      points: images per interpolation, >= 2, with both ends. Defaults to 5.
      also: an objective that is added to the score of every image, such as a penalty. The images of the first interpolation
        are neighbours in the batch. Defaults to none.
      aligned: whether the images share a part of their latents, so that they change little from one to the next. Defaults to
        True.
      **settings: other arguments of `optimize`: `param`, `transforms`, `steps`, `optimizer`, `seed`, `progress`.

    Returns:
      An `Interpolation`.

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work.

    Example:
      >>> units = ["fire5:7", "fire5:20", "fire5:90"]
      >>> recipes.multi_interpolation(model, units, points=4).save_grid("interpolations.png")

    Source: lucid/recipes/image_interpolation_params.py; Mordvintsev et al., "Differentiable Image Parameterizations", 2018.
    """
    check_settings(settings, "points", "also", "aligned")
    check_whole("points", points, 2)
    members, names = _units("units", units, 2)
    ways, weights = _ways(len(members), points)
    network, mixtures = as_network(model), [_mixture(members, row) for row in weights]
    if aligned:
        settings = settings | {
            "param": _aligned(settings.get("param") or default_param(network, settings.get("im_size")), weights)
        }
    images, scores = _together(network, mixtures, settings, also)
    return Interpolation(images[ways], scores[ways], names)


def _ways(units: int, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers the images in the order of the interpolations 0-1, 0-2, 1-2, 0-3, ...

    Returns:
      int [units, units, points], the number of the image at each point, and float [images, units], the weights of its units.
    """
    unit = np.eye(units)
    ways = np.empty((units, units, points), int)
    numbers: dict[tuple[float, ...], int] = {}
    for n in range(units):
        for m in range(n):
            mixtures = [tuple((1 - t) * unit[m] + t * unit[n]) for t in np.linspace(0, 1, points)]
            ways[m, n] = [numbers.setdefault(mixture, len(numbers)) for mixture in mixtures]
            ways[n, m] = ways[m, n][::-1]
    for m in range(units):
        ways[m, m] = numbers[tuple(unit[m])]
    return ways, np.array(list(numbers))


def _sweep(
    network: Network, objectives: Sequence[Objective], batch_size: int, settings: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Images [n, *image] and scores [n] of independent objectives; white and nan if Ctrl-C came before."""
    found = sweep(network, objectives, batch_size=batch_size, **{"redirect_steps": 0} | settings)
    images = np.ones((len(objectives), *found[0].shape), np.float32)
    scores = np.full(len(objectives), np.nan, np.float32)
    images[found.indices], scores[found.indices] = found.images, found.scores
    return images, scores


def _together(
    network: Network, objectives: Sequence[Objective], settings: dict[str, Any], also: Objective | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Images [n, *image] and scores [n] of objectives in one batch, whose images may depend on each other."""
    objective = each(objectives) if also is None else each(objectives) + also
    found = optimize(network, objective, batch=len(objectives), **settings)
    return found.images, found.history[-1]


def _mixture(units: Sequence[Objective], weights: np.ndarray) -> Objective:
    """The weighted sum of two units; a unit alone counts as two halves, so that it shares the code of the others."""
    chosen = np.flatnonzero(weights)
    m, n = chosen[0], chosen[-1]
    return float(weights[m] / (1 + (m == n))) * units[m] + float(weights[n] / (1 + (m == n))) * units[n]


@dataclasses.dataclass(frozen=True)
class _Aligned(Derived):
    """Image i is of the latent sum_j mixing[i][j] * z[j], so that its gradient moves all images that share latents with it."""

    base: Parameterization
    mixing: tuple[tuple[float, ...], ...]

    couples_images = True

    def image(self, z: tf.Tensor) -> tf.Tensor:
        return self.base.image(tf.tensordot(tf.constant(self.mixing, z.dtype), z, 1))

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        return tf.tensordot(tf.constant(np.linalg.inv(self.mixing), tf.float32), self.base.latent(images), 1)


def _aligned(base: Parameterization, weights: np.ndarray) -> _Aligned:
    """Latents that are half shared, according to the units of the images, and half of their own.

    The prior of each single image stays N(0, I): rows of the mixing have norm 1. The correlation of two images is half the
    cosine of their weights, so that images of different units share nothing. With a part that all images share (a third),
    all of them became the same picture.
    """
    directions = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    correlation = (directions @ directions.T + np.eye(len(weights))) / 2
    # The symmetric root treats all images alike.
    values, vectors = np.linalg.eigh(correlation)
    mixing = (vectors * np.sqrt(values)) @ vectors.T
    return _Aligned(base, tuple(tuple(row) for row in mixing.tolist()))


def _units(name: str, units: Sequence[Unit], least: int) -> tuple[list[Objective], tuple[str, ...]]:
    if isinstance(units, str) or not isinstance(units, Sequence) or len(units) < least:
        raise ValueError(f"{name}: expected a list of at least {least} units. Received: {brief(units)}")
    objectives = [as_objective(unit) for unit in units]
    return objectives, tuple(
        unit if isinstance(unit, str) else str(objective) for unit, objective in zip(units, objectives, strict=True)
    )
