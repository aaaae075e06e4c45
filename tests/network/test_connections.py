"""Kernels between layers, against weights set by hand; layers that are not adjacent must not be connected."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from samplevis import Network
from samplevis.network.connections import connections

L = keras.layers


def found(model, layers, **options):
    return {
        (each.source, each.target, each.first): each.kernel for each in connections(Network(model, **options), layers)
    }


def branching() -> keras.Model:
    """a and b are joined, normalized, pooled and read by two kernels, whose values are joined in c; d reads c through Flatten."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    a = L.Conv2D(2, 3, padding="same", activation="relu", name="a")(image)
    b = L.ReLU(name="b")(L.Conv2D(3, 1, name="b_kernel")(image))
    x = L.BatchNormalization(name="norm")(L.Concatenate(name="joined")([a, b]))
    x = L.MaxPooling2D(name="pool")(L.Activation("relu", name="rectified")(x))
    left = L.Conv2D(4, 3, padding="same", name="left")(x)
    right = L.BatchNormalization(name="norm_right")(L.Conv2D(2, 1, name="right")(x))
    c = L.Activation("tanh", name="c")(L.Concatenate(name="both")([left, right]))
    d = L.Dense(3, activation="softmax", name="d")(L.Flatten(name="flat")(L.Dropout(0.5, name="drop")(c)))
    model = keras.Model(image, d)
    random = np.random.default_rng(0)
    for name in ("norm", "norm_right"):
        layer = model.get_layer(name)
        layer.gamma.assign(random.normal(size=layer.gamma.shape))
        layer.moving_variance.assign(random.uniform(0.5, 2, layer.gamma.shape))
    return model


def factors(layer) -> np.ndarray:
    return layer.gamma.numpy() / np.sqrt(layer.moving_variance.numpy() + layer.epsilon)


def test_kernels_with_what_leaves_channels_apart_around_them():
    model = branching()
    kernel = {name: model.get_layer(name).kernel.numpy() for name in ("left", "right", "d")}
    before, after = factors(model.get_layer("norm")), factors(model.get_layer("norm_right"))
    left = (kernel["left"] * before[:, None]).reshape(9, 5, 4)
    right = (kernel["right"] * before[:, None] * after).reshape(1, 5, 2)
    want = {
        ("a", "c", 0): left[:, :2],
        ("b", "c", 0): left[:, 2:],
        ("a", "c", 4): right[:, :2],
        ("b", "c", 4): right[:, 2:],
        ("c", "d", 0): kernel["d"].reshape(16, 6, 3),
    }
    got = found(model, ["a", "b", "c", "d"])
    assert set(got) == set(want)
    for name, kernel in want.items():
        np.testing.assert_allclose(got[name], kernel, rtol=1e-5, atol=1e-7)
    # The values before activation functions, and another name.
    names = ["first", "c/pre"]
    other = found(model, names, aliases={"first": "a"})
    assert {(source, target) for source, target, _ in other} == {("first", "c/pre")}
    np.testing.assert_array_equal(other["first", "c/pre", 0], got["a", "c", 0])


def test_a_weight_is_the_derivative_where_rectifiers_pass():
    # An oracle that reads no kernel: automatic differentiation, summed over positions.
    model = branching()
    part = keras.Model(model.get_layer("joined").output, model.get_layer("norm_right").output)
    x = tf.constant(np.random.default_rng(0).uniform(5, 6, (1, 8, 8, 5)).astype(np.float32))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        sums = tf.reduce_sum(part(x), (0, 1, 2))
        each = [sums[n] for n in range(2)]
    jacobian = np.stack([tape.gradient(value, x).numpy().sum((0, 1, 2)) / 16 for value in each], 1)
    got = found(model, ["joined", "both"])["joined", "both", 4][0]
    passed = model.get_layer("norm")(x).numpy().min((0, 1, 2)) > 0
    assert passed.any() and not passed.all()
    np.testing.assert_allclose(jacobian[passed], got[passed], rtol=1e-4)
    assert not jacobian[~passed].any()


def two_kernels(x):
    return L.Conv2D(4, 1)(L.ReLU()(L.Conv2D(5, 1)(x)))


def depthwise(x):
    return L.Conv2D(4, 1)(L.DepthwiseConv2D(3)(x))


def through_another_layer(x):
    return L.Conv2D(4, 1)(L.ReLU(name="between")(x))


def in_groups(x):
    return L.Conv2D(4, 1, groups=2)(x)


def along_another_axis(x):
    return L.Conv2D(4, 1)(L.Concatenate(axis=1)([x, x]))


@pytest.mark.parametrize("way", [two_kernels, depthwise, through_another_layer, in_groups, along_another_axis])
def test_layers_that_are_not_adjacent(way):
    image = keras.Input((8, 8, 3))
    a = L.Conv2D(2, 1, name="a")(image)
    model = keras.Model(image, L.ReLU(name="z")(way(a)))
    pairs = {
        (source, target)
        for source, target, _ in found(
            model, ["a", "z", *(["between"] if "between" in {layer.name for layer in model.layers} else [])]
        )
    }
    assert ("a", "z") not in pairs and pairs <= {("between", "z")}


def test_sums_transposed_kernels_and_other_models():
    image = keras.Input((8, 8, 3))
    a = L.Conv2D(2, 1, name="a")(image)
    up = L.Conv2DTranspose(4, 2, padding="same", name="up")(a)
    model = keras.Model(image, L.Add(name="z")([up, L.Conv2D(4, 1, name="side")(a)]))
    kernels = [each.kernel for each in connections(Network(model), ["a", "z"])]
    np.testing.assert_array_equal(kernels[0], model.get_layer("up").kernel.numpy().reshape(4, 4, 2).swapaxes(1, 2))
    np.testing.assert_array_equal(kernels[1], model.get_layer("side").kernel.numpy().reshape(1, 2, 4))
    assert found(lambda images: {"mean": tf.reduce_mean(images, (1, 2))}, ["mean"]) == {}
