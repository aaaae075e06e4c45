"""What a model does to its images in front of the first weights, read from models of every kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import samplevis
from samplevis import Network
from samplevis.network.inference import at_weights

SHAPE = (16, 16, 3)
rng = np.random.default_rng(0)
KERNELS = [rng.normal(size=(3, 3, 3, 4)) / 5, rng.normal(size=(3, 3, 4, 4)) / 6, rng.normal(size=(4, 3))]
BIASES = [rng.normal(size=4), rng.normal(size=4), rng.normal(size=3)]
# (scale, offset) of a rescaling in front -> the range that it expects.
RESCALINGS = {
    (1 / 255, 0.0): (0, 255),
    (1 / 127.5, -1.0): (0, 255),
    (1.0, -117.0): (0, 255),
    (2.0, -1.0): (0, 1),
    (0.5, 0.5): (-1, 1),
}


def parts(library: Any, scaling: tuple[float, float] | None) -> list[Any]:
    """The layers of the one network that all kinds of model hold, in Keras 3 or 2."""
    layers = library.layers
    first = [] if scaling is None else [layers.Rescaling(scaling[0], offset=scaling[1])]
    body = [layers.Conv2D(4, 3, activation="relu"), layers.Conv2D(4, 3, activation="relu")]
    return [*first, *body, layers.GlobalAveragePooling2D(), layers.Dense(3)]


def with_weights(model: Any) -> Any:
    model(np.zeros((1, *SHAPE), np.float32))
    pairs = zip(KERNELS, BIASES, strict=True)
    model.set_weights([array for pair in pairs for array in pair])
    return model


def start(library: Any, shape: tuple[int, ...] = SHAPE) -> Any:
    return keras.Input(shape) if library is keras else tf_keras.layers.InputLayer(shape)


def sequential(scaling: tuple[float, float] | None, library: Any = keras) -> Any:
    return with_weights(library.Sequential([start(library), *parts(library, scaling)]))


def nested(scaling: tuple[float, float] | None, library: Any = keras, trainable: bool = True) -> Any:
    """The tutorial of transfer learning: a base, frozen or not, under a new head."""
    *base, pool, dense = parts(library, scaling)
    inside = library.Sequential([start(library), *base], name="base")
    model = with_weights(library.Sequential([start(library), inside, pool, dense]))
    inside.trainable = trainable
    return model


def frozen(scaling: tuple[float, float] | None, library: Any = keras) -> Any:
    model = sequential(scaling, library)
    model.trainable = False
    return model


def renamed(scaling: tuple[float, float] | None) -> keras.Model:
    """Names that would tell of other images, and parts that look like ordinary layers of a network."""
    layers = parts(keras, scaling)
    for number, layer in enumerate(layers):
        layer.name = f"vgg16_{number}"
    return with_weights(keras.Sequential([keras.Input(SHAPE), *layers], name="vgg_like"))


def arithmetic(scaling: tuple[float, float] | None) -> keras.Model:
    """The rescaling written as arithmetic, behind augmentation that does nothing at inference."""
    image = x = keras.Input(SHAPE)
    x = keras.layers.RandomFlip("horizontal")(x)
    if scaling is not None:
        x = keras.layers.Lambda(lambda x: x * scaling[0] + scaling[1])(x)
    for layer in parts(keras, None):
        x = layer(x)
    return with_weights(keras.Model(image, x))


class Subclassed(keras.Model):
    def __init__(self, scaling: tuple[float, float] | None):
        super().__init__()
        self.parts = parts(keras, scaling)

    def call(self, x: Any) -> Any:
        for part in self.parts:
            x = part(x)
        return x


class Block(keras.layers.Layer):
    """A layer of a functional model with the rescaling and the first convolution inside."""

    def __init__(self, scaling: tuple[float, float] | None):
        super().__init__()
        self.inside = Subclassed(scaling)

    def call(self, x: Any) -> Any:
        return self.inside(x)


def composite(scaling: tuple[float, float] | None) -> keras.Model:
    return with_weights(keras.Sequential([keras.Input(SHAPE), Block(scaling)]))


def saved(model: Any, folder: Any) -> Any:
    path = str(folder / "saved")
    model.export(path, verbose=False) if isinstance(model, keras.Model) else tf.saved_model.save(model, path)
    return tf.saved_model.load(path)


def graph_def(scaling: tuple[float, float] | None) -> Any:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, *SHAPE], name="image")
        if scaling is not None:
            x = x * scaling[0] + scaling[1]
        for kernel, bias in zip(KERNELS[:2], BIASES[:2], strict=True):
            x = tf.nn.relu(tf.nn.conv2d(x, tf.constant(kernel, tf.float32), 1, "VALID") + bias)
        tf.add(tf.matmul(tf.reduce_mean(x, (1, 2)), tf.constant(KERNELS[2], tf.float32)), BIASES[2], name="out")
        return graph.as_graph_def()


KINDS: dict[str, Callable[[Any, Any], Any]] = {
    "sequential": lambda scaling, folder: sequential(scaling),
    "frozen": lambda scaling, folder: frozen(scaling),
    "nested": lambda scaling, folder: nested(scaling),
    "frozen base": lambda scaling, folder: nested(scaling, trainable=False),
    "renamed": lambda scaling, folder: renamed(scaling),
    "arithmetic": lambda scaling, folder: arithmetic(scaling),
    "subclassed": lambda scaling, folder: with_weights(Subclassed(scaling)),
    "composite layer": lambda scaling, folder: composite(scaling),
    "tf_keras": lambda scaling, folder: sequential(scaling, tf_keras),
    "tf_keras, frozen base": lambda scaling, folder: nested(scaling, tf_keras, trainable=False),
    "SavedModel": lambda scaling, folder: saved(nested(scaling), folder),
    "SavedModel of tf_keras": lambda scaling, folder: saved(frozen(scaling, tf_keras), folder),
    "GraphDef": lambda scaling, folder: graph_def(scaling),
    "function": lambda scaling, folder: sequential(scaling).__call__,
}
OPTIONS = {"function": dict(image_shape=SHAPE), "renamed": dict(name="mine")}


def network_of(kind: str, scaling: tuple[float, float] | None, folder: Any) -> Network:
    return Network(KINDS[kind](scaling, folder), **OPTIONS.get(kind, {}))


def last(network: Network, images: np.ndarray) -> np.ndarray:
    layer = list(network.layers)[-1]
    return network(images, layer)[layer].numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_of_one_network_get_the_same_images(kind, tmp_path):
    """Value by value; the control without its rescaling gives others.

    Not where the rescaled images are those in [0, 1], of which the control makes the same.
    """
    images = np.random.default_rng(1).uniform(size=(2, *SHAPE)).astype(np.float32)
    shifting = [scaling for scaling, (low, _) in RESCALINGS.items() if scaling[0] * low + scaling[1]]
    scaling = shifting[list(KINDS).index(kind) % len(shifting)]
    network = network_of(kind, scaling, tmp_path)
    assert network.inferred.evidence == "layers" and network.value_range == RESCALINGS[scaling]
    expected = last(Network(sequential(scaling), value_range=RESCALINGS[scaling]), images)
    np.testing.assert_allclose(last(network, images), expected, rtol=1e-4, atol=1e-4)
    control = network_of(kind, None, tmp_path)
    assert control.inferred.evidence != "layers" and control.value_range == (0, 1)
    assert np.abs(last(control, images) - expected).max() > 0.02 * np.abs(expected).max()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scaling", RESCALINGS)
def test_all_kinds_expect_the_same_range(kind, scaling, tmp_path):
    assert network_of(kind, scaling, tmp_path).value_range == RESCALINGS[scaling]


@pytest.mark.slow
def test_all_kinds_of_one_network_give_the_same_pictures(tmp_path):
    def picture(kind: str, scaling: tuple[float, float] | None) -> np.ndarray:
        network = network_of(kind, scaling, tmp_path / kind.replace(" ", "_"))
        layer = list(network.layers)[-1]
        settings = dict(steps=8, transforms=None, progress=False)
        return samplevis.optimize(network, f"{layer}:1", **settings).images[0]

    scaling = (1 / 127.5, -1.0)
    expected = picture("sequential", scaling)
    for kind in KINDS:
        np.testing.assert_allclose(picture(kind, scaling), expected, atol=5e-3, err_msg=kind)
    with pytest.warns(UserWarning, match="an assumption"):
        assert np.abs(picture("sequential", None) - expected).max() > 0.02


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (lambda x: tf.image.rgb_to_grayscale(x) * tf.ones([3]) / 255, (0, 255)),
        (lambda x: tf.clip_by_value(x / 127.5 - 1, -1, 1), (0, 255)),
        (lambda x: tf.image.resize(x, (24, 24)) / 255, (0, 255)),
        (lambda x: tf.pad(x / 255, [[0, 0], [3, 3], [3, 3], [0, 0]]), (0, 255)),
        (lambda x: x[..., ::-1] - [104.0, 117.0, 123.0], (0, 255)),
        (lambda x: 1 - x / 255, (0, 255)),
        (lambda x: (x - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225], (0, 1)),
        (lambda x: tf.transpose(x / 255, [0, 2, 1, 3]), (0, 255)),
        (lambda x: tf.concat([x / 127.5 - 1, tf.ones_like(x)], -1)[..., :3], (0, 255)),
    ],
)
def test_preprocessing_of_every_form(first, expected):
    kernel = tf.constant(KERNELS[0], tf.float32)
    network = Network(lambda images: tf.nn.conv2d(first(images), kernel, 1, "VALID"), image_shape=SHAPE)
    assert network.inferred.evidence == "layers" and network.value_range == expected


@pytest.mark.parametrize(
    "first",
    [tf.image.per_image_standardization, lambda x: tf.sqrt(tf.nn.relu(x)), lambda x: x * x / 65025, lambda x: x * 1e-9],
)
def test_what_tells_no_range_is_doubtful(first):
    kernel = tf.constant(KERNELS[0], tf.float32)
    network = Network(lambda images: tf.nn.conv2d(first(images), kernel, 1, "VALID"), image_shape=SHAPE)
    assert network.inferred.evidence == "nothing" and "first weights" in network.inferred.reason


def test_convolutions_of_signals_volumes_and_flat_images():
    layers = keras.layers
    for shape, body in {
        (64, 1): [layers.Conv1D(2, 3)],
        (8, 8, 8, 1): [layers.Conv3D(2, 3)],
        (28, 28, 1): [layers.Flatten(), layers.Dense(2)],
        (12, 12, 4): [layers.DepthwiseConv2D(3)],
        (12, 12, 2): [layers.Conv2DTranspose(2, 3)],
        (12, 12, 3): [layers.Reshape((144, 3)), layers.EinsumDense("abc,cd->abd", (144, 8))],
    }.items():
        model = keras.Sequential([keras.Input(shape), layers.Rescaling(1 / 255), *body])
        assert Network(model).value_range == (0, 255), shape
        assert Network(lambda x, model=model: model(x), image_shape=shape).value_range == (0, 255), shape


def test_a_function_without_weights_tells_nothing():
    assert at_weights(Network(lambda images: images / 255).source) is None
