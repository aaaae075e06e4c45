"""First convolutions on blocks of pixels: what a stride gives, at every padding and size. Wrong blocks must fail the same check."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_prepared import TOLERANCE, error, folded, sequence

from samplevis import Network
from samplevis.network.prepared import folding, prepared, strides

L = keras.layers


def blocked(network: Network) -> int:
    return len(network.prepared.changes([list(network.layers)[-1]]).blocked)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("kernel", "stride"), [(7, 2), (4, 4), (5, 3), (11, 4), ((4, 9), 2), (5, 6)])
def test_blocks_of_pixels_give_what_a_stride_gives(kernel, stride, padding):
    random, layer = np.random.default_rng(0), L.Conv2D(6, kernel, stride, padding=padding)
    for size in ((33, 34), (34, 37), (35, 36), (32, 32)):
        x = tf.constant(random.normal(size=(2, *size, 3)), tf.float32)
        want, blocks = layer(x), strides.BlockedLayer(folding.Folding(layer))
        # Sizes that are known while it is traced, and others.
        for shape in (x.shape, (None, None, None, 3)):
            found = tf.function(blocks, input_signature=[tf.TensorSpec(shape)], autograph=False)(x)
            np.testing.assert_allclose(found, want, atol=TOLERANCE * np.abs(want).max())


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("size", [(33, 34, 3), (None, None, 1)], ids=str)
def test_a_first_convolution_with_a_stride_is_computed_on_blocks(size, padding):
    network = Network(sequence(L.Conv2D(6, 7, 2, padding=padding, activation="tanh"), L.Conv2D(4, 3, 2), shape=size))
    assert blocked(network) == 1 and folded(network) == 0
    assert 0 < error(network) <= TOLERANCE
    # Together with affine layers around it; what is added before padding stays outside.
    around = [L.Rescaling(2.0, -1.0), L.Conv2D(6, 7, 2, padding=padding), L.BatchNormalization()]
    network = Network(sequence(*around, shape=size))
    assert blocked(network) == 1 and folded(network) == (2 if padding == "valid" else 1)
    assert error(network) <= TOLERANCE


PLAIN = {
    "no stride": (dict(kernel_size=7), (33, 34, 3)),
    "a small kernel": (dict(kernel_size=5, strides=2), (33, 34, 3)),
    "small patches": (dict(kernel_size=2, strides=2), (33, 34, 3)),
    "many channels": (dict(kernel_size=7, strides=2), (33, 34, 5)),
    "in groups": (dict(kernel_size=7, strides=2, groups=2), (33, 34, 4)),
    "oblong": (dict(kernel_size=7, strides=(2, 3)), (33, 34, 3)),
    "channels first": (dict(kernel_size=7, strides=2, data_format="channels_first"), (3, 33, 34)),
}


@pytest.mark.parametrize("name", PLAIN)
def test_other_convolutions_stay_as_they_are(name):
    options, size = PLAIN[name]
    network = Network(sequence(L.Conv2D(4, **options), shape=size))
    assert blocked(network) == 0 and error(network) == 0


def test_blocks_are_for_processors_only(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [kind])
    assert blocked(Network(sequence(L.Conv2D(4, 7, 2), shape=(33, 34, 3)))) == 0


def shifted(monkeypatch):
    right = strides.blocks_of
    monkeypatch.setattr(strides, "blocks_of", lambda kernel, block: tf.roll(right(kernel, block), 3, 2))


def from_the_corner(monkeypatch):
    right = strides._fitted
    monkeypatch.setattr(strides, "_fitted", lambda *given: right(*given[:-1], "same"))


@pytest.mark.parametrize("wrong", [shifted, from_the_corner])
def test_wrong_blocks_are_far_outside_the_tolerance(wrong, monkeypatch):
    monkeypatch.setattr(prepared, "agree", lambda *_: True)
    wrong(monkeypatch)
    x = np.random.default_rng(0).uniform(0, 1, (1, 33, 34, 3)).astype(np.float32)
    network = Network(sequence(L.Conv2D(4, 7, 2), shape=(None, None, 3)))
    layer = list(network.layers)[-1]
    new, old = network.prepared.cut([layer])(x)[layer], network.cut([layer])(x)[layer]
    assert new.shape != old.shape or np.abs(new - old).max() > 100 * TOLERANCE * np.abs(old).max()
