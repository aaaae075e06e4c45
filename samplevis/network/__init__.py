"""A model with its preprocessing, cut at layers."""

from samplevis.network.network import RESERVED, Network, as_network

__all__ = ["RESERVED", "Network", "as_network"]
