"""Network: preprocessing, cutting and errors."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from samplevis import Network


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


def test_cut_ends_at_the_deepest_layer_and_is_kept(tiny_network, images):
    run = tiny_network.cut(("conv1",))
    assert run is tiny_network.cut(("conv1",))
    graph = tf.function(run, autograph=False).get_concrete_function(tf.constant(images)).graph
    assert not any("MatMul" in op.type for op in graph.get_operations())
    whole = tf.function(tiny_network.cut(("logits",)), autograph=False).get_concrete_function(tf.constant(images)).graph
    assert any("MatMul" in op.type for op in whole.get_operations()), "the control must find it"


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


def test_weights_that_are_not_finite_are_named():
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3, name="conv")])
    model.layers[0].set_weights([np.zeros((3, 3, 3, 2)), np.array([0, np.inf])])
    with pytest.raises(ValueError, match="conv"):
        Network(model)


def test_given_activations_may_be_of_any_float(tiny_network, images):
    values = tiny_network.activations(images, ["conv1", "conv2"])
    run = tiny_network.substitute("conv1", ["conv1", "conv2"])
    found = run(images, values["conv1"].numpy().astype(np.float64))
    assert {value.dtype for value in found.values()} == {tf.float32}
    np.testing.assert_allclose(found["conv2"], values["conv2"], atol=1e-6)
