"""What a program written for Lucid may pass as a model."""

from __future__ import annotations

from typing import Any

from samplevis.lucid.core.eager import outside
from samplevis.network import Network, as_network


def network_of(model: Any) -> Network:
    """The network of a model.

    Args:
      model: a model of `samplevis.lucid.modelzoo`, a `Network`, or a model that `Network` takes.

    Returns:
      A `Network`.
    """

    def find() -> Network:
        network = getattr(model, "network", None)
        return network if isinstance(network, Network) else as_network(model)

    return outside(find)
