"""bfloat16 forces: near float32's, on the same weights, for optimisers only, and by choice only where they are faster."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import samplevis
from samplevis import Network, overrides, param
from samplevis.activation import precision

SIZE = 16
IMAGES = np.random.default_rng(0).uniform(0, 1, (4, SIZE, SIZE, 3)).astype(np.float32)
# bfloat16 has 8 bits: a value is rounded by up to 2**-9 of itself. The network below rounds some ten times in a row.
ROUNDING = 10 * 2.0**-9


@pytest.fixture
def network() -> Network:
    """Layers of several kinds, an operation, a nested model, and a layer that is used twice."""
    keras.utils.set_random_seed(0)
    image = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", name="conv")(image)
    shared = keras.layers.DepthwiseConv2D(3, padding="same", activation="gelu", name="shared")
    x = x + keras.layers.BatchNormalization(name="norm")(shared(shared(x)))
    x = keras.layers.MaxPooling2D(2, name="pool")(keras.ops.relu(x))
    x = keras.Sequential([keras.Input((8, 8, 4)), keras.layers.Conv2D(5, 3, name="conv")], name="inner")(x)
    x = keras.layers.Dense(3, name="logits")(keras.layers.GlobalAveragePooling2D()(x))
    return Network(keras.Model(image, x, name="small"))


def gradient(network: Network) -> np.ndarray:
    images = tf.constant(IMAGES)
    with tf.GradientTape() as tape:
        tape.watch(images)
        score = tf.reduce_sum(network(images, "logits")["logits"][:, 1])
    return tape.gradient(score, images).numpy().ravel()


def test_values_are_rounded(network):
    fast = overrides.bfloat16(network)
    assert fast.layers == network.layers and not fast.exact_gradient
    for layer in network.layers:
        exact, rounded = (each(IMAGES, layer)[layer].numpy() for each in (network, fast))
        error = np.abs(rounded - exact).max() / np.abs(exact).max()
        assert 0 < error < ROUNDING, layer


def test_gradients_are_rounded(network):
    """Of a smooth network: a rounded value may lie on the other side of a kink."""
    smooth = overrides.smooth(network)
    exact, rounded = gradient(smooth), gradient(overrides.bfloat16(smooth))
    assert 0 < np.linalg.norm(rounded - exact) < ROUNDING * np.linalg.norm(exact)


def test_weights_are_shared_and_the_model_stays_as_it_is(network, tmp_path):
    before = network(IMAGES, "logits")["logits"].numpy()
    connections = [len(each._inbound_nodes) for each in network.operations.values()]
    fast = overrides.bfloat16(network)
    assert all(a is b for a, b in zip(network.model.weights, fast.model.weights, strict=True))
    assert connections == [len(each._inbound_nodes) for each in network.operations.values()]
    assert all(layer.compute_dtype == "float32" for layer in network.model.layers)
    np.testing.assert_array_equal(network(IMAGES, "logits")["logits"], before)
    network.model.save(tmp_path / "model.keras")
    again = Network(keras.models.load_model(tmp_path / "model.keras"))
    np.testing.assert_array_equal(again(IMAGES, "logits")["logits"], before)
    network.model.set_weights([2 * weights for weights in network.model.get_weights()])
    assert (
        np.abs(fast(IMAGES, "logits")["logits"] - network(IMAGES, "logits")["logits"]).max()
        < ROUNDING * np.abs(network(IMAGES, "logits")["logits"]).max()
    )


def test_a_smooth_network_in_bfloat16(network):
    smooth = overrides.smooth(network)
    error = overrides.bfloat16(smooth)(IMAGES, "logits")["logits"] - smooth(IMAGES, "logits")["logits"]
    assert 0 < np.abs(error).max() < ROUNDING * np.abs(smooth(IMAGES, "logits")["logits"]).max()


def test_samplers_refuse_it(network):
    with pytest.raises(ValueError, match="needs the true gradient"):
        samplevis.render(overrides.bfloat16(network), "logits:1", smooth=None, progress=False)


def test_a_graph_has_a_fixed_precision():
    def brightness(images):
        return tf.reduce_mean(images, [1, 2], name="mean")

    graph = Network(brightness, image_shape=(8, 8, 3))
    with pytest.raises(ValueError, match="fixed"):
        overrides.bfloat16(graph)
    layer = list(graph.layers)[-1]
    settings = dict(param=param.pixel(8), transforms=None, steps=1, progress=False)
    with pytest.raises(ValueError, match="fixed"):
        samplevis.optimize(graph, f"{layer}:1", precision="bfloat16", **settings)
    samplevis.optimize(graph, f"{layer}:1", precision="auto", **settings)


def optimized(network: Network, **settings) -> np.ndarray:
    return samplevis.optimize(
        network,
        "logits:1",
        param=param.fourier(SIZE),
        transforms=None,
        steps=3,
        smooth=None,
        progress=False,
        **settings,
    ).images


def test_optimize_in_bfloat16_redirected_too(network):
    settings = dict(redirect_steps=1)
    found = optimized(network, precision="bfloat16", **settings)
    np.testing.assert_array_equal(found, optimized(overrides.bfloat16(network), **settings))
    exact = optimized(network, **settings)
    assert 0 < np.abs(found - exact).max()


@pytest.mark.parametrize("share, chosen", [(0.6, "bfloat16"), (1.5, "float32")])
def test_auto_takes_what_a_trial_says_once(network, monkeypatch, caplog, share, chosen):
    trials = []
    monkeypatch.setattr(precision, "measured_share", lambda slow, fast: trials.append(slow) or share)
    with caplog.at_level("INFO", logger=precision.__name__):
        found = [optimized(network, precision="auto") for _ in range(2)]
    assert len(trials) == 1 and chosen in caplog.text and f"{share:.2f}" in caplog.text
    for images in found:
        np.testing.assert_array_equal(images, optimized(network, precision=chosen))


def test_the_trial_is_a_ratio_of_times(monkeypatch):
    """Of two calls whose times are known: a clock that they turn themselves."""
    clock = [0.0]
    monkeypatch.setattr(precision.time, "perf_counter", lambda: clock[0])

    def call(seconds):
        return lambda: clock.__setitem__(0, clock[0] + seconds)

    assert precision.measured_share(call(0.2), call(0.1)) == pytest.approx(0.5)
    assert precision.measured_share(call(0.1), call(0.2)) == pytest.approx(2.0)
    assert precision.measured_share(call(20.0), call(10.0)) == pytest.approx(0.5), "three pairs, however slow"
