"""Networks with other gradients, and smooth ones: truth tables, adjoints, closed forms, and the network left alone."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from samplevis import Network, overrides
from samplevis.overrides import pooling, ramps
from samplevis.overrides.gradients import _redirected
from samplevis.sampling.kernels.base import value_and_gradient
from samplevis.sampling.kernels.integrator import IntegratorState, integrate

SOFTMAX, POWER = (pooling.POOLINGS[keras.layers.MaxPooling2D][kind] for kind in ("softmax", "power"))
BATCH = np.random.default_rng(1).uniform(size=(3, 12, 12, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> Network:
    """Rectifiers in every disguise: an argument, a layer, an operation, inside a nested model; and two max poolings."""
    keras.utils.set_random_seed(0)
    image = keras.Input((12, 12, 3), name="image")
    x = keras.layers.Conv2D(6, 3, activation="relu", name="argument")(image)
    x = keras.layers.MaxPooling2D(2, padding="same", name="pool")(x)
    inner = keras.Sequential(
        [
            keras.Input((5, 5, 6)),
            keras.layers.Conv2D(6, 1, name="conv"),
            keras.layers.ReLU(6.0, name="layer"),
            keras.layers.Activation("silu", name="activation"),
        ],
        name="inner",
    )
    x = keras.ops.relu(inner(x) - 0.1)
    x = keras.layers.Lambda(lambda v: 2 * v, name="double")(x)
    x = keras.layers.LeakyReLU(0.3, name="leaky")(keras.layers.Conv2D(4, 3, name="last")(x))
    model = keras.Model(image, keras.layers.Dense(3, name="logits")(keras.layers.GlobalMaxPooling2D(name="top")(x)))
    return Network(model, value_range=(-1, 1), labels=("a", "b", "c"), name="disguises")


def gradient(network: Network, layer: str = "logits", images: np.ndarray = BATCH) -> np.ndarray:
    x = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(x)
        score = tf.reduce_sum(network.cut((layer,))(x)[layer])
    return tape.gradient(score, x).numpy()


OVERRIDES = {
    "redirect": overrides.redirect_relu,
    "average": overrides.smooth_max_pool,
    "l2": lambda network: overrides.smooth_max_pool(network, "l2"),
    "linear": overrides.linearize,
}


@pytest.mark.parametrize("name", OVERRIDES)
def test_values_stay_and_the_given_network_stays(network, name):
    calls = [len(layer._inbound_nodes) for layer in network.model.layers]
    weights, before = [w.copy() for w in network.model.get_weights()], gradient(network)
    new = OVERRIDES[name](network)
    np.testing.assert_array_equal(
        new.activations(BATCH, ["logits", "inner/layer"])["logits"], network.activations(BATCH, "logits")["logits"]
    )
    assert dict(new.layers) == dict(network.layers)
    assert (new.value_range, new.labels, new.name) == (network.value_range, network.labels, network.name)
    for one, other in zip(network.model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(gradient(network), before)
    assert [len(layer._inbound_nodes) for layer in network.model.layers] == calls


@pytest.mark.parametrize("name", [*OVERRIDES, "smooth"])
def test_weights_are_shared(network, name):
    new = (OVERRIDES | {"smooth": overrides.smooth})[name](network)
    weights, before = network.model.get_weights(), network.activations(BATCH, "logits")["logits"]
    changed = new.activations(BATCH, "logits")["logits"]
    try:
        network.model.set_weights([-w for w in weights])
        assert np.abs(new.activations(BATCH, "logits")["logits"] - changed).max() > 1e-3
        if name != "smooth":
            np.testing.assert_array_equal(
                new.activations(BATCH, "logits")["logits"], network.activations(BATCH, "logits")["logits"]
            )
    finally:
        network.model.set_weights(weights)
    np.testing.assert_array_equal(network.activations(BATCH, "logits")["logits"], before)
    np.testing.assert_array_equal(new.activations(BATCH, "logits")["logits"], changed)


@pytest.mark.parametrize("name", ["average", "l2", "linear"])
def test_gradients_differ_from_the_true_one(network, name):
    assert np.abs(gradient(OVERRIDES[name](network)) - gradient(network)).max() > 1e-3


def test_redirected_gradient_is_the_true_one_where_units_live(network):
    np.testing.assert_allclose(gradient(overrides.redirect_relu(network)), gradient(network), atol=1e-6)


def passed_on(function, x, upstream):
    x = tf.constant(x, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = _redirected(function)(x)
    return tape.gradient(y, x, tf.constant(upstream, tf.float32)).numpy()


@pytest.mark.parametrize(
    ("function", "x", "upstream", "expected"),
    [
        # The first item lives and keeps its gradient; the second is dead everywhere.
        ("relu", [[2.0, -1.0], [-1.0, -2.0]], [[1.0, 1.0], [1.0, -1.0]], [[1.0, 0.0], [1.0, 0.0]]),
        # What lives but is not asked to move does not count as alive.
        ("relu", [[2.0, -1.0]], [[0.0, 3.0]], [[0.0, 3.0]]),
        ("relu6", [[7.0, 3.0, -1.0]], [[1.0, -2.0, 1.0]], [[0.0, -2.0, 0.0]]),
        ("relu6", [[7.0, 8.0, -1.0, -2.0]], [[1.0, -1.0, 1.0, -1.0]], [[0.0, -1.0, 1.0, 0.0]]),
        # The slopes of GELU at -2 and of SiLU at -3 are negative: the true gradient would lead on into silence.
        ("gelu", [[-2.0, -3.0]], [[1.0, -1.0]], [[1.0, 0.0]]),
        ("silu", [[-3.0, -9.0]], [[1.0, -1.0]], [[1.0, 0.0]]),
        ("leaky_relu", [[-3.0, 2.0]], [[1.0, -1.0]], [[0.2, -1.0]]),
    ],
)
def test_truth_table(function, x, upstream, expected):
    np.testing.assert_allclose(passed_on(keras.activations.get(function), x, upstream), expected, rtol=1e-6)


def test_rounded_rectifiers_are_redirected_and_not_rounded_again(network):
    soft = overrides.smooth(network, 0.1)
    redirected = overrides.redirect_relu(soft)
    np.testing.assert_array_equal(
        redirected.activations(BATCH, "logits")["logits"], soft.activations(BATCH, "logits")["logits"]
    )
    np.testing.assert_allclose(gradient(redirected), gradient(soft), atol=1e-6)
    np.testing.assert_array_equal(passed_on(ramps.rectifier(0.5), [[-1.0, -2.0]], [[1.0, -1.0]]), [[1.0, 0.0]])
    again = overrides.smooth(soft, 0.1, pooling="max")
    np.testing.assert_array_equal(
        again.activations(BATCH, "logits")["logits"], soft.activations(BATCH, "logits")["logits"]
    )


def test_items_of_a_batch_do_not_rescue_each_other():
    x, upstream = np.full((2, 3, 3, 1), -1.0), np.ones((2, 3, 3, 1))
    x[0, 0, 0, 0] = 1.0
    got = passed_on(keras.activations.relu, x, upstream)
    assert got[0].sum() == 1 and got[1].sum() == 9


def one_layer(layer, shape=(7, 6, 2)):
    image = keras.Input(shape)
    return Network(keras.Model(image, layer(image)))


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_max_pool_gets_the_gradient_of_average_pooling(padding):
    images = np.random.default_rng(0).uniform(size=(2, 7, 6, 2)).astype(np.float32)
    make = {
        "max": keras.layers.MaxPooling2D(3, 2, padding, name="pool"),
        "mean": keras.layers.AveragePooling2D(3, 2, padding, name="pool"),
    }
    smoothed, mean = overrides.smooth_max_pool(one_layer(make["max"])), one_layer(make["mean"])
    np.testing.assert_allclose(gradient(smoothed, "pool", images), gradient(mean, "pool", images), rtol=1e-5)
    control = gradient(one_layer(keras.layers.MaxPooling2D(3, 2, padding, name="pool")), "pool", images)
    assert np.abs(control - gradient(mean, "pool", images)).max() > 0.5


def test_l2_rule_in_closed_form():
    images = np.array([0.1, 0.2, 0.3, 0.4], np.float32).reshape(1, 2, 2, 1)
    got = gradient(
        overrides.smooth_max_pool(one_layer(keras.layers.MaxPooling2D(2, name="pool"), (2, 2, 1)), "l2"), "pool", images
    )
    above, below = np.mean(images**2), 0.01 + images.mean()
    np.testing.assert_allclose(got, images / 2 / below - above / 4 / below**2, rtol=1e-5)


def test_linearized_convolutions_are_their_linear_part():
    keras.utils.set_random_seed(3)
    first, second = (keras.layers.Conv2D(4, 3, activation="relu", name=name) for name in ("first", "second"))
    image = keras.Input((12, 12, 3))
    network = Network(keras.Model(image, second(first(image))))
    got = gradient(overrides.linearize(network), "second")
    x = tf.constant(BATCH)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.nn.conv2d(tf.nn.conv2d(x, first.kernel.value, 1, "VALID"), second.kernel.value, 1, "VALID")
    np.testing.assert_allclose(got, tape.gradient(y, x), atol=1e-5)


@pytest.mark.parametrize(("padding", "strides"), [("same", 2), ("valid", 1), ("same", 3)])
def test_softmax_pooling_against_a_loop(padding, strides):
    x = np.random.default_rng(0).normal(size=(2, 7, 8, 3)).astype(np.float32)
    layer = SOFTMAX((3, 2), strides, padding)
    layer.width = 0.5
    got = layer(x).numpy()
    assert got.shape == keras.layers.MaxPooling2D((3, 2), strides, padding)(x).shape
    missing = [max((-(-n // strides) - 1) * strides + k - n, 0) * (padding == "same") for n, k in ((7, 3), (8, 2))]
    padded = np.pad(x, [(0, 0), *((m // 2, m - m // 2) for m in missing), (0, 0)], constant_values=-np.inf)
    for i, j in np.ndindex(got.shape[1:3]):
        window = padded[:, i * strides : i * strides + 3, j * strides : j * strides + 2].reshape(2, 6, 3)
        weights = special.softmax(window / 0.5, 1)
        expected = (weights * np.where(np.isfinite(window), window, 0)).sum(1)
        np.testing.assert_allclose(got[:, i, j], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("padding", "strides"), [("same", 2), ("valid", 1), ("same", 3)])
def test_power_pooling_against_a_loop(padding, strides):
    x = np.random.default_rng(0).normal(size=(2, 7, 8, 3)).astype(np.float32)
    layer = POWER((3, 2), strides, padding)
    layer.width = 1e-4
    got, largest = layer(x).numpy(), keras.layers.MaxPooling2D((3, 2), strides, padding)(x).numpy()
    assert got.shape == largest.shape
    missing = [max((-(-n // strides) - 1) * strides + k - n, 0) * (padding == "same") for n, k in ((7, 3), (8, 2))]
    padded = np.pad(np.maximum(x, 0), [(0, 0), *((m // 2, m - m // 2) for m in missing), (0, 0)])
    for i, j in np.ndindex(got.shape[1:3]):
        window = padded[:, i * strides : i * strides + 3, j * strides : j * strides + 2].reshape(2, 6, 3)
        np.testing.assert_allclose(got[:, i, j], np.sum(window**4.0, 1) ** 0.25, rtol=1e-4, atol=1e-5)
    assert np.all(got >= np.maximum(largest, 0) - 1e-5) and np.all(got <= 6**0.25 * np.maximum(largest, 0) + 1e-5)
    whole = pooling.POOLINGS[keras.layers.GlobalMaxPooling2D]["power"]()
    whole.width = 1e-4
    p = 4 * np.log(56) / np.log(9)
    np.testing.assert_allclose(whole(x), np.sum(np.maximum(x, 0) ** p, (1, 2)) ** (1 / p), rtol=1e-4)


@pytest.mark.parametrize("padding", ["same", "valid", "global"])
def test_gradient_of_power_pooling(padding):
    # Some values are negative, but not all of a window: there the root below has no gradient.
    x = tf.constant(np.random.default_rng(0).normal(1, 1, size=(2, 7, 8, 3)).astype(np.float32))
    layer = (
        pooling.POOLINGS[keras.layers.GlobalMaxPooling2D]["power"]() if padding == "global" else POWER(3, 2, padding)
    )
    p = 4 * np.log(56) / np.log(9) if padding == "global" else 4.0
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        fourth = tf.nn.relu(x) ** p
        if padding == "same":
            fourth = tf.pad(fourth, [[0, 0], [1, 1], [0, 1], [0, 0]])
        total = tf.reduce_sum(fourth, (1, 2)) if padding == "global" else 9 * tf.nn.avg_pool(fourth, 3, 2, "VALID")
        expected, got = total ** (1 / p), layer(x)
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    weights = tf.random.stateless_normal(got.shape, [0, 1])
    np.testing.assert_allclose(
        tape.gradient(got, x, weights), tape.gradient(expected, x, weights), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("size", [2, 3, 5, "global"])
@pytest.mark.parametrize("kind", ["power", "softmax"])
def test_smooth_poolings_tend_to_the_maximum(size, kind):
    """Whatever the size of the window, and at the default softness no further from it than a window of 3 x 3."""
    layer = keras.layers.GlobalMaxPooling2D() if size == "global" else keras.layers.MaxPooling2D(size, padding="same")
    image = keras.Input((40, 40, 2))
    network = Network(keras.Model(image, layer(image)), value_range=(0, 1))
    images = np.random.default_rng(0).uniform(size=(2, 40, 40, 2)).astype(np.float32)
    exact, name = network.activations(images, layer.name)[layer.name].numpy(), layer.name
    gaps = [
        np.abs(overrides.smooth(network, softness, kind, images).activations(images, name)[name] / exact - 1).max()
        for softness in (0.3, 0.1, 0.03, 1e-3)
    ]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] < 9**0.25 - 1 and gaps[-1] < 0.01


def test_power_pooling_of_zeros_has_no_slope():
    x = tf.zeros((1, 4, 4, 2))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = POWER(2)(x)
    np.testing.assert_array_equal(tape.gradient(y, x), 0 * x)


def test_power_pooling_is_for_rectified_values():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="signed")(image)
    x = keras.layers.MaxPooling2D(name="first")(x)
    x = keras.layers.MaxPooling2D(name="second")(keras.layers.ReLU()(x))
    soft = overrides.smooth(Network(keras.Model(image, x))).operations
    assert isinstance(soft["first"], SOFTMAX)
    assert isinstance(soft["second"], POWER)


def test_widths_follow_the_size_of_each_layer(network):
    softness, images = 0.2, BATCH
    x = np.linspace(-3, 3, 13, dtype=np.float32)
    conv = keras.layers.Conv2D(6, 3, activation="relu", name="argument")
    image = keras.Input((12, 12, 3))
    alone = Network(keras.Model(image, conv(image)))
    size = np.sqrt(np.mean(alone.activations(images, "argument")["argument"].numpy() ** 2))
    function = overrides.smooth(alone, softness, images=images, kind="softplus").operations["argument"].activation
    np.testing.assert_allclose(
        function(tf.constant(x)), softness * size * np.logaddexp(0, x / (softness * size)), rtol=1e-5
    )
    half = np.pi * softness * size
    function = overrides.smooth(alone, softness, images=images, kind="ramp").operations["argument"].activation
    expected = np.where(x < half, np.maximum(x + half, 0) ** 2 / (4 * half), x)
    np.testing.assert_allclose(function(tf.constant(x)), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "settings"),
    [("ReLU", dict(max_value=6.0)), ("ReLU", dict(max_value=1.0, negative_slope=0.2)), ("LeakyReLU", {}), ("ReLU", {})],
)
def test_smooth_functions_approach_the_first_and_round_its_kinks(name, settings):
    layer = getattr(keras.layers, name)(name="f", **settings)
    network = one_layer(layer, (1, 1, 1))
    x = np.linspace(0, 1, 41, dtype=np.float32).reshape(41, 1, 1, 1)
    network = Network(network.model, value_range=(-9, 9))
    gaps = []
    for softness in (0.2, 0.1):
        soft = overrides.smooth(network, softness, images=x)
        gaps.append(np.abs(soft.activations(x, "f")["f"] - network.activations(x, "f")["f"]).max())
    # A rounded kink is off by width * log(2) at most, and half the width halves that.
    assert 0 < gaps[1] < 0.6 * gaps[0] and gaps[0] < 0.2 * 9


@pytest.mark.parametrize("kind", ["hard_sigmoid", "hard_silu"])
def test_hard_functions_are_rounded(kind):
    network = one_layer(keras.layers.Activation(kind, name="f"), (1, 1, 1))
    network = Network(network.model, value_range=(-9, 9))
    x = np.linspace(0, 1, 41, dtype=np.float32).reshape(41, 1, 1, 1)
    gap = overrides.smooth(network, 0.1, images=x).activations(x, "f")["f"] - network.activations(x, "f")["f"]
    assert 1e-4 < np.abs(gap).max() < 0.3


def test_smooth_keeps_names_shapes_and_the_given_network(network):
    before = network.activations(BATCH, "logits")["logits"].numpy()
    for kind in ("power", "average", "softmax", "max"):
        soft = overrides.smooth(network, pooling=kind)
        assert dict(soft.layers) == dict(network.layers)
        assert np.abs(soft.activations(BATCH, "logits")["logits"] - before).max() > 1e-4
    np.testing.assert_array_equal(network.activations(BATCH, "logits")["logits"], before)


def second_differences(network: Network) -> float:
    """The largest jump of the directional derivative over a small step, relative to the median one, along a line."""
    line = np.linspace(0, 1, 400, dtype=np.float32)[:, None, None, None]
    images = (1 - line) * BATCH[:1] + line * BATCH[1:2]
    slopes = (gradient(network, "logits", images) * (BATCH[1] - BATCH[0])).sum((1, 2, 3))
    jumps = np.abs(np.diff(slopes))
    return jumps.max() / np.median(jumps)


def test_smooth_networks_have_no_jumps_in_their_gradient(network):
    assert second_differences(overrides.smooth(network, 0.3, "average")) < 20
    assert second_differences(overrides.smooth(network, 0.3, "softmax")) < 20
    assert second_differences(overrides.smooth(network, 0.3, "power")) < 20
    assert second_differences(overrides.smooth(network, 0.3, kind="ramp")) < 20
    # The control: the network itself.
    assert second_differences(network) > 200


def energy_slope(network: Network) -> float:
    """The order of the energy error of split HMC on a network, by step size."""
    cut = network.cut(("logits",))

    def tilt(z):
        return 8 * tf.reduce_sum(cut(tf.sigmoid(z))["logits"], 1)

    z, v = tf.random.stateless_normal((2, 48, 12, 12, 3), [5, 6])
    start = IntegratorState.start(z, v, *value_and_gradient(tilt, z))
    errors, sizes = [], (0.08, 0.04, 0.02)
    for size in sizes:
        end = integrate(tilt, start, size, round(0.4 / size))
        errors.append(np.std(np.float64(end.tilt) - np.float64(tilt(z)) - end.work.numpy()))
    return np.polyfit(np.log(sizes), np.log(errors), 1)[0]


@pytest.mark.parametrize(
    ("pooling", "kind"), [("power", "ramp"), ("average", "ramp"), ("softmax", "ramp"), ("power", "softplus")]
)
def test_energy_error_is_of_second_order_on_a_smooth_network(network, pooling, kind):
    slope = energy_slope(overrides.smooth(network, 0.5, pooling, kind=kind))
    assert abs(slope - 2) < 0.2, slope


def test_energy_error_is_of_first_order_on_kinks(network):
    # The control for the test above.
    slope = energy_slope(network)
    assert abs(slope - 1) < 0.3, slope


@pytest.mark.parametrize("name", ["redirect_relu", "smooth_max_pool", "linearize", "smooth"])
def test_a_keras_model_will_do_and_nothing_else(network, name):
    made = getattr(overrides, name)(network.model)
    assert isinstance(made, Network) and made.layers == network.layers
    with pytest.raises(TypeError, match="model: expected a samplevis.Network"):
        getattr(overrides, name)("network")


@pytest.mark.parametrize(
    ("call", "error", "word"),
    [
        (lambda n: overrides.smooth(n, 0.0), ValueError, "softness"),
        (lambda n: overrides.smooth(n, "soft"), TypeError, "softness"),
        (lambda n: overrides.smooth(n, pooling="averages"), ValueError, "pooling: expected one of 'average'"),
        (lambda n: overrides.smooth(n, kind="ramps"), ValueError, "kind: expected one of 'ramp', 'softplus'"),
        (lambda n: overrides.smooth_max_pool(n, "L2"), ValueError, "rule"),
    ],
)
def test_bad_arguments(network, call, error, word):
    with pytest.raises(error, match=word):
        call(network)
