"""Side by side with tf-keras-vis, where it is right: scores, regularizers, and a whole ascent."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from samplevis import Network, objectives, optimize
from samplevis.param import Parameterization

REASON = "PEER NOT FOUND: tf-keras-vis. Install it: pip install 'samplevis[peers]'"
scores = pytest.importorskip("tf_keras_vis.utils.scores", reason=REASON)
maximization = pytest.importorskip("tf_keras_vis.activation_maximization", reason=REASON)
regularizers = pytest.importorskip("tf_keras_vis.activation_maximization.regularizers", reason=REASON)


@dataclasses.dataclass(frozen=True)
class Raw(Parameterization):
    """The latent is the image: tf-keras-vis has no other parameterization."""

    image_shape: tuple[int, int, int]

    def image(self, z: tf.Tensor) -> tf.Tensor:
        return z

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        return images


def ours(objective, network, images, *layers):
    """The scores of an objective on given images."""
    known = objectives.as_objective(objective).resolve(network, images.shape[1:3])
    values = network.activations(images, layers) if layers else {}
    return known((dict(values) | {"input": tf.constant(images)}).__getitem__).numpy()


@pytest.mark.parametrize("layer", ["conv2", "logits"])
@pytest.mark.parametrize("index", [0, 2])
def test_a_categorical_score_is_the_mean_of_a_channel(tiny_network, images, layer, index):
    theirs = scores.CategoricalScore(index)(tiny_network.activations(images, layer)[layer]).numpy()
    np.testing.assert_allclose(ours(objectives.channel(layer, index), tiny_network, images, layer), theirs, atol=1e-6)


def test_one_index_for_each_image_is_each(tiny_network, images):
    wanted = [2, 0, 1, 1]
    theirs = scores.CategoricalScore(wanted)(tiny_network.activations(images, "logits")["logits"]).numpy()
    each = objectives.each(objectives.class_logit("logits", label) for label in wanted).resolve(tiny_network, (16, 12))
    values = dict(tiny_network.activations(images, "logits")) | {"input": tf.constant(images), "num_transforms": 1}
    np.testing.assert_allclose(each(values.__getitem__).numpy(), theirs, atol=1e-6)


def test_a_binary_score_is_a_logit_or_its_opposite(images):
    image = keras.Input((16, 12, 3))
    network = Network(keras.Model(image, keras.layers.Dense(1, name="yes")(keras.layers.Flatten()(image))))
    values = network.activations(images, "yes")["yes"]
    for wanted, objective in ((True, "yes:0"), (False, "-yes:0")):
        theirs = scores.BinaryScore(wanted)(values).numpy()
        np.testing.assert_allclose(ours(objective, network, images, "yes"), theirs, atol=1e-6)


def test_penalties_are_theirs_up_to_the_number_of_values(tiny_network, images):
    count = images[0].size
    variation = regularizers.TotalVariation2D(weight=1.0)(tf.constant(images)).numpy()
    np.testing.assert_allclose(ours(objectives.total_variation(), tiny_network, images) / count, variation, rtol=1e-5)
    first, second = (regularizers.Norm(weight=1.0, p=p)(tf.constant(images)).numpy() for p in (1, 2))
    np.testing.assert_allclose(ours(objectives.L1(), tiny_network, images) / count, first, rtol=1e-5)
    np.testing.assert_allclose(ours(objectives.L2(), tiny_network, images) / np.sqrt(count), second, rtol=1e-5)


@pytest.mark.parametrize("optimizer", [keras.optimizers.SGD(0.5, momentum=0.9), keras.optimizers.Adam(0.01)])
def test_an_ascent_of_twelve_steps_ends_at_the_same_image(optimizer):
    keras.utils.set_random_seed(0)
    image = keras.Input((12, 16, 3))
    x = keras.layers.Conv2D(4, 3, activation="softplus", name="conv")(image)
    model = keras.Model(image, x)
    start = np.random.default_rng(0).uniform(0.4, 0.6, (2, 12, 16, 3)).astype(np.float32)
    copy = type(optimizer).from_config(optimizer.get_config())
    theirs = maximization.ActivationMaximization(model, clone=False)(
        scores.CategoricalScore(1), start, (0.0, 1.0), input_modifiers=[], regularizers=[], steps=12, optimizer=copy
    )
    settings = dict(param=Raw((12, 16, 3)), transforms=None, steps=12, batch=2, optimizer=optimizer, progress=False)
    found = optimize(model, "conv:1", init=start, **settings)
    # Nothing is clipped on the way: there they part.
    assert 0 < found.images.min() and found.images.max() < 1
    np.testing.assert_allclose(found.images, np.asarray(theirs), atol=1e-5)
    # The control: it has moved.
    assert np.abs(found.images - start).max() > 0.02
