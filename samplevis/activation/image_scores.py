"""Scores of images, wherever they come from, under one bank of transforms."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.activation.activation import Activation
from samplevis.activation.chunked import bank_size
from samplevis.activation.row_batches import in_batches

# Transformed images of a batch.
BATCH_SIZE = 64


def image_scores(activation: Activation, images: np.ndarray, bank: Any = ()) -> np.ndarray:
    """Mean activations of images over a bank of transforms.

    Args:
      activation: of the network, the unit and the transforms.
      images: [N, *image_shape] in [0, 1].
      bank: parameters of K transforms (`Activation.sample_bank`). Defaults to those of a transform without any.

    Returns:
      float32 [N].

    Example:
      >>> import numpy as np
      >>> from samplevis import activation, modelzoo, param
      >>> from samplevis.activation.image_scores import image_scores
      >>> a = activation.make_activation(modelzoo.Shapes(), "logits:star", param.pixel(64), None)
      >>> image_scores(a, np.full((3, 64, 64, 3), 0.5, np.float32)).shape
      (3,)
    """
    num_transforms = bank_size(bank)
    part = max(BATCH_SIZE // num_transforms, 1)

    def mean(batch: tf.Tensor, bank: Any, parameters: list[tf.Tensor]) -> tf.Tensor:
        tiled = tf.nest.map_structure(lambda t: tf.tile(t, [part] + [1] * (t.shape.rank - 1)), bank)
        scores = activation.of_images(batch, tiled, num_transforms, parameters)
        return tf.reduce_mean(tf.reshape(scores, (part, num_transforms)), axis=1)

    run, parameters = activation.compiler(part)("image scores", mean), activation.parameters
    return in_batches(lambda batch: run(tf.constant(np.float32(batch)), bank, parameters).numpy(), part, images)
