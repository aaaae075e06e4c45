"""Transforms that move pixels: shifts, scales, rotations, mirror images, borders."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from samplevis.runtime import seeds
from samplevis.runtime.checks import check_choice, check_number, check_numbers, check_whole
from samplevis.transform import warp
from samplevis.transform.base import Params, Shape, Transform

# What the sides of a signal, an image and a volume are called.
SIDES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


@dataclasses.dataclass(frozen=True)
class Pad(Transform):
    """Made by `pad`."""

    width: int
    mode: str
    value: float

    def sample_params(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> Any:
        return {"value": tf.random.stateless_uniform([batch], seed)} if self.mode == "uniform" else ()

    def apply(self, params: Any, images: tf.Tensor) -> tf.Tensor:
        self.output_shape(images.shape[1:])
        margins = [[0, 0], *([[self.width, self.width]] * (len(images.shape) - 2)), [0, 0]]
        if self.mode == "reflect":
            return tf.pad(images, margins, "REFLECT")
        if self.mode == "constant":
            return tf.pad(images, margins, constant_values=self.value)
        border = 1 - tf.pad(tf.ones([1, *images.shape[1:]], images.dtype), margins)
        value = tf.reshape(tf.cast(params["value"], images.dtype), [-1] + [1] * (len(images.shape) - 1))
        return tf.pad(images, margins) + value * border

    def output_shape(self, image_shape: Shape) -> Shape:
        *sizes, channels = image_shape
        if self.mode == "reflect" and self.width >= min(sizes):
            raise ValueError(
                f"pad width: expected less than the {min(sizes)} pixels of the image in mode "
                f'"reflect". Received: {self.width}'
            )
        return *(size + 2 * self.width for size in sizes), channels


def pad(width: int, mode: str = "reflect", value: float = 0.5) -> Transform:
    """Adds a border on all sides: four of a picture, both ends of a signal, six of a volume.

    Args:
      width: pixels, >= 0; below the image's shorter side in mode "reflect".
      mode: "reflect": the image mirrored about its outermost pixels. "constant": `value`. "uniform": one grey
        for each image, uniform on [0, 1).
      value: what mode "constant" fills in.

    Returns:
      Transform to (H + 2 width, W + 2 width). Its parameters: empty, or {"value": [batch]} in mode "uniform".

    Raises:
      ValueError, TypeError: if an argument is outside its range.
    """
    check_whole("width", width, 0)
    check_number("value", value)
    mode = mode.lower() if isinstance(mode, str) else mode  # Lucid spells the modes of tf.pad in capitals.
    return Pad(width, check_choice("mode", mode, ("reflect", "constant", "uniform")), value)


@dataclasses.dataclass(frozen=True)
class Jitter(Transform):
    """Made by `jitter`."""

    d: int

    def sample_params(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> Params:
        directions = len(image_shape) - 1
        return {"offset": tf.random.stateless_uniform([batch, directions], seed, 0, self.d + 1, tf.int32)}

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
    """Crops at a random place, d pixels less high and wide (Lucid's `jitter`).

    Args:
      d: pixels, >= 0, below the image's shorter side.

    Returns:
      Transform to (H - d, W - d). Its parameters: {"offset": int32 [batch, 2]}, the first row and column, each
      uniform on 0 ... d; of signals and volumes [batch, 1] and [batch, 3].

    Raises:
      ValueError, TypeError: if `d` is outside its range.
    """
    check_whole("d", d, 0)
    return Jitter(d)


@dataclasses.dataclass(frozen=True)
class Shift(Transform):
    """Made by `shift`."""

    d: int

    def sample_params(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> Params:
        directions = len(image_shape) - 1
        return {"shift": tf.random.stateless_uniform([batch, directions], seed, -self.d, self.d + 1, tf.int32)}

    def apply(self, params: Params, images: tf.Tensor) -> tf.Tensor:
        sizes = images.shape[1:-1]
        ways = tf.split(params["shift"], len(sizes), axis=1)
        return warp.take(images, *((tf.range(size) - way) % size for way, size in zip(ways, sizes, strict=True)))


def shift(d: int) -> Transform:
    """Rolls the image by whole pixels: what leaves on one side comes in on the other.

    Args:
      d: pixels, >= 0; down and right are each uniform on the integers -d ... d.

    Returns:
      Transform that keeps the size. Its parameters: {"shift": int32 [batch, 2]} (down, right); of signals and volumes [batch, 1]
      and [batch, 3].

    Raises:
      ValueError, TypeError: if `d` is outside its range.
    """
    check_whole("d", d, 0)
    return Shift(d)


@dataclasses.dataclass(frozen=True)
class Affine(Transform):
    """Made by `affine`."""

    shift: float
    scale: float
    rotate: float
    edges: str

    def sample_params(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> Params:
        directions = len(image_shape) - 1

        def uniform(name: str, limit: float, *shape: int) -> tf.Tensor:
            return tf.random.stateless_uniform([batch, *shape], seeds.fold(seed, name), -limit, limit)

        return {
            "shift": uniform("shift", self.shift, directions),
            "scale": tf.exp(uniform("scale", self.scale)),
            "angle": uniform("angle", math.radians(self.rotate)),
            **_axis(seed, batch, directions),
        }

    def apply(self, params: Params, images: tf.Tensor) -> tf.Tensor:
        return warp.affine_warp(images, warp.inverse_similarity(**params), self.edges)

    def output_shape(self, image_shape: Shape) -> Shape:
        if self.rotate:
            _check_turn("affine", image_shape)
        return tuple(image_shape)


def affine(shift: float = 8, scale: float = 0.1, rotate: float = 8, edges: str = "reflect") -> Transform:
    """Scales and rotates about the centre, then shifts, in one linear resampling on the same canvas.

    Of a signal, the scale is a stretch of time. A volume turns about an axis that is uniform on the sphere.

    Args:
      shift: pixels, >= 0; down and right are each uniform on [-shift, shift], not rounded.
      scale: >= 0; the magnification is log-uniform on [exp(-scale), exp(scale)].
      rotate: degrees, >= 0; the angle is uniform on [-rotate, rotate]. 0 for signals.
      edges: what comes in from outside. "reflect": the image mirrored about its outermost pixels (`numpy.pad`
        mode "reflect"); it must be at least 2 x 2. "zero": black.

    Returns:
      Transform that keeps the size. Its parameters: {"shift": [batch, 2] (down, right), "scale": [batch],
      "angle": [batch], radians, counter-clockwise}.

    Raises:
      ValueError, TypeError: if an argument is outside its range.
    """
    for name, value in (("shift", shift), ("scale", scale), ("rotate", rotate)):
        check_number(name, value, 0)
    return Affine(shift, scale, rotate, check_choice("edges", edges, warp.EDGES))


@dataclasses.dataclass(frozen=True)
class Choice(Transform):
    """One parameter of `warp.inverse_similarity` from a list. Made by `random_scale` and `random_rotate`."""

    parameter: str
    values: tuple[float, ...]
    edges: str
    interpolation: str = "bilinear"

    def sample_params(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> Params:
        which = tf.random.stateless_uniform([batch], seed, 0, len(self.values), tf.int32)
        values = tf.gather(tf.constant(self.values, tf.float32), which)
        axis = _axis(seed, batch, len(image_shape) - 1) if self.parameter == "angle" else {}
        return {self.parameter: values} | axis

    def apply(self, params: Params, images: tf.Tensor) -> tf.Tensor:
        batch, *sizes, _ = images.shape
        still = {"shift": tf.zeros([batch, len(sizes)]), "scale": tf.ones([batch]), "angle": tf.zeros([batch])}
        return warp.affine_warp(images, warp.inverse_similarity(**still | params), self.edges, self.interpolation)

    def output_shape(self, image_shape: Shape) -> Shape:
        if self.parameter == "angle":
            _check_turn("random_rotate", image_shape)
        return tuple(image_shape)


def random_scale(scales: Iterable[float], edges: str = "reflect") -> Transform:
    """Zooms about the centre by one of the given factors.

    Lucid resizes the whole image, so that its canvas changes from step to step; here the canvas keeps its
    size, the content grows beyond it or shrinks within it, and shapes stay static. `random_resize` has Lucid's pixel grid.

    Args:
      scales: magnifications > 0, at least one, each as likely as it is often in the list.
      edges: what comes in from outside when shrinking, as in `affine`.

    Returns:
      Transform that keeps the size. Its parameters: {"scale": [batch]}.

    Raises:
      ValueError, TypeError: if an argument is outside its range.
    """
    return Choice("scale", check_numbers("scales", scales, 0), check_choice("edges", edges, warp.EDGES))


def random_rotate(
    angles: Iterable[float], units: str = "degrees", edges: str = "reflect", interpolation: str = "bilinear"
) -> Transform:
    """Rotates about the centre, counter-clockwise, by one of the given angles; a volume about a random axis.

    Args:
      angles: at least one, each as likely as it is often in the list.
      units: "degrees" or "radians".
      edges: what comes in from outside, as in `affine`. Lucid's choice is "zero".
      interpolation: "bilinear" or "nearest". Lucid's choice is "nearest".

    Returns:
      Transform that keeps the size. Its parameters: {"angle": [batch]}, in radians.

    Raises:
      ValueError, TypeError: if an argument is outside its range.
    """
    angles = check_numbers("angles", angles)
    if check_choice("units", units, ("degrees", "radians")) == "degrees":
        angles = tuple(map(math.radians, angles))
    check_choice("edges", edges, warp.EDGES)
    return Choice("angle", angles, edges, check_choice("interpolation", interpolation, warp.INTERPOLATIONS))


@dataclasses.dataclass(frozen=True)
class CropOrPad(Transform):
    """Made by `crop_or_pad_to`."""

    size: tuple[int, ...]

    def apply(self, params: Any, images: tf.Tensor) -> tf.Tensor:
        self.output_shape(images.shape[1:])
        cuts = [slice(max(have - want, 0) // 2, max(have - want, 0) // 2 + want) for have, want in self._pairs(images)]
        gaps = [max(want - have, 0) for have, want in self._pairs(images)]
        margins = [[0, 0], *([gap // 2, gap - gap // 2] for gap in gaps), [0, 0]]
        return tf.pad(images[(slice(None), *cuts)], margins)

    def output_shape(self, image_shape: Shape) -> Shape:
        *sizes, channels = image_shape
        if len(sizes) != len(self.size):
            raise ValueError(f"crop_or_pad_to: expected {len(sizes)} sides for images {sizes}. Received: {self.size}")
        return *self.size, channels

    def _pairs(self, images: tf.Tensor) -> list[tuple[int, int]]:
        return list(zip(images.shape[1:-1], self.size, strict=True))


def crop_or_pad_to(*size: int) -> Transform:
    """Crops centrally or pads with zeros to a given size; goes last, before a network of fixed input size.

    Args:
      *size: height and width in pixels, > 0; of a signal the length, of a volume depth, height and width. An odd difference takes
        or adds the extra pixel at the bottom and right.

    Returns:
      Transform to that size. Its parameters are empty.

    Raises:
      ValueError, TypeError: if an argument is outside its range.
    """
    if len(size) not in SIDES:
        raise ValueError(f"crop_or_pad_to: expected 1, 2 or 3 sides. Received: {len(size)}")
    for name, side in zip(SIDES[len(size)], size, strict=True):
        check_whole(name, side, 1)
    return CropOrPad(size)


@dataclasses.dataclass(frozen=True)
class Mirror(Transform):
    """Made by `mirror`."""

    def sample_params(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> Params:
        return {"flip": tf.random.stateless_uniform([batch], seed) < 0.5}

    def apply(self, params: Params, images: tf.Tensor) -> tf.Tensor:
        rank = len(images.shape)
        flip = tf.reshape(params["flip"], [-1] + [1] * (rank - 1))
        return tf.where(flip, tf.reverse(images, [rank - 2]), images)


def mirror() -> Transform:
    """Exchanges left and right with probability 1/2; a signal runs backwards.

    Returns:
      Transform that keeps the size. Its parameters: {"flip": bool [batch]}.
    """
    return Mirror()


def _axis(seed: tf.Tensor, batch: int, directions: int) -> Params:
    """The axes about which volumes turn, {"axis": [batch, 3]}; pictures need none."""
    if directions != 3:
        return {}
    normal = tf.random.stateless_normal([batch, 3], seeds.fold(seed, "axis"))
    return {"axis": normal / tf.norm(normal, axis=1, keepdims=True)}


def _check_turn(name: str, image_shape: Shape) -> None:
    if len(image_shape) == 2:
        raise ValueError(
            f"{name}: a signal {tuple(image_shape)} cannot be rotated. Leave the rotation out, or give the transforms by name: "
            "'robust' and 'standard' are sets without it for signals."
        )
