"""Lucid's transforms: functions of the images, with the same parameters for all of a batch. Source: lucid/optvis/transform.py."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.lucid.core import overriding, randomness
from samplevis.lucid.core.closures import closure
from samplevis.lucid.optvis import param

ImageFunction = Callable[[tf.Tensor], tf.Tensor]
# Lucid's value of pi.
PI = 3.14


@closure
def jitter(t: tf.Tensor, d: int, seed: int | None = None) -> tf.Tensor:
    """Crops d pixels of height and width at a random position.

    Args:
      d: pixels, >= 0.
      seed: for use outside `render_vis`. Defaults to none.

    Example:
      >>> jitter(4)(tf.zeros([2, 16, 16, 3])).shape
      TensorShape([2, 12, 12, 3])
    """
    shape = tf.shape(t)
    first = randomness.uniform([2], 0, d + 1, "int32", seed)
    size = shape[-3:-1] - d
    # `slice` loses static sizes.
    cut = tf.slice(
        t, tf.concat([tf.zeros_like(shape[:-3]), first, [0]], 0), tf.concat([shape[:-3], size, shape[-1:]], 0)
    )
    *before, height, width, channels = t.shape
    return tf.ensure_shape(cut, [*before, height and height - d, width and width - d, channels])


@closure
def pad(t: tf.Tensor, w: int, mode: str = "REFLECT", constant_value: float | str = 0.5) -> tf.Tensor:
    """Adds a border.

    Args:
      w: its width in pixels.
      mode: "REFLECT" (default), "SYMMETRIC" or "CONSTANT".
      constant_value: of a constant border; "uniform" for a random grey. Defaults to 0.5.

    Example:
      >>> pad(4)(tf.zeros([2, 16, 16, 3])).shape
      TensorShape([2, 24, 24, 3])
    """
    value = randomness.uniform([]) if constant_value == "uniform" else constant_value
    return tf.pad(t, [(0, 0), (w, w), (w, w), (0, 0)], mode, value)


@closure
def random_scale(t: tf.Tensor, scales: Iterable[float], seed: int | None = None) -> tf.Tensor:
    """Resizes by one of some factors, on TensorFlow 1's grid; the size of the images changes.

    Args:
      scales: the factors.
      seed: for use outside `render_vis`. Defaults to none.

    Example:
      >>> random_scale([0.5])(tf.zeros([2, 16, 16, 3])).shape
      TensorShape([2, 8, 8, 3])
    """
    scale = tf.cast(_rand_select(scales, seed), tf.float32)
    size = tf.cast(scale * tf.cast(tf.shape(t)[-3:-1], tf.float32), tf.int32)
    return tf.raw_ops.ResizeBilinear(images=t, size=size, align_corners=False, half_pixel_centers=False)


@closure
def random_rotate(t: tf.Tensor, angles: Iterable[float], units: str = "degrees", seed: int | None = None) -> tf.Tensor:
    """Rotates by one of some angles, counter-clockwise: nearest pixels, zeros outside.

    Args:
      angles: the angles.
      units: "degrees" (default), with 3.14 for pi, or "radians".
      seed: for use outside `render_vis`. Defaults to none.

    Example:
      >>> random_rotate([90])(tf.ones([2, 16, 16, 3])).shape
      TensorShape([2, 16, 16, 3])
    """
    angle = _angle2rads(_rand_select(angles, seed), units)
    height, width = tf.unstack(tf.cast(tf.shape(t)[-3:-1], tf.float32) - 1)
    cos, sin = tf.cos(angle), tf.sin(angle)
    right, down = (width - cos * width + sin * height) / 2, (height - sin * width - cos * height) / 2
    matrix = tf.stack([cos, -sin, right, sin, cos, down, 0.0, 0.0])[None]
    turned = tf.raw_ops.ImageProjectiveTransformV3(
        images=t,
        transforms=matrix,
        output_shape=tf.shape(t)[-3:-1],
        fill_value=0.0,
        interpolation="NEAREST",
        fill_mode="CONSTANT",
    )
    return tf.ensure_shape(turned, t.shape)


@closure
def normalize_gradient(t: tf.Tensor, grad_scales: Sequence[float] | None = None) -> tf.Tensor:
    """The images as they are; each one's gradient is divided by its norm. A gradient of zero stays zero.

    Args:
      grad_scales: what to multiply the gradient of each image by afterwards. Defaults to 1.

    Example:
      >>> normalize_gradient()(tf.ones([1, 4, 4, 3])).shape
      TensorShape([1, 4, 4, 3])
    """
    scales = 1.0 if grad_scales is None else np.float32(grad_scales)[:, None, None, None]

    def gradient(op: Any, grad: tf.Tensor) -> tf.Tensor:
        norm = tf.sqrt(tf.reduce_sum(tf.square(grad), [1, 2, 3], keepdims=True))
        return tf.math.divide_no_nan(scales * grad, norm)

    return overriding.with_gradient(tf.identity, gradient, "Identity")(t)


@closure
def collapse_alpha_random(t: tf.Tensor, sd: float = 0.5) -> tf.Tensor:
    """Lays images with an alpha channel over random ones.

    Args:
      sd: strength of the random images. Defaults to 0.5.

    Example:
      >>> collapse_alpha_random()(tf.ones([2, 16, 16, 4])).shape
      TensorShape([2, 16, 16, 3])
    """
    rgb, alpha = t[..., :3], t[..., 3:4]
    if None in rgb.shape.as_list():
        raise ValueError(
            "transforms: collapse_alpha_random needs images of a known size, which those before it change, such as random_scale. "
            "Put it first: [transform.collapse_alpha_random()] + transform.standard_transforms."
        )
    return alpha * rgb + (1 - alpha) * param.random.image_sample(rgb.shape.as_list(), sd=sd)


@closure
def crop_or_pad_to(t: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Crops centrally or pads with zeros. Put it last, for networks of a fixed size.

    Args:
      height, width: in pixels.

    Example:
      >>> crop_or_pad_to(8, 20)(tf.ones([2, 16, 16, 3])).shape
      TensorShape([2, 8, 20, 3])
    """
    return tf.image.resize_with_crop_or_pad(t, height, width)


def compose(transforms: Iterable[ImageFunction]) -> ImageFunction:
    """Applies transforms in sequence, the first of the list first.

    Args:
      transforms: functions of images.

    Returns:
      A function of images.

    Example:
      >>> compose([pad(4), jitter(2)])(tf.zeros([1, 16, 16, 3])).shape
      TensorShape([1, 22, 22, 3])
    """
    transforms = tuple(transforms)
    return lambda images: functools.reduce(lambda t, transform: transform(t), transforms, images)


def _rand_select(xs: Iterable[float], seed: int | None = None) -> tf.Tensor:
    xs = list(xs)
    return tf.constant(xs)[randomness.uniform([], 0, len(xs), "int32", seed)]


def _angle2rads(angle: tf.Tensor, units: str) -> tf.Tensor:
    angle = tf.cast(angle, tf.float32)
    if units.lower() == "degrees":
        return PI * angle / 180.0
    if units.lower() in ("radians", "rads", "rad"):
        return angle
    raise ValueError(f"units: expected 'degrees' or 'radians'. Received: {units!r}")


standard_transforms = [
    pad(12, mode="constant", constant_value=0.5),
    jitter(8),
    random_scale([1 + (i - 5) / 50.0 for i in range(11)]),
    random_rotate([*range(-10, 11), 0, 0, 0, 0, 0]),
    jitter(4),
]
