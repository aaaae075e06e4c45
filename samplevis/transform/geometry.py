"""Transforms that move pixels: shifts, scales, rotations, mirror images, borders."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from samplevis import seeds
from samplevis.checks import check_choice, check_number, check_numbers, check_whole
from samplevis.transform import warp
from samplevis.transform.base import Draw, Shape, Transform


@dataclasses.dataclass(frozen=True)
class Pad(Transform):
    """Made by `pad`."""

    width: int
    mode: str
    value: float

    def draw(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> Any:
        return {"value": tf.random.stateless_uniform([batch], seed)} if self.mode == "uniform" else ()

    def apply(self, draw: Any, images: tf.Tensor) -> tf.Tensor:
        self.output_shape(images.shape[1:])
        margins = [[0, 0], [self.width, self.width], [self.width, self.width], [0, 0]]
        if self.mode == "reflect":
            return tf.pad(images, margins, "REFLECT")
        if self.mode == "constant":
            return tf.pad(images, margins, constant_values=self.value)
        border = 1 - tf.pad(tf.ones([1, *images.shape[1:]], images.dtype), margins)
        return tf.pad(images, margins) + tf.cast(draw["value"], images.dtype)[:, None, None, None] * border

    def output_shape(self, image_shape: Shape) -> Shape:
        height, width, channels = image_shape
        if self.mode == "reflect" and self.width >= min(height, width):
            raise ValueError(
                f"pad width: expected less than the {min(height, width)} pixels of the image in mode "
                f'"reflect". Received: {self.width}'
            )
        return height + 2 * self.width, width + 2 * self.width, channels


def pad(width: int, mode: str = "reflect", value: float = 0.5) -> Transform:
    """Adds a border on all four sides.

    Args:
      width: pixels, >= 0; below the image's shorter side in mode "reflect".
      mode: "reflect": the image mirrored about its outermost pixels. "constant": `value`. "uniform": one grey
        for each image, uniform on [0, 1).
      value: what mode "constant" fills in.

    Returns:
      Transform to (H + 2 width, W + 2 width). Its draw: empty, or {"value": [batch]} in mode "uniform".

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

    def draw(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> Draw:
        return {"offset": tf.random.stateless_uniform([batch, 2], seed, 0, self.d + 1, tf.int32)}

    def apply(self, draw: Draw, images: tf.Tensor) -> tf.Tensor:
        height, width, _ = self.output_shape(images.shape[1:])
        top, left = draw["offset"][:, :1], draw["offset"][:, 1:]
        return warp.take(images, top + tf.range(height), left + tf.range(width))

    def output_shape(self, image_shape: Shape) -> Shape:
        height, width, channels = image_shape
        if self.d >= min(height, width):
            raise ValueError(
                f"jitter d: expected less than the {min(height, width)} pixels of the image. Received: {self.d}"
            )
        return height - self.d, width - self.d, channels


def jitter(d: int) -> Transform:
    """Crops at a random place, d pixels less high and wide (Lucid's `jitter`).

    Args:
      d: pixels, >= 0, below the image's shorter side.

    Returns:
      Transform to (H - d, W - d). Its draw: {"offset": int32 [batch, 2]}, the first row and column, each
      uniform on 0 ... d.

    Raises:
      ValueError, TypeError: if `d` is outside its range.
    """
    check_whole("d", d, 0)
    return Jitter(d)


@dataclasses.dataclass(frozen=True)
class Shift(Transform):
    """Made by `shift`."""

    d: int

    def draw(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> Draw:
        return {"shift": tf.random.stateless_uniform([batch, 2], seed, -self.d, self.d + 1, tf.int32)}

    def apply(self, draw: Draw, images: tf.Tensor) -> tf.Tensor:
        height, width = images.shape[1:3]
        down, right = draw["shift"][:, :1], draw["shift"][:, 1:]
        return warp.take(images, (tf.range(height) - down) % height, (tf.range(width) - right) % width)


def shift(d: int) -> Transform:
    """Rolls the image by whole pixels: what leaves on one side comes in on the other.

    Args:
      d: pixels, >= 0; down and right are each uniform on the integers -d ... d.

    Returns:
      Transform that keeps the size. Its draw: {"shift": int32 [batch, 2]} (down, right).

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

    def draw(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> Draw:
        def uniform(name: str, limit: float, *shape: int) -> tf.Tensor:
            return tf.random.stateless_uniform([batch, *shape], seeds.fold(seed, name), -limit, limit)

        return {
            "shift": uniform("shift", self.shift, 2),
            "scale": tf.exp(uniform("scale", self.scale)),
            "angle": uniform("angle", math.radians(self.rotate)),
        }

    def apply(self, draw: Draw, images: tf.Tensor) -> tf.Tensor:
        return warp.affine_warp(images, warp.inverse_similarity(**draw), self.edges)


def affine(shift: float = 8, scale: float = 0.1, rotate: float = 8, edges: str = "reflect") -> Transform:
    """Scales and rotates about the centre, then shifts, in one bilinear resampling on the same canvas.

    Args:
      shift: pixels, >= 0; down and right are each uniform on [-shift, shift], not rounded.
      scale: >= 0; the magnification is log-uniform on [exp(-scale), exp(scale)].
      rotate: degrees, >= 0; the angle is uniform on [-rotate, rotate].
      edges: what comes in from outside. "reflect": the image mirrored about its outermost pixels (`numpy.pad`
        mode "reflect"); it must be at least 2 x 2. "zero": black.

    Returns:
      Transform that keeps the size. Its draw: {"shift": [batch, 2] (down, right), "scale": [batch],
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

    def draw(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> Draw:
        which = tf.random.stateless_uniform([batch], seed, 0, len(self.values), tf.int32)
        return {self.parameter: tf.gather(tf.constant(self.values, tf.float32), which)}

    def apply(self, draw: Draw, images: tf.Tensor) -> tf.Tensor:
        batch = images.shape[0]
        still = {"shift": tf.zeros([batch, 2]), "scale": tf.ones([batch]), "angle": tf.zeros([batch])}
        return warp.affine_warp(images, warp.inverse_similarity(**still | draw), self.edges, self.interpolation)


def random_scale(scales: Iterable[float], edges: str = "reflect") -> Transform:
    """Zooms about the centre by one of the given factors.

    Lucid resizes the whole image, so that its canvas changes from step to step; here the canvas keeps its
    size, the content grows beyond it or shrinks within it, and shapes stay static. `random_resize` has Lucid's pixel grid.

    Args:
      scales: magnifications > 0, at least one, each as likely as it is often in the list.
      edges: what comes in from outside when shrinking, as in `affine`.

    Returns:
      Transform that keeps the size. Its draw: {"scale": [batch]}.

    Raises:
      ValueError, TypeError: if an argument is outside its range.
    """
    return Choice("scale", check_numbers("scales", scales, 0), check_choice("edges", edges, warp.EDGES))


def random_rotate(
    angles: Iterable[float], units: str = "degrees", edges: str = "reflect", interpolation: str = "bilinear"
) -> Transform:
    """Rotates about the centre, counter-clockwise, by one of the given angles.

    Args:
      angles: at least one, each as likely as it is often in the list.
      units: "degrees" or "radians".
      edges: what comes in from outside, as in `affine`. Lucid's choice is "zero".
      interpolation: "bilinear" or "nearest". Lucid's choice is "nearest".

    Returns:
      Transform that keeps the size. Its draw: {"angle": [batch]}, in radians.

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

    height: int
    width: int

    def apply(self, draw: Any, images: tf.Tensor) -> tf.Tensor:
        return tf.image.resize_with_crop_or_pad(images, self.height, self.width)

    def output_shape(self, image_shape: Shape) -> Shape:
        return self.height, self.width, image_shape[2]


def crop_or_pad_to(height: int, width: int) -> Transform:
    """Crops centrally or pads with zeros to a given size; goes last, before a network of fixed input size.

    Args:
      height, width: pixels, > 0. An odd difference takes or adds the extra pixel at the bottom and right.

    Returns:
      Transform to (height, width). Its draw is empty.

    Raises:
      ValueError, TypeError: if an argument is outside its range.
    """
    check_whole("height", height, 1)
    check_whole("width", width, 1)
    return CropOrPad(height, width)


@dataclasses.dataclass(frozen=True)
class Mirror(Transform):
    """Made by `mirror`."""

    def draw(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> Draw:
        return {"flip": tf.random.stateless_uniform([batch], seed) < 0.5}

    def apply(self, draw: Draw, images: tf.Tensor) -> tf.Tensor:
        return tf.where(draw["flip"][:, None, None, None], tf.reverse(images, [2]), images)


def mirror() -> Transform:
    """Exchanges left and right with probability 1/2.

    Returns:
      Transform that keeps the size. Its draw: {"flip": bool [batch]}.
    """
    return Mirror()
