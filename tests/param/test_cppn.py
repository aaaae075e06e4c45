"""CPPN: the number of its weights, values against NumPy, resolution, and that it learns."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from samplevis import param
from samplevis.param.cppn import ACTIVATIONS, coordinates
from samplevis.runtime import seeds

BENDS = {
    "composite": lambda x: np.concatenate([np.arctan(x) / 0.67, np.arctan(x) ** 2 / 0.6], -1),
    "unbiased": lambda x: np.concatenate([np.arctan(x) / 0.67, (np.arctan(x) ** 2 - 0.45) / 0.396], -1),
    "relu": lambda x: (np.maximum(x, 0) - 0.4) / 0.58,
}


def test_the_defaults_have_lucids_number_of_weights():
    assert param.cppn(64).latent_shape == (8451,)


@settings(deadline=None, max_examples=12)
@given(
    size=st.tuples(st.integers(4, 9), st.integers(4, 9)),
    hidden=st.integers(1, 5),
    layers=st.integers(1, 3),
    activation=st.sampled_from(sorted(BENDS)),
    channels=st.integers(1, 4),
)
def test_cppn_is_the_stated_network(size, hidden, layers, activation, channels):
    p = param.cppn(size, hidden=hidden, layers=layers, activation=activation, channels=channels)
    latents = p.prior(seeds.root(0), 2).numpy()
    step = 2 * np.sqrt(3) / (max(size) - 1)
    for image, z in zip(p.image(tf.constant(latents)).numpy(), latents.astype(np.float64), strict=True):
        x = np.array([[(j - (size[1] - 1) / 2, i - (size[0] - 1) / 2) for j in range(size[1])] for i in range(size[0])])
        x *= step
        for layer in range(layers + 1):
            x = BENDS[activation](x) if layer else x
            outputs = hidden if layer < layers else channels
            weights, z = z[: x.shape[-1] * outputs].reshape(-1, outputs), z[x.shape[-1] * outputs :]
            biases, z = z[:outputs], z[outputs:]
            x = x @ weights / np.sqrt(x.shape[-1]) + 0.1 * biases
        assert z.size == 0, "every weight is used"
        np.testing.assert_allclose(image, 1 / (1 + np.exp(-x)), atol=1e-4)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_activations_keep_the_scale_of_noise(activation):
    for part in range(ACTIVATIONS[activation][1]):

        def moment(power, part=part):
            def value(x):
                return float(ACTIVATIONS[activation][0](tf.constant([x], tf.float64))[part]) ** power * stats.norm.pdf(
                    x
                )

            return integrate.quad(value, -8, 8, limit=40, epsabs=1e-3)[0]

        assert abs(moment(2) - 1) < 0.03
        if activation != "composite":
            assert abs(moment(1)) < 0.02


def test_coordinates_have_unit_variance_and_square_pixels():
    square = coordinates(64, 64)
    np.testing.assert_allclose(square.min(0), -np.sqrt(3), rtol=1e-6)
    np.testing.assert_allclose(square.var(0), 1, rtol=0.05)
    wide = coordinates(4, 10).reshape(4, 10, 2)
    np.testing.assert_allclose(wide[0, 1, 0] - wide[0, 0, 0], wide[1, 0, 1] - wide[0, 0, 1], rtol=1e-5)
    np.testing.assert_allclose(wide.mean((0, 1)), 0, atol=1e-6)


def test_a_latent_is_a_picture_at_every_size():
    p = param.cppn(9)
    z = p.prior(seeds.root(0), 2)
    large = p.at((17, 17))
    assert large.image_shape == (17, 17, 3) and large.latent_shape == p.latent_shape
    np.testing.assert_allclose(large.image(z)[:, ::2, ::2], p.image(z), atol=1e-5)
    assert np.abs(p.image(z)[0] - p.image(z)[1]).max() > 0.05, "each image has its own weights"


def test_the_optimiser_starts_from_even_grey():
    p = param.cppn(8)
    z = p.start(seeds.root(0), 3)
    np.testing.assert_array_equal(p.image(z), np.full((3, 8, 8, 3), 0.5))
    assert np.abs(z.numpy()).max(1).min() > 1 and np.abs(z[0] - z[1]).max() > 1
    labels = p.bands()
    assert labels.shape == p.latent_shape and labels.max() == 17 and np.bincount(labels)[0] == 48


def test_it_learns_exclusive_or():
    p = param.cppn(4, channels=1, hidden=8, layers=3)
    z, optimizer = tf.Variable(p.start(seeds.root(0), 1)), keras.optimizers.Adam(0.02)
    optimizer.build([z])

    def error():
        image = p.image(z)[0, :, :, 0]
        corners = tf.stack([image[0, 0], image[-1, -1], image[0, -1], image[-1, 0]])
        return tf.reduce_sum(tf.square(corners - [0.0, 0.0, 1.0, 1.0]))

    @tf.function
    def fit():
        for _ in tf.range(300):
            with tf.GradientTape() as tape:
                loss = error()
            optimizer.apply([tape.gradient(loss, z)], [z])

    assert float(error()) == pytest.approx(1.0)
    fit()
    assert float(error()) < 0.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(size=3), "size"),
        (dict(size=8, hidden=0), "hidden: expected a whole number >= 1. Received: 0"),
        (dict(size=8, layers=1.5), "layers: expected a whole number >= 1. Received: 1.5"),
        (
            dict(size=8, activation="tanh"),
            "activation: expected one of 'unbiased', 'composite', 'relu'. Received: 'tanh'",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        param.cppn(**arguments)


def test_it_has_no_inverse():
    with pytest.raises(ValueError, match="a CPPN has no inverse"):
        param.cppn(8).latent(tf.zeros((1, 8, 8, 3)))
    with pytest.raises(ValueError, match="size"):
        param.cppn(8).at(2)
