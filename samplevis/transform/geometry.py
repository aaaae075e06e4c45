"""Transforms that move pixels: random crops, shifts, scales, rotations and reflections."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Literal, TypeAlias, get_args

import tensorflow as tf

from samplevis.runtime import seeds
from samplevis.runtime.checks import check_choice, check_number, check_numbers, check_whole
from samplevis.transform import warp
from samplevis.transform.base import Params, Shape, Transform
from samplevis.transform.variates import uniform, uniform_int
from samplevis.transform.warp import Edges, Interpolation

Units: TypeAlias = Literal["degrees", "radians"]


@dataclasses.dataclass(frozen=True)
class Jitter(Transform):
    """See `jitter`."""

    d: int

    def sample_params(self, seed: tf.Tensor, batch: int, image_shape: Shape, strata: int = 1) -> Params:
        dimensions = len(image_shape) - 1
        return {"offset": uniform_int(seed, (batch, dimensions), 0, self.d + 1, strata)}

    def apply(self, params: Params, images: tf.Tensor) -> tf.Tensor:
        *sizes, _ = self.output_shape(images.shape[1:])
        first = tf.split(params["offset"], len(sizes), axis=1)
        return warp.take(images, *(start + tf.range(size) for start, size in zip(first, sizes, strict=True)))

    def output_shape(self, image_shape: Shape) -> Shape:
        *sizes, channels = image_shape
        if self.d >= min(sizes):
            raise ValueError(f"jitter d: expected less than the {min(sizes)} pixels of the image. Received: {self.d}")
        return *(size - self.d for size in sizes), channels


def jitter(d: int) -> Transform:
    """Crops d pixels of height and width at a random position (Lucid's `jitter`).

    Args:
      d: pixels, >= 0, less than the image's shorter side.

    Returns:
      Transform to (H - d, W - d). Its parameters: {"offset": int32 [batch, 2]}, the first row and column, each
      uniform on 0 ... d; [batch, 1] for signals, [batch, 3] for volumes.

    Raises:
      ValueError, TypeError: if `d` is out of range.

    Example:
      >>> import tensorflow as tf
      >>> from samplevis import transform
      >>> transform.jitter(8)(tf.zeros([2, 64, 64, 3]), seed=[0, 1]).shape
      TensorShape([2, 56, 56, 3])
    """
    check_whole("d", d, 0)
    return Jitter(d)


@dataclasses.dataclass(frozen=True)
class Shift(Transform):
    """See `shift`."""

    d: int

    def sample_params(self, seed: tf.Tensor, batch: int, image_shape: Shape, strata: int = 1) -> Params:
        dimensions = len(image_shape) - 1
        return {"shift": uniform_int(seed, (batch, dimensions), -self.d, self.d + 1, strata)}

    def apply(self, params: Params, images: tf.Tensor) -> tf.Tensor:
        sizes = images.shape[1:-1]
        shifts = tf.split(params["shift"], len(sizes), axis=1)
        return warp.take(images, *((tf.range(size) - shift) % size for shift, size in zip(shifts, sizes, strict=True)))


def shift(d: int) -> Transform:
    """Rolls the image by whole pixels, with wrap-around (like `tf.roll`).

    Args:
      d: pixels, >= 0; the shifts down and right are each uniform on the integers -d ... d.

    Returns:
      Transform that keeps the size. Its parameters: {"shift": int32 [batch, 2]} (down, right); [batch, 1] for signals,
      [batch, 3] for volumes.

    Raises:
      ValueError, TypeError: if `d` is out of range.

    Example:
      >>> import tensorflow as tf
      >>> from samplevis import transform
      >>> transform.shift(8)(tf.zeros([2, 64, 64, 3]), seed=[0, 1]).shape
      TensorShape([2, 64, 64, 3])
    """
    check_whole("d", d, 0)
    return Shift(d)


@dataclasses.dataclass(frozen=True)
class Affine(Transform):
    """See `affine`."""

    shift: float
    scale: float
    rotate: float
    edges: Edges

    def sample_params(self, seed: tf.Tensor, batch: int, image_shape: Shape, strata: int = 1) -> Params:
        dimensions = len(image_shape) - 1

        def symmetric(name: str, limit: float, *shape: int) -> tf.Tensor:
            return uniform(seeds.fold(seed, name), (batch, *shape), -limit, limit, strata)

        return {
            "shift": symmetric("shift", self.shift, dimensions),
            "scale": tf.exp(symmetric("scale", self.scale)),
            "angle": symmetric("angle", math.radians(self.rotate)),
            **_axis(seed, batch, dimensions),
        }

    def apply(self, params: Params, images: tf.Tensor) -> tf.Tensor:
        return warp.affine_warp(images, warp.inverse_similarity(**params), self.edges)

    def output_shape(self, image_shape: Shape) -> Shape:
        if self.rotate:
            _check_rotation("affine", image_shape)
        return tuple(image_shape)


def affine(shift: float = 8, scale: float = 0.1, rotate: float = 8, edges: Edges = "reflect") -> Transform:
    """Scales and rotates about the centre, then shifts, in one linear resampling to the same size.

    The scale of a signal stretches time. A volume is rotated about an axis that is uniform on the sphere.

    Args:
      shift: pixels, >= 0; the shifts down and right are each uniform on [-shift, shift], not rounded. Defaults to 8.
      scale: >= 0; the magnification is log-uniform on [exp(-scale), exp(scale)]. Defaults to 0.1.
      rotate: degrees, >= 0; the angle is uniform on [-rotate, rotate]. Must be 0 for signals. Defaults to 8.
      edges: values outside the image. "reflect": the image mirrored about its outermost pixels (`numpy.pad` mode "reflect");
        it must be at least 2 x 2 (default). "zero": black.

    Returns:
      Transform that keeps the size. Its parameters: {"shift": [batch, 2] (down, right), "scale": [batch],
      "angle": [batch], radians, counter-clockwise}.

    Raises:
      ValueError, TypeError: if an argument is out of range.

    Example:
      >>> import tensorflow as tf
      >>> from samplevis import transform
      >>> transform.affine(shift=4, scale=0.2, rotate=15)(tf.zeros([2, 64, 64, 3]), seed=[0, 1]).shape
      TensorShape([2, 64, 64, 3])
    """
    for name, value in (("shift", shift), ("scale", scale), ("rotate", rotate)):
        check_number(name, value, 0)
    return Affine(shift, scale, rotate, check_choice("edges", edges, warp.EDGES))


@dataclasses.dataclass(frozen=True)
class Choice(Transform):
    """One parameter of `warp.inverse_similarity`, chosen from a list. See `random_scale` and `random_rotate`."""

    parameter: Literal["scale", "angle"]
    values: tuple[float, ...]
    edges: Edges
    interpolation: Interpolation = "bilinear"

    def sample_params(self, seed: tf.Tensor, batch: int, image_shape: Shape, strata: int = 1) -> Params:
        which = uniform_int(seed, (batch,), 0, len(self.values), strata)
        values = tf.gather(tf.constant(self.values, tf.float32), which)
        axis = _axis(seed, batch, len(image_shape) - 1) if self.parameter == "angle" else {}
        return {self.parameter: values} | axis

    def apply(self, params: Params, images: tf.Tensor) -> tf.Tensor:
        batch, *sizes, _ = images.shape
        identity = {"shift": tf.zeros([batch, len(sizes)]), "scale": tf.ones([batch]), "angle": tf.zeros([batch])}
        return warp.affine_warp(images, warp.inverse_similarity(**identity | params), self.edges, self.interpolation)

    def output_shape(self, image_shape: Shape) -> Shape:
        if self.parameter == "angle":
            _check_rotation("random_rotate", image_shape)
        return tuple(image_shape)


def random_scale(scales: Iterable[float], edges: Edges = "reflect") -> Transform:
    """Zooms about the centre by one of the given factors.

    Lucid resizes the whole image, so that its size changes from step to step. Here the image keeps its size and its content is
    zoomed, so that shapes are static. `random_resize` has Lucid's pixel grid.

    Args:
      scales: magnifications > 0, at least one; one is chosen uniformly, so a repeated value is more likely.
      edges: values outside the image, as in `affine`. Defaults to "reflect".

    Returns:
      Transform that keeps the size. Its parameters: {"scale": [batch]}.

    Raises:
      ValueError, TypeError: if an argument is out of range.

    Example:
      >>> import tensorflow as tf
      >>> from samplevis import transform
      >>> transform.random_scale([0.9, 1.0, 1.1])(tf.zeros([2, 64, 64, 3]), seed=[0, 1]).shape
      TensorShape([2, 64, 64, 3])
    """
    return Choice("scale", check_numbers("scales", scales, 0), check_choice("edges", edges, warp.EDGES))


def random_rotate(
    angles: Iterable[float],
    units: Units = "degrees",
    edges: Edges = "reflect",
    interpolation: Interpolation = "bilinear",
) -> Transform:
    """Rotates about the centre, counter-clockwise, by one of the given angles; a volume about a random axis.

    Args:
      angles: at least one; one is chosen uniformly, so a repeated value is more likely.
      units: "degrees" (default) or "radians".
      edges: values outside the image, as in `affine`. Defaults to "reflect"; Lucid uses "zero".
      interpolation: "bilinear" (default) or "nearest"; Lucid uses "nearest".

    Returns:
      Transform that keeps the size. Its parameters: {"angle": [batch]}, in radians.

    Raises:
      ValueError, TypeError: if an argument is out of range.

    Example:
      >>> import tensorflow as tf
      >>> from samplevis import transform
      >>> transform.random_rotate(range(-10, 11))(tf.zeros([2, 64, 64, 3]), seed=[0, 1]).shape
      TensorShape([2, 64, 64, 3])
    """
    angles = check_numbers("angles", angles)
    if check_choice("units", units, get_args(Units)) == "degrees":
        angles = tuple(map(math.radians, angles))
    check_choice("edges", edges, warp.EDGES)
    return Choice("angle", angles, edges, check_choice("interpolation", interpolation, warp.INTERPOLATIONS))


@dataclasses.dataclass(frozen=True)
class Mirror(Transform):
    """See `mirror`."""

    def sample_params(self, seed: tf.Tensor, batch: int, image_shape: Shape, strata: int = 1) -> Params:
        return {"flip": uniform(seed, (batch,), strata=strata) < 0.5}

    def apply(self, params: Params, images: tf.Tensor) -> tf.Tensor:
        rank = len(images.shape)
        flip = tf.reshape(params["flip"], [-1] + [1] * (rank - 1))
        return tf.where(flip, tf.reverse(images, [rank - 2]), images)


def mirror() -> Transform:
    """Flips left and right with probability 1/2; time for a signal.

    Returns:
      Transform that keeps the size. Its parameters: {"flip": bool [batch]}.

    Example:
      >>> import tensorflow as tf
      >>> from samplevis import transform
      >>> transform.mirror()(tf.zeros([2, 64, 64, 3]), seed=[0, 1]).shape
      TensorShape([2, 64, 64, 3])
    """
    return Mirror()


def _axis(seed: tf.Tensor, batch: int, dimensions: int) -> Params:
    """Random axes to rotate volumes about, {"axis": [batch, 3]}; empty for images."""
    if dimensions != 3:
        return {}
    normal = tf.random.stateless_normal([batch, 3], seeds.fold(seed, "axis"))
    return {"axis": normal / tf.norm(normal, axis=1, keepdims=True)}


def _check_rotation(name: str, image_shape: Shape) -> None:
    if len(image_shape) == 2:
        raise ValueError(
            f"{name}: a signal {tuple(image_shape)} cannot be rotated. Leave the rotation out, or give the transforms by name: "
            "'robust' and 'standard' are sets without it for signals."
        )
