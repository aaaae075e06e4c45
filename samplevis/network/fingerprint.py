"""Plain values that identify a network, an array or a setting, to tell one run from another."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import numpy as np

from samplevis.network.network import Network
from samplevis.network.sources import FunctionalSource
from samplevis.network.structure import arrays_of


def weights(network: Network) -> str:
    """SHA-256 of a network's weights and preprocessing; of the latter alone, if its source is a snapshot without variables.

    Arrays that the layers of a Keras model have besides their weights count, too. A copy of the network has the same digest.
    """
    digest = hashlib.sha256(repr((network.value_range, network.bgr, np.asarray(network.mean).tolist())).encode())
    # Left out where there is none: digests of such networks stay what they were.
    digest.update(b"" if network.std is None else f"std {network.std.tolist()}".encode())
    others = arrays_of(network.source.model) if isinstance(network.source, FunctionalSource) else ()
    for values in (*(variable.numpy() for variable in network.source.variables), *others):
        values = np.ascontiguousarray(values)
        digest.update(f"{values.dtype} {values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def array(values: np.ndarray) -> str:
    """SHA-256 of an array."""
    values = np.ascontiguousarray(values, np.float32)
    return hashlib.sha256(f"{values.shape}".encode() + values.tobytes()).hexdigest()


def text(value: Any) -> str:
    """How something is printed, without addresses in memory, which differ between processes."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
