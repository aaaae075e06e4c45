"""Deep features of images: what a network sees in them, as one vector for each image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from samplevis.activation.row_batches import in_batches
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
    return [list(network.layers)[-1], *_vectors(network), *_spatial(network)][-1]


def embedding_layer(network: Network) -> str:
    """The layer whose activations a network decides by: the last hidden one without places, or `feature_layer` if there is none.

    Args:
      network: the network.

    Returns:
      A name from `Network.layers`.

    Example:
      >>> from samplevis import modelzoo
      >>> from samplevis.activation.features import embedding_layer
      >>> embedding_layer(modelzoo.ShapesJudge())
      'features'
    """
    return (_vectors(network) or [feature_layer(network)])[-1]


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
    return channel_means(network, images, (layer,))[layer]


def channel_means(network: Network, images: np.ndarray, layers: Sequence[str]) -> dict[str, np.ndarray]:
    """Activations of images, as the mean of each channel over its places.

    Args:
      network: the network.
      images: float32 [N, *image_shape] in [0, 1]; arrays that are mapped from a file are read in batches.
      layers: names from `Network.layers`.

    Returns:
      layer -> float32 [N, F], F the number of its channels.

    Example:
      >>> import numpy as np
      >>> from samplevis import modelzoo
      >>> from samplevis.activation.features import channel_means
      >>> found = channel_means(modelzoo.Shapes(), np.full((3, 64, 64, 3), 0.5, np.float32), ["conv1", "conv5"])
      >>> found["conv1"].shape, found["conv5"].shape
      ((3, 24), (3, 96))
    """
    layers = tuple(layers)
    run = network.cut(layers)

    def means(batch: tf.Tensor) -> dict[str, tf.Tensor]:
        values = run(batch)
        return {
            layer: tf.reduce_mean(values[layer], axis=tuple(range(1, values[layer].shape.rank - 1))) for layer in layers
        }

    mean_fn = compiled.cached(network.compiled, layers)("deep features", means)

    def found(batch: np.ndarray) -> dict[str, np.ndarray]:
        return {layer: values.numpy() for layer, values in mean_fn(tf.constant(np.float32(batch))).items()}

    return in_batches(found, BATCH_SIZE, images)


def place_layers(network: Network, count: int) -> tuple[str, ...]:
    """Hidden layers that keep places apart, evenly spaced: what the network sees, and where.

    Args:
      network: the network.
      count: how many at most, >= 1.

    Returns:
      Names from `Network.layers` in the order of computation, the deepest being `feature_layer`; that layer alone if no layer
      keeps places apart.

    Example:
      >>> from samplevis import modelzoo
      >>> from samplevis.activation.features import place_layers
      >>> place_layers(modelzoo.ShapesJudge(), 3)
      ('linear1', 'linear3', 'pool4')
    """
    fit = _spatial(network) or [feature_layer(network)]
    return _evenly_spaced(fit, count)


def spread_layers(network: Network, count: int, before: str | None = None) -> tuple[str, ...]:
    """Layers that lead to a layer, evenly spaced: the path through the network.

    Args:
      network: the network.
      count: how many at most, >= 1.
      before: the layer that they lead to. Defaults to the network's last.

    Returns:
      Names from `Network.layers` of layers with more channels than an image, in the order of computation; none before the first.

    Example:
      >>> from samplevis import modelzoo
      >>> from samplevis.activation.features import spread_layers
      >>> spread_layers(modelzoo.Shapes(), 3)
      ('linear1', 'norm3', 'features')
    """
    names = list(network.layers)
    names = names[: names.index(before or names[-1])]
    shapes = {name: network.layers[name] for name in names}
    fit = [n for n, shape in shapes.items() if shape and _is_feature(shape) and shape[-1] > network.image_shape[-1]]
    return _evenly_spaced(fit, count)


def _evenly_spaced(names: Sequence[str], count: int) -> tuple[str, ...]:
    """As many names, at most all, from the first to the last."""
    chosen = np.linspace(0, len(names) - 1, min(count, len(names))).round().astype(int)
    return tuple(names[i] for i in chosen)


def _hidden(network: Network) -> list[tuple[str, tuple[int | None, ...]]]:
    """Names and shapes of the layers that hold features and have not as many channels as the output."""
    layers = list(network.layers.items())
    outputs = layers[-1][1][-1:]
    return [(name, shape) for name, shape in layers if shape and shape[-1:] != outputs and _is_feature(shape)]


def _vectors(network: Network) -> list[str]:
    """Names of the hidden layers without places."""
    return [name for name, shape in _hidden(network) if len(shape) == 1]


def _spatial(network: Network) -> list[str]:
    """Names of the hidden layers with places and more channels than an image."""
    return [name for name, shape in _hidden(network) if len(shape) > 1 and shape[-1] > network.image_shape[-1]]


def _is_feature(shape: tuple[int | None, ...]) -> bool:
    return shape[-1] is not None and shape[-1] <= MAX_FEATURES
