"""Attribution: exact on linear networks, complete along a path, and around nothing by mistake."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from samplevis import Network, objectives, recipes

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.uniform(size=(3, 8, 6, 3)).astype(np.float32)


def _network(activation: str | None, skip: bool = False) -> Network:
    """Layers first, second, (sum,) features and logits; `sum` leads around `second`."""
    keras.utils.set_random_seed(1)
    image = keras.Input((None, None, 3))
    first = keras.layers.Conv2D(4, 3, padding="same", activation=activation, name="first")(image)
    x = keras.layers.Conv2D(4, 3, padding="same", activation=activation, name="second")(first)
    x = keras.layers.Add(name="sum")([x, first]) if skip else x
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    return Network(keras.Model(image, keras.layers.Dense(3, name="logits")(x)), labels=("a", "b", "c"))


@pytest.fixture(scope="module")
def linear() -> Network:
    return _network(None)


@pytest.fixture(scope="module")
def rectified() -> Network:
    network = _network("relu")
    for variable in network.model.weights:
        # Biases bend the straight path: without them a rectified network is linear along rays.
        variable.assign(variable + (tf.constant(GENERATOR.normal(0, 0.2, variable.shape), tf.float32)))
    return network


@pytest.fixture(scope="module")
def around() -> Network:
    return _network("relu", skip=True)


def logit(network, values, layer, index=1):
    """The logit when `layer` takes these values."""
    images = tf.constant(IMAGES)
    return network.substitute(layer, ("logits",))(images, tf.constant(values, tf.float32))["logits"].numpy()[:, index]


@pytest.mark.parametrize("path", ["point", "straight"])
@pytest.mark.parametrize("layer", ["input", "first", "second", "features", "logits"])
def test_complete_on_a_linear_network(linear, layer, path):
    found = recipes.attribution(linear, "logits:1", layer, IMAGES, path=path, steps=3)
    values = IMAGES if layer == "input" else linear.activations(IMAGES, layer)[layer].numpy()
    assert found.shape == values.shape and found.dtype == np.float32
    gain = logit(linear, values, layer) - logit(linear, 0 * values, layer)
    np.testing.assert_allclose(found.reshape(3, -1).sum(1), gain, rtol=1e-4, atol=1e-5)


def test_linear_attribution_in_closed_form(linear):
    values = linear.activations(IMAGES, "second")["second"].numpy()
    kernel = linear.model.get_layer("logits").kernel.numpy()
    expected = values * kernel[:, 2] / (8 * 6)
    for path in ("point", "straight"):
        found = recipes.attribution(linear, objectives.class_logit("logits", "c"), "second", IMAGES, path=path)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
        channels = recipes.channel_attribution(linear, "logits:2", "second", IMAGES, path=path)
        np.testing.assert_allclose(channels, expected.sum((1, 2)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("layer", ["input", "first"])
def test_integrated_gradients_are_complete_on_a_rectified_network(rectified, layer):
    values = IMAGES if layer == "input" else rectified.activations(IMAGES, layer)[layer].numpy()
    for baseline in (0.0, 0.5 * values.mean((1, 2), keepdims=True)):
        gain = logit(rectified, values, layer) - logit(
            rectified, np.broadcast_to(baseline, values.shape) + 0 * values, layer
        )
        settings = dict(path="straight", baseline=baseline)
        fine = recipes.attribution(rectified, "logits:1", layer, IMAGES, steps=200, **settings)
        np.testing.assert_allclose(fine.reshape(3, -1).sum(1), gain, atol=2e-3 * np.abs(gain).max())
    # The control: the gradient at the point alone does not add up.
    point = recipes.attribution(rectified, "logits:1", layer, IMAGES)
    gain = logit(rectified, values, layer) - logit(rectified, 0 * values, layer)
    assert np.abs(point.reshape(3, -1).sum(1) - gain).max() > 0.02 * np.abs(gain).max()


def test_a_loop_of_gradients_gives_the_same(rectified):
    values = rectified.activations(IMAGES, "first")["first"]
    run, total = rectified.substitute("first", ("logits",)), 0
    for k in range(5):
        point = values * (k + 0.5) / 5
        with tf.GradientTape() as tape:
            tape.watch(point)
            score = run(tf.constant(IMAGES), point)["logits"][:, 1]
        total += tape.gradient(score, point)
    found = recipes.attribution(rectified, "logits:1", "first", IMAGES, path="straight", steps=5)
    np.testing.assert_allclose(found, values * total / 5, rtol=1e-4, atol=1e-6)


def test_the_stochastic_path(linear, rectified):
    settings = dict(path="stochastic", steps=4)
    # Where gradients are equal everywhere, so are all paths.
    np.testing.assert_allclose(
        recipes.attribution(linear, "logits:1", "first", IMAGES, **settings),
        recipes.attribution(linear, "logits:1", "first", IMAGES),
        rtol=1e-4,
        atol=1e-6,
    )
    one, again, other = (
        recipes.attribution(rectified, "logits:1", "first", IMAGES, seed=s, **settings) for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 1e-5


def test_images_do_not_touch_each_other(rectified):
    both = recipes.attribution(rectified, "logits:1", "first", IMAGES)
    alone = recipes.attribution(rectified, "logits:1", "first", IMAGES[1:2])
    np.testing.assert_allclose(both[1:2], alone, atol=1e-6)


def test_a_layer_that_the_score_does_not_need_gets_nothing(linear):
    assert not recipes.attribution(linear, objectives.channel("first", 0), "second", IMAGES).any()
    # The image is held, so penalties on it say nothing about a layer.
    assert not recipes.attribution(linear, objectives.L1(), "second", IMAGES).any()
    assert recipes.attribution(linear, objectives.L1(), "input", IMAGES).all()


def test_spatial_attribution_is_a_loop_over_positions(rectified):
    found = recipes.spatial_attribution(rectified, "first", "second", IMAGES[0], batch_size=7)
    assert found.shape == (8, 6, 8, 6)
    values = rectified.activations(IMAGES[:1], "first")["first"]
    run = rectified.substitute("first", ("second",))
    for row, column in ((0, 0), (3, 5), (7, 2)):
        with tf.GradientTape() as tape:
            tape.watch(values)
            score = tf.norm(run(tf.constant(IMAGES[:1]), values)["second"][0, row, column])
        expected = tf.reduce_sum(values * tape.gradient(score, values), -1)[0]
        # The norm has no gradient where all is silent; that counts as none.
        np.testing.assert_allclose(found[row, column], np.nan_to_num(expected), atol=1e-5)
    # A 3 x 3 kernel reaches one position far, and no further.
    assert not found[2, 2, 4:].any() and not found[2, 2, :, 4:].any() and found[2, 2, 1:4, 1:4].any()


def test_spatial_attribution_of_a_map_without_bias_adds_up_to_the_norms():
    network = _network(None)
    network.model.get_layer("second").bias.assign(tf.zeros(4))
    found = recipes.spatial_attribution(network, "first", "second", IMAGES[0])
    norms = np.linalg.norm(network.activations(IMAGES[:1], "second")["second"][0], axis=-1)
    np.testing.assert_allclose(found.sum((2, 3)), norms, rtol=1e-4)
    from_image = recipes.spatial_attribution(network, "input", "second", IMAGES[0])
    assert from_image.shape == (8, 6, 8, 6)


def test_groups_share_out_what_channels_have(rectified):
    pytest.importorskip("sklearn")
    # As many groups as channels stand for everything.
    values = rectified.activations(IMAGES, "first")["first"].numpy()
    reducer = recipes.ChannelReducer(4, max_iter=5000, tol=1e-5).fit(values)
    error = np.abs(reducer.inverse_transform(reducer.transform(values)) - values).max()
    assert error < 0.02
    for path in ("point", "straight"):
        groups = recipes.group_attribution(rectified, "logits:1", "first", IMAGES, reducer, path=path, steps=5)
        whole = recipes.attribution(rectified, "logits:1", "first", IMAGES, path=path, steps=5)
        assert groups.shape == (3, 8, 6, 4)
        np.testing.assert_allclose(groups.sum(-1), whole.sum(-1), atol=max(error, 1e-6))
    with pytest.raises(ValueError, match="channels"):
        recipes.group_attribution(rectified, "logits:1", "logits", IMAGES, reducer)


def test_substitution(around):
    images = tf.constant(IMAGES)
    own = around.activations(IMAGES, ("first", "second", "logits"))
    run = around.substitute("second", ("first", "second", "logits"))
    assert around.substitute("second", ("first", "second", "logits")) is run
    same = run(images, own["second"])
    for name, value in own.items():
        np.testing.assert_allclose(same[name], value, atol=1e-6)
    zero = run(images, tf.zeros_like(own["second"]))
    np.testing.assert_allclose(zero["first"], own["first"], atol=1e-6)
    # The path around the layer is still there.
    by_hand = around.model.get_layer("logits")(tf.reduce_mean(own["first"], (1, 2)))
    np.testing.assert_allclose(zero["logits"], by_hand, atol=1e-6)
    assert np.abs(zero["logits"] - own["logits"]).max() > 1e-3


def test_substitution_errors(around):
    with pytest.raises(TypeError, match="sequence of names"):
        around.substitute("second", "logits")
    for layer, names in (("secnd", ("logits",)), ("second", ("logit",)), ("input", ("logit",))):
        with pytest.raises(ValueError, match="Did you mean"):
            around.substitute(layer, names)


def test_what_is_inside_a_nested_model_is_replaced_as_outside(linear):
    image = keras.Input((8, 6, 3))
    nested = Network(keras.Sequential([image, linear.model]))
    (inner,) = (name for name in nested.layers if name.endswith("/first"))
    top = linear.model.layers[-1].name
    own = recipes.attribution(linear, lambda T: T(top)[:, 0], "first", IMAGES)
    found = recipes.attribution(nested, lambda T: T(linear.model.name)[:, 0], inner, IMAGES)
    np.testing.assert_allclose(found, own, atol=1e-6)
    other = recipes.attribution(linear, lambda T: T(top)[:, 1], "first", IMAGES)
    assert np.abs(other - own).max() > 1e-3, "the control"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (dict(layer="frist"), "first"),
        (dict(path="straigt"), "path: expected one of 'straight', .*'straigt'"),
        (dict(path="straight", steps=0), "steps"),
        (dict(baseline=np.zeros(5)), "baseline"),
        (dict(obj="logits:3"), "0 to 2"),
        (dict(images=IMAGES[0]), "batch axis"),
        (dict(layer="input", images=IMAGES + 1), r"\[0, 1\]"),
        (dict(path="stochastic", seed=-1), "seed"),
    ],
)
def test_errors(linear, arguments, words):
    settings = dict(obj="logits:1", layer="first", images=IMAGES) | arguments
    with pytest.raises(ValueError, match=words):
        recipes.attribution(linear, **settings)


def test_spatial_errors(linear):
    with pytest.raises(ValueError, match="'logits'"):
        recipes.spatial_attribution(linear, "first", "logits", IMAGES[0])
    with pytest.raises(ValueError, match="batch_size"):
        recipes.spatial_attribution(linear, "first", "second", IMAGES[0], batch_size=0)
