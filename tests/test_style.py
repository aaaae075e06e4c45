"""Style transfer: Gram matrices, losses and distances against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from samplevis import optimize, param
from samplevis.optimize import number_of_traces
from samplevis.recipes import (
    content_distance,
    gram_style,
    mean_l1_loss,
    mean_l2_loss,
    style_distance,
    style_transfer,
)

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
    np.testing.assert_allclose(gram_style(tf.constant(a)), [gram(x) for x in a], atol=1e-5)


def test_gram_forgets_places_and_not_features(images):
    whole = gram_style(tf.constant(images))
    np.testing.assert_allclose(gram_style(tf.constant(images[:, ::-1, ::-1])), whole, atol=1e-5)
    assert np.abs(gram_style(tf.constant(images[..., ::-1])) - whole).max() > 1e-3
    # Layers without positions count as one position.
    vectors = images[:, 0, 0]
    np.testing.assert_allclose(gram_style(tf.constant(vectors)), vectors[:, :, None] * vectors[:, None], atol=1e-6)


def test_losses(images):
    a, b = images[:3], images[3:]
    np.testing.assert_allclose(mean_l1_loss(a, b), np.abs(a - b).mean((1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(mean_l2_loss(a, b), np.sqrt(((a - b) ** 2).mean((1, 2, 3))), rtol=1e-5)


def test_the_gradient_of_no_difference_is_zero(images):
    x = tf.constant(images)
    for loss in (mean_l1_loss, mean_l2_loss):
        with tf.GradientTape() as tape:
            tape.watch(x)
            distance = loss(x, tf.constant(images))
        assert not distance.numpy().any() and not tape.gradient(distance, x).numpy().any()


@pytest.mark.parametrize("loss", [mean_l1_loss, mean_l2_loss])
def test_content_distance(tiny_network, images, loss):
    targets = tiny_network.activations(images[:1], LAYERS)
    distance = content_distance(targets, loss)
    assert str(distance) == "content_distance(conv1, conv2)"
    expected = np.zeros(4)
    for layer, values in tiny_network.activations(images, LAYERS).items():
        difference = np.float64(values) - np.float64(targets[layer])
        error = np.abs(difference).mean((1, 2, 3))
        expected += error if loss is mean_l1_loss else np.sqrt((difference**2).mean((1, 2, 3)))
    got = score(distance, tiny_network, images)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert got[0] == 0 and (got[1:] > 0.01).all()


@pytest.mark.parametrize("loss", [mean_l1_loss, mean_l2_loss])
def test_style_distance(tiny_network, images, loss):
    # The style has another size, and is the mean of two pictures.
    painting = np.random.default_rng(1).uniform(size=(2, 10, 20, 3)).astype(np.float32)
    targets = tiny_network.activations(painting, LAYERS)
    expected = np.zeros(4)
    for layer, values in tiny_network.activations(images, LAYERS).items():
        target = np.mean([gram(x) for x in targets[layer].numpy()], 0)
        for number, image in enumerate(values.numpy()):
            difference = gram(image) - target
            expected[number] += np.abs(difference).mean() if loss is mean_l1_loss else np.sqrt((difference**2).mean())
    np.testing.assert_allclose(score(style_distance(targets, loss), tiny_network, images), expected, atol=1e-5)
    own = style_distance(tiny_network.activations(images[:1], LAYERS), loss)
    np.testing.assert_allclose(score(own, tiny_network, images)[0], 0, atol=1e-6)


def test_targets_are_numbers_and_not_code(tiny_network, images):
    tiny_network.compiled.clear()
    results = []
    for picture in images:
        distance = style_distance(tiny_network.activations(picture[None], LAYERS))
        results.append(
            optimize(
                tiny_network, -distance, param=param.fourier(12), steps=8, transforms=None, progress=False
            ).latents.tobytes()
        )
    assert number_of_traces(tiny_network) == 1 and len(set(results)) == 4


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
    things = content_distance(tiny_network.activations(content[None], "conv1"))
    manner = style_distance(tiny_network.activations(style[None], LAYERS))
    far = [score(things, tiny_network, result.images)[0] for result in (both, manner_only)]
    strange = [score(manner, tiny_network, x)[0] for x in (both.images, manner_only.images, content[None])]
    # The control without content loses the things; both take the manner.
    assert far[0] < 0.85 * far[1] and strange[1] < strange[0] < 0.7 * strange[2]
    # The relative distance of the content from itself is 0, so a start there has the style's distance alone.
    start = transfer(1, init=content[None]).history[0, 0]
    expected = 0.0
    for layer in LAYERS:
        target = gram(tiny_network.activations(style[None], layer)[layer].numpy()[0])
        own = gram(tiny_network.activations(content[None], layer)[layer].numpy()[0])
        expected -= np.abs(own - target).mean() / np.abs(target).mean() / 2
    np.testing.assert_allclose(start, expected, rtol=1e-3)


def test_errors_teach(tiny_network, images):
    one = tiny_network.activations(images[:1], "conv1")
    with pytest.raises(ValueError, match="content_distance: targets: expected layer -> activations"):
        content_distance({})
    with pytest.raises(ValueError, match="content_distance: targets: expected one picture. Received 4 for 'conv1'"):
        content_distance(tiny_network.activations(images, "conv1"))
    with pytest.raises(ValueError, match=r"'conv1' has the shape \(8, 8, 4\) for images of \(8, 8\).*\(16, 12, 4\)"):
        content_distance(one).resolve(tiny_network, (8, 8))
    with pytest.raises(ValueError, match="style_distance: targets: expected finite activations .* Received shape: .3,"):
        style_distance({"conv1": np.zeros(3)})
    with pytest.raises(ValueError, match="style_distance: targets: 'conv2' has 5 channels. Received: 4"):
        style_distance({"conv2": one["conv1"]}).resolve(tiny_network)
    common = dict(content_layers="conv1", style_layers="conv1", progress=False)
    with pytest.raises(ValueError, match="style: expected .height, width, 3.. Received shape: .4, 16, 12, 3"):
        style_transfer(tiny_network, images[0], images, **common)
    with pytest.raises(ValueError, match="content_weight: expected a finite number >= 0. Received: -1"):
        style_transfer(tiny_network, images[0], images[1], content_weight=-1, **common)
    with pytest.raises(ValueError, match="has no layer 'conv9'"):
        style_transfer(tiny_network, images[0], images[1], **common | dict(style_layers="conv9"))
