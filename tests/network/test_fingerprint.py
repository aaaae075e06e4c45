"""What tells one run from another."""

from __future__ import annotations

import numpy as np

from samplevis import Network
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
