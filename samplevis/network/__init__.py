"""A model with its preprocessing, cut at layers."""

from typing import TYPE_CHECKING

from samplevis.runtime.lazy import lazy_exports

# What editors and type checkers read, which take `x as x` for public; the table says the same to Python.
if TYPE_CHECKING:
    from samplevis.network.convert import as_network as as_network
    from samplevis.network.layer_names import RESERVED as RESERVED
    from samplevis.network.network import Network as Network

# On demand, so that labels can be looked up without TensorFlow.
__getattr__, __dir__, __all__ = lazy_exports(
    __name__, {"RESERVED": "layer_names", "Network": "network", "as_network": "convert"}
)
