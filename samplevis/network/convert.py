"""What a user may pass in place of a network."""

from __future__ import annotations

from typing import Any

from samplevis.network.network import Network


def as_network(model: Any) -> Network:
    """A model as a `Network`.

    Args:
      model: a `Network`, which is returned as it is, or a model, whose preprocessing is inferred.

    Returns:
      A `Network`.

    Raises:
      TypeError: if it is neither.

    Example:
      >>> samplevis.network.as_network(model) is model
      True
    """
    return model if isinstance(model, Network) else Network(model)
