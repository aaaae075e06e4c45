"""Bilinear affine warps whose gradient is the exact adjoint.

Every output pixel reads the four input pixels around one position, with bilinear weights. TensorFlow's
ImageProjectiveTransform operations are not used: their gradient is the gradient warped by the inverse map
instead of the adjoint, and a sampler that trusts it is forced to steps many times too short.
"""

from __future__ import annotations

import tensorflow as tf

EDGES = ("reflect", "zero")
INTERPOLATIONS = ("bilinear", "nearest")


def inverse_similarity(shift: tf.Tensor, scale: tf.Tensor, angle: tf.Tensor) -> tf.Tensor:
    """The map from output to input positions of: scale and rotate about the centre, then shift.

    Args:
      shift: [batch, 2], pixels that the content moves (down, right).
      scale: [batch], magnification; above 1 enlarges the content.
      angle: [batch], radians, counter-clockwise as seen.

    Returns:
      [batch, 2, 3]: input (row, column) = matrix @ (row, column, 1), both measured from the image's centre.
    """
    cosine, sine = tf.cos(angle) / scale, tf.sin(angle) / scale
    turn = tf.stack([tf.stack([cosine, sine], -1), tf.stack([-sine, cosine], -1)], -2)
    return tf.concat([turn, -tf.matmul(turn, shift[..., None])], -1)


def affine_warp(
    images: tf.Tensor, matrix: tf.Tensor, edges: str = "reflect", interpolation: str = "bilinear"
) -> tf.Tensor:
    """Resamples each image at an affine image of the pixel grid; the canvas keeps its size.

    Linear in `images`, and its gradient with respect to them is the exact adjoint. `matrix` gets no gradient.

    Args:
      images: [batch, H, W, C], float.
      matrix: [batch, 2, 3], as `inverse_similarity` returns it.
      edges: what lies outside the image. "reflect": its mirror image about the centres of the outermost
        pixels (`numpy.pad` mode "reflect", `scipy.ndimage` mode "mirror"), however far out; needs H, W >= 2.
        "zero": zeros (`scipy.ndimage` mode "grid-constant").
      interpolation: "bilinear", or "nearest", the pixel next to the position.

    Returns:
      [batch, H, W, C].

    Raises:
      ValueError: if there is not one matrix for each image, or if "reflect" meets a side of one pixel.
    """
    if images.shape[0] != matrix.shape[0]:
        raise ValueError(f"images: expected as many as draws, {matrix.shape[0]}. Received: {images.shape[0]}")
    height, width = images.shape[1:3]
    if edges == "reflect" and min(height, width) < 2:
        raise ValueError(f'edges "reflect": expected images of at least 2 x 2 pixels. Received: {height} x {width}')
    return _resample(images, tf.stop_gradient(tf.cast(matrix, images.dtype)), edges, interpolation)


def take(images: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Copies the given rows and columns of each image.

    Args:
      images: [batch, H, W, C].
      rows: int32 [batch, H'], in 0 ... H - 1.
      columns: int32 [batch, W'], in 0 ... W - 1.

    Returns:
      [batch, H', W', C].
    """
    batch, height, width, channels = images.shape
    first = tf.range(batch)[:, None, None] * height
    places = (first + rows[:, :, None]) * width + columns[:, None, :]
    return tf.gather(tf.reshape(images, [batch * height * width, channels]), places)


# Compiled by XLA, with the gradient that TensorFlow derives for it: fusing the weights into the gather and
# into its transpose takes a third of the time of the separate operations on a CPU, or less.
@tf.function(jit_compile=True)
def _resample(images: tf.Tensor, matrix: tf.Tensor, edges: str, interpolation: str) -> tf.Tensor:
    """Gathers 2 x 2 neighbourhoods (one gather of 4 C values, not four of C) and mixes them."""
    margin = int(edges == "zero")
    images = tf.pad(images, [[0, 0], [margin, margin], [margin, margin], [0, 0]])
    batch, height, width, channels = images.shape
    corner, weights = _taps(matrix, height, width, margin)
    if interpolation == "nearest":
        weights = tf.one_hot(tf.argmax(weights, -1), 4, dtype=weights.dtype)
    padded = tf.pad(images, [[0, 0], [0, 1], [0, 1], [0, 0]])
    neighbours = tf.stack([padded[:, i : i + height, j : j + width] for i in (0, 1) for j in (0, 1)], 3)
    neighbours = tf.reshape(neighbours, [batch * height * width, 4, channels])
    return tf.reduce_sum(tf.gather(neighbours, corner) * weights[..., None], 3)


def _taps(matrix: tf.Tensor, height: int, width: int, margin: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Where each output pixel reads.

    Returns:
      The index of the upper left neighbour in the flattened batch, int32 [batch, H, W]; the weights of the
      upper left, upper right, lower left and lower right neighbours, [batch, H, W, 4]. H, W are without the
      margin.
    """
    rows = tf.range(height - 2 * margin, dtype=matrix.dtype) - (height - 2 * margin - 1) / 2
    columns = tf.range(width - 2 * margin, dtype=matrix.dtype) - (width - 2 * margin - 1) / 2

    def along(axis: int, size: int) -> tuple[tf.Tensor, tf.Tensor]:
        by_row, by_column, offset = tf.split(matrix[:, axis, :, None], 3, 1)
        position = (by_row * rows)[:, 0, :, None] + (by_column * columns + offset + (size - 1) / 2)
        if margin:
            position = tf.clip_by_value(position, 0, size - 1)
        else:
            period = 2 * (size - 1)
            position = tf.abs(position - period * tf.round(position / period))
        # The last position is the far end of the last cell: then both neighbours always exist.
        cell = tf.minimum(tf.floor(position), size - 2)
        return tf.cast(cell, tf.int32), position - cell

    (row, down), (column, right) = along(0, height), along(1, width)
    first = tf.range(matrix.shape[0])[:, None, None] * (height * width)
    weights = tf.stack([(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right], -1)
    return first + row * width + column, weights
