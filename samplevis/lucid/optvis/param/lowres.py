"""A tensor that is a resized variable. Source: lucid/optvis/param/lowres.py."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from samplevis.lucid.core import variables
from samplevis.lucid.optvis.param.resize_bilinear_nd import resize_bilinear_nd

Offset = float | bool


def lowres_tensor(
    shape: Sequence[int],
    underlying_shape: Sequence[int],
    offset: Offset | list[Offset] | None = None,
    sd: float | None = None,
) -> tf.Tensor:
    """A tensor that is a smaller variable, resized along all dimensions, the batch too.

    Args:
      shape: of the tensor.
      underlying_shape: of the variable.
      offset: by how much to move the content of each dimension towards the end, in values, mirrored at the start; True for half
        the ratio of the sizes. One for all dimensions, or a list. Defaults to none.
      sd: standard deviation of the first values, > 0. Defaults to 0.01.

    Returns:
      Tensor of `shape`.

    Example:
      >>> lowres_tensor((4, 16, 16, 3), (1, 8, 8, 3)).shape
      TensorShape([4, 16, 16, 3])
    """
    t = resize_bilinear_nd(variables.variable(variables.normal(tuple(underlying_shape), sd or 0.01)), shape)
    if offset is None:
        return t
    offsets = offset if isinstance(offset, list) else [offset] * len(shape)
    moved = [
        int(new / old / 2 if by is True else by) for by, new, old in zip(offsets, shape, underlying_shape, strict=True)
    ]
    return tf.slice(tf.pad(t, [(by, 0) for by in moved], "SYMMETRIC"), [0] * len(moved), list(shape))
