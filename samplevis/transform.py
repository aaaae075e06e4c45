"""Random distortions of images: a draw of their parameters, and a deterministic, differentiable apply.

Every image gets its own draw. Draws are nests of tensors with the batch as leading dimension, so that a bank
drawn once can be sliced, stored, or tiled over chains with `tf.nest.map_structure`. Shapes are static, and
the gradient with respect to the images is the exact adjoint of the map, as a Metropolis correction needs.

    distortion = transform.affine(shift=8, scale=0.1, rotate=8)
    bank = distortion.draw(seed, 8, (96, 96, 3))
    distorted = distortion.apply(bank, images)              # images [8, 96, 96, 3]
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis import seeds, warp

Shape = tuple[int, int, int]
Draw = dict[str, tf.Tensor]


class Transform:
    """A random map from images to images. Its kinds are hashable, frozen dataclasses."""

    def draw(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> Any:
        """Draws the random parameters, independently for each image.

        Args:
          seed: int32 [2], stateless seed. Equal seeds give equal draws (XLA and the rest of TensorFlow have
            different generators).
          batch: int, number of images.
          image_shape: (H, W, C) of the images that `apply` will get.

        Returns:
          A nest of tensors with leading dimension [batch]; empty if nothing is random.
        """
        return ()

    def apply(self, draw: Any, images: tf.Tensor) -> tf.Tensor:
        """Applies drawn parameters.

        Args:
          draw: what `draw` returned for this batch and image shape.
          images: [batch, H, W, C], float, static shape.

        Returns:
          [batch, H', W', C], where (H', W', C) = output_shape((H, W, C)).
        """
        raise NotImplementedError

    def output_shape(self, image_shape: Shape) -> Shape:
        """The shape (H', W', C) that images of shape (H, W, C) get.

        Raises:
          ValueError: if images of this shape are too small for the transform.
        """
        return tuple(image_shape)

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """A fresh draw, applied: `apply(draw(seed, batch, (H, W, C)), images)`."""
        batch, *image_shape = images.shape
        return self.apply(self.draw(seed, batch, tuple(image_shape)), images)


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
    _check_integer("width", width, 0)
    _check_number("value", value)
    mode = mode.lower() if isinstance(mode, str) else mode  # Lucid spells the modes of tf.pad in capitals.
    return Pad(width, _check_choice("mode", mode, ("reflect", "constant", "uniform")), value)


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
    _check_integer("d", d, 0)
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
    _check_integer("d", d, 0)
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
        _check_number(name, value, 0)
    return Affine(shift, scale, rotate, _check_choice("edges", edges, warp.EDGES))


@dataclasses.dataclass(frozen=True)
class Choice(Transform):
    """One parameter of `warp.inverse_similarity` from a list. Made by `random_scale` and `random_rotate`."""

    parameter: str
    values: tuple[float, ...]
    edges: str

    def draw(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> Draw:
        which = tf.random.stateless_uniform([batch], seed, 0, len(self.values), tf.int32)
        return {self.parameter: tf.gather(tf.constant(self.values, tf.float32), which)}

    def apply(self, draw: Draw, images: tf.Tensor) -> tf.Tensor:
        batch = images.shape[0]
        still = {"shift": tf.zeros([batch, 2]), "scale": tf.ones([batch]), "angle": tf.zeros([batch])}
        return warp.affine_warp(images, warp.inverse_similarity(**{**still, **draw}), self.edges)


def random_scale(scales: Iterable[float], edges: str = "reflect") -> Transform:
    """Zooms about the centre by one of the given factors.

    Lucid resizes the whole image, so that its canvas changes from step to step; here the canvas keeps its
    size, the content grows beyond it or shrinks within it, and shapes stay static.

    Args:
      scales: magnifications > 0, at least one, each as likely as it is often in the list.
      edges: what comes in from outside when shrinking, as in `affine`.

    Returns:
      Transform that keeps the size. Its draw: {"scale": [batch]}.

    Raises:
      ValueError, TypeError: if an argument is outside its range.
    """
    return Choice("scale", _numbers("scales", scales, 0), _check_choice("edges", edges, warp.EDGES))


def random_rotate(angles: Iterable[float], units: str = "degrees", edges: str = "reflect") -> Transform:
    """Rotates about the centre, counter-clockwise, by one of the given angles, with bilinear interpolation.

    Args:
      angles: at least one, each as likely as it is often in the list.
      units: "degrees" or "radians".
      edges: what comes in from outside, as in `affine`. Lucid's choice is "zero".

    Returns:
      Transform that keeps the size. Its draw: {"angle": [batch]}, in radians.

    Raises:
      ValueError, TypeError: if an argument is outside its range.
    """
    angles = _numbers("angles", angles)
    if _check_choice("units", units, ("degrees", "radians")) == "degrees":
        angles = tuple(map(math.radians, angles))
    return Choice("angle", angles, _check_choice("edges", edges, warp.EDGES))


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
    _check_integer("height", height, 1)
    _check_integer("width", width, 1)
    return CropOrPad(height, width)


@dataclasses.dataclass(frozen=True)
class Blur(Transform):
    """Made by `blur`."""

    sigma: float

    @property
    def radius(self) -> int:
        return int(4 * self.sigma + 0.5)  # where scipy.ndimage.gaussian_filter truncates, too

    def apply(self, draw: Any, images: tf.Tensor) -> tf.Tensor:
        self.output_shape(images.shape[1:])
        margin = [self.radius, self.radius]
        weights = np.exp(-0.5 * (np.arange(-self.radius, self.radius + 1) / self.sigma) ** 2)
        kernel = tf.constant(np.tile((weights / weights.sum())[:, None], images.shape[3]), images.dtype)
        images = tf.pad(images, [[0, 0], margin, margin, [0, 0]], "REFLECT")
        images = tf.nn.depthwise_conv2d(images, kernel[:, None, :, None], [1, 1, 1, 1], "VALID")
        return tf.nn.depthwise_conv2d(images, kernel[None, :, :, None], [1, 1, 1, 1], "VALID")

    def output_shape(self, image_shape: Shape) -> Shape:
        if self.radius >= min(image_shape[:2]):
            raise ValueError(
                f"blur sigma: its reach, int(4 sigma + 0.5), must be less than the {min(image_shape[:2])} "
                f"pixels of the image. Received: sigma {self.sigma}, reach {self.radius}"
            )
        return tuple(image_shape)


def blur(sigma: float) -> Transform:
    """Convolves with a Gaussian, cut off at 4 sigma, edges reflected.

    Args:
      sigma: standard deviation in pixels, > 0; int(4 sigma + 0.5) must be less than the image's shorter side.

    Returns:
      Transform that keeps the size. Its draw is empty.

    Raises:
      ValueError, TypeError: if `sigma` is outside its range.
    """
    _check_number("sigma", sigma, 0, above=True)
    return Blur(sigma)


@dataclasses.dataclass(frozen=True)
class Noise(Transform):
    """Made by `noise`."""

    standard_deviation: float

    def draw(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> Draw:
        noise = tf.random.stateless_normal([batch, *image_shape], seed, stddev=self.standard_deviation)
        return {"noise": noise}

    def apply(self, draw: Draw, images: tf.Tensor) -> tf.Tensor:
        return images + tf.cast(draw["noise"], images.dtype)


def noise(standard_deviation: float) -> Transform:
    """Adds white Gaussian noise. The result is not clipped, so that the gradient stays exact.

    Args:
      standard_deviation: >= 0, on the scale of the image, [0, 1].

    Returns:
      Transform that keeps the size. Its draw: {"noise": [batch, H, W, C]}.

    Raises:
      ValueError, TypeError: if `standard_deviation` is outside its range.
    """
    _check_number("standard_deviation", standard_deviation, 0)
    return Noise(standard_deviation)


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


@dataclasses.dataclass(frozen=True)
class Function(Transform):
    """A plain function from images to images, which has nothing to draw. Made by `as_transform`."""

    function: Callable[[tf.Tensor], tf.Tensor]

    def apply(self, draw: Any, images: tf.Tensor) -> tf.Tensor:
        return self.function(images)

    def output_shape(self, image_shape: Shape) -> Shape:
        images = tf.TensorSpec([1, *image_shape], tf.float32)
        result = tf.function(self.function).get_concrete_function(images).structured_outputs
        return tuple(result.shape[1:])


@dataclasses.dataclass(frozen=True)
class Compose(Transform):
    """Made by `compose`."""

    transforms: tuple[Transform, ...]

    def draw(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> tuple[Any, ...]:
        draws = []
        for number, transform in enumerate(self.transforms):
            draws.append(transform.draw(seeds.fold(seed, number), batch, image_shape))
            image_shape = transform.output_shape(image_shape)
        return tuple(draws)

    def apply(self, draw: tuple[Any, ...], images: tf.Tensor) -> tf.Tensor:
        for transform, own in zip(self.transforms, draw, strict=True):
            images = transform.apply(own, images)
        return images

    def output_shape(self, image_shape: Shape) -> Shape:
        for transform in self.transforms:
            image_shape = transform.output_shape(image_shape)
        return tuple(image_shape)


def compose(transforms: Iterable[Transform | Callable[[tf.Tensor], tf.Tensor]]) -> Transform:
    """Applies transforms one after the other, the first of the list first.

    Args:
      transforms: anything that `as_transform` takes. An empty list gives the identity.

    Returns:
      Transform. Its draw: a tuple of the draws of the parts, each from a seed of its own.

    Raises:
      TypeError: if an item is no transform.
    """
    return Compose(tuple(as_transform(transform) for transform in transforms))


def as_transform(transforms: Any) -> Transform:
    """Makes one transform of whatever describes it.

    Args:
      transforms: a Transform, a function from images [batch, H, W, C] to images (the same function object
        each time, or compiled steps are not shared), a list or tuple of these, or None for the identity.

    Returns:
      Transform.

    Raises:
      TypeError: if it is none of these.
    """
    if isinstance(transforms, Transform):
        return transforms
    if transforms is None:
        return identity
    if isinstance(transforms, (list, tuple)):
        return compose(transforms)
    if callable(transforms):
        return Function(transforms)
    raise TypeError(
        "transforms: expected a Transform, a function from images to images, a list or tuple of them, "
        f"or None. Received: {transforms!r}"
    )


def _check_integer(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: expected an integer. Received: {value!r}")
    if value < least:
        raise ValueError(f"{name}: expected an integer >= {least}. Received: {value!r}")


def _check_number(name: str, value: Any, least: float = -math.inf, above: bool = False) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: expected a number. Received: {value!r}")
    if not math.isfinite(value) or value < least or (above and value == least):
        bound = "" if least == -math.inf else f" {'>' if above else '>='} {least}"
        raise ValueError(f"{name}: expected a finite number{bound}. Received: {value!r}")


def _numbers(name: str, values: Any, above: float = -math.inf) -> tuple[float, ...]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise TypeError(f"{name}: expected a list of numbers. Received: {values!r}")
    values = tuple(values)
    if not values:
        raise ValueError(f"{name}: expected at least one number. Received: an empty list")
    for position, value in enumerate(values):
        _check_number(f"{name}[{position}]", value, above, above=True)
    return tuple(map(float, values))


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    if value not in choices:
        # The nearest spelling first.
        order = sorted(choices, key=lambda choice: -difflib.SequenceMatcher(None, str(value), choice).ratio())
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, order))}. Received: {value!r}")
    return value


identity = compose([])

# Lucid's optvis/transform.py, with pi in full, bilinear rotation, and a canvas that `random_scale` leaves
# alone: an image of 128 pixels reaches the network at 128 + 24 - 8 - 4 = 140 (in Lucid 125 to 154).
standard_transforms = (
    pad(12, "constant", 0.5),
    jitter(8),
    random_scale([1 + 0.02 * step for step in range(-5, 6)]),
    random_rotate([*range(-10, 11), 0, 0, 0, 0, 0], edges="zero"),
    jitter(4),
)

# What sampling averages over: from trials with images of 96 and 128 pixels.
robust_transforms = (affine(shift=8, scale=0.1, rotate=8),)
