"""Many units in one batch: row n of a batch is scored by direction n, so that one compiled step serves a layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.activation import Activation, make_activation
from samplevis.network import Network
from samplevis.objectives import Objective, channel
from samplevis.objectives.base import Accessor
from samplevis.objectives.reduce import mean
from samplevis.param import Parameterization
from samplevis.runtime import seeds


def unit_rows(layer: str, vectors: np.ndarray) -> Objective:
    """The mean over positions of the dot product with a direction, another for each image of the batch.

    A channel is the direction of its axis: its score and its gradient are those of `objectives.channel`, bit for bit, since the
    other products are zeros.

    Args:
      layer: a layer's name.
      vectors: float32 [batch, channels], a direction for each image.

    Returns:
      An objective, resolved.
    """

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        x, rows = T(layer), tf.repeat(parameters[0], T("num_transforms"), axis=0)
        rows = tf.reshape(rows, [rows.shape[0], *[1] * (x.shape.rank - 2), rows.shape[1]])
        # A channel of weight 0 has no say, even if it is not finite.
        return mean(tf.reduce_sum(tf.where(rows == 0, 0.0, x * rows), -1))

    vectors = np.asarray(vectors, np.float32)
    return Objective(
        score,
        ("unit rows", layer),
        (vectors,),
        f"{len(vectors)} units of {layer}",
        layers=(layer,),
        images=len(vectors),
    )


def layer_activation(network: Network, layer: str, param: Parameterization, transforms: Any) -> Activation:
    """The activation of a layer's first channel: with other objectives, that of any of its units.

    Args:
      network: the network.
      layer: a layer's name.
      param: the map from latents to images.
      transforms: as in `render`.

    Returns:
      An `Activation`.
    """
    return make_activation(network, channel(layer, 0), param, transforms)


def with_units(activation: Activation, vectors: np.ndarray) -> Activation:
    """The activation of a batch of units of the same layer.

    Args:
      activation: of a unit of the layer.
      vectors: a direction for each row, [rows, channels].

    Returns:
      An `Activation` for batches of as many rows.
    """
    return dataclasses.replace(activation, objective=unit_rows(activation.objective.layers[0], vectors))


def weighted_sums(values: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Dot products of rows, [n, channels] x [n, channels] -> [n], where a channel of weight 0 has no say.

    They are sums of rows and no product of matrices, whose rounding would depend on the other rows.
    """
    return np.where(vectors == 0, 0.0, values * vectors).sum(1)


def unit_seeds(seed: int, keys: Sequence[str]) -> tf.Tensor:
    """A seed for each unit, of its name alone: int32 [units, 2]."""
    return tf.stack([seeds.fold(seeds.root(seed), "atlas", key) for key in keys])
