"""Copies of models that become a graph: tf_keras, SavedModels and functions, against the models themselves.

One network has a branch for each kind of layer. Every node of every copy must have the values of the original, where nothing is
smoothed, and the original those of the model.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from layer_gaps import wrong_layers

from samplevis import Network, overrides
from samplevis.overrides.rebuild import _check_values

SIDE, CHANNELS = 8, 4
IMAGES = np.random.default_rng(0).uniform(size=(2, SIDE, SIDE, 3)).astype(np.float32)

# Each makes a layer of images of four channels, from a module of layers.
KINDS: dict[str, Callable[[Any], Any]] = {
    "relu": lambda L: L.Conv2D(4, 3, activation="relu", name="relu"),
    "leaky": lambda L: L.Conv2D(4, 3, 2, padding="same", activation=tf.nn.leaky_relu, name="leaky"),
    "relu6": lambda L: L.DepthwiseConv2D(3, activation=tf.nn.relu6, name="relu6"),
    "separable": lambda L: L.SeparableConv2D(4, 3, activation="elu", name="separable"),
    "dense": lambda L: L.Dense(4, activation="gelu", name="dense"),
    "batches": lambda L: L.BatchNormalization(name="batches"),
    "layers": lambda L: L.LayerNormalization(name="layers"),
    "adapted": lambda L: adapted(L.Normalization(name="adapted")),
    "bounded": lambda L: L.ReLU(0.3, 0.1, name="bounded"),
    "prelu": lambda L: L.PReLU("glorot_uniform", name="prelu"),
    "pooled": lambda L: L.MaxPooling2D(3, 2, "same", name="pooled"),
    "wide": lambda L: L.MaxPooling2D(5, 1, name="wide"),
    "own": lambda L: own(L)(name="own"),
}


def adapted(layer: Any) -> Any:
    layer.adapt(np.random.default_rng(2).normal(3, 2, (8, SIDE, SIDE, CHANNELS)).astype(np.float32))
    return layer


@functools.cache
def own(layers: Any) -> type:
    class Own(layers.Layer):
        """A layer with a variable and a constant that no config knows."""

        def build(self, shape):
            random = np.random.default_rng(5)
            self.factor = tf.Variable(random.uniform(1, 2, 4).astype(np.float32))
            self.mixing = tf.constant(random.normal(size=(4, 4)), tf.float32)

        def call(self, x):
            return tf.nn.relu(tf.matmul(x * self.factor, self.mixing))

    return Own


@functools.cache
def model(old: bool) -> Any:
    """The network in tf_keras or Keras 3."""
    kit = tf_keras if old else keras
    kit.utils.set_random_seed(2)
    image = kit.Input((SIDE, SIDE, 3), name="image")
    x = kit.layers.Conv2D(CHANNELS, 1, name="mixing")(image)
    ends = [kit.layers.GlobalMaxPooling2D()(make(kit.layers)(x)) for make in KINDS.values()]
    whole = kit.Model(image, kit.layers.Dense(3, name="logits")(kit.layers.Concatenate(name="all")(ends)), name="net")
    random = np.random.default_rng(1)
    for variable in whole.weights:
        # Not what a layer begins with.
        variable.assign(variable + 0.1 * np.abs(random.normal(size=variable.shape)))
    return whole


def hosts(kind: str, folder: Path) -> tuple[Any, Any]:
    """What a network is made of, and the model behind it."""
    if kind == "tf_keras":
        return model(True), model(True)
    whole = model(False)
    if kind == "function":
        return (lambda images: whole(images, training=False)), whole
    whole.export(folder, verbose=False)
    loaded = keras.layers.TFSMLayer(folder, "serve") if kind == "TFSMLayer" else tf.saved_model.load(folder)
    return loaded, whole


HOSTS = ("tf_keras", "SavedModel", "TFSMLayer", "function")
# Kind of copy -> (how it is made, the difference to allow, relative to the largest value of a node).
COPIES: dict[str, tuple[Callable[[Network], Network], float]] = {
    "smooth": (lambda network: overrides.smooth(network, 1e-5), 1e-2),
    "redirect": (overrides.redirect_relu, 1e-5),
    "linearize": (overrides.linearize, 1e-5),
}


@pytest.mark.parametrize("host", [HOSTS[0], *(pytest.param(host, marks=pytest.mark.slow) for host in HOSTS[1:])])
def test_every_node_of_every_copy_is_the_original(host, tmp_path):
    given, whole = hosts(host, tmp_path / "saved")
    original = Network(given, value_range=(-1, 1), image_shape=(SIDE, SIDE, 3))
    expected = whole(2 * IMAGES - 1, training=False).numpy()
    last = [name for name, shape in original.layers.items() if shape == (3,)][-1]
    np.testing.assert_allclose(original.activations(IMAGES, last)[last], expected, atol=1e-5 * np.abs(expected).max())
    for name, (make, allowed) in COPIES.items():
        copied = make(original)
        assert not wrong_layers(original, copied.activations, IMAGES, list(original.layers), allowed), name
        # Something is replaced at all.
        assert copied.source._functions, name
    with pytest.raises(ValueError, match="^network: .* is a snapshot of a graph"):
        overrides.bfloat16(original)


def test_a_copy_that_loses_one_array_is_refused():
    """The control: each constant of more than one number in turn."""
    original = Network(model(True), value_range=(-1, 1))
    nodes = original.source._graph.nodes
    arrays = {name: tf.make_ndarray(node.attr["value"].tensor) for name, node in nodes.items() if node.op == "Const"}
    arrays = {name: array for name, array in arrays.items() if array.dtype == np.float32 and array.size > 3}
    assert len(arrays) > 12
    for name, array in list(arrays.items())[::5]:
        source = copy.copy(original.source)
        source._graph = copy.copy(source._graph)
        # What was computed from it before.
        source._graph._computed = {name: [tf.constant(np.zeros_like(array))]}
        with pytest.raises(ValueError, match="gives other values"):
            _check_values(original, source)
