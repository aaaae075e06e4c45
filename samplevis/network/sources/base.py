"""What a `Network` asks of the model inside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import keras
import tensorflow as tf

Shape = tuple[int | None, ...]
Function = Callable[[tf.Tensor], tf.Tensor]
# (name of the layer, kind of function such as "relu6", the function) -> another function, or None to keep it.
ReplaceActivation = Callable[[str, str, Function], Function | None]
# (name of the layer, a layer of the same settings without weights) -> a layer in its place, or None to keep it.
ReplaceLayer = Callable[[str, keras.layers.Layer], keras.layers.Layer | None]

#: What follows a layer's name for its values before its activation function.
PRE = "/pre"


@runtime_checkable
class Source(Protocol):
    """A model that computes its layers, by name, from images as it expects them: what is left of a model when
    preprocessing, labels and the checks of arguments are `Network`'s.

    Attributes:
      model: the model as the user passed it, or as nearly as possible.
      name: its name.
      image_shape: (height, width, channels) of its images, (length, channels) of signals, (depth, height, width, channels) of
        volumes; None for a size that is free.
      names: every name that a layer may be asked for by -> the shape of its activations without the batch.
      layers: those of `names` that are worth a line in a table, in the order of computation.
      kinds: for each of `layers`, a word that says what it does.
      operations: for each layer that `replaced` asks about, what computes it: a Keras layer, or a function.
      missing: names of layers that the model has and that cannot be computed -> why.
      variables: what training can still change; empty if the source is a snapshot.
      parameters: how many numbers were trained, or are constants of a snapshot.
    """

    model: Any
    name: str
    image_shape: Shape
    names: Mapping[str, Shape]
    layers: Mapping[str, Shape]
    kinds: Mapping[str, str]
    operations: Mapping[str, Any]
    missing: Mapping[str, str]
    variables: Sequence[Any]
    parameters: int

    def cut(self, names: tuple[str, ...]) -> Callable[[tf.Tensor], list[tf.Tensor]]:
        """The model as far as some layers: a function from prepared images to their activations, in that order."""

    def substitute(self, layer: str, names: tuple[str, ...]) -> Callable[[tf.Tensor, tf.Tensor], list[tf.Tensor]]:
        """The same with the activations of `layer` as a second argument; ValueError if that layer cannot be replaced."""

    def replaced(self, activation: ReplaceActivation, layer: ReplaceLayer) -> Source:
        """A copy, with copies of the variables, in which some activation functions and layers are others."""


def show(shape: Sequence[int | None]) -> str:
    """A shape as it is printed."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def sizes(dimensions: int) -> str:
    """What the sizes of a signal, an image or a volume are called."""
    return ("length", "height, width", "depth, height, width")[dimensions - 1]


def is_image_shape(shape: Sequence[int | None]) -> bool:
    """Whether a shape without the batch may be that of a signal, an image or a volume."""
    return 2 <= len(shape) <= 4


#: The shapes that a message asks for.
IMAGES = (
    "images [batch, height, width, channels] (or signals [batch, length, channels], volumes [batch, depth, height, width, "
    "channels])"
)


def to_last(values: tf.Tensor, rank: int) -> tf.Tensor:
    """[batch, channels, rows, ...] with channels last; those of a lower rank than the images' as they are."""
    axes = values.shape.rank
    return tf.transpose(values, [0, *range(2, axes), 1]) if axes >= rank else values


def to_first(values: tf.Tensor, rank: int) -> tf.Tensor:
    """[batch, rows, ..., channels] with channels first; those of a lower rank than the images' as they are."""
    axes = values.shape.rank
    return tf.transpose(values, [0, axes - 1, *range(1, axes - 1)]) if axes >= rank else values


def to_last_shape(shape: Shape, channels_first: bool, rank: int) -> Shape:
    """A shape without the batch, channels last; `rank` is that of the images, with the batch."""
    shape = tuple(shape)
    return (*shape[1:], shape[0]) if channels_first and len(shape) + 1 >= rank else shape
