"""A model with its preprocessing, cut at layers."""

from typing import TYPE_CHECKING

from samplevis.runtime.lazy import lazy_exports

# ruff: noqa: F401 - What editors and type checkers read; the table says the same to Python.
if TYPE_CHECKING:
    from samplevis.network.convert import as_network
    from samplevis.network.layer_names import RESERVED
    from samplevis.network.network import Network

# On demand, so that labels can be looked up without TensorFlow.
__getattr__, __dir__, __all__ = lazy_exports(
    __name__, {"RESERVED": "layer_names", "Network": "network", "as_network": "convert"}
)
