"""Networks with the values of the original and another gradient. Source: lucid/optvis/overrides."""

from __future__ import annotations

import functools
from typing import Literal, get_args

import keras
import tensorflow as tf

from samplevis.network import Network, as_network
from samplevis.network.sources.base import Function
from samplevis.network.sources.functions import FUNCTIONS, ROUNDED
from samplevis.network.sources.stand_ins import twin
from samplevis.overrides.pooling import WINDOWED, average, channels_last, instead_of
from samplevis.overrides.rebuild import Rules, activations, rebuild
from samplevis.runtime.checks import check_choice

Rule = Literal["average", "l2"]
# Functions whose gradient may vanish on the left: all but the sigmoid.
RECTIFIERS = FUNCTIONS - {"hardsigmoid"}
RECTIFIERS |= {ROUNDED + kind for kind in RECTIFIERS}


def redirect_relu(network: Network | keras.Model) -> Network:
    """Lets gradient through dead rectifiers, so that ascent can start where a unit is silent.

    A rectifier has its own gradient unless that leads nowhere for an image of the batch, that is, no position that should move
    has a positive slope. Then the gradient passes as if the rectifier were not there, except where it would push a value
    further from zero. For ReLU and ReLU6 this is Lucid's rule: with g the gradient of what is maximised,

        | some position has a gradient | x           | g   | passed on |
        |------------------------------|-------------|-----|-----------|
        | yes                          | in between  | any | g         |
        | yes                          | < 0 or > 6  | any | 0         |
        | no                           | < 0         | > 0 | g         |
        | no                           | < 0         | < 0 | 0         |
        | no                           | > 6         | < 0 | g         |
        | no                           | > 6         | > 0 | 0         |

    GELU, SiLU and the like fall before they rise: left of their minimum the true gradient drives a silent unit further
    into silence. There they count as dead, by the same rule. Leaky ReLU and ELU always rise and are never dead. A
    `keras.layers.ReLU` with a threshold, which jumps, stays as it is.

    The rule reads the sign of the gradient: differentiate what is maximised, not a loss.

    Args:
      network: a `Network` or a Keras model; it stays as it is.

    Returns:
      A network with the same values. Its gradient is that of no function: use it for the first steps of an optimiser only.
      Source: lucid/misc/redirected_relu_grad.py.

    Example:
      >>> redirected = samplevis.overrides.redirect_relu(model)
      >>> np.allclose(redirected(images, "logits")["logits"], model(images, "logits")["logits"])
      True
    """
    return _rebuild(network, Rules(lambda path, kind, f: _redirected(f) if kind in RECTIFIERS else None))


def has_rectifiers(network: Network) -> bool:
    """Whether the network has an activation function that `redirect_relu` replaces."""
    return bool(activations(network, RECTIFIERS))


def smooth_max_pool(network: Network | keras.Model, rule: Rule = "average") -> Network:
    """Gives max pooling the gradient of a smoother pooling over the same windows.

    Args:
      network: a `Network` or a Keras model; it stays as it is.
      rule: "average": the gradient of average pooling. "l2": that of the mean of squares over the mean of absolute values,
        mean(x^2) / (0.01 + mean(|x|)), which gives most to the largest. Defaults to "average".

    Returns:
      A network with the same values, whose gradient flows to every pixel of a window and not only to the maximum.

    Raises:
      ValueError: if `rule` is neither. Source: lucid/optvis/overrides/smoothed_maxpool_grad.py.

    Example:
      >>> samplevis.overrides.smooth_max_pool(model, "l2").exact_gradient
      False
    """
    pool = {"average": _AverageGradient, "l2": _L2Gradient}[check_choice("rule", rule, get_args(Rule))]
    return _rebuild(network, Rules(layer=lambda path, layer: _pooling(layer, pool)))


def linearize(network: Network | keras.Model) -> Network:
    """Drops rectifiers from the gradient and gives max pooling that of average pooling: a network that is nearly linear.

    Args:
      network: a `Network` or a Keras model; it stays as it is.

    Returns:
      A network with the same values. Gradients pass rectifiers (ReLU and variants, GELU, SiLU, ELU) unchanged.
      Source: lucid/optvis/overrides/linearization.py.

    Example:
      >>> result = samplevis.optimize(samplevis.overrides.linearize(model), "conv2:1", param=param.fourier(32))
    """
    rules = Rules(
        activation=lambda path, kind, f: _straight(f) if kind in RECTIFIERS else None,
        layer=lambda path, layer: _pooling(layer, _AverageGradient),
    )
    return _rebuild(network, rules)


def _rebuild(network: Network | keras.Model, rules: Rules) -> Network:
    """A copy that is marked as having another gradient."""
    network = as_network(network)
    clone = rebuild(network, network.name, rules)
    clone.exact_gradient = False
    return clone


def _redirected(function: Function) -> Function:
    @tf.custom_gradient
    def rectify(x: tf.Tensor) -> tuple[tf.Tensor, Function]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = function(x)
            slope = tape.gradient(y, x)
            alive = tf.reduce_any((upstream != 0) & (slope > 0), list(range(1, x.shape.rank)), keepdims=True)
            return tf.where(alive, slope * upstream, tf.where(x * upstream > 0, tf.zeros_like(upstream), upstream))

        return function(x), gradient

    return rectify


def _straight(function: Function) -> Function:
    return tf.custom_gradient(lambda x: (function(x), lambda upstream: upstream))


def _pooling(layer: keras.layers.Layer, pool: type[_AverageGradient]) -> keras.layers.Layer | None:
    return twin(layer, instead_of(type(layer), pool)) if isinstance(layer, WINDOWED) else None


class _AverageGradient:
    """Max pooling with the gradient of `_surrogate`."""

    def _mean(self, x: tf.Tensor) -> tf.Tensor:
        return channels_last(self, functools.partial(average, self), x)

    def _surrogate(self, x: tf.Tensor) -> tf.Tensor:
        return self._mean(x)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        pool = super().call

        @tf.custom_gradient
        def apply(x: tf.Tensor) -> tuple[tf.Tensor, Function]:
            def gradient(upstream: tf.Tensor) -> tf.Tensor:
                with tf.GradientTape() as tape:
                    tape.watch(x)
                    surrogate = self._surrogate(x)
                return tape.gradient(surrogate, x, upstream)

            return pool(x), gradient

        return apply(inputs)


class _L2Gradient(_AverageGradient):
    def _surrogate(self, x: tf.Tensor) -> tf.Tensor:
        # Lucid's 0.01 keeps a window of zeros from dividing by zero.
        return self._mean(tf.square(x)) / (1e-2 + self._mean(tf.abs(x)))
