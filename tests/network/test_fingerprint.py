"""What tells one run from another."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from samplevis import Network, overrides
from samplevis.network import fingerprint


def test_the_weights_of_a_network(tiny_network):
    found = fingerprint.weights(tiny_network)
    assert found == fingerprint.weights(Network(tiny_network.model, name="another name"))
    assert found != fingerprint.weights(Network(tiny_network.model, value_range=(-1, 1)))
    weight = tiny_network.source.variables[0]
    value = weight.numpy()
    changed = value.copy()
    changed.flat[0] = np.nextafter(value.flat[0], np.float32(9))
    weight.assign(changed)
    try:
        assert found != fingerprint.weights(tiny_network)
    finally:
        weight.assign(value)
    assert found == fingerprint.weights(tiny_network)


def test_an_array_and_its_shape():
    values = np.arange(6, dtype=np.float32)
    assert fingerprint.array(values) == fingerprint.array(values.astype(np.float64))
    assert len({fingerprint.array(a) for a in (values, values[::-1], values.reshape(2, 3))}) == 3


def test_addresses_in_memory_are_left_out():
    assert fingerprint.text((lambda: 0, 3)) == fingerprint.text((lambda: 1, 3)) != fingerprint.text((lambda: 0, 4))


class Stateful(keras.layers.Layer):
    """A layer with state that Keras does not count among its weights."""

    def __init__(self):
        super().__init__()
        self.array, self.number = np.float32([1, 2, 3]), tf.Variable(1.0)
        self.tables = {"one": [tf.constant([1.0, 2.0])]}

    def call(self, x):
        return tf.nn.relu(x * self.array * self.number + self.tables["one"][0][0])


def set_array(layer):
    layer.array[1] = 7


def set_variable(layer):
    layer.number.assign(2.0)


def set_nested(layer):
    layer.tables["one"][0] = tf.constant([1.0, 3.0])


@pytest.mark.parametrize("change", [set_array, set_variable, set_nested])
def test_state_outside_the_weights_counts(change):
    layer = Stateful()
    model = keras.Sequential([keras.Input((8, 8, 3)), layer, keras.layers.Conv2D(2, 3, activation="relu")])
    network = Network(model, value_range=(0, 1))
    found = fingerprint.weights(network)
    assert found == fingerprint.weights(Network(model, value_range=(0, 1)))
    assert (
        found == fingerprint.weights(overrides.smooth(network)) == fingerprint.weights(overrides.redirect_relu(network))
    )
    change(layer)
    assert found != fingerprint.weights(network)
