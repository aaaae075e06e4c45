"""The images that a network takes: their shape, and the preprocessing that the model expects."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.network.sources.base import Shape, show, sizes
from samplevis.runtime.checks import brief, check_array, check_flag, check_numbers, check_wholes

# Sides of the images, by number of dimensions, to try a network with that takes any size.
DEFAULT_SIDES = {1: 1024, 2: 96, 3: 32}


@dataclasses.dataclass(frozen=True, eq=False)
class ImageInput:
    """What images a network takes, and what becomes of them before the model sees them.

    Attributes:
      network: the network's name, for messages.
      shape: (*size, channels), None for a size that is free.
      value_range: (low, high), what 0 and 1 become.
      bgr: whether the model expects blue first.
      mean: float32 [channels], subtracted after scaling, or None.
      std: float32 [channels], what the difference is divided by, or None.
    """

    network: str
    shape: Shape
    value_range: tuple[float, float]
    bgr: bool
    mean: np.ndarray | None
    std: np.ndarray | None = None

    @classmethod
    def checked(
        cls,
        network: str,
        shape: Shape,
        value_range: tuple[float, float],
        bgr: bool,
        mean: float | Sequence[float] | None,
        std: float | Sequence[float] | None = None,
    ) -> ImageInput:
        """An `ImageInput` of a user's arguments; raises TypeError or ValueError if one does not fit."""
        value_range = _check_range(value_range)
        check_flag("bgr", bgr)
        if bgr and shape[-1] != 3:
            raise ValueError(f"bgr: only for images of 3 channels. {network!r} takes {shape[-1]}.")
        mean, std = _check_channels("mean", mean, shape[-1]), _check_channels("std", std, shape[-1])
        if std is not None and not (std > 0).all():
            raise ValueError(f"std: expected positive numbers. Received: {brief(std.tolist())}")
        return cls(network, shape, value_range, bool(bgr), mean, std)

    @property
    def dimensions(self) -> int:
        """1 for signals, 2 for images, 3 for volumes."""
        return len(self.shape) - 1

    def text(self) -> str:
        """What it takes, as text."""
        low, high = self.value_range
        extra = ", BGR" if self.bgr else ""
        for name, values in (("mean", self.mean), ("std", self.std)):
            extra += "" if values is None else f", {name} {[round(float(v), 3) for v in values]}"
        return f"images {show(self.shape)}, range ({low:g}, {high:g}){extra}"

    def noise(self, scale: int = 1) -> tf.Tensor:
        """Two preprocessed images of uniform noise, of the size that the network takes; where it is free, `scale` usual sides."""
        *sides, channels = self.shape
        size = [side or scale * DEFAULT_SIDES[self.dimensions] for side in sides]
        return self.preprocess(np.random.default_rng(0).uniform(size=(2, *size, channels)))

    def preprocess(self, images: tf.Tensor) -> tf.Tensor:
        """Images [batch, *size, channels] in [0, 1] as the model expects them, float32."""
        images = tf.convert_to_tensor(images, tf.float32)
        if images.shape.rank != 1 + len(self.shape) or images.shape[-1] != self.shape[-1]:
            raise ValueError(f"images: {self._expected()}. Received shape: {show(images.shape)}")
        low, high = self.value_range
        if (low, high) != (0.0, 1.0):
            images = low + images * (high - low)
        if self.bgr:
            images = tf.reverse(images, [-1])
        if self.mean is not None:
            images = images - self.mean
        if self.std is not None:
            images = images / self.std
        return images

    def check(self, images: Any) -> tf.Tensor:
        """Checks images that a user passed.

        Args:
          images: array or tensor [batch, *size, channels]. Of a symbolic tensor, only shape and type can be checked.

        Returns:
          The images as a float32 tensor; gradients flow through it.

        Raises:
          ValueError: if the shape is wrong, or a value is not finite or outside [0, 1].
        """
        if tf.is_tensor(images):
            images = tf.convert_to_tensor(images)
            floating = images.dtype.is_floating
        else:
            images = check_array("images", images, None)
            floating = np.issubdtype(images.dtype, np.floating)
        self._check_shape(images.shape)
        if not floating:
            name = getattr(images.dtype, "name", images.dtype)
            raise ValueError(f"images: expected floats in [0, 1] (divide bytes by 255). Received: {name}")
        if not tf.is_symbolic_tensor(images):
            _check_values(np.asarray(images))
        return tf.cast(images, tf.float32)

    def check_size(self, image_size: tuple[int, ...]) -> tuple[int, ...]:
        """The size as integers; raises ValueError unless the network takes images of it."""
        try:
            size = check_wholes("image_size", image_size, 1)
        except (TypeError, ValueError):
            size = None
        if size is None or not self.takes(size):
            raise self._wrong_size(image_size)
        return size

    def takes(self, image_size: Sequence[int | None]) -> bool:
        """Whether images of a size fit; a None, of a symbolic tensor, fits any."""
        declared = self.shape[:-1]
        return len(declared) == len(image_size) and all(
            None in (want, got) or want == got for want, got in zip(declared, image_size, strict=True)
        )

    def _check_shape(self, shape: tf.TensorShape | tuple[int, ...]) -> None:
        shape, rank = tf.TensorShape(shape), 1 + len(self.shape)
        if shape.rank != rank or shape[-1] != self.shape[-1] or 0 in shape.as_list():
            hint = " (add a batch axis: images[None])" if shape.rank == rank - 1 else ""
            shown = "unknown" if shape.rank is None else show(shape)
            raise ValueError(f"images: {self._expected()}. Received shape: {shown}{hint}")
        size = tuple(shape[1:-1])
        if not self.takes(size):
            raise self._wrong_size(size)

    def _expected(self) -> str:
        return f"{self.network!r} takes [batch, {sizes(self.dimensions)}, {self.shape[-1]}]"

    def _wrong_size(self, image_size: Any) -> ValueError:
        return ValueError(
            f"image_size: {self.network!r} takes images of {show(self.shape[:-1])} ({sizes(self.dimensions)}; None is "
            f"any). Received: {brief(image_size)}"
        )


def _check_values(images: np.ndarray) -> None:
    if not np.isfinite(images).all():
        raise ValueError("images: expected finite values. Received NaN or infinity.")
    if images.min() < 0 or images.max() > 1:
        raise ValueError(
            f"images: expected values in [0, 1]. Received: [{float(images.min()):g}, {float(images.max()):g}]"
        )


def _check_range(value_range: tuple[float, float]) -> tuple[float, float]:
    try:
        low, high = check_numbers("value_range", value_range)
    except (TypeError, ValueError):
        low = high = np.nan
    if not low < high:
        raise ValueError(f"value_range: expected (low, high), finite, low < high. Received: {brief(value_range)}")
    return low, high


def _check_channels(name: str, given: float | Sequence[float] | None, channels: int) -> np.ndarray | None:
    if given is None:
        return None
    values = check_array(name, given)
    if values.shape not in ((), (channels,)) or not np.isfinite(values).all():
        raise ValueError(f"{name}: expected a number or {channels} of them, finite. Received: {given!r}")
    return np.broadcast_to(values, (channels,))
