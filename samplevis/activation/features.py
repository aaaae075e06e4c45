"""Deep features of images: what a network sees in them, as one vector for each image."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from samplevis.network import Network
from samplevis.runtime import compiled

# Images of a batch. The last batch is filled up, so that one graph serves all.
BATCH_SIZE = 16
# A layer with more channels, such as flattened pixels, holds no features.
MAX_FEATURES = 8192


def feature_layer(network: Network) -> str:
    """The layer whose activations stand for what the network sees: the deepest below its head that keeps places apart.

    That is the deepest layer with a spatial axis (or tokens) and more channels than an image; layers with as many channels as the
    output, such as class maps, are the head. A network without such a layer gives its last hidden one, a network without
    hidden layers its output.

    Args:
      network: the network.

    Returns:
      A name from `Network.layers`.

    Example:
      >>> from samplevis import modelzoo
      >>> from samplevis.activation.features import feature_layer
      >>> feature_layer(modelzoo.Shapes())
      'conv5'
    """
    layers = list(network.layers.items())
    output, outputs = layers[-1][0], layers[-1][1][-1:]
    hidden = [(name, shape) for name, shape in layers if shape and shape[-1:] != outputs and _is_feature(shape)]
    spatial = [name for name, shape in hidden if len(shape) > 1 and shape[-1] > network.image_shape[-1]]
    return [output, *(name for name, shape in hidden if len(shape) == 1), *spatial][-1]


def deep_features(network: Network, images: np.ndarray) -> np.ndarray:
    """Features of images: the mean of `feature_layer` over its places.

    Args:
      network: the network.
      images: float32 [N, *image_shape] in [0, 1]; arrays that are mapped from a file are read in batches.

    Returns:
      float32 [N, F], F the number of channels of the layer.

    Example:
      >>> import numpy as np
      >>> from samplevis import modelzoo
      >>> from samplevis.activation.features import deep_features
      >>> deep_features(modelzoo.Shapes(), np.full((3, 64, 64, 3), 0.5, np.float32)).shape
      (3, 96)
    """
    layer = feature_layer(network)
    run = network.cut((layer,))

    def means(batch: tf.Tensor) -> tf.Tensor:
        values = run(batch)[layer]
        return tf.reduce_mean(values, axis=tuple(range(1, values.shape.rank - 1)))

    mean_fn = compiled.cached(network.compiled, layer)("deep features", means)
    found = []
    for first in range(0, len(images), BATCH_SIZE):
        batch = np.asarray(images[first : first + BATCH_SIZE], np.float32)
        full = np.concatenate([batch, np.repeat(batch[-1:], BATCH_SIZE - len(batch), axis=0)])
        found.append(mean_fn(tf.constant(full)).numpy()[: len(batch)])
    return np.concatenate(found)


def _is_feature(shape: tuple[int | None, ...]) -> bool:
    return shape[-1] is not None and shape[-1] <= MAX_FEATURES
