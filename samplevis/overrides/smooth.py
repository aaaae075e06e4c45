"""Networks without kinks: a rounded kink for that of ReLU, a smooth mean for the maximum."""

from __future__ import annotations

import dataclasses
from typing import Literal, get_args

import keras
import numpy as np
import tensorflow as tf

from samplevis.network import Network, as_network, fingerprint
from samplevis.network.sources.base import Function
from samplevis.network.sources.functions import ROUNDED, Replacement
from samplevis.network.sources.stand_ins import twin
from samplevis.overrides import pooling as pools
from samplevis.overrides import ramps
from samplevis.overrides.observed import observed
from samplevis.overrides.rebuild import Rules, activations, cached_clone, outermost, prior_images, rebuild
from samplevis.runtime.checks import check_choice, check_number

Pooling = Literal["power", "softmax", "average", "max"]
Kind = Literal["ramp", "softplus"]
# Width of a rounded kink in units of the layer's root mean square: from trials on SqueezeNet, where it keeps what classes see.
DEFAULT_SOFTNESS = 0.3
# The shape of a rounded kink. A ramp costs a quarter less than a softplus, and chains step as far on it (SqueezeNet, 96 pixels).
DEFAULT_KIND: Kind = "ramp"
# Prior images on which a layer's values are measured; 16 give their root mean square to a few per cent.
NUM_IMAGES = 16
# So many at a time.
BATCH = 4
# A softness at which a network has the values of the original up to rounding, to compare them.
EXACT = 1e-5
# Activation functions with kinks.
ROUNDED_KINDS = frozenset({"relu", "relu6", "leakyrelu", "hardsigmoid", "hardsilu"})
# Larger than the upper bound of any rectifier.
FAR = 1e6


def smoothed(network: Network, softness: float, kind: Kind = DEFAULT_KIND) -> Network:
    """`smooth(network, softness, kind=kind)`, cached until the network's weights change; a network without kinks as it is."""
    if not _has_kinks(network):
        return network
    # The widths are measured on the weights of the moment.
    key = ("smooth", softness, kind, fingerprint.weights(network))
    return cached_clone(network, key, lambda network: smooth(network, softness, kind=kind))


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
    hard_sigmoid and hard_silu are rounded, too. Max pooling becomes a smooth mean of the window. All of it tends to the original
    as `softness` goes to 0. Functions and layers in the attributes of a layer of your own are replaced, too. GELU, SiLU, ELU and
    the like are smooth already; other kinks (a maximum of two branches, an absolute value, a call of `tf.nn.relu` in a layer's
    own code) stay.

    This is another network: say so with its samples, and compare what the original makes of them.

    Args:
      network: a `Network` or a Keras model; it stays as it is.
      softness: width of a rounded kink in units of the layer's root mean square, > 0. A small one is closer to the original
        and stiffer to sample. Defaults to 0.3.
      pooling: what max pooling, global too, becomes. "power": the p-norm of the window, close to the maximum, where it pools
        rectified values; elsewhere "softmax". p is 4 for windows of up to 9 values at softness 0.3 and above, 1.2 / softness below
        it, and larger for larger windows, so that no norm exceeds the maximum by more than that of 9 values. "softmax": the
        window's mean with weights softmax(x / s), which costs four times as much. "average": its plain mean, softer and much
        further from the original: SqueezeNet's class scores fall from hundreds to tens. "max": unchanged, kinks included. Defaults
        to "power".
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
    sizes = _sizes(network, images)

    def rules(softness: float) -> Rules:
        """The replacements for a softness."""

        def activation(path: str, name: str, function: Function) -> Function | None:
            if path not in sizes or name not in ROUNDED_KINDS:
                return None
            return Replacement(_SHAPES[kind](name, function, softness * sizes[path].rms), ROUNDED + name)

        def layer(path: str, old: keras.layers.Layer) -> keras.layers.Layer | None:
            return _pooling(sizes[path], softness, pooling, old) if path in sizes else None

        return Rules(activation, layer)

    exact = rules(EXACT)
    if pooling == "average":
        # A mean is another function, however small the kinks.
        exact = Rules(exact.activation)
    return rebuild(network, smooth_name(network.name), rules(softness), exact)


def smooth_name(name: str) -> str:
    """The name of the smooth network made from the one of this name."""
    return f"smooth {name}"


@dataclasses.dataclass
class _Size:
    """How large the values of a part are.

    Attributes:
      squares: their mean squares, one for each batch and call.
      is_signed: whether there are negative ones.
    """

    squares: list[float]
    is_signed: bool = False

    def add(self, values: tf.Tensor) -> None:
        # Inside a loop or a map, which Keras traces, there are no values.
        if not tf.is_symbolic_tensor(values):
            self.squares.append(float(tf.reduce_mean(tf.square(tf.cast(values, tf.float32)))))
            self.is_signed |= float(tf.reduce_min(values)) < 0

    @property
    def rms(self) -> float:
        return float(np.sqrt(np.mean(self.squares))) if self.squares else 0.0


def _sizes(network: Network, images: np.ndarray | None) -> dict[str, _Size]:
    """The size of the values of each part with a kink, in all calls of it, by path."""
    sizes: dict[str, _Size] = {}

    def activation(path: str, kind: str, function: Function) -> Function | None:
        if kind not in ROUNDED_KINDS:
            return None
        size = sizes.setdefault(path, _Size([]))

        def measured(x: tf.Tensor) -> tf.Tensor:
            y = function(x)
            size.add(y)
            return y

        return Replacement(measured, kind)

    def layer(path: str, old: keras.layers.Layer) -> keras.layers.Layer | None:
        if type(old) not in pools.POOLINGS:
            return None
        size = sizes.setdefault(path, _Size([]))
        return observed(old, lambda x, y: size.add(y))

    source = network.source.replaced(activation, layer)
    if not sizes:
        return sizes
    images = prior_images(network, NUM_IMAGES) if images is None else images
    run = source.cut(outermost(source))
    for first in range(0, len(images), BATCH):
        run(network.preprocess(tf.constant(images[first : first + BATCH], tf.float32)))
    # A part that is silent on all images gets the size of the others.
    typical = float(np.mean([size.rms for size in sizes.values() if size.rms] or [1.0]))
    for size in sizes.values():
        if not size.rms:
            size.squares = [typical**2]
    return sizes


def _has_kinks(network: Network) -> bool:
    """Whether there is anything to smooth."""
    found = activations(network, ROUNDED_KINDS)
    return bool(found) or any(type(operation) in pools.POOLINGS for operation in network.operations.values())


def _pooling(size: _Size, softness: float, pooling: Pooling, layer: keras.layers.Layer) -> keras.layers.Layer | None:
    """What a max pooling becomes, or None if it stays."""
    if pooling == "max" or type(layer) not in pools.POOLINGS:
        return None
    name = "softmax" if pooling == "power" and size.is_signed else pooling
    return twin(layer, pools.POOLINGS[type(layer)][name], width=softness * size.rms, power=pools.power_for(softness))


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
