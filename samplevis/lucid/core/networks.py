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


def imports_itself(model: Any) -> bool:
    """Whether only its own `import_graph` says what a model computes: a class of the program's, or a changed model."""
    own = getattr(model, "imports_itself", None)
    return own() if own is not None else hasattr(model, "import_graph")
