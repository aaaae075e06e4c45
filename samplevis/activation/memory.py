"""What the memory of a run depends on: the arguments to lower where it is full."""

from __future__ import annotations

from collections.abc import Sequence

from samplevis.activation.activation import Activation
from samplevis.network import Network
from samplevis.runtime.memory import Sizes


def of_chains(activation: Activation, chains: int, members: int) -> Sizes:
    """On what the memory of a sampler depends, for `explain_oom`: chains, transforms unless in parts, and the images' size."""
    bank = {} if activation.chunk_size else {"num_transforms": members}
    return {"num_chains": chains} | bank | sides(activation.network, activation.param.image_shape)


def sides(network: Network, image_shape: Sequence[int]) -> Sizes:
    """The size of the images; nothing for a network that takes one size only."""
    return {"the images' size": image_shape[:-1]} if None in network.image_shape[:-1] else {}
