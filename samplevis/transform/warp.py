"""Linear affine warps of signals, images and volumes whose gradient is the exact adjoint.

Every output pixel reads the four input pixels around one position, with bilinear weights (of a signal two, of a volume
eight). TensorFlow's ImageProjectiveTransform operations are not used: their gradient is the gradient warped by the inverse
map instead of the adjoint, and a sampler that trusts it is forced to steps many times too short.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Sequence

import tensorflow as tf

EDGES = ("reflect", "zero")
INTERPOLATIONS = ("bilinear", "nearest")


def inverse_similarity(
    shift: tf.Tensor, scale: tf.Tensor, angle: tf.Tensor, axis: tf.Tensor | None = None
) -> tf.Tensor:
    """The map from output to input positions of: scale and rotate about the centre, then shift.

    Args:
      shift: [batch, directions], pixels that the content moves (down, right); of a volume (back, down, right).
      scale: [batch], magnification; above 1 enlarges the content.
      angle: [batch], radians, counter-clockwise as seen. A signal does not turn.
      axis: [batch, 3], of unit length, about which volumes turn. Defaults to the first direction, for each slice to turn in its
        plane.

    Returns:
      [batch, 2, 3]: input (row, column) = matrix @ (row, column, 1), both measured from the image's centre. Of other numbers of
      directions n, [batch, n, n + 1].
    """
    directions = shift.shape[-1]
    cosine, sine = tf.cos(angle) / scale, tf.sin(angle) / scale
    if directions == 1:
        turn = (1 / scale)[:, None, None]
    elif directions == 2:
        turn = tf.stack([tf.stack([cosine, sine], -1), tf.stack([-sine, cosine], -1)], -2)
    else:
        normal = tf.one_hot(tf.zeros_like(angle, tf.int32), 3) if axis is None else axis
        a, b, c = tf.unstack(normal, axis=-1)
        zero = tf.zeros_like(a)
        cross = tf.stack([tf.stack(row, -1) for row in ((zero, -c, b), (c, zero, -a), (-b, a, zero))], -2)
        # Rodrigues' formula for minus the angle.
        cosine, sine = cosine[:, None, None], sine[:, None, None]
        along = normal[:, :, None] * normal[:, None, :]
        turn = cosine * tf.eye(3) - sine * cross + (1 / scale[:, None, None] - cosine) * along
    return tf.concat([turn, -tf.matmul(turn, shift[..., None])], -1)


def affine_warp(
    images: tf.Tensor, matrix: tf.Tensor, edges: str = "reflect", interpolation: str = "bilinear"
) -> tf.Tensor:
    """Resamples each image at an affine image of the pixel grid; the canvas keeps its size.

    Linear in `images`, and its gradient with respect to them is the exact adjoint. `matrix` gets no gradient.

    Args:
      images: [batch, H, W, C], float; or [batch, L, C], [batch, D, H, W, C].
      matrix: [batch, 2, 3], as `inverse_similarity` returns it.
      edges: what lies outside the image. "reflect": its mirror image about the centres of the outermost
        pixels (`numpy.pad` mode "reflect", `scipy.ndimage` mode "mirror"), however far out; needs H, W >= 2.
        "zero": zeros (`scipy.ndimage` mode "grid-constant").
      interpolation: "bilinear" (linear along each direction), or "nearest", the pixel next to the position.

    Returns:
      Of the shape of `images`.

    Raises:
      ValueError: if there is not one matrix for each image, or if "reflect" meets a side of one pixel.
    """
    if images.shape[0] != matrix.shape[0]:
        raise ValueError(f"images: expected as many as draws, {matrix.shape[0]}. Received: {images.shape[0]}")
    sizes = images.shape[1:-1]
    if edges == "reflect" and min(sizes) < 2:
        least, received = " x ".join("2" * len(sizes)), " x ".join(map(str, sizes))
        raise ValueError(f'edges "reflect": expected images of at least {least} pixels. Received: {received}')
    return _resample(images, tf.stop_gradient(tf.cast(matrix, images.dtype)), edges, interpolation)


def take(images: tf.Tensor, *indices: tf.Tensor) -> tf.Tensor:
    """Copies the given rows and columns of each image.

    Args:
      images: [batch, H, W, C], or of another number of directions.
      *indices: for each direction int32 [batch, n], in 0 ... size - 1: rows [batch, H'], then columns [batch, W'].

    Returns:
      [batch, H', W', C].
    """
    batch, *sizes, channels = images.shape
    places = _spread(tf.range(batch)[:, None], len(sizes), None)
    for direction, (size, index) in enumerate(zip(sizes, indices, strict=True)):
        places = places * size + _spread(index, len(sizes), direction)
    return tf.gather(tf.reshape(images, [batch * math.prod(sizes), channels]), places)


def _spread(values: tf.Tensor, directions: int, direction: int | None) -> tf.Tensor:
    """[batch or 1, n] as a tensor that varies along one direction, or none (n is 1), of [batch, *size]."""
    shape = [values.shape[0], *[1] * directions]
    if direction is not None:
        shape[1 + direction] = values.shape[1]
    return tf.reshape(values, shape)


# Compiled by XLA, with the gradient that TensorFlow derives for it: fusing the weights into the gather and
# into its transpose takes a third of the time of the separate operations on a CPU, or less.
@tf.function(jit_compile=True)
def _resample(images: tf.Tensor, matrix: tf.Tensor, edges: str, interpolation: str) -> tf.Tensor:
    """Gathers 2 x 2 neighbourhoods (one gather of 4 C values, not four of C) and mixes them."""
    margin, directions = int(edges == "zero"), len(images.shape) - 2
    images = tf.pad(images, [[0, 0], *([[margin, margin]] * directions), [0, 0]])
    batch, *sizes, channels = images.shape
    corner, weights = _taps(matrix, sizes, margin)
    offsets = list(itertools.product((0, 1), repeat=directions))
    if interpolation == "nearest":
        weights = tf.one_hot(tf.argmax(weights, -1), len(offsets), dtype=weights.dtype)
    padded = tf.pad(images, [[0, 0], *([[0, 1]] * directions), [0, 0]])
    windows = ([slice(i, i + size) for i, size in zip(offset, sizes, strict=True)] for offset in offsets)
    neighbours = tf.stack([padded[(slice(None), *window)] for window in windows], directions + 1)
    neighbours = tf.reshape(neighbours, [batch * math.prod(sizes), len(offsets), channels])
    return tf.reduce_sum(tf.gather(neighbours, corner) * weights[..., None], directions + 1)


def _taps(matrix: tf.Tensor, sizes: Sequence[int], margin: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Where each output pixel reads.

    Returns:
      The index of the first neighbour (upper left) in the flattened batch, int32 [batch, *size]; the weights of the neighbours
      in reading order (upper left, upper right, lower left, lower right), [batch, *size, 2^directions]. `size` is without the
      margin.
    """
    directions = len(sizes)
    inner = [size - 2 * margin for size in sizes]
    grids = [
        _spread((tf.range(size, dtype=matrix.dtype) - (size - 1) / 2)[None], directions, direction)
        for direction, size in enumerate(inner)
    ]

    def along(direction: int, size: int) -> tuple[tf.Tensor, tf.Tensor]:
        # Slices, not tf.split: its gradient is no constant shape to XLA where a loop of it is compiled.
        columns = (matrix[:, direction, column : column + 1] for column in range(directions + 1))
        *factors, offset = (_spread(column, directions, None) for column in columns)
        position = factors[-1] * grids[-1] + offset + (size - 1) / 2
        for factor, grid in zip(factors[-2::-1], grids[-2::-1], strict=True):
            position = factor * grid + position
        if margin:
            position = tf.clip_by_value(position, 0, size - 1)
        else:
            period = 2 * (size - 1)
            position = tf.abs(position - period * tf.round(position / period))
        # The last position is the far end of the last cell: then both neighbours always exist.
        cell = tf.minimum(tf.floor(position), size - 2)
        return tf.cast(cell, tf.int32), position - cell

    corner, shares = _spread(tf.range(matrix.shape[0])[:, None], directions, None), []
    for direction, size in enumerate(sizes):
        cell, part = along(direction, size)
        corner = corner * size + cell
        shares.append((1 - part, part))
    return corner, tf.stack([functools.reduce(operator.mul, each) for each in itertools.product(*shares)], -1)
