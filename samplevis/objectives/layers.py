"""Objectives of a whole layer, or of the image."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from samplevis.objectives.base import Objective
from samplevis.objectives.reduce import mean, total
from samplevis.runtime.checks import check_number


def deepdream(layer: str) -> Objective:
    """The mean squared activation of a layer: more of whatever it sees. Source: lucid/optvis/objectives.py.

    Args:
      layer: the layer.

    Returns:
      An objective.

    Example:
      >>> objectives.deepdream("conv2")
      deepdream(conv2)
    """
    return _of_layer("deepdream", layer, lambda x: mean(tf.square(x)))


def total_variation(layer: str = "input") -> Objective:
    """The sum of absolute differences between neighbours; subtract it to smooth. Source: `tf.image.total_variation`.

    Taken along every direction that the layer has: time in a signal, all three in a volume.

    Args:
      layer: a layer, or "input" for the images. Defaults to "input".

    Returns:
      An objective.

    Raises:
      ValueError: when resolved, if the layer has no positions.

    Example:
      >>> objectives.channel("conv2", 1) - 1e-3 * objectives.total_variation()
      (channel(conv2, 1) - (0.001 * total_variation(input)))
    """
    return _of_layer("total_variation", layer, _variation)


def L1(layer: str = "input", constant: float = 0.0) -> Objective:  # noqa: N802 - Lucid's name.
    """The sum of |activation - constant|; subtract it.

    Args:
      layer: a layer, or "input" for the images. Defaults to "input".
      constant: what activations are compared with. Defaults to 0.

    Returns:
      An objective. Source: lucid/optvis/objectives.py, which sums over the batch.

    Example:
      >>> objectives.channel("conv2", 1) - 0.05 * objectives.L1(constant=0.5)
      (channel(conv2, 1) - (0.05 * L1(input, 0.5)))
    """
    return _of_layer("L1", layer, lambda x, c: total(tf.abs(x - c)), constant)


def L2(layer: str = "input", constant: float = 0.0, epsilon: float = 1e-6) -> Objective:  # noqa: N802 - Lucid's name.
    """sqrt(epsilon + sum of (activation - constant)^2); subtract it.

    Args:
      layer: a layer, or "input" for the images. Defaults to "input".
      constant: what activations are compared with. Defaults to 0.
      epsilon: added under the root, > 0, so that the gradient at 0 is finite. Defaults to 1e-6.

    Returns:
      An objective. Source: lucid/optvis/objectives.py, which takes the root of the sum over the whole batch.

    Example:
      >>> objectives.channel("conv2", 1) - 0.05 * objectives.L2("conv1")
      (channel(conv2, 1) - (0.05 * L2(conv1)))
    """
    return _of_layer("L2", layer, lambda x, c, e: tf.sqrt(e + total(tf.square(x - c))), constant, epsilon)


def _of_layer(name: str, layer: str, score: Callable[..., tf.Tensor], *constants: float) -> Objective:
    """An objective of one whole layer and some constants."""
    for argument, constant in zip(("constant", "epsilon"), constants, strict=False):
        check_number(f"{name}: {argument}", constant, *((0,) if argument == "epsilon" else ()))
    shown = "".join(f", {c:g}" for c in constants if c not in (0.0, 1e-6))
    return Objective(
        lambda T, parameters: score(T(layer), *(tf.cast(p, tf.float32) for p in parameters)),
        (name, layer),
        tuple(float(c) for c in constants),
        f"{name}({layer}{shown})",
    )


def _variation(x: tf.Tensor) -> tf.Tensor:
    axes = range(1, x.shape.rank - 1)
    if not axes:
        raise ValueError(f"total_variation: expected a layer with positions. Received shape: {x.shape}")

    def without(index: int, axis: int) -> tf.Tensor:
        keep = slice(1, None) if index == 0 else slice(None, -1)
        return x[(slice(None),) * axis + (keep,)]

    return sum(total(tf.abs(without(0, axis) - without(-1, axis))) for axis in axes)
