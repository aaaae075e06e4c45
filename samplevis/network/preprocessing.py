"""The common ways to preprocess images, as linear maps that any network can be tried under."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from samplevis.network.network import Network

Mode = Literal["unit", "signed", "bytes", "caffe", "torch"]

# Statistics of ImageNet's red, green and blue: of bytes (Caffe's), and of pixels in [0, 1] (torchvision's).
# Source: keras/src/applications/imagenet_utils.py, torchvision/transforms/_presets.py.
CAFFE_MEAN = (123.68, 116.779, 103.939)
MEAN, STANDARD_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DEVIATION = round(sum(STANDARD_DEVIATION) / 3, 3)
# Suffix of the name of a preprocessing that reverses the channels.
BGR = ", BGR"
# Distance of two maps, as a share of their range, below which they count as the same.
SAME_WITHIN = 0.02


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """What is done to images [..., channels] in [0, 1] before a model sees them.

    Attributes:
      name: what it is called.
      value_range, bgr, mean: as in `Network`.
    """

    name: str
    value_range: tuple[float, float]
    bgr: bool = False
    mean: tuple[float, ...] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of `Network`."""
        return {"value_range": self.value_range, "bgr": self.bgr, "mean": self.mean}

    @property
    def arguments(self) -> str:
        """The arguments of `Network` that declare it, as text."""
        low, high = self.value_range
        mean = "" if self.mean is None else f", mean=({', '.join(f'{value:g}' for value in self.mean)})"
        return f"value_range=({low:g}, {high:g}){', bgr=True' if self.bgr else ''}{mean}"

    def matrix(self, channels: int) -> np.ndarray:
        """The map as float64 [channels + 1, channels]: images with a 1 appended, times this."""
        low, high = self.value_range
        turned = np.eye(channels)[::-1] if self.bgr else np.eye(channels)
        offset = low - (0 if self.mean is None else np.asarray(self.mean, np.float64))
        return np.vstack([turned * (high - low), np.broadcast_to(offset, (1, channels))])


#: How `keras.applications` and torchvision prepare images, by the names of the modes ("signed" is Keras's "tf"); in "torch" one
#: standard deviation stands for the three, which differ by 1 %.
MODES: Mapping[Mode, Preprocessing] = {
    "unit": Preprocessing("(0, 1)", (0, 1)),
    "signed": Preprocessing("(-1, 1)", (-1, 1)),
    "bytes": Preprocessing("(0, 255)", (0, 255)),
    "caffe": Preprocessing("(0, 255) less ImageNet's mean" + BGR, (0, 255), bgr=True, mean=CAFFE_MEAN[::-1]),
    "torch": Preprocessing(
        "ImageNet's mean 0, deviation 1",
        (0, round(1 / DEVIATION, 3)),
        mean=tuple(round(value / DEVIATION, 3) for value in MEAN),
    ),
}


def candidates(channels: int) -> list[Preprocessing]:
    """The common preprocessings for a number of channels; for three, each of them in both channel orders."""
    if channels != 3:
        return [mode for mode in MODES.values() if mode.mean is None]
    plain = [_reversed(mode) if mode.bgr else mode for mode in MODES.values()]
    return [*plain, *map(_reversed, plain)]


def declared(network: Network) -> np.ndarray:
    """The map that a network applies, as `Preprocessing.matrix`, measured on black and on pure colours."""
    channels = network.image_shape[-1]
    single = (1,) * network.dimensions
    probes = np.vstack([np.zeros((1, channels)), np.eye(channels)]).reshape(-1, *single, channels)
    answers = np.asarray(network.preprocess(tf.constant(probes, tf.float32)), np.float64)
    black, *colors = answers.reshape(-1, channels)
    return np.vstack([np.array(colors) - black, black])


def is_bgr(matrix: np.ndarray) -> bool:
    """Whether a map of 3 channels puts red last."""
    return len(matrix) == 4 and abs(matrix[0, -1]) > abs(matrix[0, 0])


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two maps give nearly the same values for all images."""
    return bool(np.abs(a - b).max() <= SAME_WITHIN * np.abs(a[:-1]).max())


def in_terms_of(declared: np.ndarray, other: np.ndarray, gain: float = 1.0) -> tuple[tf.Tensor, tf.Tensor]:
    """Another preprocessing as a change of the images that a network is given.

    Args:
      declared: the map that the network applies, as `declared` finds it; it has an inverse.
      other: another map, as `Preprocessing.matrix`.
      gain: what the model's input is multiplied by. Defaults to 1.

    Returns:
      (turn [channels, channels], shift [channels]), float32: `network.preprocess(images @ turn + shift)` is what `other`
      makes of the images.
    """
    inverse = np.linalg.inv(declared[:-1])
    turn, shift = gain * other[:-1] @ inverse, (gain * other[-1] - declared[-1]) @ inverse
    return tf.constant(turn, tf.float32), tf.constant(shift, tf.float32)


def _reversed(mode: Preprocessing) -> Preprocessing:
    """The same for the other order of channels."""
    mean = None if mode.mean is None else mode.mean[::-1]
    name = mode.name.removesuffix(BGR) if mode.bgr else mode.name + BGR
    return dataclasses.replace(mode, name=name, bgr=not mode.bgr, mean=mean)
