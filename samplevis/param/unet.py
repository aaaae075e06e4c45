"""A small U-Net that predicts the velocity of a flow from noise to pictures, of standard Keras layers on any backend."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from samplevis.param.gaussian_velocity import Amplified, GaussianVelocity, Moments

# Side of a patch of pixels that one place of the first level holds, and frequencies of the time's sines.
PATCH, NUM_FREQUENCIES = 2, 8
EMBEDDING = 64
# Levels are added until the coarsest has at most this side; there, every place attends to every other.
COARSEST = 12
WIDTHS = (48, 80, 96, 112)
BLOCKS, COARSE_BLOCKS, HEADS, GROUPS = 1, 5, 4, 8


def num_levels(size: Sequence[int]) -> int:
    """Levels of the U-Net for pictures of a size: each halves the side, the last has at most `COARSEST` places."""
    side, levels = max(size) // PATCH, 1
    while side > COARSEST and levels < len(WIDTHS):
        side, levels = side // 2, levels + 1
    return levels


def check_size(size: Sequence[int], levels: int | None = None) -> None:
    """Raises ValueError unless all levels of the U-Net have whole sides."""
    unit = PATCH * 2 ** ((levels or num_levels(size)) - 1)
    if any(side % unit for side in size):
        raise ValueError(f"size: expected multiples of {unit} pixels. Received: {tuple(size)}")


@keras.saving.register_keras_serializable("samplevis")
class VelocityUNet(keras.Model):
    """The velocity of a flow at a place and a time. See `unet`.

    It is saved as its arguments and weights: equal models give equal files.
    """

    def __init__(self, size: Sequence[int], channels: int, widths: Sequence[int], seed: int = 0, name: str = "flow"):
        inputs, output = _graph(tuple(size), channels, widths, _Layers(seed))
        super().__init__(inputs, output, name=name)
        self._arguments = {"size": list(size), "channels": channels, "widths": list(widths), "seed": seed}

    def get_config(self) -> dict[str, Any]:
        return dict(self._arguments, name=self.name)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> VelocityUNet:
        return cls(**config)

    def set_moments(self, found: Moments) -> None:
        """Takes the Gaussian of pictures, whose velocity the network adds to."""
        self.get_layer("gaussian").set_moments(found)

    def with_weights(self, weights: Sequence[np.ndarray]) -> VelocityUNet:
        """A copy with other weights."""
        copy = type(self)(**self.get_config())
        copy.set_weights(weights)
        return copy


def unet(size: tuple[int, int], channels: int = 3, widths: Sequence[int] | None = None, seed: int = 0) -> VelocityUNet:
    """Makes a U-Net, untrained: the velocity of a flow at a place and a time.

    The velocity of noise that turns into a Gaussian is linear and known (`GaussianVelocity`); the network adds to it what the
    Gaussian does not know, and is zero at first. Pictures differ in contrast and grain: with the time, the network is told how much
    of each octave of waves there is, and it sets a gain for the Gaussian's waves of each.

    Args:
      size: (height, width) of the pictures, multiples of 4 for pictures up to 24 pixels, of 8 up to 48, of 16 beyond.
      channels: of the pictures, >= 1. Defaults to 3.
      widths: channels of each level, multiples of 8. Defaults to 48, 80, 96 and 112, as many as the size needs.
      seed: of the first weights, int. Defaults to 0.

    Returns:
      A Keras model of two inputs, pictures between noise and data [N, height, width, channels] and times [N, 1] from 0
      (noise) to 1 (data), whose output has the shape of the pictures. Give it the Gaussian of the pictures by `set_moments`; until
      then it is white noise of variance 1.

    Raises:
      ValueError: if the size does not fit the levels.

    Example:
      >>> unet((16, 16)).output_shape
      (None, 16, 16, 3)
    """
    widths = tuple(widths or WIDTHS[: num_levels(size)])
    check_size(size, len(widths))
    return VelocityUNet(size, channels, widths, seed)


def _graph(
    size: tuple[int, int], channels: int, widths: Sequence[int], make: _Layers
) -> tuple[list[keras.KerasTensor], keras.KerasTensor]:
    """Inputs and output."""
    picture = keras.Input((*size, channels), name="picture")
    time = keras.Input((1,), name="time")
    gaussian = GaussianVelocity(size, channels)
    found = gaussian(picture, time)
    embedding = make.embedding(time, found.powers)
    gains = Amplified(gaussian)(found.waves, make.dense(embedding, gaussian.num_powers, zero=True))
    x = make.conv(_patches(found.seen, size, 2 * channels), widths[0])
    skips = []
    for width in widths[:-1]:
        for _ in range(BLOCKS):
            x = make.block(x, embedding, width)
        skips.append(x)
        x = make.conv(layers.AveragePooling2D(2)(x), widths[len(skips)], 1)
    for number in range(COARSE_BLOCKS):
        x = make.block(x, embedding, widths[-1])
        if number == 0:
            x = make.attention(x, widths[-1])
    for width, skip in zip(widths[-2::-1], skips[::-1], strict=True):
        x = layers.UpSampling2D(2)(make.conv(x, width, 1)) + skip
        for _ in range(BLOCKS):
            x = make.block(x, embedding, width)
    x = _pixels(make.conv(layers.Activation("silu")(make.norm(x)), PATCH**2 * channels, zero=True), size, channels)
    return [picture, time], found.mean + gains + found.deviation * x


class _Layers:
    """The parts of the network, with seeds of their own."""

    def __init__(self, seed: int):
        self._seeds, self._counts = np.random.default_rng(seed), collections.Counter()

    def _name(self, kind: str) -> str:
        self._counts[kind] += 1
        return f"{kind}{self._counts[kind]}"

    def _start(self, zero: bool) -> keras.initializers.Initializer:
        seed = int(self._seeds.integers(2**31))
        return keras.initializers.Zeros() if zero else keras.initializers.HeNormal(seed=seed)

    def conv(self, x: keras.KerasTensor, width: int, kernel: int = 3, zero: bool = False) -> keras.KerasTensor:
        return layers.Conv2D(
            width, kernel, padding="same", kernel_initializer=self._start(zero), name=self._name("conv")
        )(x)

    def dense(self, x: keras.KerasTensor, width: int, activation: str | None = None, zero: bool = False):
        return layers.Dense(width, activation, kernel_initializer=self._start(zero), name=self._name("dense"))(x)

    def norm(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return layers.GroupNormalization(GROUPS, name=self._name("norm"))(x)

    def embedding(self, time: keras.KerasTensor, powers: keras.KerasTensor) -> keras.KerasTensor:
        """Sines and cosines of the time, powers of octaves, and a small network of them."""
        angle = time * np.float32(np.pi * np.arange(1, NUM_FREQUENCIES + 1))
        waves = layers.Concatenate()([ops.sin(angle), ops.cos(angle), powers])
        return self.dense(self.dense(waves, EMBEDDING, "silu"), EMBEDDING, "silu")

    def block(self, x: keras.KerasTensor, embedding: keras.KerasTensor, width: int) -> keras.KerasTensor:
        """A residual block, whose channels are scaled and shifted by the time."""
        scale, shift = (layers.Reshape((1, 1, width))(self.dense(embedding, width, zero=True)) for _ in range(2))
        h = self.norm(x) * (1.0 + scale) + shift
        h = self.conv(layers.Activation("silu")(h), width)
        return x + self.conv(layers.Activation("silu")(h), width, zero=True)

    def attention(self, x: keras.KerasTensor, width: int) -> keras.KerasTensor:
        """Every place attends to every other."""
        height, breadth = x.shape[1:3]
        places = layers.Reshape((height * breadth, width))(self.norm(x))
        attend = layers.MultiHeadAttention(
            HEADS, width // HEADS, kernel_initializer=self._start(False), name=self._name("attention")
        )
        seen = attend(places, places)
        return x + layers.Reshape((height, breadth, width))(seen)


def _patches(x: keras.KerasTensor, size: tuple[int, int], channels: int) -> keras.KerasTensor:
    """Pixels [N, H, W, C] -> patches [N, H / 2, W / 2, 4 C]."""
    height, width = size[0] // PATCH, size[1] // PATCH
    x = layers.Reshape((height, PATCH, width, PATCH, channels))(x)
    return layers.Reshape((height, width, PATCH**2 * channels))(layers.Permute((1, 3, 2, 4, 5))(x))


def _pixels(x: keras.KerasTensor, size: tuple[int, int], channels: int) -> keras.KerasTensor:
    """The inverse of `_patches`."""
    x = layers.Reshape((size[0] // PATCH, size[1] // PATCH, PATCH, PATCH, channels))(x)
    return layers.Reshape((*size, channels))(layers.Permute((1, 3, 2, 4, 5))(x))
