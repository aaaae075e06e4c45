"""A plain function from images to scores, wrapped as a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samplevis.network import Network

# images [N, H, W, C] in [0, 1] -> scores [N], both NumPy arrays.
ImageScore = Callable[[np.ndarray], Any]


def as_network_of(function: ImageScore, image_shape: tuple[int, ...]) -> Network:
    """Wraps a black-box function as a network whose layer "scores" has the values [N] of the function, without a gradient.

    Args:
      function: images [N, H, W, C] in [0, 1], float32, to finite scores [N], both NumPy arrays.
      image_shape: (H, W, C), or the shape of signals or volumes.

    Returns:
      A network for images of any size with that number of channels.

    Raises:
      ValueError: if the function does not return one number for each of two images.

    Example:
      >>> from samplevis import optimizers
      >>> def brightness(images):
      ...     return images.mean((1, 2, 3))
      >>> optimizers.as_network_of(brightness, (32, 32, 3)).layers["scores"]
      ()
    """
    _scores(function, np.full((2, *image_shape), 0.5, np.float32))
    image = keras.Input((*[None] * (len(image_shape) - 1), image_shape[-1]))
    model, name = keras.Model(image, _Scores(function)(image)), getattr(function, "__name__", "function")
    network = Network(model, value_range=(0, 1), name=name)
    # Methods without gradients take noisy scores, such as ratings by people.
    network.meant_random = True
    return network


class _Scores(keras.layers.Layer):
    def __init__(self, function: ImageScore):
        super().__init__(name="scores")
        self._function = function

    def call(self, images: tf.Tensor) -> tf.Tensor:
        scores = tf.numpy_function(lambda x: _scores(self._function, x), [images], tf.float32)
        return tf.ensure_shape(scores, images.shape[:1])

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape[:1]


def _scores(function: ImageScore, images: np.ndarray) -> np.ndarray:
    scores = np.asarray(function(images), np.float32)
    if scores.shape != images.shape[:1]:
        raise ValueError(
            f"model: expected a function that gives one score for each of {len(images)} images, shape ({len(images)},). "
            f"Received: shape {scores.shape}"
        )
    return scores
