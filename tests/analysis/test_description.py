"""What `describe` finds in a model, and whether it flags a wrong preprocessing and lets a right one pass."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import samplevis
from samplevis import Network, modelzoo
from samplevis.analysis import imagenet_colors, preprocessing_checks
from samplevis.analysis.description import dead_channels
from samplevis.analysis.preprocessing_checks import CANNOT_TELL, FITS, WRONG
from samplevis.analysis.preprocessing_notice import notify_inferred
from samplevis.modelzoo import squeezenet as squeezenet_module
from samplevis.network import preprocessing
from samplevis.runtime import seeds

layers = keras.layers
CAFFE = dict(value_range=(0, 255), bgr=True, mean=(104, 117, 123))


def verdicts(description):
    return {check.check: check.verdict for check in description.checks}


def model_of(*parts, size=16, name="some"):
    return keras.Sequential([keras.Input((size, size, 3)), *parts], name=name)


# The way of preparing images.


@settings(max_examples=20, deadline=None)
@given(
    low=st.floats(-200, 200),
    span=st.floats(0.5, 500),
    bgr=st.booleans(),
    mean=st.none() | st.lists(st.floats(-100, 100), min_size=3, max_size=3).map(tuple),
)
def test_the_declared_map_is_found_whatever_it_is(low, span, bgr, mean):
    way = preprocessing.Preprocessing("mine", (low, low + span), bgr, mean)
    network = Network(model_of(layers.Conv2D(1, 1)), value_range=way.value_range, bgr=bgr, mean=mean)
    np.testing.assert_allclose(preprocessing.declared(network), way.matrix(3), atol=1e-3)
    assert preprocessing.is_bgr(preprocessing.declared(network)) == bgr


def test_images_as_another_way_shows_them():
    network = Network(model_of(layers.Conv2D(1, 1)), **CAFFE)
    images = np.random.default_rng(0).uniform(size=(2, 4, 4, 3)).astype(np.float32)
    for way in preprocessing.candidates(3):
        turn, shift = preprocessing.in_terms_of(preprocessing.declared(network), way.matrix(3), 1.5)
        found = network.preprocess(images @ turn.numpy() + shift.numpy())
        other = Network(network.model, value_range=way.value_range, bgr=way.bgr, mean=way.mean)
        np.testing.assert_allclose(found, 1.5 * other.preprocess(images), atol=1e-3)


def test_ways_as_keras_knows_them():
    images = np.random.default_rng(0).uniform(0, 255, (1, 4, 4, 3))
    ways = {way.name: way.matrix(3) for way in preprocessing.candidates(3)}
    names = {"caffe": "(0, 255) less ImageNet's mean, BGR", "torch": "ImageNet's mean 0, deviation 1", "tf": "(-1, 1)"}
    for mode, name in names.items():
        expected = keras.applications.imagenet_utils.preprocess_input(images.copy(), mode=mode)
        found = images / 255 @ ways[name][:3] + ways[name][3]
        # One deviation for three channels: 1.4 % off.
        np.testing.assert_allclose(found, expected, atol=0.04)
    assert len(ways) == 10 and len(preprocessing.candidates(1)) == 3


# SqueezeNet has no batch normalization.


@pytest.fixture(scope="module")
def noise() -> tf.Tensor:
    source = samplevis.param.fourier(96, contrast=1.0)
    return source.image(source.prior(seeds.root(0), 8))


@pytest.mark.parametrize("order", [dict(bgr=False, mean=(123, 117, 104)), dict(bgr=False, mean=(104, 117, 123))])
def test_swapped_channels_of_squeezenet_are_flagged(squeezenet, noise, order):
    found = preprocessing_checks.colors(Network(squeezenet.model, value_range=(0, 255), **order), noise)
    assert found.verdict == WRONG and found.figures["declared"] < -3
    assert found.better.arguments == "value_range=(0, 255), bgr=True, mean=(103.939, 116.779, 123.68)"


@pytest.mark.parametrize("declared", [dict(), dict(value_range=(-1, 1), bgr=True)])
def test_a_wrong_range_of_squeezenet_is_flagged(squeezenet, noise, declared):
    found = preprocessing_checks.scale(Network(squeezenet.model, **declared), noise)
    assert found.verdict == WRONG and found.figures["declared"] < 0.25 and found.better.value_range == (0, 255)


def test_squeezenet_with_images_that_are_far_too_strong_is_flagged(squeezenet, noise):
    strong = Network(squeezenet.model, value_range=(0, 255e2), bgr=True, mean=(104e2, 117e2, 123e2))
    found = preprocessing_checks.scale(strong, noise)
    assert found.verdict == WRONG and "too strong" in found.text and found.better.value_range == (0, 255)


def test_the_right_squeezenet_passes(squeezenet):
    found = samplevis.describe(squeezenet, count=8)
    assert verdicts(found) == {"normalization": CANNOT_TELL, "scale": FITS, "colors": FITS}
    assert found.warnings == () and "No warnings." in str(found)
    assert found.parameters == 1_248_424 and found.output == "logits" and "fire9_pre_relu" in found.layers


def test_a_forgotten_mean_of_squeezenet_is_flagged(squeezenet, noise):
    found = preprocessing_checks.colors(Network(squeezenet.model, value_range=(0, 255), bgr=True), noise)
    assert found.verdict == WRONG and 2 < found.figures["declared"] < 5 and "Class by class" in found.text
    assert found.better.arguments == "value_range=(0, 255), bgr=True, mean=(103.939, 116.779, 123.68)"


def made_for(squeezenet: Network, way: preprocessing.Preprocessing) -> keras.Model:
    """SqueezeNet with its first layer, which is linear and has no padding, turned for images that are prepared another way."""
    model = squeezenet_module.architecture()
    model.set_weights(squeezenet.model.get_weights())
    kernel, bias = model.get_layer("conv1_pre_relu").get_weights()
    old, new = preprocessing.declared(squeezenet), way.matrix(3)
    turn = np.linalg.inv(new[:-1]) @ old[:-1]
    shift = old[-1] - new[-1] @ turn
    moved = [np.einsum("ij,hwjo->hwio", turn, kernel), bias + np.einsum("j,hwjo->o", shift, kernel)]
    model.get_layer("conv1_pre_relu").set_weights(moved)
    return model


def test_the_turned_squeezenet_is_the_same(squeezenet):
    images = np.random.default_rng(0).uniform(size=(2, 32, 32, 3)).astype(np.float32)
    expected = squeezenet.activations(images, "logits")["logits"]
    for way in preprocessing.MODES.values():
        found = Network(made_for(squeezenet, way), **way.options).activations(images, "logits")["logits"]
        np.testing.assert_allclose(found, expected, atol=2e-3 * np.abs(expected).max())


SEEDS = range(3)


@pytest.mark.long
@pytest.mark.parametrize(
    "declared",
    [
        dict(),
        dict(bgr=True),
        dict(value_range=(-1, 1)),
        dict(value_range=(0, 255)),
        dict(value_range=(0, 255), bgr=True),
        dict(value_range=(0, 255), mean=(123, 117, 104)),
        preprocessing.MODES["torch"].options,
    ],
    ids=["0-1", "0-1 BGR", "-1-1", "0-255 RGB", "mean forgotten", "channels swapped", "torch"],
)
def test_every_wrong_way_of_squeezenet_is_flagged(squeezenet, declared):
    for seed in SEEDS:
        found = samplevis.describe(Network(squeezenet.model, **declared), seed=seed)
        print(seed, {one.check: one.text for one in found.checks if one.verdict == WRONG})
        assert found.warnings, seed


@pytest.mark.long
@pytest.mark.parametrize("mode", preprocessing.MODES)
def test_the_right_way_is_never_flagged(squeezenet, mode):
    """One network made for each of the field's ways. Those of the other order are flagged, as a control."""
    way = preprocessing.MODES[mode]
    model = made_for(squeezenet, way)
    swapped = preprocessing._reversed(way)
    for seed in SEEDS:
        found = samplevis.describe(Network(model, **way.options, name="mine"), seed=seed)
        print(mode, seed, {one.check: (one.verdict, one.text) for one in found.checks})
        assert found.warnings == (), seed
    assert samplevis.describe(Network(model, **swapped.options, name="mine")).warnings


def test_classes_by_name_and_by_number(squeezenet):
    by_number = list(imagenet_colors.ORANGE), list(imagenet_colors.BLUE)
    assert preprocessing_checks.imagenet_classes(Network(squeezenet.model)) == by_number
    assert preprocessing_checks.imagenet_classes(Network(squeezenet.model, labels=squeezenet.labels)) == by_number
    shuffled = squeezenet.labels[::-1]
    assert preprocessing_checks.imagenet_classes(Network(squeezenet.model, labels=shuffled))[0] == [
        999 - i for i in imagenet_colors.ORANGE
    ]
    other = [f"thing {i}" for i in range(1000)]
    assert preprocessing_checks.imagenet_classes(Network(squeezenet.model, labels=other)) == ([], [])
    background = Network(model_of(layers.Flatten(), layers.Dense(1001)))
    assert preprocessing_checks.imagenet_classes(background)[0] == [i + 1 for i in imagenet_colors.ORANGE]

    def fetch():
        raise AssertionError("labels were fetched")

    assert preprocessing_checks.imagenet_classes(Network(squeezenet.model, labels=fetch)) == by_number


# Batch normalization remembers.


def test_the_bundled_network_passes_and_a_wrong_range_does_not():
    shapes = modelzoo.Shapes()
    assert verdicts(samplevis.describe(shapes, count=8, image_size=(48, 48)))["normalization"] == FITS
    for wrong in ((-1, 1), (0, 255)):
        found = samplevis.describe(Network(shapes.model, value_range=wrong), count=8, image_size=(48, 48))
        assert verdicts(found)["normalization"] == WRONG
        assert found.checks[0].better.name == "(0, 1)" and "value_range=(0, 1)" in found.warnings[0]
        assert found.checks[0].figures["(0, 1)"] < 0.2 < found.checks[0].figures["declared"]


def test_the_figure_is_the_divergence_of_two_gaussians():
    norm = layers.BatchNormalization(name="norm", epsilon=0.0)
    network = Network(model_of(norm))
    norm.set_weights(list(np.array([[2.0, -1.0, 3.0], [0.5, 0.0, 1.0], [0.3, 0.5, 0.6], [0.04, 0.09, 0.01]])))
    images = np.random.default_rng(0).uniform(size=(4, 16, 16, 3)).astype(np.float32)
    pixels = images.reshape(-1, 3).astype(np.float64)
    mean, deviation = pixels.mean(0), pixels.std(0)
    old = np.sqrt([0.04, 0.09, 0.01])
    expected = np.log(old / deviation) + (deviation**2 + (mean - [0.3, 0.5, 0.6]) ** 2) / (2 * old**2) - 0.5
    found = preprocessing_checks.normalization(network, tf.constant(images))
    np.testing.assert_allclose(found.figures["declared"], expected.mean(), rtol=1e-4)


# Nobody can tell.


@pytest.mark.parametrize(
    "build",
    [
        lambda: model_of(layers.Conv2D(8, 3, activation="relu"), layers.Flatten(), layers.Dense(5)),
        lambda: model_of(layers.Conv2D(8, 3), layers.BatchNormalization(), layers.Flatten(), layers.Dense(5)),
        lambda: model_of(layers.Conv2D(8, 3), layers.LayerNormalization(), layers.Flatten(), layers.Dense(1000)),
    ],
)
@pytest.mark.parametrize("declared", [dict(value_range=(0, 1)), dict(value_range=(0, 255))])
def test_untrained_networks_are_not_flagged(build, declared):
    keras.utils.set_random_seed(1)
    nobody_can_tell(samplevis.describe(Network(build(), **declared), count=4))


def nobody_can_tell(found):
    assert set(verdicts(found).values()) == {CANNOT_TELL} and found.warnings == ()
    assert "cannot be told" in str(found)


@pytest.mark.slow
def test_untrained_networks_of_the_field_are_not_flagged():
    keras.utils.set_random_seed(2)
    nobody_can_tell(samplevis.describe(modelzoo.SqueezeNet(None), count=2, image_size=(32, 32)))
    mobile = keras.applications.MobileNet((32, 32, 3), alpha=0.25, weights=None, name="mine")
    nobody_can_tell(samplevis.describe(Network(mobile, value_range=(0, 1)), count=2))


def test_an_assumption_is_a_warning_where_a_run_warns():
    """Also of a SavedModel or a function: what `render` would warn of, `describe` says, in the same words."""
    model = model_of(layers.Conv2D(8, 3, activation="relu"), layers.Flatten(), layers.Dense(5))
    for network in (Network(model), Network(lambda images: model(images), image_shape=(16, 16, 3))):
        found = samplevis.describe(network, count=2)
        with pytest.warns(UserWarning) as caught:
            notify_inferred(network, progress=False)
        assert found.warnings == (str(caught[0].message),) and "an assumption" in found.warnings[0]
    assert samplevis.describe(Network(model, value_range=(0, 1)), count=2).warnings == ()


def test_squashing_networks_are_not_taken_for_faint():
    """They answer less to a larger input than to a smaller one, though no bias is in the way."""
    keras.utils.set_random_seed(0)
    model = model_of(layers.Conv2D(8, 3, activation="tanh"), layers.Flatten(), layers.Dense(5))
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([30 * kernel, bias + 0.1])
    for declared in ((0, 1), (0, 255)):
        found = samplevis.describe(Network(model, value_range=declared), count=4)
        assert verdicts(found)["scale"] == CANNOT_TELL


def test_faint_images_are_flagged():
    """A control for the one above: rectifiers behind biases that expect bytes."""
    keras.utils.set_random_seed(0)
    model = model_of(layers.Conv2D(8, 3, activation="relu"), layers.Flatten(), layers.Dense(5))
    (kernel, bias), (last, _) = (model.layers[i].get_weights() for i in (0, 2))
    model.layers[0].set_weights([kernel, bias + 20])
    model.layers[2].set_weights([last / 10, np.zeros(5)])
    assert verdicts(samplevis.describe(Network(model), count=4))["scale"] == WRONG
    assert verdicts(samplevis.describe(Network(model, value_range=(0, 255)), count=4))["scale"] == FITS


# What the model itself says.


@pytest.mark.parametrize(
    ("first", "right"),
    [
        (lambda: layers.Rescaling(1 / 255), (0, 255)),
        (lambda: layers.Rescaling(1 / 127.5, offset=-1), (0, 255)),
        (lambda: layers.Rescaling(2.0, offset=-1), (0, 1)),
        (lambda: layers.Normalization(mean=[123.0, 117.0, 104.0], variance=[3364.0] * 3), (0, 255)),
        (lambda: layers.Rescaling(255.0), (0, 1)),
    ],
)
def test_rescaling_layers(first, right):
    model = model_of(first(), layers.Conv2D(4, 3), layers.Rescaling(7.0, name="later"))
    found = samplevis.describe(Network(model, value_range=right), count=2)
    assert "begins with" in found.found[0] and type(first()).__name__ in found.found[0]
    assert "'later'" not in found.found[0] and found.warnings == ()
    wrong = (0, 255) if right == (0, 1) else (0, 1)
    found = samplevis.describe(Network(model, value_range=wrong), count=2)
    assert "span" in found.warnings[0]
    if right == (0, 255):
        assert "value_range=(0, 255)" in found.warnings[0] and "too little" in found.warnings[0]


@pytest.mark.slow
def test_keras_applications():
    model = keras.applications.MobileNet((32, 32, 3), alpha=0.25, weights=None, include_top=False)
    found = samplevis.describe(Network(model, value_range=(0, 1)), count=2)
    assert "(-1, 1)" in found.found[0] and "value_range=(-1, 1)" in found.warnings[0]
    inferred = samplevis.describe(model, count=2)
    assert inferred.warnings == () and inferred.declared.startswith("inferred: black is -1, white is 1 (")
    assert samplevis.describe(Network(model, value_range=(-1, 1)), count=2).warnings == ()


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("vgg16", CAFFE | dict(mean=(103.939, 116.779, 123.68))),
        ("resnet50", CAFFE | dict(mean=(103.939, 116.779, 123.68))),
        ("resnet50v2", dict(value_range=(-1, 1))),
        ("densenet121", dict(value_range=(0, 4.42), mean=(2.146, 2.018, 1.796))),
        ("MobileNetV3Small", dict(value_range=(-1, 1))),
        ("efficientnetb0", dict(value_range=(0, 255))),
    ],
)
def test_what_a_name_says(name, right):
    first = [layers.Rescaling(1 / 255)] if name == "efficientnetb0" else []
    model = model_of(*first, layers.Conv2D(4, 3), name=name)
    assert samplevis.describe(Network(model, **right), count=2).warnings == ()
    # A wrong way beside each right one.
    warnings = samplevis.describe(Network(model, value_range=(0, 1)), count=2).warnings
    assert any("The name says" in warning for warning in warnings)


@pytest.mark.parametrize("name", ["DenseNet121", "VGG16_torchvision"])
def test_a_layer_that_normalises_does_what_the_name_says(name):
    model = model_of(layers.Normalization(mean=[0.5] * 3, variance=[0.05] * 3), layers.Conv2D(4, 3), name=name)
    assert samplevis.describe(model, count=2).warnings == ()
    found = samplevis.describe(Network(model, value_range=(0, 255)), count=2)
    assert any("The name says" in warning for warning in found.warnings) == (name == "DenseNet121")


def test_imagenets_mean_in_the_wrong_order():
    model = model_of(layers.Conv2D(4, 3))
    for declared, wrong in (
        (CAFFE, False),
        (CAFFE | dict(bgr=False), True),
        (CAFFE | dict(mean=(123, 117, 104)), True),
        (dict(value_range=(0, 1), mean=(0.485, 0.456, 0.406)), False),
        (dict(value_range=(0, 1), mean=(0.406, 0.456, 0.485)), True),
        (dict(mean=0.5), False),
    ):
        found = samplevis.describe(Network(model, **declared), count=2)
        assert any("other order" in warning for warning in found.warnings) == wrong


# Dead channels, images, arguments.


def test_dead_channels():
    model = model_of(layers.Conv2D(3, 1, name="conv"), layers.ReLU(name="relu"), layers.Conv2D(2, 1, activation="relu"))
    model.layers[0].set_weights([np.eye(3).reshape(1, 1, 3, 3), np.array([0.0, -2.0, 0.0])])
    model.layers[2].set_weights([np.ones((1, 1, 3, 2)), np.zeros(2)])
    images = np.random.default_rng(0).uniform(0.1, 1, (11, 16, 16, 3)).astype(np.float32)
    found = dead_channels(model, images)
    assert list(found) == ["relu"]
    channels, count = found["relu"]
    assert channels.tolist() == [1] and count == 3
    assert "1 of 3 in relu" in str(samplevis.describe(model, images))
    # One image that wakes it.
    model.layers[0].set_weights([np.eye(3).reshape(1, 1, 3, 3), np.array([0.0, -0.95, 0.0])])
    images[-1, 0, 0, 1] = 1.0
    assert dead_channels(model, images) == {}


def test_given_images(tmp_path, tiny_network):
    images = np.random.default_rng(0).uniform(size=(5, 12, 12, 3)).astype(np.float32)
    assert "4 given images, 12 x 12" in samplevis.describe(tiny_network, images, count=4).judged_on
    for n, image in enumerate(images):
        samplevis.export.save_image(image, tmp_path / f"{n}.png")
    assert "5 given images, 8 x 8" in samplevis.describe(tiny_network, tmp_path, image_size=(8, 8)).judged_on


def test_bad_arguments(tiny_network):
    with pytest.raises(ValueError, match="count: expected a whole number >= 2. Received: 1"):
        samplevis.describe(tiny_network, count=1)
    with pytest.raises(ValueError, match="images: expected at least two"):
        samplevis.describe(tiny_network, np.zeros((1, 8, 8, 3), np.float32))
    with pytest.raises(ValueError, match="values in \\[0, 1\\]"):
        samplevis.describe(tiny_network, np.full((2, 8, 8, 3), 2.0, np.float32))
    with pytest.raises(TypeError, match="model"):
        samplevis.describe("SqueezeNet")


def test_a_description_is_the_same_twice(tiny_network):
    one, two = (samplevis.describe(tiny_network, count=3) for _ in range(2))
    assert str(one) == str(two) and dataclasses.asdict(one).keys() == dataclasses.asdict(two).keys()


def test_a_function_is_described_by_its_graph():
    """What is no Keras model has constants in place of variables, and operations in place of Keras layers."""
    kernel = tf.constant(np.random.default_rng(0).normal(size=(3, 3, 3, 8)), tf.float32)
    network = samplevis.Network(lambda images: tf.nn.relu(tf.nn.conv2d(images, kernel, 1, "SAME")), name="edges")
    found = samplevis.describe(network, image_size=(16, 16))
    assert found.parameters == kernel.numpy().size
    assert "edges: 216 parameters" in str(found) and "Relu" in str(found)


def test_the_classes_of_a_frozen_graph_tell_its_colours():
    """Classes that are named for orange things go by red, those for blue things by blue."""
    kernel = np.random.default_rng(0).normal(size=(3, 1000)).astype(np.float32)
    kernel[:, list(imagenet_colors.ORANGE)] += np.array([[9.0], [0.0], [-9.0]])
    kernel[:, list(imagenet_colors.BLUE)] -= np.array([[9.0], [0.0], [-9.0]])
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], name="image")
        logits = tf.matmul(tf.reduce_mean(image, (1, 2)), kernel, name="logits")
        plain = graph.as_graph_def()
        tf.nn.softmax(logits, name="softmax")
    right = samplevis.describe(Network(plain), image_size=(16, 16), count=4)
    assert right.output == "logits" and verdicts(right)["colors"] == FITS
    wrong = samplevis.describe(Network(plain, bgr=True), image_size=(16, 16), count=4)
    assert verdicts(wrong)["colors"] == WRONG and not wrong.checks[2].better.bgr
    # Logarithms of probabilities are logits less what is the same for all classes, unless they are too small for a float.
    squashed = samplevis.describe(Network(graph.as_graph_def()), image_size=(16, 16), count=4)
    assert squashed.output == "softmax"
    for way in ("declared", "(0, 1), BGR"):
        assert squashed.checks[2].figures[way] == pytest.approx(right.checks[2].figures[way], rel=1e-3)


def test_welch_is_scipys():
    stats = pytest.importorskip("scipy.stats")
    a, b = np.random.default_rng(0).normal(size=9), np.random.default_rng(1).normal(1, 3, 14)
    assert np.isclose(preprocessing_checks.welch(a, b), stats.ttest_ind(a, b, equal_var=False).statistic)
    assert preprocessing_checks.welch(np.ones(3), np.ones(4)) == 0
