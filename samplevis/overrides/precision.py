"""Networks that compute in half the precision: for forces, not for energies."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samplevis.network import Network, as_network
from samplevis.network.sources import is_torch
from samplevis.network.sources.functional import FunctionalSource
from samplevis.network.sources.stand_ins import paths_by_operation, twin
from samplevis.overrides.rebuild import NUM_COMPARED, outermost, prior_images
from samplevis.runtime.checks import brief

# Keras's name for values in bfloat16 on weights in float32.
POLICY = "mixed_bfloat16"
# Values of a layer are rounded by 2^-9 of themselves, and sums of them by several times as much.
NEAR = 2.0**-4

logger = logging.getLogger(__name__)


def bfloat16(network: Network | keras.Model) -> Network:
    """A network that computes in bfloat16: faster on GPUs, and on processors with bfloat16 instructions, for some networks.

    Convolutions and dense layers read half as many bytes. On processors, TensorFlow has no fast depthwise convolution in
    bfloat16: networks made of those become slower. Values have 8 bits, three digits. That suits an optimiser. Samplers refuse the
    network: a sampler that accepts and rejects needs differences of energies that are finer.

    Args:
      network: a `Network` or a Keras model, functional or Sequential; it stays as it is. Layers with a dtype policy other than
        float32 keep theirs.

    Returns:
      A network with the same layers on the same weights: later training reaches both. Activations are float32. A layer that
      fails in bfloat16 on a few images, or gives other values there than rounded ones, stays in float32, with a warning.

    Raises:
      ValueError: if the network is a snapshot of a graph, or a module of PyTorch's, whose precision is fixed.

    Example:
      >>> fast = samplevis.overrides.bfloat16(model)
      >>> bool(np.abs(fast(images, "logits")["logits"] - model(images, "logits")["logits"]).max() < 0.05)
      True
    """
    network = as_network(network)
    source = network.source
    if not isinstance(source, FunctionalSource):
        if is_torch(network.model):
            raise ValueError(
                f"network: {network.name!r} is a module of PyTorch's, which computes in the precision of its own parameters. Give "
                "a copy in half precision: Network(copy.deepcopy(module).bfloat16(), ...)."
            )
        raise ValueError(
            f"network: {network.name!r} is a snapshot of a graph, whose precision is fixed. Expected a functional or Sequential "
            "Keras model."
        )
    kept = _kept(network, source)

    def rules() -> Callable[[Any, str], Any]:
        made: dict[int, Any] = {}
        return lambda operation, path: (
            operation if path in kept else made.setdefault(id(operation), _rounding(operation))
        )

    fast = network.with_model(source.with_stand_ins(rules), network.name)
    fast.exact_gradient = False
    return fast


def _rounding(operation: Any) -> Any:
    """The same layer on the same weights, in bfloat16; operations compute with what they are given."""
    if not isinstance(operation, keras.layers.Layer) or operation.dtype_policy.name != "float32":
        return operation
    return twin(operation, _dtype_policy=keras.DTypePolicy(POLICY))


def _kept(network: Network, source: FunctionalSource) -> frozenset[str]:
    """The layers that fail in bfloat16, or give other values, on a few images."""
    kept, path_of = {}, paths_by_operation(source.operations)

    def compare(operation: Any, arguments: tuple, keywords: Mapping[str, Any], expected: Any) -> None:
        rounding = _rounding(operation)
        if rounding is operation:
            return
        try:
            values = rounding(*arguments, **keywords)
        except Exception as error:  # A layer of the user's may raise anything.
            kept[path_of(operation)] = f"it fails in bfloat16: {brief(str(error))}"
            return
        if not all(map(_are_near, keras.tree.flatten(values), keras.tree.flatten(expected))):
            kept[path_of(operation)] = "it gives other values in bfloat16"

    images = network.preprocess(tf.constant(prior_images(network, NUM_COMPARED)))
    names = outermost(source)
    source.run(source.plan(names), images, names, compare)
    for path, reason in kept.items():
        logger.warning("%s: %r stays in float32, because %s", network.name, path, reason)
    return frozenset(kept)


def _are_near(values: tf.Tensor, expected: tf.Tensor) -> bool:
    """Whether values of one layer are those in float32, rounded."""
    values, expected = (np.asarray(tf.cast(each, tf.float64)) for each in (values, expected))
    size = np.max(np.abs(expected), initial=0, where=np.isfinite(expected))
    return bool(np.allclose(values, expected, rtol=0, atol=NEAR * size, equal_nan=True))
