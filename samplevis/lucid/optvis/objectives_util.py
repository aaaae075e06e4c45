"""What several of Lucid's objectives share. Source: lucid/optvis/objectives_util.py."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from samplevis.lucid.core.objective import force_nhwc as _T_force_NHWC  # noqa: F401 - Lucid's name.
from samplevis.lucid.core.objective import one_image as _T_handle_batch  # noqa: F401 - Lucid's name.
from samplevis.lucid.core.objective import shown as _make_arg_str  # noqa: F401 - Lucid's name.


def _dot(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(x * y, -1)


def _dot_cossim(x: tf.Tensor, y: tf.Tensor, cossim_pow: float = 0) -> tf.Tensor:
    """Mean inner product over all positions, times a power of the cosine, which counts as 0.1 at least."""
    product = _dot(x, y)
    if cossim_pow == 0:
        return tf.reduce_mean(product)
    cosine = product / (1e-4 + tf.sqrt(_dot(x, x))) / (1e-4 + tf.sqrt(_dot(y, y)))
    return tf.reduce_mean(product * tf.maximum(0.1, cosine) ** cossim_pow)


def _extract_act_pos(acts: tf.Tensor, x: int | None = None, y: int | None = None) -> tf.Tensor:
    """The activations at one position, [batch, 1, 1, channels]; x counts rows. Defaults to the centre."""
    shape = tf.shape(acts)
    row = shape[1] // 2 if x is None else x
    column = shape[2] // 2 if y is None else y
    return acts[:, row : row + 1, column : column + 1]


def _tf_blur(x: tf.Tensor, w: int = 3) -> tf.Tensor:
    """Each channel by a box of 1 with a rim of 1/2, over the part of the box that lies in the image."""
    box = np.full((w, w, 1, 1), 0.5, np.float32)
    box[1:-1, 1:-1] = 1

    def convolve(t: tf.Tensor) -> tf.Tensor:
        return tf.nn.depthwise_conv2d(t, np.repeat(box, t.shape[-1], 2), [1, 1, 1, 1], "SAME")

    return convolve(x) / convolve(tf.ones_like(x))
