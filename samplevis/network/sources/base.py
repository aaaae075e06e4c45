"""What a `Network` needs from the model inside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import keras
import numpy as np
import tensorflow as tf

Shape = tuple[int | None, ...]
Function = Callable[[tf.Tensor], tf.Tensor]
# (name of the layer, kind of function such as "relu6", the function) -> another function, or None for no change.
ReplaceActivation = Callable[[str, str, Function], Function | None]
# (name of the layer, a layer of the same settings without weights) -> another layer, or None for no change.
ReplaceLayer = Callable[[str, keras.layers.Layer], keras.layers.Layer | None]

#: Suffix of a layer's name for its values before its activation function.
PRE = "/pre"
#: Suffix that means a layer's values themselves, after its activation function.
POST = "/post"


class Ending(NamedTuple):
    """The saturating function that an output ends in.

    Attributes:
      kind: such as "softmax", see `endings.SATURATING`.
      logits: the name of the values before the function, of the same shape; None if they cannot be reached.
    """

    kind: str
    logits: str | None


@runtime_checkable
class Source(Protocol):
    """A model that computes its layers, by name, from preprocessed images. `Network` adds preprocessing, labels and the checks of
    arguments.

    Attributes:
      model: the model as the user passed it, or as nearly as possible.
      name: its name.
      image_shape: (height, width, channels) of its images, (length, channels) of signals, (depth, height, width, channels) of
        volumes; None for a free size.
      names: every name of a layer -> the shape of its activations without the batch.
      layers: those of `names` that are listed in tables, in the order of computation.
      kinds: for each of `layers`, a word for what it does.
      operations: for each layer that `replaced` asks about, what computes it: a Keras layer, or a function.
      output_shapes: the shape of each output, as in `layers`.
      missing: layers that the model has and that cannot be computed -> why.
      variables: what training can still change; empty if the source is a snapshot.
      parameters: the number of trained numbers; for a snapshot, of constants.
    """

    model: Any
    name: str
    image_shape: Shape
    names: Mapping[str, Shape]
    layers: Mapping[str, Shape]
    kinds: Mapping[str, str]
    operations: Mapping[str, Any]
    output_shapes: Sequence[Shape]
    missing: Mapping[str, str]
    variables: Sequence[Any]
    parameters: int

    def cut(self, names: tuple[str, ...]) -> Callable[[tf.Tensor], list[tf.Tensor]]:
        """The model up to some layers: a function from preprocessed images to their activations, in that order."""

    def substitute(self, layer: str, names: tuple[str, ...]) -> Callable[[tf.Tensor, tf.Tensor], list[tf.Tensor]]:
        """The same, with the activations of `layer` as a second argument; ValueError if they cannot be replaced."""

    def replaced(self, activation: ReplaceActivation, layer: ReplaceLayer) -> Source:
        """A copy, with copies of the variables, in which some activation functions and layers are replaced."""

    def endings(self) -> Mapping[str, Ending]:
        """The outputs that end in a saturating function, by name."""

    def hidden_bytes(self, names: tuple[str, ...], size: tuple[int, ...]) -> int:
        """Bytes of arrays that the value and gradient of some layers take for an image of a size, outside TensorFlow's graph."""

    def hidden_half(self, names: tuple[str, ...], size: tuple[int, ...]) -> tuple[str, str] | None:
        """The first part that computes in half precision outside TensorFlow's graph, up to some layers, and its precision."""


def show(shape: Sequence[int | None]) -> str:
    """A shape as text."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def sizes(dimensions: int) -> str:
    """The names of the sides of a signal, an image or a volume."""
    return ("length", "height, width", "depth, height, width")[dimensions - 1]


def is_image_shape(shape: Sequence[int | None]) -> bool:
    """Whether a shape without the batch can be that of a signal, an image or a volume."""
    return 2 <= len(shape) <= 4


#: The shapes to expect, for messages.
IMAGES = (
    "images [batch, height, width, channels] (or signals [batch, length, channels], volumes [batch, depth, height, width, "
    "channels])"
)


#: What stands between a layer's name and the number of a call after its first.
CALL = "#"
#: What stands between a layer's name and the number, or name, of one of several outputs.
OUTPUT = "/output_"


def call_name(layer: str, number: int) -> str:
    """The name of a layer's call: the layer's own for the first, `layer#2` for the second.

    Args:
      layer: the layer's name.
      number: of the call, from 1.
    """
    return layer if number == 1 else f"{layer}{CALL}{number}"


def output_name(call: str, key: int | str) -> str:
    """The name of one of several outputs of a call: that of the call for output 0, `layer/output_1` for the next.

    Args:
      call: the call's name.
      key: number of the output, from 0, or its name in a dictionary.
    """
    return call if key == 0 else f"{call}{OUTPUT}{key}"


def to_last(values: tf.Tensor, axis: int) -> tf.Tensor:
    """Values with the channels, which are on an axis, last."""
    return tf.transpose(values, _last_axes(axis, values.shape.rank)) if axis != values.shape.rank - 1 else values


def to_first(values: tf.Tensor, axis: int) -> tf.Tensor:
    """Values with the channels, which are last, on an axis."""
    rank = values.shape.rank
    return tf.transpose(values, np.argsort(_last_axes(axis, rank))) if axis != rank - 1 else values


def to_last_shape(shape: Sequence[int | None], axis: int) -> Shape:
    """A shape without the batch, channels last; `axis` counts the batch."""
    return tuple(shape[one - 1] for one in _last_axes(axis, len(shape) + 1)[1:])


def _last_axes(axis: int, rank: int) -> list[int]:
    return [*(one for one in range(rank) if one != axis), axis]
