"""Whether a network can be sampled: the same values for the same images, in single precision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from samplevis.network import Network

# Values of these have three digits: differences of energies need six.
HALF = (tf.float16, tf.bfloat16)
NUM_IMAGES = 2


def check_values(network: Network, layers: Sequence[str]) -> None:
    """Raises ValueError if a network is random, or computes in half precision, as far as some layers.

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
            f"computes from {name!r} on. Make the model in float32, keras.config.set_dtype_policy('float32'), "
            "and copy the weights: set_weights(model.get_weights())."
        )
    random = random_layer(network, layers)
    if random is not None:
        raise ValueError(
            f"model: a sampler needs the same score for the same image, and {random!r} of {network.name!r} is random "
            "at inference. Give a model without that layer, such as a VAE's mean in place of its sample, or a unit in "
            "front of it."
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
    return None


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
    layers = tuple(layers)
    key = ("random layer", layers)
    if key not in network.compiled:
        network.compiled[key] = _differing(network, tuple(network.layers)) if _differing(network, layers) else None
    return network.compiled[key]


def _differing(network: Network, layers: tuple[str, ...]) -> str | None:
    """The first of some layers whose values differ between two calls."""
    shape = (NUM_IMAGES, *network.usual_size, network.image_shape[-1])
    images = tf.constant(np.random.default_rng(0).uniform(size=shape), tf.float32)
    run = network.cut(layers)
    first, second = run(images), run(images)
    for layer in layers:
        a, b = first[layer].numpy(), second[layer].numpy()
        # Threads may add numbers in another order.
        if not np.allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(a).max(initial=0), equal_nan=True):
            return layer
    return None
