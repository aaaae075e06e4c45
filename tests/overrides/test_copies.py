"""Copies of networks against their originals: kinds of layers times ways to hold state times kinds of copies.

A network has one branch for each way to hold state, all around layers of one kind. Every layer of every copy must have the values
of the original, where nothing is smoothed or rounded. The controls are copies that lose one array.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_gaps import wrong_layers

from samplevis import Network, overrides
from samplevis.network.sources.stand_ins import twin as stand_in
from samplevis.overrides.rebuild import _check_values, outermost

L = keras.layers
SIDE, CHANNELS = 8, 4
IMAGES = np.random.default_rng(0).uniform(size=(2, SIDE, SIDE, 3)).astype(np.float32)
RANDOM = np.random.default_rng(1)
START = RANDOM.bit_generator.state


def adapted() -> keras.layers.Layer:
    layer = L.Normalization()
    layer.adapt(RANDOM.normal(3, 2, (8, SIDE, SIDE, CHANNELS)))
    return layer


def sequence(*layers: keras.layers.Layer) -> keras.Sequential:
    return keras.Sequential([keras.Input((SIDE, SIDE, CHANNELS)), *layers])


def functional(layer: keras.layers.Layer) -> keras.Model:
    x = keras.Input((SIDE, SIDE, CHANNELS))
    return keras.Model(x, layer(x) + 1.0)


# Each makes a layer of images of four channels; most keep the number of channels.
KINDS: dict[str, Callable[[], Callable]] = {
    "Conv2D": lambda: L.Conv2D(4, 3, activation="relu"),
    "Conv2D strided": lambda: L.Conv2D(4, 3, 2, padding="same", activation="leaky_relu"),
    "Conv2D grouped": lambda: L.Conv2D(4, 3, groups=2, activation=L.ReLU(6.0)),
    "Conv2D without bias": lambda: L.Conv2D(4, 1, use_bias=False, activation=tf.nn.relu),
    "DepthwiseConv2D": lambda: L.DepthwiseConv2D(3, activation="relu6"),
    "SeparableConv2D": lambda: L.SeparableConv2D(4, 3, activation="relu"),
    "Conv2DTranspose": lambda: L.Conv2DTranspose(4, 3, activation="relu"),
    "Dense": lambda: L.Dense(4, activation="relu"),
    "EinsumDense": lambda: L.EinsumDense("abcd,de->abce", (None, None, 4), activation="relu"),
    "BatchNormalization": L.BatchNormalization,
    "LayerNormalization": L.LayerNormalization,
    "GroupNormalization": lambda: L.GroupNormalization(2),
    "UnitNormalization": L.UnitNormalization,
    "SpectralNormalization": lambda: L.SpectralNormalization(L.Conv2D(4, 3, activation="relu")),
    "Normalization": adapted,
    "Rescaling": lambda: L.Rescaling(2.0, 0.5),
    "ReLU": L.ReLU,
    "ReLU with an upper bound": lambda: L.ReLU(0.3, 0.1),
    "ReLU with a threshold": lambda: L.ReLU(threshold=0.1),
    "LeakyReLU": L.LeakyReLU,
    "PReLU": lambda: L.PReLU("glorot_uniform"),
    "ELU": L.ELU,
    "Softmax": L.Softmax,
    "gelu": lambda: L.Activation("gelu"),
    "hard_silu": lambda: L.Activation("hard_silu"),
    "keras.ops.relu": lambda: keras.ops.relu,
    "Lambda": lambda: L.Lambda(lambda x: tf.nn.relu(x - 0.1)),
    "MaxPooling2D": lambda: L.MaxPooling2D(3, 2, "same"),
    "MaxPooling2D of large windows": lambda: L.MaxPooling2D(5, 1),
    "AveragePooling2D": lambda: L.AveragePooling2D(2),
    "GlobalMaxPooling2D": lambda: L.GlobalMaxPooling2D(keepdims=True),
    "GlobalAveragePooling2D": lambda: L.GlobalAveragePooling2D(keepdims=True),
    "ZeroPadding2D": L.ZeroPadding2D,
    "Cropping2D": lambda: L.Cropping2D(2),
    "UpSampling2D": L.UpSampling2D,
    "Resizing": lambda: L.Resizing(5, 7),
    "Permute": lambda: L.Permute((2, 1, 3)),
    "Dropout": lambda: L.Dropout(0.5),
    "GaussianNoise": lambda: L.GaussianNoise(0.5),
    "RandomFlip": L.RandomFlip,
    "TimeDistributed": lambda: L.TimeDistributed(L.Conv1D(4, 3, activation="relu")),
    "recurrent": lambda: L.TimeDistributed(L.SimpleRNN(4, activation="relu", return_sequences=True)),
    "MultiHeadAttention": lambda: Attending(L.MultiHeadAttention(2, 3)),
    "a Sequential model": lambda: sequence(L.Conv2D(4, 3), L.BatchNormalization(), L.ReLU(), L.MaxPooling2D(2)),
    "a functional model": lambda: functional(L.Conv2D(4, 3, activation="relu")),
    "a layer of one's own": lambda: Forgetful(L.Conv2D(4, 3, activation="relu"), RANDOM.normal(size=4)),
}
FAST = ["Conv2D", "Normalization", "a Sequential model"]


class Attending(L.Layer):
    """Attention of an image to itself, made by nothing but `super().__init__()`."""

    def __init__(self, attention):
        super().__init__()
        self.attention = attention

    def call(self, x):
        return self.attention(x, x)


class Forgetful(L.Layer):
    """A layer with an array that its config does not know. It does not pass on its name."""

    def __init__(self, inner, scale):
        super().__init__()
        self.inner, self.scale = inner, np.asarray(scale, np.float32)

    def call(self, x):
        return self.inner(x) * self.scale


class Changed(L.Layer):
    """A layer whose array is set after it was made."""

    def __init__(self, inner, **settings):
        super().__init__(**settings)
        self.inner, self.offset = inner, 0.0

    def call(self, x):
        return self.inner(x) + self.offset


class Variable(L.Layer):
    """A layer with a variable that Keras does not know."""

    def __init__(self, inner, **settings):
        super().__init__(**settings)
        self.inner, self.factor = inner, tf.Variable(RANDOM.uniform(1, 2, 4).astype(np.float32))

    def call(self, x):
        return self.inner(x * self.factor)


class Drawn(L.Layer):
    """A layer that draws a constant when it is built."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def build(self, shape):
        self.mixing = tf.constant(RANDOM.normal(size=(4, 4)), tf.float32)

    def call(self, x):
        return self.inner(tf.matmul(x, self.mixing))


class Held(L.Layer):
    """A layer that takes layers, in a list and in a dictionary, an array, and a function."""

    def __init__(self, layers, function, bias):
        super().__init__()
        self.steps, self.named = list(layers), {"last": L.ReLU()}
        self.function, self.bias = function, tf.constant(bias, tf.float32)

    def call(self, x):
        for layer in self.steps:
            x = layer(x)
        return self.named["last"](self.function(x - self.bias) - 0.05)


class Tied(L.Layer):
    """A layer with the weights of another one."""

    def __init__(self, inner, other, gain):
        super().__init__()
        self.inner, self.other, self.gain = inner, other, np.float32(gain)

    def call(self, x):
        kernel = self.other.kernel[0, 0]
        return self.inner(tf.matmul(x * self.gain, tf.matmul(kernel, kernel, transpose_a=True)))


def changed(inner: Callable, mixing: L.Layer) -> L.Layer:
    layer = Changed(inner)
    layer.offset = RANDOM.normal(size=4).astype(np.float32)
    return layer


# Way to hold state -> (how a layer of one kind is held, the attribute that a wrong copy loses).
WAYS: dict[str, tuple[Callable[[Callable, L.Layer], L.Layer], str]] = {
    "forgotten": (lambda inner, mixing: Forgetful(inner, RANDOM.normal(size=4)), "scale"),
    "changed": (changed, "offset"),
    "variable": (lambda inner, mixing: Variable(inner), "factor"),
    "drawn": (lambda inner, mixing: Drawn(inner), "mixing"),
    "held": (lambda inner, mixing: Held([inner], keras.activations.relu, RANDOM.normal(size=4)), "bias"),
    "tied": (lambda inner, mixing: Tied(inner, mixing, [1, 2, 1, -1]), "gain"),
}


def network(kind: str) -> tuple[Network, dict[str, str]]:
    """A network of layers of one kind, one of them by itself, and the names of the others by the way in which they hold state."""
    keras.utils.set_random_seed(2)
    RANDOM.bit_generator.state = START
    image = keras.Input((SIDE, SIDE, 3))
    mixing = L.Conv2D(CHANNELS, 1, name="mixing")
    x, ends, names = mixing(image), [], {}
    ends.append(KINDS[kind]()(x))
    for way, (make, _) in WAYS.items():
        layer = make(KINDS[kind](), mixing)
        names[way] = layer.name
        ends.append(layer(x))
    flat = [L.GlobalMaxPooling2D()(L.ReLU()(end)) for end in ends]
    model = keras.Model(image, L.Dense(3)(L.Concatenate()(flat)), name="held")
    for variable in model.weights:
        # Not what a layer begins with.
        variable.assign(variable + 0.1 * np.abs(RANDOM.normal(size=variable.shape)))
    return Network(model, value_range=(-1, 1)), names


def prepared(network: Network) -> Callable:
    return lambda images, names: network.prepared.cut(names)(images)


# A kind of copy -> (how it is made, the difference to allow, relative to the largest value of a layer).
COPIES: dict[str, tuple[Callable[[Network], Callable], float]] = {
    "smooth": (lambda network: overrides.smooth(network, 1e-5), 1e-2),
    "redirect": (overrides.redirect_relu, 1e-5),
    "linearize": (overrides.linearize, 1e-5),
    "prepared": (prepared, 1e-4),
    "half": (overrides.bfloat16, 0.1),
}


def marked(number: int, kind: str) -> Any:
    """A kind for the default tests, every fourth of the others for the slow ones, and the rest by hand."""
    if kind in FAST:
        return kind
    return pytest.param(kind, marks=pytest.mark.slow if number % 4 == 0 else pytest.mark.long)


@pytest.mark.parametrize("kind", [marked(number, kind) for number, kind in enumerate(KINDS)])
def test_every_layer_of_every_copy_is_the_original(kind):
    original, _ = network(kind)
    for name, (make, allowed) in COPIES.items():
        names = list(outermost(original.source))
        assert not wrong_layers(original, make(original), IMAGES, names, allowed), name


def test_what_is_random_in_training_only_is_not_random_in_a_layer_that_says_nothing_of_it():
    original, _ = network("RandomFlip")
    names = list(outermost(original.source))
    expected = keras.Model(original.model.inputs, [original.model.get_layer(name).output for name in names])
    values = expected(2 * IMAGES - 1, training=False)
    for name, value in zip(names, values, strict=True):
        np.testing.assert_allclose(original.activations(IMAGES, name)[name], value, atol=1e-5)


def test_the_grid_is_large_enough():
    assert len(KINDS) >= 40 and len(WAYS) == 6 and len(COPIES) == 5


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_that_loses_one_array_is_refused(way):
    """The control: by the name of the layer, whichever way it holds its state."""
    original, names = network("Conv2D")
    attribute = WAYS[way][1]

    def losing(operation, path):
        if path != names[way]:
            return operation
        value = getattr(operation, attribute)
        return stand_in(operation, **{attribute: tf.ones_like(value)})

    made = {}
    source = original.source.with_stand_ins(
        lambda: lambda operation, path: made.setdefault(id(operation), losing(operation, path))
    )
    with pytest.raises(ValueError, match=names[way]):
        _check_values(original, source)
