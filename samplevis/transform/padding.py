"""Transforms that change the size at fixed positions: padding, and central crops."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypeAlias, get_args

import tensorflow as tf

from samplevis.runtime.checks import check_choice, check_number, check_whole
from samplevis.transform.base import Shape, Transform
from samplevis.transform.variates import uniform

PadMode: TypeAlias = Literal["reflect", "constant", "uniform"]

# Names of the sides of a signal, an image and a volume.
SIDES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


@dataclasses.dataclass(frozen=True)
class Pad(Transform):
    """See `pad`."""

    width: int
    mode: PadMode
    value: float

    def sample_params(self, seed: tf.Tensor, batch: int, image_shape: Shape, strata: int = 1) -> Any:
        return {"value": uniform(seed, (batch,), strata=strata)} if self.mode == "uniform" else ()

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


def pad(width: int, mode: PadMode = "reflect", value: float = 0.5) -> Transform:
    """Adds a border on all sides: four of an image, two of a signal, six of a volume.

    Args:
      width: pixels, >= 0; less than the image's shorter side in mode "reflect".
      mode: "reflect": the image mirrored about its outermost pixels (default). "constant": `value`. "uniform": one grey value
        per image, uniform on [0, 1).
      value: value of the border in mode "constant". Defaults to 0.5.

    Returns:
      Transform to (H + 2 width, W + 2 width). Its parameters: empty, or {"value": [batch]} in mode "uniform".

    Raises:
      ValueError, TypeError: if an argument is out of range.

    Example:
      >>> import tensorflow as tf
      >>> from samplevis import transform
      >>> transform.pad(12)(tf.zeros([2, 64, 64, 3]), seed=[0, 1]).shape
      TensorShape([2, 88, 88, 3])
    """
    check_whole("width", width, 0)
    check_number("value", value)
    mode = mode.lower() if isinstance(mode, str) else mode  # Lucid writes the modes of tf.pad in capitals.
    return Pad(width, check_choice("mode", mode, get_args(PadMode)), value)


@dataclasses.dataclass(frozen=True)
class CropOrPad(Transform):
    """See `crop_or_pad_to`."""

    size: tuple[int, ...]

    def apply(self, params: Any, images: tf.Tensor) -> tf.Tensor:
        self.output_shape(images.shape[1:])
        sizes = list(zip(images.shape[1:-1], self.size, strict=True))
        first = [max(old - new, 0) // 2 for old, new in sizes]
        crops = [slice(start, start + side) for start, side in zip(first, self.size, strict=True)]
        missing = [max(new - old, 0) for old, new in sizes]
        margins = [[0, 0], *([count // 2, count - count // 2] for count in missing), [0, 0]]
        return tf.pad(images[(slice(None), *crops)], margins)

    def output_shape(self, image_shape: Shape) -> Shape:
        *sizes, channels = image_shape
        if len(sizes) != len(self.size):
            raise ValueError(f"crop_or_pad_to: expected {len(sizes)} sides for images {sizes}. Received: {self.size}")
        return *self.size, channels


def crop_or_pad_to(*size: int) -> Transform:
    """Crops centrally or pads with zeros to a given size. Put it last, before a network with a fixed input size.

    Args:
      *size: height and width in pixels, > 0; the length of a signal; depth, height and width of a volume. If a difference is odd,
        the extra pixel is cropped or added at the bottom and right.

    Returns:
      Transform to that size. Its parameters are empty.

    Raises:
      ValueError, TypeError: if an argument is out of range.

    Example:
      >>> import tensorflow as tf
      >>> from samplevis import transform
      >>> transform.crop_or_pad_to(48, 80)(tf.zeros([2, 64, 64, 3]), seed=[0, 1]).shape
      TensorShape([2, 48, 80, 3])
    """
    if len(size) not in SIDES:
        raise ValueError(f"crop_or_pad_to: expected 1, 2 or 3 sides. Received: {len(size)}")
    for name, side in zip(SIDES[len(size)], size, strict=True):
        check_whole(name, side, 1)
    return CropOrPad(size)
