"""Calls, outputs and data formats of generated models: every one can be named, with the values that Keras computes."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from samplevis import Network, objectives

L = keras.layers
# Sides and channels of the feature maps of a generated model.
SIDE, CHANNELS = 8, 4
SEEDS = range(30)


class Case:
    """A model under construction, and the symbolic tensor behind each name that it must have.

    Attributes:
      model: the model, once it is finished.
      named: name -> symbolic tensor in the model's own graph.
      first: names of layers whose channels are on axis 1.
      layout: how the images are fed to the model: "last", "first" or "grey".
    """

    def __init__(self, prefix: str = ""):
        self.named: dict[str, keras.KerasTensor] = {}
        self.first: set[str] = set()
        self.layout = "last"
        self._calls: collections.Counter[str] = collections.Counter()

    def call(self, layer: Callable, *inputs: Any, first: bool = False, **options: Any) -> Any:
        """Calls a layer, and notes what its outputs must be called; `first` if their channels are on axis 1."""
        found = layer(*inputs, **options)
        self._calls[layer.name] += 1
        number = self._calls[layer.name]
        name = layer.name if number == 1 else f"{layer.name}#{number}"
        for place, tensor in enumerate(keras.tree.flatten(found)):
            each = f"{name}/output_{place}" if place else name
            self.named[each] = tensor
            if first:
                self.first.add(each)
        return found

    def call_nested(self, inner: keras.Model, inside: Case, inputs: Any) -> Any:
        """Calls a nested model, and notes what everything inside must be called; Keras computes each by a model of its own."""
        found = self.call(inner, inputs)
        number = self._calls[inner.name]
        name = inner.name if number == 1 else f"{inner.name}#{number}"
        for each, tensor in inside.named.items():
            self.named[f"{name}/{each}"] = keras.Model(inner._inputs_struct, tensor)(inputs)
            if each in inside.first:
                self.first.add(f"{name}/{each}")
        return found

    def finish(self, image: keras.KerasTensor, outputs: Any, **options: Any) -> Case:
        self.model = keras.Model(image, outputs, **options)
        return self


def conv(name: str, **options: Any) -> keras.layers.Layer:
    return L.Conv2D(CHANNELS, 3, padding="same", name=name, bias_initializer="random_normal", **options)


def two_inputs(name: str, first: bool) -> Case:
    """A nested model of two feature maps that returns two; its inside has the channels first, or last."""
    case = Case()
    maps = [keras.Input((SIDE, SIDE, CHANNELS), name=f"{name}_in{n}") for n in (0, 1)]
    shared = conv(f"{name}_conv", activation="relu", data_format="channels_first" if first else "channels_last")
    ends = []
    for number, x in enumerate(maps):
        x = case.call(L.Permute((3, 1, 2), name=f"{name}_p{number}"), x, first=True) if first else x
        x = case.call(shared, x, first=first)
        x = case.call(L.Permute((2, 3, 1), name=f"{name}_q{number}"), x) if first else x
        ends.append(x)
    return case.finish(maps, [case.call(L.Subtract(name=f"{name}_less"), ends), ends[0]], name=name)


def generated(seed: int) -> Case:
    """A random network of layers that are shared, return several tensors, are nested, or have the channels first."""
    rng = np.random.default_rng(seed)
    case = Case()
    image, x = _beginning(case, ("last", "first", "turned", "grey", "permuted")[seed % 5])
    maps = [x]
    shared, relu = conv("shared"), L.ReLU(name="relu")
    lstm = L.LSTM(CHANNELS, return_sequences=True, return_state=True, name="lstm")
    attention = L.Attention(name="attention")
    inside = two_inputs("pair", bool(rng.integers(2)))
    for number in range(5):
        # No two calls of a layer see the same.
        x, y = (maps[rng.integers(len(maps))] * (1 + number / 4), maps[rng.integers(len(maps))] - number / 8)
        block = ("shared", "island", "sequence", "attention", "nested", "steps")[
            rng.integers(6) if number else seed % 6
        ]
        if block == "shared":
            x = case.call(relu, case.call(shared, x))
        elif block == "island":
            x = _island(case, number, x)
        elif block in ("sequence", "attention"):
            tokens = case.call(L.Reshape((4, CHANNELS), name=f"tokens{number}"), L.AveragePooling2D(SIDE // 2)(x))
            if block == "sequence":
                tokens, state, _ = case.call(lstm, tokens)
                tokens = case.call(L.Add(name=f"stated{number}"), [tokens, state[:, None]])
            else:
                tokens, _ = case.call(attention, [tokens, tokens * 1.5], return_attention_scores=True)
            x = L.UpSampling2D(SIDE // 2)(L.Reshape((2, 2, CHANNELS))(tokens))
        elif block == "nested":
            x, _ = case.call_nested(inside.model, inside, [x, y])
        else:
            x = case.call(L.TimeDistributed(L.Dense(CHANNELS, name="inner"), name=f"steps{number}"), x)
        maps.append(case.call(L.Add(name=f"sum{number}"), [x, y]))
    pool = L.GlobalAveragePooling2D(name="pool")
    everything = case.call(L.Add(name="everything"), maps)
    return case.finish(image, [case.call(pool, one) for one in (everything, maps[-1])])


def _beginning(case: Case, kind: str) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The input of a model, and its first feature map, channels last."""
    case.layout = {"turned": "first", "permuted": "last"}.get(kind, kind)
    if kind == "grey":
        image = keras.Input((SIDE, SIDE), name="image")
        x = L.Reshape((SIDE, SIDE, 1), name="channel")(L.Rescaling(0.5, name="half")(image))
        return image, case.call(conv("stem"), x)
    image = keras.Input((3, SIDE, SIDE) if case.layout == "first" else (SIDE, SIDE, 3), name="image")
    if kind == "last":
        return image, case.call(conv("stem"), image)
    if kind == "turned":
        return image, case.call(conv("stem"), case.call(L.Permute((2, 3, 1), name="turn"), image))
    x = image if kind == "first" else case.call(L.Permute((3, 1, 2), name="turn"), image, first=True)
    x = case.call(conv("stem", data_format="channels_first"), x, first=True)
    return image, case.call(L.Permute((2, 3, 1), name="back"), x)


def _island(case: Case, number: int, x: keras.KerasTensor) -> keras.KerasTensor:
    """Layers with the channels first amid those with the channels last."""
    x = case.call(L.Permute((3, 1, 2), name=f"into{number}"), x, first=True)
    x = case.call(conv(f"first{number}", data_format="channels_first"), x, first=True)
    x = case.call(L.BatchNormalization(axis=1, name=f"norm{number}"), x, first=True)
    x = case.call(L.Activation("tanh", name=f"tanh{number}"), x, first=True)
    return case.call(L.Permute((2, 3, 1), name=f"out{number}"), x)


def pyramid(order: tuple[int, ...], layers: Any = L, model: Any = keras.Model) -> Case:
    """A detector: one head, and the activation behind it, on every level of a pyramid, in any order."""
    case = Case()
    image = layers.Input((16, 16, 3), name="image")
    features = [image]
    for level in range(3):
        last = features[-1]
        features.append(layers.Conv2D(4, 3, 2, padding="same", activation="relu", name=f"p{level}")(last))
    head, relu = layers.Conv2D(5, 3, padding="same", activation="relu", name="head"), layers.ReLU(name="after")
    ends = [case.call(relu, case.call(head, features[1 + level]) - 0.1) for level in order]
    case.model = model(image, ends)
    return case


def siamese(nested: bool) -> Case:
    """The two halves of an image through the same layers, flat or as a nested model."""
    case, inside = Case(), Case()
    image = keras.Input((16, 16, 3), name="image")
    halves = [image[:, :8], image[:, 8:]]
    dense = L.Dense(3, name="dense")
    if nested:
        part = keras.Input((8, 16, 3))
        inside.finish(part, inside.call(dense, L.Flatten(name="flat")(inside.call(conv("conv"), part))), name="tower")
        ends = [case.call_nested(inside.model, inside, half) for half in halves]
    else:
        shared = conv("conv")
        ends = [case.call(dense, L.GlobalMaxPooling2D()(case.call(shared, half))) for half in halves]
    return case.finish(image, L.Subtract(name="difference")(ends))


CASES: dict[str, Callable[[], Case]] = {
    **{f"pyramid {order}": lambda order=order: pyramid(order) for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0, 1))},
    "siamese, flat": lambda: siamese(False),
    "siamese, nested": lambda: siamese(True),
    **{f"generated {seed}": lambda seed=seed: generated(seed) for seed in SEEDS},
}
# Those that are made in every run of the tests.
FEW = [name for name in CASES if not name.startswith("generated") or int(name.split()[1]) < 6]
EACH = [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
FEWER = [name if name in FEW[:6] else pytest.param(name, marks=pytest.mark.slow) for name in FEW]


@pytest.fixture(scope="module")
def made() -> dict[str, Ready]:
    """Each case, with its network and some images, made when it is first asked for."""
    return {}


class Ready(NamedTuple):
    """A case, its network, some images, and what Keras computes from them for every name."""

    case: Case
    network: Network
    images: np.ndarray
    expected: dict[str, np.ndarray]


def ready(made: dict[str, Ready], name: str) -> Ready:
    if name not in made:
        keras.utils.set_random_seed(len(name))
        case = CASES[name]()
        network = Network(case.model, value_range=(0, 1))
        images = np.random.default_rng(1).uniform(size=(2, *network.image_shape)).astype(np.float32)
        made[name] = Ready(case, network, images, own_values(case, images))
    return made[name]


def fed(case: Case, images: np.ndarray) -> np.ndarray:
    return {"last": images, "first": np.moveaxis(images, -1, 1), "grey": images[..., 0]}[case.layout]


def own_values(case: Case, images: np.ndarray) -> dict[str, np.ndarray]:
    """What Keras computes for every name, channels last."""
    values = keras.Model(case.model.inputs, list(case.named.values()))(fed(case, images), training=False)
    values = tf.nest.flatten(values)
    found = {name: np.asarray(value) for name, value in zip(case.named, values, strict=True)}
    return {name: np.moveaxis(value, 1, -1) if name in case.first else value for name, value in found.items()}


@pytest.mark.parametrize("name", EACH)
def test_every_call_has_keras_values(made, name):
    case, network, images, expected = ready(made, name)
    found = network(images, list(case.named))
    for layer, values in expected.items():
        assert network.layer_shape(layer) == found[layer].shape[1:]
        np.testing.assert_allclose(found[layer], values, rtol=1e-5, atol=1e-5, err_msg=layer)


@pytest.mark.parametrize("name", EACH)
def test_other_calls_and_other_axes_are_seen(made, name):
    """The control: the values of two calls of a layer differ, and so do those of an image that is turned over."""
    expected, seen = ready(made, name).expected, []
    for layer, values in expected.items():
        other = layer.replace("#2", "")
        if other != layer and expected[other].shape == values.shape:
            seen.append(np.abs(expected[other] - values).max() > 1e-4)
        if values.ndim == 4 and values.shape[1] == values.shape[2]:
            seen.append(np.abs(values.swapaxes(1, 2) - values).max() > 1e-4)
    # A rectifier may be silent.
    assert np.mean(seen) > 0.8


@pytest.mark.parametrize("name", FEWER)
def test_every_call_can_be_replaced_and_optimised(made, name):
    case, network, images, _ = ready(made, name)
    output, images = list(network.layers)[-1], tf.constant(images)
    own = network(images, [*case.named, output])
    # A few of them, one after the other: each needs a graph of its own.
    for layer in list(case.named)[:: max(1, len(case.named) // 3)]:
        run = network.substitute(layer, [layer, output])
        np.testing.assert_allclose(run(images, own[layer])[output], own[output], atol=1e-5)
        np.testing.assert_array_equal(run(images, own[layer] + 1)[layer], own[layer] + 1)
        with tf.GradientTape() as tape:
            tape.watch(images)
            score = tf.reduce_sum(network.prepared.cut([layer])(images)[layer] ** 2)
        assert np.isfinite(tape.gradient(score, images)).all()
        assert objectives.as_objective(f"{layer}:1").resolve(network).layers == (layer,)


def test_a_replaced_call_leaves_the_other_alone(made):
    _, network, images, _ = ready(made, "siamese, flat")
    own = network(images, ["conv", "conv#2", "dense", "dense#2"])
    changed = network.substitute("conv#2", ["conv", "dense", "dense#2"])(tf.constant(images), 0 * own["conv#2"])
    np.testing.assert_allclose(changed["dense"], own["dense"], atol=1e-6)
    assert np.abs(changed["dense#2"] - own["dense#2"]).max() > 1e-2
    first = network.substitute("conv", ["dense", "dense#2"])(tf.constant(images), 0 * own["conv"])
    np.testing.assert_allclose(first["dense#2"], own["dense#2"], atol=1e-6)


def test_tables_and_errors_name_the_calls(made):
    _, network, *_ = ready(made, "pyramid (0, 1, 2)")
    lines = {line.split()[0]: line for line in network.layer_table().splitlines()}
    assert "call 1 of 3" in lines["head"] and "call 3 of 3" in lines["head#3"] and "call" not in lines["p0"]
    with pytest.raises(ValueError, match="'head#4' .* is not called: 'head' is, 3 times: 'head', 'head#2', 'head#3'|#"):
        network.check_layer("head#4")
    for spelling, name in (("head#1", "head"), ("head#2_pre_relu", "head#2/pre"), ("head#2:0", "head#2")):
        assert network.layer_shape(spelling) == network.layer_shape(name)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
@pytest.mark.parametrize("kind", ["Keras 2", "subclassed"])
def test_traced_models_number_calls_as_they_were_built(kind, order):
    keras.utils.set_random_seed(0)
    tf.random.set_seed(0)
    case = pyramid(order, tf_keras.layers, tf_keras.Model) if kind == "Keras 2" else pyramid(order)
    model = case.model if kind == "Keras 2" else Around(case.model)
    network = Network(model, value_range=(0, 1), image_shape=(16, 16, 3))
    images = np.random.default_rng(0).uniform(size=(2, 16, 16, 3)).astype(np.float32)
    expected = [np.asarray(value) for value in case.model(images)]
    prefix = "" if kind == "Keras 2" else f"{case.model.name}/"
    for number, values in enumerate(expected, start=1):
        mark = "" if number == 1 else f"#{number}"
        found = network(images, [f"{prefix}after{mark}", f"{prefix}head{mark}"])
        np.testing.assert_allclose(found[f"{prefix}after{mark}"], values, atol=1e-5)
        np.testing.assert_allclose(np.maximum(found[f"{prefix}head{mark}"] - 0.1, 0), values, atol=1e-5)
    assert expected[0].shape != expected[1].shape, "the control: no two calls can be mistaken"


class Around(keras.Model):
    """A model of the user's own code around a functional one."""

    def __init__(self, inner: keras.Model):
        super().__init__()
        self.inner = inner

    def call(self, images: Any) -> Any:
        return tf.add_n([tf.reduce_mean(end, (1, 2)) for end in self.inner(images)])


# (shape of the input, layers, shape of the images).
LAYOUTS: dict[str, tuple[tuple[int, ...], Callable[[Any], list], tuple[int, ...]]] = {
    "first tutorial": ((9, 7), lambda L: [L.Flatten(), L.Dense(2)], (9, 7, 1)),
    "rescaled": ((9, 7), lambda L: [L.Rescaling(1 / 255), L.Flatten()], (9, 7, 1)),
    "reshaped": ((9, 7), lambda L: [L.Reshape((9, 7, 1)), L.Conv2D(2, 3)], (9, 7, 1)),
    "vectors": ((9, 7), lambda L: [L.Reshape((63,)), L.Dense(2)], (9, 7, 1)),
    "signal": ((9, 7), lambda L: [L.Conv1D(2, 3), L.Flatten()], (9, 7)),
    "dense signal": ((9, 7), lambda L: [L.Dense(2), L.Flatten()], (9, 7)),
    "channels last": ((9, 7, 3), lambda L: [L.Conv2D(2, 3), L.Flatten()], (9, 7, 3)),
    "channels first": ((3, 9, 7), lambda L: [L.ReLU(), L.Conv2D(2, 3, data_format="channels_first")], (9, 7, 3)),
    "one flatten": ((9, 7, 3), lambda L: [L.Conv2D(2, 3), L.Flatten(data_format="channels_first")], (9, 7, 3)),
    "turned": ((3, 9, 7), lambda L: [L.Permute((2, 3, 1)), L.Conv2D(2, 3)], (9, 7, 3)),
    "turned to first": (
        (9, 7, 3),
        lambda L: [L.Permute((3, 1, 2)), L.Conv2D(2, 3, data_format="channels_first")],
        (9, 7, 3),
    ),
    "pooled first": ((3, 9, 7), lambda L: [L.GlobalAveragePooling2D(data_format="channels_first")], (9, 7, 3)),
}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("kind", ["Keras 3", "Keras 2"])
def test_the_layers_that_read_the_images_say_how_they_lie(kind, name):
    shape, make, expected = LAYOUTS[name]
    if kind == "Keras 3":
        model = keras.Sequential([keras.Input(shape), *make(keras.layers)])
    else:
        model = tf_keras.Sequential([tf_keras.Input(shape), *make(tf_keras.layers)])
    network = Network(model, value_range=(0, 1))
    assert network.image_shape == expected
    images = np.random.default_rng(0).uniform(size=(2, *expected)).astype(np.float32)
    raw = np.moveaxis(images, -1, 1) if shape[0] == 3 else images.reshape(2, *shape)
    last = list(network.layers)[-1]
    own = np.asarray(model(raw))
    own = np.moveaxis(own, 1, -1) if name in ("channels first", "turned to first") else own
    np.testing.assert_allclose(network(images, last)[last], own, atol=1e-5)


def test_the_user_overrules_how_images_lie():
    signal = keras.Sequential([keras.Input((9, 7)), L.Conv1D(2, 3, name="conv"), L.Flatten()])
    network = Network(signal, value_range=(0, 1), image_shape=(9, 7, 1))
    images = np.random.default_rng(0).uniform(size=(2, 9, 7, 1)).astype(np.float32)
    own = signal.get_layer("conv")(images[..., 0])
    np.testing.assert_allclose(network(images, "conv")["conv"], own, atol=1e-6)
    flat = keras.Sequential([keras.Input((9, 7)), L.Flatten(name="flat")])
    assert Network(flat, value_range=(0, 1), image_shape=(9, 7)).image_shape == (9, 7)
    bare = keras.Sequential([keras.Input((3, 9, 7)), L.Flatten(name="flat")])
    assert Network(bare, value_range=(0, 1)).image_shape == (3, 9, 7)
    assert Network(bare, value_range=(0, 1), image_shape=(9, 7, 3)).image_shape == (9, 7, 3)
    free = keras.Sequential([keras.Input((None, None, 3)), L.Conv2D(2, 3)])
    assert Network(free, value_range=(0, 1), image_shape=(8, 6, 3)).image_shape == (8, 6, 3)
    with pytest.raises(ValueError, match=r"image_shape: .* takes \(None, 9, 7\). Expected \(9, 7, 1\) or \(9, 7\)"):
        Network(flat, value_range=(0, 1), image_shape=(8, 7, 1))


def test_what_is_inside_others_is_missing_with_a_reason(tmp_path):
    image = keras.Input((4, 6))
    x = L.TimeDistributed(L.Dense(3, name="inner"), name="steps")(image)
    x = L.Bidirectional(L.LSTM(2, name="cells"), name="both")(x)
    model = keras.Model(image, x)
    network = Network(model, value_range=(0, 1))
    missing = network.source.missing
    assert "steps/inner" in missing and any(name.startswith("both/") for name in missing)
    with pytest.raises(ValueError, match="'steps/inner' .* cannot be computed: it is inside 'steps' .TimeDistributed."):
        network.check_layer("steps/inner")
    assert network.layer_table().splitlines()[-1].startswith("not computed: steps/inner, both/")
    keras.Sequential([keras.Input((4, 6)), L.Dense(2, name="first")]).export(tmp_path / "saved", verbose=False)
    saved = L.TFSMLayer(str(tmp_path / "saved"), name="saved")
    outer = Network(keras.Model(image, saved(image)), value_range=(0, 1))
    with pytest.raises(ValueError, match="'saved' is a SavedModel, whose layers Keras does not see"):
        outer.check_layer("saved/first")
    with pytest.raises(ValueError, match="'lstm/output_3' .* is not there: 'lstm' returns 3"):
        lstm = L.LSTM(2, return_state=True, name="lstm")
        Network(keras.Model(image, lstm(image)), value_range=(0, 1)).check_layer("lstm/output_3")
