"""A transform that leaves the image unchanged and normalises its gradient."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from samplevis.runtime.checks import check_number, check_numbers
from samplevis.transform.base import Transform


@dataclasses.dataclass(frozen=True)
class NormalizeGradient(Transform):
    """See `normalize_gradient`."""

    scales: tuple[float, ...] | float

    exact_gradient = False

    def apply(self, params: Any, images: tf.Tensor) -> tf.Tensor:
        batch = images.shape[0]
        if isinstance(self.scales, tuple) and len(self.scales) != batch:
            raise ValueError(
                f"scales: expected a number for each image of the batch, {batch}. Received: {len(self.scales)}"
            )
        scales = tf.constant(self.scales, images.dtype, [batch] + [1] * (len(images.shape) - 1))

        @tf.custom_gradient
        def identity(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
            def gradient(upstream: tf.Tensor) -> tf.Tensor:
                norms = tf.sqrt(tf.reduce_sum(tf.square(upstream), range(1, len(images.shape)), keepdims=True))
                return scales * tf.math.divide_no_nan(upstream, norms)

            return tf.identity(x), gradient

        return identity(images)


def normalize_gradient(scales: float | Sequence[float] | None = None) -> Transform:
    """Leaves images unchanged and rescales the gradient of each to a fixed Euclidean norm; a gradient of zero stays zero.

    The result is not the gradient of any function. Keras optimizers can use it; L-BFGS and samplers refuse it.
    Source: lucid/optvis/transform.py.

    Args:
      scales: the norm, > 0, or one for each image of the batch. Defaults to 1.

    Returns:
      Transform that keeps the size. Its parameters are empty.

    Raises:
      ValueError, TypeError: if `scales` is out of range.

    Example:
      >>> import tensorflow as tf
      >>> from samplevis import transform
      >>> x = tf.ones([1, 4, 4, 3])
      >>> with tf.GradientTape() as tape:
      ...     tape.watch(x)
      ...     y = tf.reduce_sum(transform.normalize_gradient(2.0)(x, seed=[0, 1]))
      >>> round(float(tf.norm(tape.gradient(y, x))), 4)
      2.0
    """
    if scales is None or isinstance(scales, (int, float)):
        scales = 1.0 if scales is None else scales
        check_number("scales", scales, 0, above=True)
        return NormalizeGradient(float(scales))
    return NormalizeGradient(check_numbers("scales", scales, 0))
