"""Affine warps of signals, images and volumes whose gradient is the exact adjoint.

Every output pixel interpolates between the four input pixels around one position (two for a signal, eight for a volume).
TensorFlow's ImageProjectiveTransform operations are not used: their gradient is a warp by the inverse map instead of the
adjoint, with which a sampler needs steps many times shorter.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import tensorflow as tf

Edges: TypeAlias = Literal["reflect", "zero"]
Interpolation: TypeAlias = Literal["bilinear", "nearest"]
EDGES = get_args(Edges)
INTERPOLATIONS = get_args(Interpolation)


def inverse_similarity(
    shift: tf.Tensor, scale: tf.Tensor, angle: tf.Tensor, axis: tf.Tensor | None = None
) -> tf.Tensor:
    """The map from output to input positions of a scale and rotation about the centre, followed by a shift.

    Args:
      shift: [batch, dimensions], in pixels (down, right); (back, down, right) for a volume.
      scale: [batch], magnification; above 1 enlarges the content.
      angle: [batch], radians, counter-clockwise on the screen. Signals are not rotated.
      axis: [batch, 3], unit vectors about which volumes are rotated. Defaults to the first axis, so that each slice is rotated in
        its plane.

    Returns:
      [batch, 2, 3]: input (row, column) = matrix @ (row, column, 1), both measured from the image's centre;
      [batch, n, n + 1] for n dimensions.
    """
    dimensions = shift.shape[-1]
    cosine, sine = tf.cos(angle) / scale, tf.sin(angle) / scale
    if dimensions == 1:
        rotation = (1 / scale)[:, None, None]
    elif dimensions == 2:
        rotation = tf.stack([tf.stack([cosine, sine], -1), tf.stack([-sine, cosine], -1)], -2)
    else:
        normal = tf.one_hot(tf.zeros_like(angle, tf.int32), 3) if axis is None else axis
        a, b, c = tf.unstack(normal, axis=-1)
        zero = tf.zeros_like(a)
        cross = tf.stack([tf.stack(row, -1) for row in ((zero, -c, b), (c, zero, -a), (-b, a, zero))], -2)
        # Rodrigues' formula, for the inverse rotation.
        cosine, sine = cosine[:, None, None], sine[:, None, None]
        along = normal[:, :, None] * normal[:, None, :]
        rotation = cosine * tf.eye(3) - sine * cross + (1 / scale[:, None, None] - cosine) * along
    return tf.concat([rotation, -tf.matmul(rotation, shift[..., None])], -1)


def affine_warp(
    images: tf.Tensor, matrix: tf.Tensor, edges: Edges = "reflect", interpolation: Interpolation = "bilinear"
) -> tf.Tensor:
    """Resamples each image on an affinely mapped pixel grid of the same size.

    Linear in `images`, and the gradient with respect to them is the exact adjoint. `matrix` gets no gradient.

    Args:
      images: [batch, H, W, C], float; or [batch, L, C], [batch, D, H, W, C].
      matrix: [batch, 2, 3], as `inverse_similarity` returns it.
      edges: values outside the image. "reflect": the image mirrored about the centres of its outermost pixels, repeatedly
        (`numpy.pad` mode "reflect", `scipy.ndimage` mode "mirror"); needs H, W >= 2. "zero": zeros (`scipy.ndimage` mode
        "grid-constant").
      interpolation: "bilinear" (linear along each axis), or "nearest".

    Returns:
      Tensor with the shape of `images`.

    Raises:
      ValueError: if there is not one matrix for each image, or if a side has one pixel and `edges` is "reflect".

    Example:
      >>> import tensorflow as tf
      >>> from samplevis.transform import warp
      >>> image = tf.reshape(tf.range(9.0), [1, 3, 3, 1])
      >>> down = warp.inverse_similarity(tf.constant([[1.0, 0.0]]), tf.ones([1]), tf.zeros([1]))
      >>> warp.affine_warp(image, down, "zero")[0, :, :, 0].numpy().tolist()
      [[0.0, 0.0, 0.0], [0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    """
    if images.shape[0] != matrix.shape[0]:
        raise ValueError(f"images: expected as many as matrices, {matrix.shape[0]}. Received: {images.shape[0]}")
    sizes = images.shape[1:-1]
    if edges == "reflect" and min(sizes) < 2:
        least, received = " x ".join("2" * len(sizes)), " x ".join(map(str, sizes))
        raise ValueError(f'edges "reflect": expected images of at least {least} pixels. Received: {received}')
    return _resample(images, tf.stop_gradient(tf.cast(matrix, images.dtype)), edges, interpolation)


def take(images: tf.Tensor, *indices: tf.Tensor) -> tf.Tensor:
    """Gathers rows and columns of each image.

    Args:
      images: [batch, H, W, C], or with another number of dimensions.
      *indices: for each dimension int32 [batch, n], from 0 to size - 1: rows [batch, H'], then columns [batch, W'].

    Returns:
      [batch, H', W', C].
    """
    batch, *sizes, channels = images.shape
    flat_indices = _broadcastable(tf.range(batch)[:, None], len(sizes), None)
    for axis, (size, index) in enumerate(zip(sizes, indices, strict=True)):
        flat_indices = flat_indices * size + _broadcastable(index, len(sizes), axis)
    return tf.gather(tf.reshape(images, [batch * math.prod(sizes), channels]), flat_indices)


def _broadcastable(values: tf.Tensor, dimensions: int, axis: int | None) -> tf.Tensor:
    """Reshapes [batch or 1, n] to broadcast along one axis of [batch, *size]; along none if `axis` is None, where n is 1."""
    shape = [values.shape[0], *[1] * dimensions]
    if axis is not None:
        shape[1 + axis] = values.shape[1]
    return tf.reshape(values, shape)


# Compiled by XLA, with the gradient that TensorFlow derives: on a CPU, fusing the weights into the gather and its transpose
# takes at most a third of the time of separate operations.
@tf.function(jit_compile=True, autograph=False)
def _resample(images: tf.Tensor, matrix: tf.Tensor, edges: str, interpolation: str) -> tf.Tensor:
    """Gathers 2 x 2 neighbourhoods (one gather of 4 C values is faster than four of C) and interpolates."""
    margin, dimensions = int(edges == "zero"), len(images.shape) - 2
    images = tf.pad(images, [[0, 0], *([[margin, margin]] * dimensions), [0, 0]])
    batch, *sizes, channels = images.shape
    corner, weights = _taps(matrix, sizes, margin)
    offsets = list(itertools.product((0, 1), repeat=dimensions))
    if interpolation == "nearest":
        weights = tf.one_hot(tf.argmax(weights, -1), len(offsets), dtype=weights.dtype)
    padded = tf.pad(images, [[0, 0], *([[0, 1]] * dimensions), [0, 0]])
    windows = ([slice(i, i + size) for i, size in zip(offset, sizes, strict=True)] for offset in offsets)
    neighbours = tf.stack([padded[(slice(None), *window)] for window in windows], dimensions + 1)
    neighbours = tf.reshape(neighbours, [batch * math.prod(sizes), len(offsets), channels])
    return tf.reduce_sum(tf.gather(neighbours, corner) * weights[..., None], dimensions + 1)


def _taps(matrix: tf.Tensor, sizes: Sequence[int], margin: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The neighbours of each output pixel's input position, and their weights.

    Returns:
      The index of the first neighbour (upper left) in the flattened batch, int32 [batch, *size]; and the weights of the
      neighbours in reading order (upper left, upper right, lower left, lower right), [batch, *size, 2^dimensions]. `size` is
      without the margin.
    """
    dimensions = len(sizes)
    inner = [size - 2 * margin for size in sizes]
    grids = [
        _broadcastable((tf.range(size, dtype=matrix.dtype) - (size - 1) / 2)[None], dimensions, axis)
        for axis, size in enumerate(inner)
    ]

    def cell_and_fraction(axis: int, size: int) -> tuple[tf.Tensor, tf.Tensor]:
        # Slices instead of tf.split, whose gradient has no static shape for XLA inside a compiled loop.
        columns = (matrix[:, axis, column : column + 1] for column in range(dimensions + 1))
        *factors, offset = (_broadcastable(column, dimensions, None) for column in columns)
        position = factors[-1] * grids[-1] + offset + (size - 1) / 2
        for factor, grid in zip(factors[-2::-1], grids[-2::-1], strict=True):
            position = factor * grid + position
        if margin:
            position = tf.clip_by_value(position, 0, size - 1)
        else:
            period = 2 * (size - 1)
            position = tf.abs(position - period * tf.round(position / period))
        # The last position belongs to the last cell, so that both neighbours exist.
        cell = tf.minimum(tf.floor(position), size - 2)
        return tf.cast(cell, tf.int32), position - cell

    corner, weights = _broadcastable(tf.range(matrix.shape[0])[:, None], dimensions, None), []
    for axis, size in enumerate(sizes):
        cell, fraction = cell_and_fraction(axis, size)
        corner = corner * size + cell
        weights.append((1 - fraction, fraction))
    return corner, tf.stack([functools.reduce(operator.mul, each) for each in itertools.product(*weights)], -1)
