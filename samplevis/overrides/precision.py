"""Networks that compute in half the precision: for forces, not for energies."""

from __future__ import annotations

from typing import Any

import keras

from samplevis.network import Network, as_network
from samplevis.network.sources.functional import FunctionalSource

# Keras's name for values in bfloat16 on weights in float32.
POLICY = "mixed_bfloat16"


def bfloat16(network: Network | keras.Model) -> Network:
    """A network that computes in bfloat16: faster on GPUs, and on processors with bfloat16 instructions, for some networks.

    Convolutions and dense layers read half as many bytes. On processors, TensorFlow has no fast depthwise convolution in
    bfloat16: networks made of those become slower. Values have 8 bits, three digits. That suits an optimiser. Samplers refuse the
    network: a sampler that accepts and rejects needs differences of energies that are finer.

    Args:
      network: a `Network` or a Keras model, functional or Sequential; it stays as it is. Layers with a dtype policy other than
        float32 keep theirs.

    Returns:
      A network with the same layers on the same weights: later training reaches both. Activations are float32.

    Raises:
      ValueError: if the network is a snapshot of a graph, whose precision is fixed.

    Example:
      >>> fast = samplevis.overrides.bfloat16(model)
      >>> bool(np.abs(fast(images, "logits")["logits"] - model(images, "logits")["logits"]).max() < 0.05)
      True
    """
    network = as_network(network)
    source = network.source
    if not isinstance(source, FunctionalSource):
        raise ValueError(
            f"network: {network.name!r} is a snapshot of a graph, whose precision is fixed. Expected a functional or Sequential "
            "Keras model."
        )
    model = keras.models.clone_model(source.model, clone_function=_twin, recursive=True)
    fast = network.with_model(source.on_model(model), network.name)
    fast.exact_gradient = False
    return fast


def _twin(operation: Any) -> Any:
    """The same layer or operation, on the same weights, with nothing connected to it yet."""
    twin = object.__new__(type(operation))
    vars(twin).update(vars(operation), _inbound_nodes=[], _outbound_nodes=[])
    if isinstance(twin, keras.layers.Layer) and twin.dtype_policy.name == "float32":
        twin.dtype_policy = POLICY
    return twin
