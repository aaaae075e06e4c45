"""Whether a network can be sampled: the same values for the same images, each by itself, in single precision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from samplevis.network import Network
from samplevis.network.sources import is_torch

# Values of these have three digits: differences of energies need six.
HALF = (tf.float16, tf.bfloat16)
_HALF_ENUMS = frozenset(precision.as_datatype_enum for precision in HALF)
# Whether the model is PyTorch's -> what to do about it.
_IN_FLOAT32 = {
    False: "Make the model in float32, keras.config.set_dtype_policy('float32'), and copy the weights: "
    "set_weights(model.get_weights()).",
    True: "Give it in float32, module.float(), without autocast.",
}
NUM_IMAGES = 2


def check_values(network: Network, layers: Sequence[str]) -> None:
    """Raises ValueError if a network is random, mixes the images of a batch, or computes in half precision, up to some layers.

    Args:
      network: the network.
      layers: names of the layers that are read; none if the images alone are.

    Example:
      >>> from samplevis import modelzoo
      >>> from samplevis.activation.soundness import check_values
      >>> check_values(modelzoo.Shapes(), ["logits"])
    """
    if not layers:
        return
    half = half_operation(network, layers)
    if half is not None:
        name, precision = half
        raise ValueError(
            f"model: a sampler needs differences of energies that {precision} cannot carry, in which {network.name!r} "
            f"computes from {name!r} on. {_IN_FLOAT32[is_torch(network.model)]}"
        )
    random = random_layer(network, layers)
    if random is not None:
        raise ValueError(
            f"model: a sampler needs the same score for the same image, and {random!r} of {network.name!r} is random "
            "at inference. Give a model without that layer, such as a VAE's mean in place of its sample, or a unit in "
            "front of it."
        )
    mixing = mixing_layer(network, layers)
    if mixing is not None:
        raise ValueError(
            f"model: a sampler needs a score of each image by itself, and the values of {mixing!r} of {network.name!r} depend on "
            "the other images of the batch. Give a model that uses stored statistics, such as a batch normalization with "
            "moving averages, or a unit in front of it."
        )


def half_operation(network: Network, layers: Sequence[str]) -> tuple[str, str] | None:
    """Find the first operation that computes in half precision.

    Args:
      network: the network.
      layers: names of the layers that are read; found once for them.

    Returns:
      (its name, its precision), or None.

    Example:
      >>> from samplevis import modelzoo
      >>> from samplevis.activation.soundness import half_operation
      >>> half_operation(modelzoo.Shapes(), ["logits"]) is None
      True
    """
    key = ("half operation", tuple(layers))
    if key not in network.compiled:
        network.compiled[key] = _first_half(network, tuple(layers))
    return network.compiled[key]


def _first_half(network: Network, layers: tuple[str, ...]) -> tuple[str, str] | None:
    """The name and precision of the first operation of a trace that is in half precision."""
    shape = (NUM_IMAGES, *network.usual_size, network.image_shape[-1])
    run = tf.function(network.cut(layers), autograph=False)
    graph = run.get_concrete_function(tf.TensorSpec(shape, tf.float32)).graph
    for operation in graph.get_operations():
        for output in operation.outputs:
            if output.dtype in HALF:
                return operation.name, output.dtype.name
    # The bodies of loops, maps and functions.
    for function in graph.as_graph_def().library.function:
        for node in function.node_def:
            for attribute in node.attr.values():
                if attribute.type in _HALF_ENUMS:
                    return node.name, tf.as_dtype(attribute.type).name
    return network.prepared.hidden_half(layers, network.usual_size)


def random_layer(network: Network, layers: Sequence[str]) -> str | None:
    """Find the first layer that gives other values when the same images are passed again.

    Args:
      network: the network.
      layers: names of the layers that are read; found once for them.

    Returns:
      Its name, or None.

    Example:
      >>> from samplevis import modelzoo
      >>> from samplevis.activation.soundness import random_layer
      >>> random_layer(modelzoo.Shapes(), ["logits"]) is None
      True
    """
    images = _images(network)
    return _found(network, "random layer", layers, images, images)


def mixing_layer(network: Network, layers: Sequence[str]) -> str | None:
    """Find the first layer that gives other values for an image when the rest of the batch changes.

    Args:
      network: the network, which is not random.
      layers: names of the layers that are read; found once for them.

    Returns:
      Its name, or None.

    Example:
      >>> from samplevis import modelzoo
      >>> from samplevis.activation.soundness import mixing_layer
      >>> mixing_layer(modelzoo.Shapes(), ["logits"]) is None
      True
    """
    images = _images(network)
    # Brighter, darker and flatter: no statistic of the batch stays as it is.
    others = tf.concat([images[:1], tf.square(images[1:]) / 2], 0)
    return _found(network, "mixing layer", layers, images, others)


def _images(network: Network) -> tf.Tensor:
    shape = (NUM_IMAGES, *network.usual_size, network.image_shape[-1])
    return tf.constant(np.random.default_rng(0).uniform(size=shape), tf.float32)


def _found(network: Network, what: str, layers: Sequence[str], images: tf.Tensor, others: tf.Tensor) -> str | None:
    """The first of all layers whose values for the first image differ between two batches, if one of some layers is such."""
    layers = tuple(layers)
    key = (what, layers)
    if key not in network.compiled:
        is_found = _differing(network, layers, images, others) is not None
        network.compiled[key] = _differing(network, tuple(network.layers), images, others) if is_found else None
    return network.compiled[key]


def _differing(network: Network, layers: tuple[str, ...], images: tf.Tensor, others: tf.Tensor) -> str | None:
    """The first of some layers whose values for the first image differ between two batches."""
    run = network.cut(layers)
    first, second = run(images), run(others)
    for layer in layers:
        a, b = first[layer].numpy()[0], second[layer].numpy()[0]
        # Threads may add numbers in another order.
        if not np.allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(a).max(initial=0), equal_nan=True):
            return layer
    return None
