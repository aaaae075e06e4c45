"""Calls, outputs and data formats of generated models: every one can be named, with the values that Keras computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from samplevis import Network, objectives

L = keras.layers


class Case(NamedTuple):
    """A model, the symbolic tensor behind each name that it must have, and whether its channels are first.

    Attributes:
      model: the model.
      named: name -> symbolic tensor of the model's own graph.
      first: names of layers whose channels are on axis 1.
      layout: how the images are fed to the model: "last", "first" or "grey".
    """

    model: keras.Model
    named: dict[str, keras.KerasTensor]
    first: frozenset[str] = frozenset()
    layout: str = "last"


def pyramid(levels: int, order: tuple[int, ...]) -> Case:
    """A detector: one head, and the activation behind it, on every level of a pyramid, in any order."""
    image = keras.Input((32, 32, 3), name="image")
    features = [image]
    for level in range(levels):
        features.append(L.Conv2D(4, 3, 2, padding="same", activation="relu", name=f"p{level}")(features[-1]))
    head, relu = L.Conv2D(5, 3, padding="same", activation="relu", name="head"), L.ReLU(name="after")
    named, outputs = {}, []
    for number, level in enumerate(order, start=1):
        mark = "" if number == 1 else f"#{number}"
        named[f"head{mark}"] = head(features[1 + level])
        named[f"after{mark}"] = relu(named[f"head{mark}"] - 0.1)
        outputs.append(named[f"after{mark}"])
    return Case(keras.Model(image, outputs), named)


def siamese(nested: bool) -> Case:
    """The two halves of an image through the same layers, flat or as a nested model."""
    image = keras.Input((16, 16, 3), name="image")
    halves = [image[:, :8], image[:, 8:]]
    conv, dense = L.Conv2D(4, 3, activation="relu", name="conv"), L.Dense(3, name="dense")
    named = {}
    if nested:
        part = keras.Input((8, 16, 3))
        hidden = conv(part)
        tower = keras.Model(part, dense(L.Flatten(name="flat")(hidden)), name="tower")
        inside = keras.Model(part, hidden)
        ends = [tower(half) for half in halves]
        for number, half in enumerate(halves, start=1):
            mark = "" if number == 1 else f"#{number}"
            named[f"tower{mark}/conv"] = inside(half)
            named[f"tower{mark}/dense"] = named[f"tower{mark}"] = ends[number - 1]
    else:
        hidden = [conv(half) for half in halves]
        named |= {"conv": hidden[0], "conv#2": hidden[1]}
        ends = [dense(L.GlobalMaxPooling2D(name=f"pool{n}")(one)) for n, one in enumerate(hidden)]
        named |= {"dense": ends[0], "dense#2": ends[1]}
    return Case(keras.Model(image, L.Subtract(name="difference")(ends)), named)


CASES: dict[str, Callable[[], Case]] = {
    **{f"pyramid {order}": lambda order=order: pyramid(3, order) for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0, 1))},
    "siamese, flat": lambda: siamese(False),
    "siamese, nested": lambda: siamese(True),
}


@pytest.fixture(scope="module")
def made() -> dict[str, tuple[Case, Network, np.ndarray]]:
    """Each case, with its network and some images, made when it is first asked for."""
    return {}


def ready(made: dict, name: str) -> tuple[Case, Network, np.ndarray]:
    if name not in made:
        keras.utils.set_random_seed(len(name))
        case = CASES[name]()
        network = Network(case.model, value_range=(0, 1))
        images = np.random.default_rng(1).uniform(size=(2, *network.image_shape)).astype(np.float32)
        made[name] = case, network, images
    return made[name]


def fed(case: Case, images: np.ndarray) -> np.ndarray:
    return {"last": images, "first": np.moveaxis(images, -1, 1), "grey": images[..., 0]}[case.layout]


def own_values(case: Case, images: np.ndarray) -> dict[str, np.ndarray]:
    """What Keras computes for every name, channels last."""
    values = keras.Model(case.model.inputs, list(case.named.values()))(fed(case, images), training=False)
    values = tf.nest.flatten(values)
    found = {name: np.asarray(value) for name, value in zip(case.named, values, strict=True)}
    return {name: np.moveaxis(value, 1, -1) if name in case.first else value for name, value in found.items()}


@pytest.mark.parametrize("name", CASES)
def test_every_call_has_keras_values(made, name):
    case, network, images = ready(made, name)
    expected = own_values(case, images)
    found = network(images, list(case.named))
    for layer, values in expected.items():
        assert network.layer_shape(layer) == found[layer].shape[1:]
        np.testing.assert_allclose(found[layer], values, rtol=1e-5, atol=1e-5, err_msg=layer)


@pytest.mark.parametrize("name", CASES)
def test_calls_in_another_order_are_seen(made, name):
    """The control: the values of any two calls of a layer differ."""
    case, network, images = ready(made, name)
    expected = own_values(case, images)
    for layer in case.named:
        other = layer.replace("#2", "")
        if other != layer and expected[other].shape == expected[layer].shape:
            assert np.abs(expected[other] - expected[layer]).max() > 1e-2


@pytest.mark.parametrize("name", CASES)
def test_every_call_can_be_replaced_and_optimised(made, name):
    case, network, images = ready(made, name)
    output = list(network.layers)[-1]
    for layer in case.named:
        values = network(images[::-1].copy(), layer)[layer]
        same = network.substitute(layer, [layer, output])(tf.constant(images), network(images, layer)[layer])
        np.testing.assert_allclose(same[output], network(images, output)[output], atol=1e-5)
        np.testing.assert_array_equal(network.substitute(layer, [layer])(tf.constant(images), values)[layer], values)
        assert objectives.as_objective(f"{layer}:1").resolve(network).layers == (layer,)


def test_a_replaced_call_leaves_the_other_alone(made):
    _, network, images = ready(made, "siamese, flat")
    own = network(images, ["conv", "conv#2", "dense", "dense#2"])
    changed = network.substitute("conv#2", ["conv", "dense", "dense#2"])(tf.constant(images), 0 * own["conv#2"])
    np.testing.assert_allclose(changed["dense"], own["dense"], atol=1e-6)
    assert np.abs(changed["dense#2"] - own["dense#2"]).max() > 1e-2
    first = network.substitute("conv", ["dense", "dense#2"])(tf.constant(images), 0 * own["conv"])
    np.testing.assert_allclose(first["dense#2"], own["dense#2"], atol=1e-6)


def test_tables_and_errors_name_the_calls(made):
    _, network, _ = ready(made, "pyramid (0, 1, 2)")
    lines = {line.split()[0]: line for line in network.layer_table().splitlines()}
    assert "call 1 of 3" in lines["head"] and "call 3 of 3" in lines["head#3"] and "call" not in lines["p0"]
    with pytest.raises(ValueError, match="'head#4' .* is not called: 'head' is, 3 times: 'head', 'head#2', 'head#3'|#"):
        network.check_layer("head#4")
    for spelling, name in (("head#1", "head"), ("head#2_pre_relu", "head#2/pre"), ("head#2:0", "head#2")):
        assert network.layer_shape(spelling) == network.layer_shape(name)
