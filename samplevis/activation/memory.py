"""The arguments that decide how much memory a run takes, for error messages that say which to lower."""

from __future__ import annotations

from collections.abc import Sequence

from samplevis.activation.activation import Activation
from samplevis.network import Network
from samplevis.runtime.memory import Sizes


def sampler_sizes(activation: Activation, num_chains: int, num_transforms: int, argument: str = "num_chains") -> Sizes:
    """The arguments of a sampler that decide its memory, for `explain_oom`.

    Args:
      activation: the function to sample.
      num_chains: number of chains that run at a time.
      num_transforms: size of the bank; left out if the bank is computed in chunks.
      argument: the argument that sets the number of chains. Defaults to "num_chains".

    Returns:
      Argument -> its value.
    """
    bank = {} if activation.chunk_size else {"num_transforms": num_transforms}
    return {argument: num_chains} | bank | image_sizes(activation.network, activation.param.image_shape)


def image_sizes(network: Network, image_shape: Sequence[int]) -> Sizes:
    """The size of the images, for `explain_oom`; empty if the network takes a single size, which cannot be lowered."""
    return {"the images' size": image_shape[:-1]} if None in network.image_shape[:-1] else {}
