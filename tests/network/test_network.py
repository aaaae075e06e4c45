"""Network: preprocessing, cutting and errors."""

from __future__ import annotations

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

from samplevis import Network, param
from samplevis.objectives import as_objective


def identity(channels=3, size=(None, None)):
    image = keras.Input((*size, channels), name="image")
    return keras.Model(image, keras.layers.Activation("linear", name="out")(image))


def test_preprocessing_is_the_stated_formula(images):
    mean = (1.0, 2.0, 3.0)
    network = Network(identity(), value_range=(-1, 3), bgr=True, mean=mean)
    expected = (-1 + 4 * images)[..., ::-1] - np.array(mean)
    np.testing.assert_allclose(network.activations(images, "out")["out"], expected, atol=1e-6)


def test_default_preprocessing_is_none(images):
    np.testing.assert_array_equal(Network(identity()).activations(images, "out")["out"], images)


def test_activations_are_the_models_own(tiny_network, images):
    found = tiny_network.activations(images, ("conv1", "logits"))
    np.testing.assert_allclose(found["logits"], tiny_network.model(images), atol=1e-6)
    np.testing.assert_allclose(found["conv1"], tiny_network.model.get_layer("conv1")(images), atol=1e-6)


def test_cut_ends_at_the_deepest_layer_and_is_cached(tiny_network, images):
    run = tiny_network.cut(("conv1",))
    assert run is tiny_network.cut(("conv1",))
    graph = tf.function(run, autograph=False).get_concrete_function(tf.constant(images)).graph
    assert not any("MatMul" in op.type for op in graph.get_operations())
    whole = tf.function(tiny_network.cut(("logits",)), autograph=False).get_concrete_function(tf.constant(images)).graph
    assert any("MatMul" in op.type for op in whole.get_operations()), "the control must find it"


@pytest.fixture
def autograph_warnings():
    """What TensorFlow logs in the test."""
    found, handler = [], logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage())
    tf.get_logger().addHandler(handler)
    yield found
    tf.get_logger().removeHandler(handler)


def test_autograph_can_convert_what_a_function_of_the_user_calls(images, autograph_warnings):
    image = keras.Input((16, 12, 3))
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Conv2D(2, 3, name="conv")(image))
    network = Network(keras.Model(image, keras.layers.ReLU(name="out")(x)), value_range=(0, 1))

    @tf.function
    def layers(batch):
        rewritten = network.prepared.cut(("out",))(batch)["out"]
        return network.cut(("out", "norm:0"))(batch)["out"] + network(batch, "conv")["conv"] + rewritten

    layers(tf.constant(images))
    flow = param.flow(lambda x, time: -x, (2, 2, 1), 2, decode=lambda x: x / 2)
    tf.function(flow.image)(tf.zeros((1, 2, 2, 1)))
    assert not autograph_warnings

    def assigned(x):
        return y if (y := x + 1) is not None else x

    tf.function(lambda x: assigned(x))(tf.constant(1.0))
    assert "AutoGraph could not transform" in autograph_warnings[0], "the control must be told"


def test_sequential_and_nested_models(images):
    inner = keras.Sequential([keras.Input((16, 12, 3)), keras.layers.Conv2D(2, 3, name="conv")], name="inner")
    network = Network(keras.Sequential([keras.Input((16, 12, 3)), inner, keras.layers.Flatten(name="flat")]))
    assert network.layers["inner/conv"] == (14, 10, 2)
    np.testing.assert_allclose(network.activations(images, "inner/conv")["inner/conv"], inner(images), atol=1e-6)


def test_layer_shapes_follow_the_image_size(tiny_network):
    assert tiny_network.layers["conv2"] == (None, None, 5)
    assert tiny_network.layer_shape("conv2", (16, 20)) == (8, 10, 5)


def test_dropout_is_off(images):
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Dropout(0.9, name="drop")])
    np.testing.assert_array_equal(Network(model).activations(images, "drop")["drop"], images)


def test_errors(tiny_network, images):
    with pytest.raises(ValueError, match="conv1") as error:
        tiny_network.cut(("conv11",))
    assert "(?, ?, 4)" in str(error.value) or "4" in str(error.value)
    bad = identity()
    with pytest.raises(TypeError, match="model"):
        Network("SqueezeNet")
    with pytest.raises(ValueError, match="value_range"):
        Network(bad, value_range=(1, 0))
    with pytest.raises(ValueError, match="mean"):
        Network(bad, mean=(1, 2))
    with pytest.raises(ValueError, match="bgr"):
        Network(identity(1), bgr=True)
    for wrong in (images[..., :2], images + 1, images * np.nan, images[0]):
        with pytest.raises(ValueError, match="images"):
            tiny_network.activations(wrong, "conv1")
    with pytest.raises(ValueError, match="takes images of"):
        Network(identity(size=(8, 8))).check_size((16, 16))


def test_an_unknown_layer_lists_the_nearest_five_with_shapes(tiny_network):
    image = keras.Input((None, None, 3))
    x = image
    for number in range(8):
        x = keras.layers.Conv2D(2, 1, name=f"block{number}_conv")(x)
    network = Network(keras.Model(image, x))
    with pytest.raises(ValueError) as error:
        network.check_layer("block3_convolution")
    found = str(error.value).split("Did you mean ")[1].split("? All 8")[0].split("), ")
    assert len(found) == 5 and found[0] == "'block3_conv' (None, None, 2"
    with pytest.raises(ValueError, match="0 to 3 for layer 'conv1'"):
        as_objective("conv1:4").resolve(tiny_network)


def test_the_end_of_several_names_asks_which(images):
    image = keras.Input((None, None, 3))
    towers = [
        keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(n, 1, name="conv")], name=f"tower{n}")
        for n in (1, 2)
    ]
    network = Network(keras.Model(image, keras.layers.Concatenate(name="all")([tower(image) for tower in towers])))
    with pytest.raises(
        ValueError, match="2 layers that end in 'conv': 'tower1/conv' .*'tower2/conv' .*Give the whole name"
    ):
        network.check_layer("conv")
    with pytest.raises(ValueError, match="Did you mean 'tower1/conv'"):
        network.check_layer("tower1conv")


@pytest.fixture(scope="module")
def rectified() -> Network:
    """Activation functions as arguments, layers and operations, inside a nested model and before a concatenation."""
    # Keras numbers the names of operations: the first ReLU is "relu", wherever this test runs.
    keras.utils.clear_session()
    keras.utils.set_random_seed(2)
    layers = keras.layers
    image = keras.Input((12, 12, 3), name="image")
    x = layers.Conv2D(4, 3, activation="relu", name="argument")(image)
    inner = keras.Sequential(
        [keras.Input((10, 10, 4)), layers.Conv2D(4, 1, activation="gelu", name="conv")], name="inner"
    )
    x = layers.Activation("relu", name="activation")(layers.Conv2D(4, 1, name="plain")(inner(x)))
    last = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = layers.ReLU(6.0, name="layer")(last)
    x = keras.ops.relu(x - 0.01)
    towers = [layers.Conv2D(n, 1, activation=kind, name=f"tower{n}")(x) for n, kind in ((2, "relu"), (3, "silu"))]
    mixed = layers.Concatenate(name="mixed")(towers)
    other = layers.Concatenate(name="other")([mixed, last])
    x = layers.Dense(5, activation="softmax", name="classes")(layers.GlobalAveragePooling2D(name="mean")(other))
    return Network(keras.Model(image, x))


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        ("argument", keras.ops.relu),
        ("inner/conv", lambda x: keras.ops.gelu(x, approximate=False)),
        ("activation", keras.ops.relu),
        ("layer", keras.ops.relu6),
        ("relu", keras.ops.relu),
        ("tower3", keras.ops.silu),
        ("mixed", lambda x: keras.ops.concatenate([keras.ops.relu(x[..., :2]), keras.ops.silu(x[..., 2:])], -1)),
        ("classes", keras.ops.softmax),
    ],
)
def test_values_before_an_activation_function(rectified, images, layer, function):
    images, pre = images[:, 2:14], f"{layer}/pre"
    found = rectified.activations(images, [layer, pre])
    np.testing.assert_allclose(function(found[pre]), found[layer], atol=1e-6)
    assert np.abs(found[pre] - found[layer]).max() > 1e-3, "the control"
    assert rectified.layer_shape(pre) == found[pre].shape[1:]
    x = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(x)
        score = tf.reduce_sum(rectified.cut((pre,))(x)[pre])
    assert np.abs(tape.gradient(score, x)).max() > 0
    # On the same weights: the layer itself is left as it was.
    np.testing.assert_array_equal(rectified.activations(images, layer)[layer], found[layer])


def test_who_has_values_before_an_activation_function(rectified):
    marked = [line.split()[0] for line in rectified.layer_table().splitlines() if line.endswith("/pre")]
    own = ["argument", "inner/conv", "activation", "layer", "relu", "tower2", "tower3", "mixed", "classes"]
    assert sorted(marked) == sorted(own)
    rectified.check_layer("argument_pre_relu")
    for layer in ("plain/pre", "other/pre", "mean_pre_relu"):
        with pytest.raises(ValueError, match="has no activation function of its own"):
            rectified.check_layer(layer)
    with pytest.raises(ValueError, match="'argument/pre', values before an activation function, cannot be replaced"):
        rectified.substitute("argument/pre", ["classes"])


def test_aliases(rectified, images):
    network = Network(rectified.model, aliases={"mixed4a": "mixed", "logits": "classes/pre"})
    images = images[:, 2:14]
    found = network.activations(images, ["mixed4a", "mixed4a/pre", "logits"])
    np.testing.assert_array_equal(found["mixed4a"], network.activations(images, "mixed")["mixed"])
    np.testing.assert_array_equal(found["mixed4a/pre"], network.activations(images, "mixed/pre")["mixed/pre"])
    np.testing.assert_allclose(
        keras.ops.softmax(found["logits"]), network.activations(images, "classes")["classes"], atol=1e-6
    )
    assert as_objective("mixed4a:1 + logits:2").resolve(network).layers == ("mixed4a", "logits")
    for aliases, words in (
        ({"mixed": "plain"}, "'mixed' is the name"),
        ({"input": "mixed"}, "'input'"),
        ({"a": "b"}, "no layer 'b'"),
    ):
        with pytest.raises(ValueError, match=words):
            Network(rectified.model, aliases=aliases)


def test_weights_that_are_not_finite_are_named():
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3, name="conv")])
    model.layers[0].set_weights([np.zeros((3, 3, 3, 2)), np.array([0, np.inf])])
    with pytest.raises(ValueError, match="conv"):
        Network(model)


def test_substituted_activations_may_be_of_any_float(tiny_network, images):
    values = tiny_network.activations(images, ["conv1", "conv2"])
    run = tiny_network.substitute("conv1", ["conv1", "conv2"])
    found = run(images, values["conv1"].numpy().astype(np.float64))
    assert {value.dtype for value in found.values()} == {tf.float32}
    np.testing.assert_allclose(found["conv2"], values["conv2"], atol=1e-6)


def score_of(values):
    return tf.reduce_mean(values["conv2"][..., 1])


def test_a_network_is_called_on_arrays_and_tensors_alike(tiny_network, images):
    expected = tiny_network.cut(("conv1", "conv2"))(tf.constant(images))
    for same in (images, images.tolist(), images.astype(np.float64), tf.constant(images), tf.Variable(images)):
        found = tiny_network(same, ["conv1", "conv2"])
        assert list(found) == ["conv1", "conv2"]
        for layer, values in expected.items():
            np.testing.assert_array_equal(found[layer], values)
    np.testing.assert_array_equal(tiny_network(images, "conv2")["conv2"], expected["conv2"])
    np.testing.assert_array_equal(tiny_network.activations(images, "conv2")["conv2"], expected["conv2"])
    assert tiny_network(images, ()) == {}


@pytest.mark.parametrize("shape", [(4, 16, 12, 3), (None, None, None, 3)])
@pytest.mark.parametrize("method", ["__call__", "activations"])
def test_a_network_is_called_inside_a_function(tiny_network, images, method, shape):
    signature = [tf.TensorSpec(shape, tf.float32)]
    traced = tf.function(lambda x: getattr(tiny_network, method)(x, ["conv2"]), input_signature=signature)
    expected = tiny_network.cut(["conv2"])(tf.constant(images))["conv2"]
    np.testing.assert_allclose(traced(images)["conv2"], expected, atol=1e-6)
    # No value is known while it is traced, so that none is checked.
    assert np.isfinite(traced(images + 1)["conv2"]).all()


def test_gradients_flow_through_a_call(tiny_network, images):
    def gradient(run):
        x = tf.constant(images)
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = score_of(run(x))
        return tape.gradient(score, x)

    expected = gradient(tiny_network.cut(("conv2",)))
    assert np.abs(expected).max() > 1e-4
    np.testing.assert_array_equal(gradient(lambda x: tiny_network(x, "conv2")), expected)
    inside = tf.function(lambda x: tf.gradients(score_of(tiny_network(x, "conv2")), x)[0])
    np.testing.assert_allclose(inside(tf.constant(images)), expected, atol=1e-6)
    variable = tf.Variable(images)
    with tf.GradientTape() as tape:
        score = score_of(tiny_network(variable, "conv2"))
    np.testing.assert_array_equal(tape.gradient(score, variable), expected)


@pytest.mark.parametrize("kind", [np.asarray, tf.constant])
def test_a_call_refuses_what_the_network_cannot_take(tiny_network, images, kind):
    for wrong, words in (
        (images[..., :2], r"images: 'tiny' takes \[batch, height, width, 3\]. Received shape: \(4, 16, 12, 2\)"),
        (images[0], r"Received shape: \(16, 12, 3\) \(add a batch axis: images\[None\]\)"),
        (images[:0], r"Received shape: \(0, 16, 12, 3\)"),
        (np.uint8(255 * images), r"images: expected floats in \[0, 1\] \(divide bytes by 255\). Received: uint8"),
        (images * np.nan, "images: expected finite values. Received NaN or infinity."),
        (np.zeros((1, 8, 8, 3), np.float32) - 2, r"images: expected values in \[0, 1\]. Received: \[-2, -2\]"),
    ):
        for method in (tiny_network, tiny_network.activations):
            with pytest.raises(ValueError, match=words):
                method(kind(wrong), "conv1")
    with pytest.raises(ValueError, match="image_size: .* takes images of .8, 8"):
        Network(identity(size=(8, 8)))(kind(images), "out")
    with pytest.raises(ValueError, match="no layer 'conv3'. Did you mean 'conv"):
        tiny_network(kind(images), ["conv1", "conv3"])


def test_a_traced_call_checks_what_is_known_of_the_shape(tiny_network):
    def trace(network, shape, dtype=tf.float32):
        tf.function(lambda x: network(x, "out")).get_concrete_function(tf.TensorSpec(shape, dtype))

    network = Network(identity(size=(8, 8)))
    trace(network, (None, None, 8, 3))
    for shape in ((None, 9, 8, 3), (None, 8, 8, 2), (8, 8, 3), (None, None, None, None), None):
        with pytest.raises(ValueError, match="takes"):
            trace(network, shape)
    with pytest.raises(ValueError, match="divide bytes by 255"):
        trace(network, (1, 8, 8, 3), tf.uint8)
