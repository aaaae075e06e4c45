"""Networks whose values a sampler cannot use, layers with taken names, and objectives out of TensorFlow."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import samplevis
from samplevis import Network, objectives
from samplevis.activation.soundness import check_values

layers = keras.layers
SHAPE = (16, 16, 3)
QUICK = dict(steps=1, transforms=None, progress=False)


def model_of(*parts, name="own"):
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input(SHAPE), *parts], name=name)


def head(name="out"):
    return layers.GlobalAveragePooling2D(), layers.Dense(3, name=name)


class Sampling(layers.Layer):
    """What a VAE's encoder ends in."""

    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x), seed=self.generator)

    def __init__(self, **options):
        super().__init__(**options)
        self.generator = keras.random.SeedGenerator(3)


RANDOM = {
    "a VAE": lambda: Sampling(name="z"),
    "tf.random": lambda: layers.Lambda(lambda x: x + tf.random.normal(tf.shape(x)), name="z"),
    "a seed": lambda: layers.Lambda(lambda x: x + tf.random.normal(tf.shape(x), seed=1), name="z"),
    "dropout": lambda: layers.Lambda(lambda x: tf.nn.dropout(x, 0.5), name="z"),
}


def network(kind: str, model: keras.Model) -> Network:
    whole = model if kind == "Keras" else (lambda images: model(images))
    return Network(whole, value_range=(0, 1), **({} if kind == "Keras" else {"image_shape": SHAPE}))


@pytest.mark.parametrize("kind", ["Keras", "traced"])
@pytest.mark.parametrize("random", RANDOM)
def test_a_random_network_is_refused_by_name(random, kind):
    model = model_of(layers.Conv2D(4, 3, name="conv"), RANDOM[random](), *head())
    if (random, kind) == ("a VAE", "traced"):
        # The state of Keras's generator cannot be frozen.
        with pytest.raises(ValueError, match="^model: .* changes a variable whenever it is called"):
            network(kind, model)
        return
    found = network(kind, model)
    last = list(found.layers)[-1]
    with pytest.raises(ValueError, match=r"^model: a sampler needs the same score.*'.*z.*' of"):
        samplevis.render(found, f"{last}:0", progress=False)
    with pytest.warns(UserWarning, match="is random at inference"):
        samplevis.optimize(found, f"{last}:0", **QUICK)


def test_units_in_front_of_what_is_random_pass(recwarn):
    found = network("Keras", model_of(layers.Conv2D(4, 3, name="conv"), RANDOM["a VAE"](), *head()))
    samplevis.optimize(found, "conv:0", **QUICK)
    assert not [one for one in recwarn if "random" in str(one.message)]
    fixed = layers.Lambda(lambda x: x + tf.random.stateless_normal(tf.shape(x), seed=[1, 2]))
    samplevis.optimize(network("Keras", model_of(layers.Conv2D(4, 3), fixed, *head())), "out:0", **QUICK)
    assert not [one for one in recwarn if "random" in str(one.message)]


@pytest.mark.parametrize("optimizer", ["cma", "genetic"])
def test_only_functions_that_are_scored_may_be_random(optimizer, recwarn):
    noise, settings = np.random.default_rng(0), QUICK | dict(optimizer=optimizer)
    samplevis.optimize(lambda images: images.mean((1, 2, 3)) + noise.normal(size=len(images)), **settings)
    assert not [one for one in recwarn if "random" in str(one.message)]
    model = model_of(layers.Conv2D(4, 3, name="conv"), RANDOM["tf.random"](), *head())
    with pytest.warns(UserWarning, match="is random at inference"):
        samplevis.optimize(network("Keras", model), "out:0", **settings)


@pytest.mark.parametrize("kind", ["Keras", "traced"])
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "bfloat16"])
def test_half_precision_is_refused_by_name(policy, kind):
    pool, dense = layers.GlobalAveragePooling2D(dtype=policy), layers.Dense(3, dtype="float32", name="out")
    found = network(kind, model_of(layers.Conv2D(4, 3, dtype=policy), pool, dense))
    last = list(found.layers)[-1]
    with pytest.raises(ValueError, match=rf"^model: a sampler needs.*{policy.removeprefix('mixed_')} cannot carry"):
        samplevis.render(found, f"{last}:0", progress=False)


HIDDEN_HALF = {
    "a map": lambda x: tf.map_fn(lambda one: tf.cast(tf.nn.relu(tf.cast(one, tf.float16)), tf.float32), x),
    "a function": tf.function(lambda x: tf.cast(tf.cast(x, tf.bfloat16) * 2, tf.float32)),
    "a condition": lambda x: tf.cond(
        tf.reduce_sum(x) > 0, lambda: tf.cast(tf.cast(x, tf.float16), tf.float32), lambda: x
    ),
}


@pytest.mark.parametrize("inside", HIDDEN_HALF)
def test_half_precision_inside_functions_is_refused(inside):
    found = network("Keras", model_of(layers.Conv2D(4, 3), layers.Lambda(HIDDEN_HALF[inside]), *head()))
    with pytest.raises(ValueError, match="float16 cannot carry"):
        check_values(found, ["out"])
    whole = layers.Lambda(lambda x: tf.map_fn(tf.nn.relu, x))
    check_values(network("Keras", model_of(layers.Conv2D(4, 3), whole, *head())), ["out"])


MIXING = {
    "a mean of the batch": lambda x: x - tf.reduce_mean(x, 0, keepdims=True),
    "a norm of the batch": lambda x: x / tf.norm(x),
    "statistics of the batch": lambda x: tf.nn.batch_normalization(x, *tf.nn.moments(x, [0, 1, 2]), None, None, 1e-3),
    "the order of the batch": lambda x: tf.reverse(x, [0]),
}


@pytest.mark.parametrize("mixing", MIXING)
def test_a_network_that_mixes_the_images_of_a_batch_is_refused_by_name(mixing):
    found = network("Keras", model_of(layers.Conv2D(4, 3), layers.Lambda(MIXING[mixing], name="mixed"), *head()))
    with pytest.raises(ValueError, match="^model: .* of 'mixed' of 'own' depend on the other images of the batch"):
        samplevis.render(found, "out:0", progress=False)
    check_values(found, [next(iter(found.layers))])
    own = layers.Lambda(lambda x: x - tf.reduce_mean(x, [1, 2], keepdims=True))
    check_values(network("Keras", model_of(layers.Conv2D(4, 3), own, *head())), ["out"])


@pytest.mark.parametrize("name", ["labels", "step", "num_transforms", "members"])
def test_units_of_layers_with_taken_names(name):
    """Their units are theirs; `T(name)` in a function of the user's stays what it is."""
    found = Network(model_of(layers.Conv2D(4, 3, name="conv"), *head(name)), value_range=(0, 1))
    assert objectives.channel(name, 1).resolve(found).layers == (name,)

    result = samplevis.optimize(found, f"{name}:1", **QUICK)
    other = Network(model_of(layers.Conv2D(4, 3, name="conv"), *head("other")), value_range=(0, 1))
    expected = samplevis.optimize(other, "other:1", **QUICK)
    np.testing.assert_array_equal(result.images, expected.images)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float64])
def test_objectives_end_in_float32(dtype, tiny_network):
    with pytest.raises(ValueError, match=r"^obj: expected scores in float32.*tf.cast\(score, tf.float32\)"):
        samplevis.optimize(tiny_network, lambda T: tf.cast(T("logits")[:, 0], dtype), **QUICK)


def test_numpy_in_an_objective_teaches(tiny_network):
    with pytest.raises(TypeError, match=r"^obj: .* to NumPy.*tf.reduce_mean"):
        samplevis.optimize(tiny_network, lambda T: np.mean(T("logits")), **QUICK)
