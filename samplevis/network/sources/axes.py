"""Where the channels are: in a model's images, and in what each of its layers computes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from samplevis.network.sources.base import IMAGES, Shape, is_image_shape, show, to_first, to_last_shape
from samplevis.network.sources.plan import Plan, Step, Value

_KERAS = keras.layers
# Layers that read vectors along the last axis.
READ_LAST = (_KERAS.RNN, _KERAS.Bidirectional, _KERAS.Dense, _KERAS.EinsumDense, _KERAS.Embedding)
READ_LAST += (_KERAS.MultiHeadAttention, _KERAS.GroupQueryAttention, _KERAS.Attention, _KERAS.AdditiveAttention)
# Layers that may read another axis than the rest of the model does, by mistake: they decide if nothing else does.
NORMALIZATIONS = (_KERAS.BatchNormalization, _KERAS.GroupNormalization, _KERAS.Normalization)
# Layers that return images as they are at inference, whatever format they have by default.
IDENTITIES = ("Random", "SpatialDropout", "Rescaling")
# Layers and operations that move, add or remove axes; a Lambda may.
MOVERS = {"Permute", "Transpose", "Moveaxis", "Swapaxes", "ExpandDims", "Squeeze", "Lambda"}
# Sizes of axes that tell them apart.
PRIMES = (31, 37, 41, 43, 47)


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a model takes its images.

    Attributes:
      axis: the axis of the channels, the batch counted; None if it has none, for grey images without an axis of one channel.
      sure: whether a layer says so.
    """

    axis: int | None
    sure: bool = True

    def image_shape(self, shape: Sequence[int | None]) -> Shape:
        """The shape of the images, channels last, from that of the model's input, both without the batch."""
        return (*shape, 1) if self.axis is None else to_last_shape(shape, self.axis)

    def to_model(self, images: tf.Tensor) -> tf.Tensor:
        """Images [batch, ..., channels] as the model takes them."""
        return tf.squeeze(images, -1) if self.axis is None else to_first(images, self.axis)


def chosen_layout(
    name: str, shape: Sequence[int | None], found: Layout, image_shape: Shape | None
) -> tuple[Layout, Shape]:
    """The layout of a model's images, and their shape.

    Args:
      name: the model's name, for messages.
      shape: of its input, without the batch.
      found: what its layers imply.
      image_shape: what the user says, or None. It decides between channels first, channels last and no channels, and may fix
        sizes that are free, or free fixed ones.

    Raises:
      ValueError: if it does not fit the input, or the input is not one of images.
    """
    rank = len(shape) + 1
    layouts = list(dict.fromkeys([found, Layout(rank - 1), Layout(1), Layout(None)]))
    shapes = {one: one.image_shape(shape) for one in layouts}
    if image_shape is None:
        if not is_image_shape(shapes[found]):
            raise ValueError(f"model: {name!r} takes {show((None, *shape))}; expected {IMAGES}.")
        return found, shapes[found]
    for layout, declared in shapes.items():
        if len(declared) == len(image_shape) and all(
            None in (size, want) or size == want for size, want in zip(declared, image_shape, strict=True)
        ):
            return layout, image_shape
    allowed = dict.fromkeys(show(one) for one in shapes.values() if is_image_shape(one))
    raise ValueError(
        f"image_shape: {name!r} takes {show((None, *shape))}. Expected {' or '.join(allowed)}, None for any size. "
        f"Received: {show(image_shape)}"
    )


def find_layout(plan: Plan, image: Value) -> Layout:
    """How a functional model takes its images, from the layers that read them.

    The first convolution, pooling, recurrent or dense layer decides, seen through whatever moves axes in front of it. Where
    there is none, the axis of a batch normalization decides, then the format of a `Flatten`. Without channels are images
    [batch, height, width] that are flattened, or get an axis of one channel, before anything else reads them.

    Args:
      plan: the model.
      image: its input.
    """
    rank = len(image.shape)
    origins: dict[Value, tuple[int | None, ...]] = {image: tuple(range(rank))}
    weak: dict[str, Layout] = {}
    for step in plan.steps:
        read = next((value for value in step.inputs if value in origins), None)
        if read is None:
            continue
        origin = origins[read]
        if rank == 3 and _makes_grey(step, read):
            return Layout(None)
        axis = channel_axis(step.operation, len(read.shape))
        if axis is not None:
            if origin[axis] is not None:
                return Layout(origin[axis])
            continue
        if isinstance(step.operation, NORMALIZATIONS):
            weak.setdefault("normalization", Layout(origin[_normalized(step.operation, len(read.shape))]))
        if isinstance(step.operation, _KERAS.Flatten):
            first = step.operation.data_format == "channels_first"
            weak.setdefault("flatten", Layout(origin[1 if first else -1]))
            continue
        moved = moved_axes(step.operation, read.shape, step.outputs[0].shape)
        if moved is not None:
            origins[step.outputs[0]] = tuple(None if one is None else origin[one] for one in moved)
    found = weak.get("normalization") or weak.get("flatten")
    return found if found is not None and found.axis else Layout(rank - 1, sure=False)


def channel_axes(plan: Plan, image: Value, layout: Layout) -> Mapping[Value, int]:
    """The axis of the channels of every value in a plan, the batch counted.

    A layer with a data format computes what that says. One without, such as an activation function, keeps the format of what it
    reads, or moves it; what is dense, recurrent or reshaped has its channels last.

    Args:
      plan: the model.
      image: its input that is the images.
      layout: how that is laid out.
    """
    axes = {value: len(value.shape) - 1 for value in plan.inputs}
    axes[image] = axes[image] if layout.axis is None else layout.axis
    sure = {image} if layout.sure else set()
    for step in plan.steps:
        inputs = [value for value in step.inputs if value in axes]
        read = next((value for value in inputs if value in sure), inputs[0] if inputs else None)
        for value in step.outputs:
            axis = channel_axis(step.operation, len(value.shape))
            known = axis is not None
            if axis is None and read is not None:
                axis, known = _passed_on(step.operation, read, value, axes[read], read in sure)
            axes[value] = len(value.shape) - 1 if axis is None else axis
            if known:
                sure.add(value)
    return axes


def channel_axis(operation: Any, rank: int) -> int | None:
    """The axis on which a layer has its channels, in values of a rank with the batch; None if it does not say."""
    if isinstance(operation, _KERAS.TimeDistributed):
        inner = channel_axis(operation.layer, rank - 1)
        return None if inner is None else inner + 1
    data_format = _data_format(operation)
    if data_format == "channels_first":
        # A recurrent layer of images has time in front of the channels.
        spatial = getattr(operation, "rank", 0) if isinstance(operation, _KERAS.RNN) else rank - 2
        return rank - 1 - spatial
    return rank - 1 if data_format is not None or isinstance(operation, READ_LAST) else None


def moved_axes(operation: Any, before: Shape, after: Shape) -> tuple[int | None, ...] | None:
    """For each axis of what a layer returns, the axis of its input that it was; None if the layer makes other axes."""
    if type(operation).__name__ not in MOVERS:
        return tuple(range(len(after))) if len(before) == len(after) else None
    probe = (None, *PRIMES[: len(before) - 1])
    try:
        found = operation.compute_output_spec(keras.KerasTensor(probe)).shape
    except Exception:  # A caller's code may raise anything.
        found = ()
    if len(found) == len(after) and set(found[1:]) & set(probe[1:]):
        return tuple(probe.index(size) if size in probe else None for size in found)
    # A function that fits these images alone: what the sizes tell.
    if before == after:
        return tuple(range(len(after)))
    return tuple(before.index(size) if before.count(size) == 1 else None for size in after)


def _passed_on(operation: Any, read: Value, value: Value, axis: int, sure: bool) -> tuple[int | None, bool]:
    """The axis of the channels in what a layer without a data format makes of a value, and whether that is known."""
    if not sure and isinstance(operation, NORMALIZATIONS) and len(read.shape) == len(value.shape):
        return _normalized(operation, len(value.shape)), True
    moved = moved_axes(operation, read.shape, value.shape)
    if moved is None or axis not in moved:
        return None, False
    return moved.index(axis), sure


def _data_format(operation: Any) -> str | None:
    """The format of a layer, or the one that all layers inside it have."""
    own = getattr(operation, "data_format", None)
    # Flatten moves the channels last, and then computes none.
    other = isinstance(operation, _KERAS.Flatten) or type(operation).__name__.startswith(IDENTITIES)
    if other or not isinstance(operation, _KERAS.Layer):
        return None
    if isinstance(own, str):
        return own
    inside = {_data_format(layer) for layer in operation._flatten_layers(include_self=False, recursive=False)} - {None}
    return inside.pop() if len(inside) == 1 else None


def _normalized(operation: Any, rank: int) -> int:
    """The axis, or last axis, that a normalization keeps apart."""
    axis = operation.axis
    axis = axis[-1] if isinstance(axis, (tuple, list)) and axis else axis
    return rank - 1 if not isinstance(axis, int) else axis % rank


def _makes_grey(step: Step, read: Value) -> bool:
    """Whether a step flattens images [batch, height, width], or gives them an axis of one channel."""
    operation, after = step.operation, step.outputs[0].shape
    if isinstance(operation, _KERAS.Flatten):
        return True
    reshapes = isinstance(operation, _KERAS.Reshape) or type(operation).__name__ in ("Reshape", "ExpandDims")
    return reshapes and (len(after) == 2 or tuple(after[1:]) in ((*read.shape[1:], 1), (1, *read.shape[1:])))
