"""What a user may pass in place of a network."""

from __future__ import annotations

from typing import Any

import keras

from samplevis.network.network import Network
from samplevis.network.wrapped import wrapped


def as_network(model: Any) -> Network:
    """A model as a `Network`.

    A functional or Sequential Keras model is wrapped once: the same model gives the same network, and with it the code that was
    compiled for it, until its structure changes. The network lives on the model, and goes when the model goes.

    Args:
      model: a `Network`, which is refreshed and returned, or a model, whose preprocessing is inferred.

    Returns:
      A `Network`.

    Raises:
      TypeError: if it is neither.

    Example:
      >>> samplevis.network.as_network(model) is model
      True
    """
    if isinstance(model, Network):
        model.refresh()
        return model
    return wrapped(model) if isinstance(model, keras.Model) else Network(model)
