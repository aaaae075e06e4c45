"""What commands load: networks, priors and saved runs."""

from __future__ import annotations

import argparse
import inspect
import os
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from samplevis.network import Network
    from samplevis.param import Parameterization
    from samplevis.results.samples import Samples

# The parameterizations of `samplevis.param` that need nothing but a size.
PriorName = Literal["fourier", "pyramid", "laplacian_pyramid", "cppn", "pixel", "uniform"]


def check_prior(name: str | None) -> None:
    """Raises ValueError, nearest spelling first, unless a name is that of a prior, or None."""
    from samplevis.runtime.checks import check_choice

    if name is not None:
        check_choice("prior", name, get_args(PriorName))


def load_network(options: argparse.Namespace) -> Network:
    """The network of a command's model arguments."""
    from samplevis import modelzoo

    declared = {
        "value_range": tuple(options.value_range) if options.value_range else None,
        "bgr": options.bgr or None,
        "mean": options.mean,
    }
    return modelzoo.load(
        options.model, weights=options.weights, **{name: value for name, value in declared.items() if value is not None}
    )


def make_prior(name: str, network: Network, size: int | None) -> Parameterization:
    """A parameterization for a network.

    Args:
      name: one of `PriorName`.
      network: the network, whose channels and dimensions it gets.
      size: side in pixels. Defaults to that of the network.

    Returns:
      The parameterization.

    Raises:
      ValueError: if there is none of that name, or none for signals or volumes, which the network takes.
    """
    from samplevis import param
    from samplevis.activation import default_param

    check_prior(name)
    make = getattr(param, name)
    if "dimensions" in inspect.signature(make).parameters:
        return default_param(network, size, make)
    if network.dimensions != 2:
        raise ValueError(f"prior: {name!r} makes images of 2 dimensions, and the network takes {network.dimensions}")
    return default_param(network, size, lambda size, channels, dimensions: make(size, channels=channels))


def load_samples(run: str) -> Samples:
    """The samples of a file, or of the folder of a run."""
    from samplevis.results.samples import Samples

    return Samples.load(os.path.join(run, "samples.npz") if os.path.isdir(run) else run)
