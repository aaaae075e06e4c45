"""What a program written for Lucid may pass as a model."""

from __future__ import annotations

from typing import Any

from samplevis.network import Network, as_network


def network_of(model: Any) -> Network:
    """The network of a model.

    Args:
      model: a model of `samplevis.lucid.modelzoo`, a `Network`, or a model that `Network` takes.

    Returns:
      A `Network`.
    """
    # Lucid's model classes are functions of their own weights, too, so they are asked first.
    network = getattr(model, "network", None)
    return network if isinstance(network, Network) else as_network(model)
