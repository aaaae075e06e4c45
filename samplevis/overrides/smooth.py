"""Networks without kinks: a rounded kink for that of ReLU, a smooth mean for the maximum."""

from __future__ import annotations

from typing import Literal, get_args

import keras
import numpy as np
import tensorflow as tf

from samplevis import param
from samplevis.network import Network, as_network
from samplevis.network.sources.base import Function
from samplevis.network.sources.functions import ROUNDED, Replacement, kinds
from samplevis.overrides import pooling as pools
from samplevis.overrides import ramps
from samplevis.overrides.rebuild import cached_clone, rebuild
from samplevis.runtime import seeds
from samplevis.runtime.checks import check_choice, check_number

Pooling = Literal["power", "softmax", "average", "max"]
Kind = Literal["ramp", "softplus"]
# Width of a rounded kink in units of the layer's root mean square: from trials on SqueezeNet, where it keeps what classes see.
DEFAULT_SOFTNESS = 0.3
# The shape of a rounded kink. A ramp costs a quarter less than a softplus, and chains step as far on it (SqueezeNet, 96 pixels).
DEFAULT_KIND: Kind = "ramp"
# Prior images on which a layer's values are measured; 16 give their root mean square to a few per cent.
NUM_IMAGES = 16
# Piecewise linear functions.
RECTIFIERS = ("relu", "relu6", "leakyrelu")
# Larger than the upper bound of any rectifier.
FAR = 1e6


def smoothed(network: Network, softness: float, kind: Kind = DEFAULT_KIND) -> Network:
    """`smooth(network, softness, kind=kind)`, cached until the network's weights change; a network without kinks as it is."""
    if not _kinked(network):
        return network
    return cached_clone(network, ("smooth", softness, kind), lambda network: smooth(network, softness, kind=kind))


def smooth(
    network: Network | keras.Model,
    softness: float = DEFAULT_SOFTNESS,
    pooling: Pooling = "power",
    images: np.ndarray | None = None,
    kind: Kind = DEFAULT_KIND,
) -> Network:
    """A network like the original, whose gradient has no jumps: what a sampler needs for energy errors of order 2.

    Every kink of ReLU, ReLU6 and leaky ReLU is rounded: relu(x) becomes s log(1 + exp(x / s)), or a ramp of the same width (see
    `kind`). The width s is `softness` times the root mean square of that layer's values, so that one number suits all layers.
    hard_sigmoid and hard_silu are rounded, too. Max pooling becomes a smooth mean of the window. GELU, SiLU, ELU and the like
    are smooth already; other kinks (a maximum of two branches, an absolute value) stay.

    This is another network: say so with its samples, and compare what the original makes of them.

    Args:
      network: a `Network` or a Keras model; it stays as it is.
      softness: width of a rounded kink in units of the layer's root mean square, > 0. A small one is closer to the original
        and stiffer to sample. Defaults to 0.3.
      pooling: what max pooling, global too, becomes. "power": the fourth root of the window's sum of fourth powers, close to the
        maximum, where it pools rectified values; elsewhere "softmax". "softmax": the window's mean with weights
        softmax(x / s), which costs four times as much. "average": its plain mean, softer and much further from the original:
        SqueezeNet's class scores fall from hundreds to tens. "max": unchanged, kinks included. Defaults to "power".
      images: array [batch, H, W, C] in [0, 1] on which the layers' values are measured. Defaults to 16 prior images.
      kind: the shape of a rounded kink. "softplus": s log(1 + exp(x / s)), with derivatives of all orders. "ramp": piecewise
        quadratic and cheaper: the slope rises linearly between -pi s and pi s, where relu(x) becomes
        (x + pi s)^2 / (4 pi s); elsewhere it stays as it is. Both are as wide: the derivatives of their slopes have the same
        variance. Defaults to "ramp".

    Returns:
      A network with layers of the same names and shapes.

    Raises:
      ValueError, TypeError: if an argument is outside its range.

    Example:
      >>> soft = samplevis.overrides.smooth(model, softness=0.1)
      >>> soft.name, soft.layers == model.layers
      ('smooth tiny', True)
    """
    check_number("softness", softness, 0, above=True)
    check_choice("pooling", pooling, get_args(Pooling))
    check_choice("kind", kind, get_args(Kind))
    network = as_network(network)
    widths, signed = _measured(network, softness, images)

    def activation(path: str, name: str, function: Function) -> Function | None:
        return Replacement(_SHAPES[kind](name, function, widths[path]), ROUNDED + name) if path in widths else None

    def layer(path: str, old: keras.layers.Layer) -> keras.layers.Layer | None:
        if pooling == "max" or type(old) not in pools.POOLINGS:
            return None
        name = "softmax" if pooling == "power" and path in signed else pooling
        new = pools.POOLINGS[type(old)][name].from_config(old.get_config())
        new.width = widths[path]
        return new

    return rebuild(network, smooth_name(network.name), activation, layer)


def smooth_name(name: str) -> str:
    """The name of the smooth network made from the one of this name."""
    return f"smooth {name}"


def _measured(network: Network, softness: float, images: np.ndarray | None) -> tuple[dict[str, float], frozenset[str]]:
    """The width of each layer's kink, for layers that have one, and which of those layers have negative values."""
    kinked = _kinked(network)
    if not kinked:
        return {}, frozenset()
    if images is None:
        prior = param.fourier(network.usual_size, channels=network.image_shape[-1])
        images = prior.image(prior.prior(seeds.root(0), NUM_IMAGES)).numpy()
    values = network.activations(images, kinked)
    sizes = {path: float(np.sqrt(np.mean(np.square(value)))) for path, value in values.items()}
    # A layer that is silent on all images gets the size of the others.
    typical = np.mean([size for size in sizes.values() if size] or [1.0])
    widths = {path: softness * (size or typical) for path, size in sizes.items()}
    return widths, frozenset(path for path, value in values.items() if np.min(value) < 0)


def _kinked(network: Network) -> list[str]:
    return [path for path, operation in network.operations.items() if _has_kink(operation)]


def _has_kink(operation: object) -> bool:
    rounded = (*RECTIFIERS, "hardsigmoid", "hardsilu")
    return type(operation) in pools.POOLINGS or not kinds(operation).isdisjoint(rounded)


def _ramp(name: str, function: Function, width: float) -> Function:
    """A rectifier with kinks rounded by ramps."""
    half = ramps.half_width(width)
    if name == "hardsigmoid":
        return ramps.hard_sigmoid(half)
    if name == "hardsilu":
        return ramps.hard_silu(half)
    slope, top = _shape(function)
    if not slope:
        return ramps.bounded(top, half) if top < FAR else ramps.rectifier(half)
    return _composed(slope, top, ramps.rectifier(half))


def _softplus(name: str, function: Function, width: float) -> Function:
    """A rectifier with softplus in place of kinks."""

    def rise(x: tf.Tensor) -> tf.Tensor:
        return width * tf.nn.softplus(x / width)

    def hard_sigmoid(x: tf.Tensor) -> tf.Tensor:
        return (rise(x + 3) - rise(x - 3)) / 6

    if name == "hardsigmoid":
        return hard_sigmoid
    if name == "hardsilu":
        return lambda x: x * hard_sigmoid(x)
    return _composed(*_shape(function), rise)


_SHAPES = {"ramp": _ramp, "softplus": _softplus}


def _shape(function: Function) -> tuple[float, float]:
    """The slope of a rectifier on the left and its upper bound: they determine its kinks."""
    return -float(function(tf.constant([-1.0]))[0]), float(function(tf.constant([FAR]))[0])


def _composed(slope: float, top: float, rise: Function) -> Function:
    """A rectifier from a rounded kink at zero."""
    return lambda x: slope * x + (1 - slope) * rise(x) - (rise(x - top) if top < FAR else 0.0)
