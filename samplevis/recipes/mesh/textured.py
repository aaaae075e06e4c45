"""Textures of meshes: optimised through random views, and shown on a turntable."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samplevis import param as parameterizations
from samplevis.activation import make_activation
from samplevis.network import Network, as_network
from samplevis.objectives import Objective
from samplevis.param import Parameterization, sample_bilinear
from samplevis.param.base import image_size
from samplevis.recipes.mesh.camera import look_at, perspective
from samplevis.recipes.mesh.mesh import Mesh, check_mesh, normalize_mesh
from samplevis.recipes.mesh.rasterization import rasterize
from samplevis.recipes.picture import check_picture, picture_size
from samplevis.results.optimized import Optimized
from samplevis.runs.optimization import optimize
from samplevis.runtime import seeds
from samplevis.runtime.checks import check_number, check_whole
from samplevis.transform import Transform, crop_or_pad_to
from samplevis.transform.base import Params, Shape

# A narrow field of view from afar, as a photographer's long lens. Source: lucid/misc/gl/meshutil.py.
FIELD_OF_VIEW = 10.0
# The distance of the camera, relative to that at which the mesh just fits.
MARGIN = 1.1
# Random views are taken from distances between this share of the one at which the mesh fits the view, and all of it.
MIN_DISTANCE = 0.7
# Pixels of a side of a view, if the network takes any.
DEFAULT_VIEW = 128


@dataclasses.dataclass(frozen=True, eq=False)
class Views(Transform):
    """The transform that `views` makes.

    Attributes:
      uv: float32 [views, H, W, 2], texture coordinates of each pixel.
      coverage: bool [views, H, W, 1], where there is mesh.
    """

    uv: tf.Tensor
    coverage: tf.Tensor

    def sample_params(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> Params:
        return {
            "view": tf.random.stateless_uniform([batch], seeds.fold(seed, "view"), 0, len(self.uv), tf.int32),
            "background": tf.random.stateless_uniform([batch, 1, 1, image_shape[-1]], seeds.fold(seed, "background")),
        }

    def apply(self, params: Params, images: tf.Tensor) -> tf.Tensor:
        seen = sample_bilinear(images, tf.gather(self.uv, params["view"]))
        return tf.where(tf.gather(self.coverage, params["view"]), seen, params["background"])

    def output_shape(self, image_shape: Shape) -> Shape:
        return (*self.uv.shape[1:3], image_shape[-1])


def views(mesh: Mesh, size: int | tuple[int, int] = 128, *, count: int = 64, seed: int = 0) -> Transform:
    """Makes a transform that puts images on a mesh as its texture, and shows the mesh from a random side.

    The views are rendered once. A random one is shown for each image, in front of a plain background of a random colour. So
    every call that takes transforms works on textures, including `samplevis.render`.

    Args:
      mesh: the mesh, which is normalised first (`normalize_mesh`).
      size: pixels of a view, one int for a square or (height, width), each >= 4. Defaults to 128.
      count: number of views, >= 1; directions are uniform on the sphere. Defaults to 64.
      seed: int from 0 to 2**31 - 1.

    Returns:
      Transform from textures [batch, h, w, C] to views [batch, H, W, C]. Its parameters: {"view": int32 [batch], "background":
      [batch, 1, 1, C]}.

    Raises:
      ValueError, TypeError: if an argument is out of range.

    Example:
      >>> sides = recipes.views(recipes.sphere(), 96)
      >>> samples = samplevis.render(model, "fire8:10", param=param.fourier(256), transforms=sides)
    """
    check_mesh(mesh)
    height, width, _ = image_size(size, 1)
    check_whole("count", count, 1)
    seeds.root(seed)
    return _views(mesh, (height, width), int(count), int(seed))


# Equal views are one object, so that calls for several channels render and compile once.
@functools.lru_cache(maxsize=8)
def _views(mesh: Mesh, size: tuple[int, int], count: int, seed: int) -> Views:
    root = seeds.root(seed)
    directions = tf.random.stateless_normal([count, 3], seeds.fold(root, "directions")).numpy()
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    distances = tf.random.stateless_uniform([count, 1], seeds.fold(root, "distances"), MIN_DISTANCE, 1.0).numpy()
    uv, coverage = _render(normalize_mesh(mesh), distances * directions, size)
    return Views(tf.constant(uv), tf.constant(coverage))


def texture_optimization(
    model: Network | keras.Model,
    obj: Objective | str | Callable,
    mesh: Mesh,
    *,
    texture: int | tuple[int, int] | Parameterization = 256,
    view_size: int | tuple[int, int] | None = None,
    count: int = 64,
    seed: int = 0,
    **settings: Any,
) -> Optimized:
    """Optimises a texture with which a mesh excites an objective from all sides.

    Each step shows one of a set of random sides, in front of a plain background of a random colour.

    Args:
      model: a `Network` or a Keras model.
      obj: an objective, a string "layer:channel", or a function of the layer accessor `T`; maximised. Minus
        `objectives.activation_difference(layers, picture, objectives.gram)` gives the mesh the style of a picture. "input" is
        the texture.
      mesh: the mesh, see `load_obj`.
      texture: pixels, one int for a square or (height, width), of a Fourier parameterization; or another parameterization.
        Defaults to 256.
      view_size: pixels of a view, one int for a square or (height, width), each >= 4. Defaults to the network's own size, and to
        128 where it takes any.
      count: number of sides, >= 1. Defaults to 64.
      seed: int from 0 to 2**31 - 1.
      **settings: other arguments of `optimize`: steps, optimizer, batch, init, thresholds, progress.

    Returns:
      An `Optimized` whose images are textures [batch, h, w, C].

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work.

    Source: Mordvintsev, Pezzotti, Schubert and Olah 2018, "Differentiable image parameterizations".

    Example:
      >>> mesh = recipes.load_obj("bunny.obj")
      >>> result = recipes.texture_optimization(model, "fire8:10", mesh, steps=512)
      >>> export.save_gif(recipes.turntable(result.images[0], mesh), "bunny.gif", fps=12)
    """
    network = as_network(model)
    if not isinstance(texture, Parameterization):
        texture = parameterizations.fourier(texture, channels=network.image_shape[-1])
    check_mesh(mesh)
    size = picture_size(network, "view_size", view_size, DEFAULT_VIEW)
    # Rendering the views takes a while: check the objective before.
    make_activation(network, obj, texture, crop_or_pad_to(*size))
    sides = views(mesh, size, count=count, seed=seed)
    return optimize(network, obj, param=texture, transforms=sides, seed=seed, **{"smooth": None} | settings)


def turntable(
    texture: np.ndarray,
    mesh: Mesh,
    frames: int = 36,
    size: int | tuple[int, int] = 256,
    *,
    elevation: float = 20.0,
    background: float = 1.0,
) -> np.ndarray:
    """Renders a textured mesh from all sides, once round the y axis.

    Args:
      texture: picture [h, w, C] in [0, 1].
      mesh: the mesh, which is normalised first (`normalize_mesh`).
      frames: number of frames, >= 1. Defaults to 36.
      size: pixels of a frame, one int for a square or (height, width), each >= 4. Defaults to 256.
      elevation: of the camera over the horizon, in degrees, between -90 and 90. Defaults to 20.
      background: grey level, from 0 to 1. Defaults to 1, white.

    Returns:
      float32 [frames, H, W, C] in [0, 1], for `export.save_animation`.

    Raises:
      ValueError, TypeError: if an argument is out of range.

    Example:
      >>> export.save_animation(recipes.turntable(result.images[0], mesh), "bunny.webp", fps=12)
    """
    check_mesh(mesh)
    texture = check_picture("texture", texture, np.shape(texture)[-1] if np.ndim(texture) else 0)
    check_whole("frames", frames, 1)
    height, width, _ = image_size(size, 1)
    for name, value, lowest, highest in (("elevation", elevation, -89.9, 89.9), ("background", background, 0, 1)):
        check_number(name, value, lowest)
        if value > highest:
            raise ValueError(f"{name}: expected a number from {lowest} to {highest}. Received: {value!r}")
    longitude, latitude = 2 * np.pi * np.arange(frames) / frames, np.radians(elevation)
    around = np.cos(latitude)
    directions = np.stack(
        [around * np.sin(longitude), np.full(frames, np.sin(latitude)), around * np.cos(longitude)], 1
    )
    uv, coverage = _render(normalize_mesh(mesh), directions, (height, width))
    shown = [sample_bilinear(texture[None], frame)[0] for frame in uv]
    return np.where(coverage, np.stack(shown), np.float32(background))


def _render(mesh: Mesh, eyes: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """uv [eyes, H, W, 2] and coverage [eyes, H, W, 1]; the unit of `eyes` is the distance at which the mesh fits the view."""
    lens = perspective(FIELD_OF_VIEW, size[1] / size[0])
    narrower = np.arctan(np.tan(np.radians(FIELD_OF_VIEW / 2)) * min(1, size[1] / size[0]))
    distance = MARGIN * np.linalg.norm(mesh.positions, axis=1).max() / np.sin(narrower)
    pairs = [rasterize(mesh, lens @ look_at(distance * eye), size) for eye in eyes]
    uv, coverage = (np.stack(part) for part in zip(*pairs, strict=True))
    return uv, coverage[..., None]
