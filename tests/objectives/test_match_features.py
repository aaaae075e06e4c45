"""Distributions of activations matched to those of pictures."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import samplevis
from samplevis import objectives, param
from samplevis.activation import make_activation

LAYERS = ["conv1", "conv2"]


def score(network, unit, images):
    activation = make_activation(network, unit, param.pixel(images.shape[1:3]), None)
    return np.asarray(activation.of_images(tf.constant(images), ()))


def by_hand(values, references):
    """The formula, with loops."""
    gap = 0.0
    channels = values.shape[-1]
    for channel in range(channels):
        mine = np.sort(values[..., channel].ravel())
        theirs = np.mean([np.sort(one[..., channel].ravel()) for one in references], axis=0)
        gap += np.mean((mine - theirs) ** 2) / channels
    return gap


def test_the_formula(tiny_network, images):
    pictures = np.random.default_rng(5).uniform(size=(19, 16, 12, 3)).astype(np.float32) ** 2
    found = score(tiny_network, objectives.match_features(LAYERS, pictures, [1, 3]), images)
    mine, theirs = (tiny_network(batch, LAYERS) for batch in (images, pictures))
    for number, value in enumerate(found):
        gaps = [by_hand(mine[layer].numpy()[number], theirs[layer].numpy()) for layer in LAYERS]
        assert value == pytest.approx(-(gaps[0] + 3 * gaps[1]), rel=1e-4)


def test_one_picture_matches_itself_wherever_its_parts_are(tiny_network, images):
    """Activations of one pixel each do not see where pixels are: a shuffled picture matches, another does not."""
    network = samplevis.Network(lambda x: tf.multiply(x, [1.0, 2.0, 3.0], name="pixels"), image_shape=(16, 12, 3))
    layer = next(iter(network.layers))
    unit = objectives.match_features(layer, images[:1])
    flat = images[:1].reshape(1, -1, 3)
    shuffled = np.random.default_rng(0).permutation(flat, axis=1).reshape(images[:1].shape)
    np.testing.assert_allclose(score(network, unit, np.concatenate([images[:1], shuffled])), 0, atol=1e-9)
    assert score(network, unit, images[:1] ** 3)[0] < -1e-2


def test_pictures_of_another_size_are_interpolated(tiny_network):
    """A uniform distribution has the same quantiles at any number of positions; another has others."""
    network = samplevis.Network(lambda x: tf.multiply(x, 2.0, name="twice"), image_shape=(None, None, 1))
    layer = next(iter(network.layers))

    def ramp(side, power=1):
        return (((np.arange(side * side) + 0.5) / side**2) ** power).reshape(1, side, side, 1).astype(np.float32)

    unit = objectives.match_features(layer, ramp(16))
    activation = make_activation(network, unit, param.pixel(8, channels=1), None)
    near, far = (float(activation.of_images(tf.constant(ramp(8, power)), ())[0]) for power in (1, 2))
    assert abs(near) < 1e-5 < 1e-2 < abs(far)


def test_optimising_brings_the_distributions_together(tiny_network, images):
    unit = objectives.match_features(LAYERS, images)
    found = samplevis.optimize(
        tiny_network, unit, param=param.fourier((16, 12)), steps=30, transforms=None, progress=False
    )
    assert found.history[-1, 0] > 0.5 * found.history[0, 0]
    both = unit + 0.1 * objectives.channel("conv2", 1)
    assert make_activation(tiny_network, both, param.fourier((16, 12)), None).objective.layers == ("conv1", "conv2")


def test_bad_arguments(images):
    with pytest.raises(ValueError, match="weights: expected 2 numbers >= 0"):
        objectives.match_features(LAYERS, images, [1])
    with pytest.raises(ValueError, match="images: expected .n, height, width, channels."):
        objectives.match_features(LAYERS, images[0, 0])
