"""Networks of samplevis as models of Lucid's."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from samplevis.lucid.core import graphs
from samplevis.lucid.core.eager import outside
from samplevis.lucid.modelzoo import util
from samplevis.lucid.modelzoo.vision_base import Model
from samplevis.network import Network, as_network


class NetworkModel(Model):
    """A `samplevis.Network` as a model of Lucid's.

    Args:
      network: the network.
    """

    network: Any = None

    def __init__(self, network: Network):
        super().__init__()
        self.network = network
        self.model_name = network.name
        self.image_shape, self.image_value_range = list(network.image_shape), network.value_range

    def create_input(
        self, t_input: tf.Tensor | None = None, forget_xy_shape: bool = True
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As in `Model`, with the preprocessing of the network."""
        if t_input is None:
            t_input = tf.compat.v1.placeholder(tf.float32, self.image_shape)
        images = tf.convert_to_tensor(t_input, tf.float32)
        images = images[None] if images.shape.rank == len(self.image_shape) else images
        if forget_xy_shape and None in self.image_shape and images.shape.rank == 4:
            images = util.forget_xy(images)
        images = tf.ensure_shape(images, [*images.shape[:-1], self.image_shape[-1]])
        return t_input, self.network.preprocess(images)

    def _freeze(self) -> graphs.Frozen:
        return graphs.frozen(self.network)

    def __getstate__(self) -> dict[str, Any]:
        raise TypeError(f"{self.name}: only models from files can be pickled.")

    def _identity(self) -> Any:
        return id(self.network)


def as_model(model: Any) -> Any:
    """What a program passes as a model, as something that can be imported into a graph.

    Args:
      model: a model of Lucid's, anything with its `import_graph`, a `Network`, or a model that `Network` takes.

    Returns:
      It, or a `NetworkModel`.
    """
    if hasattr(model, "import_graph"):
        return model
    return NetworkModel(model if isinstance(model, Network) else outside(lambda: as_network(model)))
