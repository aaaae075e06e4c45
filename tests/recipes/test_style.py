"""Style transfer: Gram matrices against NumPy, and what is kept and taken."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from samplevis import objectives, param
from samplevis.optimizers.keras_stepper import number_of_traces
from samplevis.recipes import style_transfer

LAYERS = ("conv1", "conv2")


def gram(activations):
    """Gram matrix of [h, w, C] by loops."""
    height, width, channels = activations.shape
    result = np.zeros((channels, channels))
    for row in range(height):
        for column in range(width):
            result += np.outer(activations[row, column], activations[row, column])
    return result / (height * width)


def score(objective, network, images):
    values = network.activations(images, LAYERS)
    return objective.resolve(network, images.shape[1:3])(values.__getitem__).numpy()


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))
def test_gram_is_that_of_loops(batch, height, width, channels):
    a = np.random.default_rng(batch * height).normal(size=(batch, height, width, channels)).astype(np.float32)
    np.testing.assert_allclose(objectives.gram(tf.constant(a)), [gram(x) for x in a], atol=1e-5)


def test_gram_forgets_places_and_not_features(images):
    whole = objectives.gram(tf.constant(images))
    np.testing.assert_allclose(objectives.gram(tf.constant(images[:, ::-1, ::-1])), whole, atol=1e-5)
    assert np.abs(objectives.gram(tf.constant(images[..., ::-1])) - whole).max() > 1e-3
    # Layers without positions count as one position.
    vectors = images[:, 0, 0]
    np.testing.assert_allclose(objectives.gram(vectors), vectors[:, :, None] * vectors[:, None], atol=1e-6)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_norms(tiny_network, images, norm):
    def size(x):
        return np.abs(x).mean() if norm == "l1" else np.sqrt((x**2).mean())

    # The style has another size.
    painting = np.random.default_rng(1).uniform(size=(10, 20, 3)).astype(np.float32)
    things = objectives.activation_difference(LAYERS, images[0], norm=norm)
    manner = objectives.activation_difference(LAYERS, painting, objectives.gram, norm)
    far, strange = np.zeros(4), np.zeros(4)
    for layer, values in tiny_network.activations(images, LAYERS).items():
        target = gram(tiny_network.activations(painting[None], layer)[layer][0].numpy())
        far += [size(value - values[0].numpy()) for value in values.numpy()]
        strange += [size(gram(value) - target) for value in values.numpy()]
    np.testing.assert_allclose(score(things, tiny_network, images), far, atol=1e-5)
    np.testing.assert_allclose(score(manner, tiny_network, images), strange, atol=1e-5)
    assert far[0] == 0 and far[1:].min() > 0.01


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_the_gradient_of_no_difference_is_zero(tiny_network, images, norm):
    difference = objectives.activation_difference("conv1", images[0], norm=norm).resolve(tiny_network, (16, 12))
    x = tiny_network.activations(images[:1], "conv1")["conv1"]
    with tf.GradientTape() as tape:
        tape.watch(x)
        distance = difference({"conv1": x}.__getitem__)
    assert not distance.numpy().any() and not tape.gradient(distance, x).numpy().any()


def test_transfer_keeps_things_and_takes_the_manner(tiny_network):
    rng = np.random.default_rng(0)
    content = np.full((16, 20, 3), 0.3, np.float32)
    content[4:12, 5:15] = 0.7
    stripes = np.zeros((24, 24, 3), np.float32) + (np.arange(24) % 4 < 2)[:, None]
    style = np.clip(stripes * [0.9, 0.2, 0.1] + rng.uniform(0, 0.1, stripes.shape), 0, 1).astype(np.float32)

    def transfer(weight, **settings):
        return style_transfer(
            tiny_network, content, style, content_layers="conv1", style_layers=LAYERS, content_weight=weight,
            steps=60, progress=False, **settings,
        )  # fmt: skip

    both, manner_only = transfer(1), transfer(0)
    assert both.images.shape == (1, 16, 20, 3) and both.history[-1] > 0.5 * both.history[0]
    things = objectives.activation_difference("conv1", content)
    manner = objectives.activation_difference(LAYERS, style, objectives.gram)
    far = [score(things, tiny_network, result.images)[0] for result in (both, manner_only)]
    strange = [score(manner, tiny_network, x)[0] for x in (both.images, manner_only.images, content[None])]
    # The control without content loses the things; both take the manner.
    assert far[0] < 0.85 * far[1] and strange[1] < strange[0] < 0.7 * strange[2]
    # The relative difference of the content from itself is 0, so a start there has the style's alone.
    start = transfer(1, init=content[None]).history[0, 0]
    expected = 0.0
    for layer in LAYERS:
        target = gram(tiny_network.activations(style[None], layer)[layer].numpy()[0])
        own = gram(tiny_network.activations(content[None], layer)[layer].numpy()[0])
        expected -= np.abs(own - target).mean() / np.abs(target).mean() / 2
    np.testing.assert_allclose(start, expected, rtol=1e-3)


def test_another_picture_needs_no_other_trace(tiny_network, images):
    tiny_network.compiled.clear()
    common = dict(content_layers="conv1", style_layers="conv2", param=param.fourier((16, 12)), steps=2, progress=False)
    first, second = (style_transfer(tiny_network, x, images[3], **common).images for x in images[:2])
    assert number_of_traces(tiny_network) == 1 and first.tobytes() != second.tobytes()


def test_errors_teach(tiny_network, images):
    common = dict(content_layers="conv1", style_layers="conv1", progress=False)
    with pytest.raises(ValueError, match="style: expected .height, width, 3.. Received shape: .4, 16, 12, 3"):
        style_transfer(tiny_network, images[0], images, **common)
    with pytest.raises(ValueError, match="content_weight: expected a finite number >= 0. Received: -1"):
        style_transfer(tiny_network, images[0], images[1], content_weight=-1, **common)
    with pytest.raises(ValueError, match="norm: expected one of 'l1', 'l2'. Received: 'l3'"):
        style_transfer(tiny_network, images[0], images[1], norm="l3", **common)
    with pytest.raises(ValueError, match="has no layer 'conv9'"):
        style_transfer(tiny_network, images[0], images[1], **common | dict(style_layers="conv9"))
