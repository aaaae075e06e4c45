"""Objectives of a direction in a layer's space of channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.objectives.base import Accessor, Context, Objective, Resolver, UnitLayer
from samplevis.objectives.reduce import crop_centre, dot_cossim
from samplevis.objectives.units import at_position, check_position, show_position
from samplevis.runtime import seeds
from samplevis.runtime.checks import check_array, check_number


def direction(layer: str, vector: Any, cossim_pow: float = 0.0) -> Objective:
    """The dot product with a direction, averaged over positions, times a power of the cosine similarity.

    At every position: dot * max(0.1, cosine)^cossim_pow.

    Args:
      layer: a layer's name.
      vector: array [channels].
      cossim_pow: power, >= 0. Defaults to 0, the plain dot product.

    Returns:
      An objective. Source: lucid/optvis/objectives.py.

    Example:
      >>> objectives.direction("conv2", [1, 0, 0, -1, 0], cossim_pow=2)
      direction(conv2, [5], cossim_pow=2)
    """
    vector = _check_vector("direction", vector, 1)
    power = check_power("direction", cossim_pow)

    def check(context: Context, parameters: tuple) -> tuple:
        _check_channels("direction", vector, context, layer)
        return parameters

    return _direction(layer, vector, power, f"direction({layer}, [{len(vector)}]{show_power(power)})", check)


def random_direction(layer: str, seed: int, cossim_pow: float = 0.0) -> Objective:
    """A direction drawn uniformly from the unit sphere: what a layer responds to in directions that are no unit's.

    Args:
      layer: a layer's name.
      seed: int from 0 to 2**31 - 1; the same seed gives the same direction in every layer with as many channels.
      cossim_pow: as for `direction`. Defaults to 0.

    Returns:
      An objective. Source: Olah et al., Feature Visualization, 2017, "interaction between neurons".

    Example:
      >>> objectives.random_direction("conv2", seed=3)
      random_direction(conv2, seed=3)
    """
    power = check_power("random_direction", cossim_pow)
    stateless = seeds.fold(seeds.root(seed), "direction")

    def check(context: Context, parameters: tuple) -> tuple:
        vector = tf.random.stateless_normal(context.shape(layer)[-1:], stateless).numpy()
        return (vector / np.linalg.norm(vector),)

    return _direction(layer, None, power, f"random_direction({layer}, seed={seed}{show_power(power)})", check)


def direction_neuron(
    layer: str,
    vector: Any,
    x: int | None = None,
    y: int | None = None,
    cossim_pow: float = 0.0,
    z: int | None = None,
) -> Objective:
    """`direction` at one position.

    Args:
      layer: a layer's name.
      vector: array [channels].
      x: row (sic: as in Lucid). Defaults to the middle, H // 2.
      y: column. Defaults to the middle, W // 2.
      cossim_pow: as for `direction`. Defaults to 0.
      z: in a layer of volumes the column, where x is the depth and y the row, as for `neuron`.

    Returns:
      An objective. Source: lucid/optvis/objectives.py.

    Example:
      >>> objectives.direction_neuron("conv2", [1, 0, 0, -1, 0], x=2, y=3)
      direction_neuron(conv2, [5], x=2, y=3)
    """
    vector = _check_vector("direction_neuron", vector, 1)
    power = check_power("direction_neuron", cossim_pow)

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        return dot_cossim(at_position(T(UnitLayer(layer)), *parameters[1:]), tf.cast(parameters[0], tf.float32), power)

    def check(context: Context, parameters: tuple) -> tuple:
        _check_channels("direction_neuron", vector, context, layer)
        return vector, *check_position(context, layer, x, y, z)

    return Objective(
        score,
        ("direction_neuron", layer, power),
        (vector, x, y, z),
        f"direction_neuron({layer}, [{len(vector)}]{show_position(x, y, z)}{show_power(power)})",
        resolver=check,
    )


def tensor_direction(layer: str, tensor: Any, cossim_pow: float = 0.0) -> Objective:
    """`direction` with a separate direction for each position, at the centre of the activations.

    Args:
      layer: a layer with rows and columns.
      tensor: array [h, w, channels] or [1, h, w, channels], no larger than the layer.
      cossim_pow: as for `direction`. Defaults to 0.

    Returns:
      An objective. Source: lucid/optvis/objectives.py.

    Raises:
      ValueError: if `tensor` has another shape; when resolved, if the layer has other channels or is smaller.

    Example:
      >>> objectives.tensor_direction("conv2", model(photo[None], "conv2")["conv2"])
      tensor_direction(conv2, [8, 8, 5])
    """
    tensor = check_array("tensor_direction: tensor", tensor)
    tensor = _check_vector("tensor_direction", tensor[0] if tensor.ndim == 4 and len(tensor) == 1 else tensor, 3)
    power = check_power("tensor_direction", cossim_pow)
    height, width, _ = tensor.shape

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        return dot_cossim(crop_centre(T(UnitLayer(layer)), height, width), tf.cast(parameters[0], tf.float32), power)

    def check(context: Context, parameters: tuple) -> tuple:
        _check_channels("tensor_direction", tensor, context, layer)
        sizes = context.shape(layer)[:-1]
        if len(sizes) != 2 or height > sizes[0] or width > sizes[1]:
            raise ValueError(
                f"tensor_direction: tensor: {layer!r} has positions {tuple(sizes)}. Received: {(height, width)} of them"
            )
        return parameters

    return Objective(
        score,
        ("tensor_direction", layer, power, tensor.shape),
        (tensor,),
        f"tensor_direction({layer}, {list(tensor.shape)}{show_power(power)})",
        resolver=check,
    )


def check_power(name: str, cossim_pow: float) -> float:
    """The power of the cosine as a float."""
    check_number(f"{name}: cossim_pow", cossim_pow, 0)
    return float(cossim_pow)


def show_power(power: float) -> str:
    """The power of the cosine as printed after other arguments."""
    return f", cossim_pow={power:g}" if power else ""


def _direction(layer: str, vector: np.ndarray | None, power: float, description: str, check: Resolver) -> Objective:
    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        return dot_cossim(T(UnitLayer(layer)), tf.cast(parameters[0], tf.float32), power)

    return Objective(score, ("direction", layer, power), (vector,), description, resolver=check)


def _check_vector(name: str, vector: Any, rank: int) -> np.ndarray:
    argument, axes = ("vector", "[channels]") if rank == 1 else ("tensor", "[h, w, channels]")
    vector = check_array(f"{name}: {argument}", vector)
    if vector.ndim != rank or not np.isfinite(vector).all():
        raise ValueError(f"{name}: {argument}: expected finite numbers of shape {axes}. Received: {vector.shape}")
    return vector


def _check_channels(name: str, vector: np.ndarray, context: Context, layer: str) -> None:
    channels, argument = context.shape(layer)[-1], "vector" if vector.ndim == 1 else "tensor"
    if vector.shape[-1] != channels:
        raise ValueError(f"{name}: {argument}: {layer!r} has {channels} channels. Received: {vector.shape[-1]} numbers")
