"""Colour correlation: natural images vary mostly in brightness, then in blue-yellow, then in red-green."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from samplevis.runtime.checks import check_array, check_flag

# Square root of the colour covariance of ImageNet pixels, measured by Lucid (lucid/optvis/param/color.py).
# Rows are R, G, B; columns the independent components.
COLOR_CORRELATION = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])

# Rows of a square root of the correlation of the channels.
Matrix = tuple[tuple[float, ...], ...]


def color_matrix(matrix: np.ndarray | Matrix = COLOR_CORRELATION) -> np.ndarray:
    """Colour correlation with each row scaled to unit norm.

    Unit rows keep the standard deviation of every channel: a unit-variance input gives unit-variance R, G and B.

    Args:
      matrix: square root of the covariance of the channels, [C, C]. Defaults to that of the R, G and B of ImageNet.

    Returns:
      float64 array of shape [C, C].
    """
    return np.asarray(matrix, np.float64) / np.linalg.norm(matrix, axis=1, keepdims=True)


def check_decorrelate(decorrelate: bool | np.ndarray, channels: int, dimensions: int = 2) -> bool | Matrix:
    """Checks the argument `decorrelate` of a parameterization.

    Args:
      decorrelate: True for ImageNet's colours (ignored unless there are 3 channels, and for signals), False for none, or a
        matrix [C, C].
      channels: C.
      dimensions: directions of the image. Three channels of a signal, which has one direction, are no colours.

    Returns:
      A bool, or the matrix as hashable tuples.

    Raises:
      ValueError: if the matrix has another shape, or no inverse.
    """
    if not isinstance(decorrelate, (np.ndarray, list, tuple)):
        check_flag("decorrelate", decorrelate)
        return bool(decorrelate) and channels == 3 and dimensions > 1
    matrix = check_array("decorrelate", decorrelate, np.float64)
    if matrix.shape != (channels, channels):
        raise ValueError(f"decorrelate: expected a matrix of shape {(channels, channels)}. Received: {matrix.shape}")
    if not np.isfinite(matrix).all() or np.linalg.matrix_rank(matrix) < channels:
        raise ValueError(f"decorrelate: expected a matrix with an inverse. Received: {matrix.tolist()}")
    return tuple(map(tuple, matrix.tolist()))


def correlate(components: tf.Tensor, correlated: bool | Matrix = True) -> tf.Tensor:
    """Maps independent colour components to channels.

    Args:
      components: float tensor of shape [..., C].
      correlated: what `check_decorrelate` returned; False leaves the components alone.

    Returns:
      Tensor of the same shape.
    """
    return components if correlated is False else _times(components, _chosen(correlated))


def decorrelate(pixels: tf.Tensor, correlated: bool | Matrix = True) -> tf.Tensor:
    """The inverse of `correlate`.

    Args:
      pixels: float tensor of shape [..., C].
      correlated: as in `correlate`.

    Returns:
      Tensor of the same shape.
    """
    return pixels if correlated is False else _times(pixels, np.linalg.inv(_chosen(correlated)))


def _chosen(correlated: bool | Matrix) -> np.ndarray:
    return color_matrix() if correlated is True else color_matrix(correlated)


def _times(x: tf.Tensor, matrix: np.ndarray) -> tf.Tensor:
    return tf.linalg.matmul(x, tf.constant(matrix.T, x.dtype))
