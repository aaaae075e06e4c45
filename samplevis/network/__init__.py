"""A model with its preprocessing, cut at layers."""

from samplevis.network.convert import as_network
from samplevis.network.layer_names import RESERVED
from samplevis.network.network import Network

__all__ = ["RESERVED", "Network", "as_network"]
