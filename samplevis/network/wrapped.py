"""The network of a raw Keras model, made once: it lives on the model, and is replaced when the model's structure changes."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from samplevis.network import fingerprint
from samplevis.network.inference import infer
from samplevis.network.network import Network
from samplevis.network.sources.functional import FunctionalSource, check_weights
from samplevis.network.structure import is_same, structure_of

# The model refers to its network, which refers to the model: a cycle that is collected as a whole. A dictionary with weak keys
# would hold every model for ever, because its values refer to the keys.
ATTRIBUTE = "_samplevis_wrapped"


@dataclasses.dataclass(frozen=True)
class _Wrapped:
    """A network, with the structure of the model when it was made, and the digest of its weights when it was last asked for.

    The structure refers to all that it lists, so that no address in memory is used twice.
    """

    network: Network
    structure: list[Any]
    weights: str


def wrapped(model: keras.Model) -> Network:
    """The network of a raw Keras model: `Network(model)`, made once while the model's structure stays the same.

    Weights are read whenever the network runs; where they changed, the preprocessing is inferred again. The structure is the
    layers, their connections and the attributes of each layer: plain values, arrays and collections of them by value, everything
    else (functions, variables, other objects) by identity. As for `tf.function`, what Python code reads from elsewhere is read
    when it is traced.

    Only functional and Sequential models are wrapped once: of the others a network holds a copy of the weights.

    Args:
      model: a Keras 3 model.

    Returns:
      A `Network`.

    Raises:
      ValueError: as `Network`; also if a weight is not finite any more.

    Example:
      >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3, name="conv")])
      >>> network = wrapped(model)
      >>> wrapped(model) is network
      True
      >>> model.add(keras.layers.ReLU())
      >>> wrapped(model) is network
      False
    """
    found, structure = vars(model).get(ATTRIBUTE), structure_of(model)
    if found is not None and is_same(found.structure, structure):
        check_weights(model)
        if found.weights == (weights := fingerprint.weights(found.network)):
            return found.network
        # Statistics of a model that was trained on may tell of another preprocessing.
        if infer(found.network.source, found.network.name) == found.network.inferred:
            found.network.doubt = None
            vars(model)[ATTRIBUTE] = dataclasses.replace(found, weights=weights)
            return found.network
    network = Network(model)
    if isinstance(network.source, FunctionalSource):
        # Not `setattr`: Keras tracks the attributes that are set on a model.
        vars(model)[ATTRIBUTE] = _Wrapped(network, structure, fingerprint.weights(network))
    return network
