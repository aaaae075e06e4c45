"""Outputs that end in a softmax, sigmoid or another saturating function: their units are scored before it, by every source."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from samplevis import Network, activation, objectives, optimize, param, sweep
from samplevis.network.endings import sigmoid_log_odds, softmax_log_odds

L = keras.layers
SIZE, UNIT = 12, 1


def body() -> tuple:
    """An input, and three numbers of each image that are not small."""
    keras.utils.set_random_seed(3)
    image = keras.Input((SIZE, SIZE, 3))
    x = L.GlobalAveragePooling2D()(L.Conv2D(4, 3, activation="relu")(image))
    return image, L.Dense(3, kernel_initializer="random_normal", bias_initializer="random_normal")(100 * x)


def keras_model(end: str) -> keras.Model:
    image, x = body()
    dense = functools.partial(L.Dense, 3, name="out")
    made = {
        "dense": lambda: dense(activation="softmax")(x),
        "sigmoid": lambda: dense(activation="sigmoid")(x),
        "tanh": lambda: dense(activation="tanh")(x),
        "hard": lambda: dense(activation="hard_sigmoid")(x),
        "log": lambda: dense(activation="log_softmax")(x),
        "layer": lambda: L.Softmax(name="out")(x),
        "activation": lambda: L.Activation("softmax", name="out")(x),
        "operation": lambda: keras.ops.softmax(x),
        "cast": lambda: L.Activation("linear", dtype="float32", name="out")(L.Softmax()(x)),
        "dropped": lambda: L.Dropout(0.1, name="out")(L.Softmax()(x)),
        "nested": lambda: keras.Sequential([keras.Input((3,)), dense(activation="softmax")], name="head")(x),
        "reshaped": lambda: L.Reshape((1, 1, 3), name="out")(L.Softmax()(x)),
        "hidden": lambda: L.Lambda(lambda t: tf.exp(t) / tf.reduce_sum(tf.exp(t), -1, keepdims=True), name="out")(x),
    }
    return keras.Model(image, made[end]())


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv, self.pool = L.Conv2D(4, 3), L.GlobalAveragePooling2D()
        self.out = L.Dense(3, activation="softmax", name="out")

    def call(self, x):
        return self.out(self.pool(self.conv(x)))


def keras_2() -> tf_keras.Model:
    layers = tf_keras.layers
    return tf_keras.Sequential(
        [layers.Input((SIZE, SIZE, 3)), layers.Flatten(), layers.Dense(3, activation="softmax", name="out")]
    )


def torch_module(end: str):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    ends = {"softmax": torch.nn.Softmax(-1), "sigmoid": torch.nn.Sigmoid(), "log": torch.nn.LogSoftmax(-1)}
    last = ends.get(end, torch.nn.Identity())
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * SIZE**2, 3), last)
    if end != "functional":
        return module

    class Functional(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = module

        def forward(self, x):
            return torch.nn.functional.softmax(self.first(x), -1)

    return Functional()


def function(images: tf.Tensor) -> tf.Tensor:
    return tf.nn.softmax(tf.reduce_mean(images, (1, 2)) @ tf.constant([[1.0, 2, 3], [3, 2, 1], [0, 1, 0]]))


SOFTMAX = ("dense", "layer", "activation", "operation", "cast", "dropped", "nested", "reshaped", "hidden", "log")
SOURCES = {f"Keras, {end}": functools.partial(keras_model, end) for end in (*SOFTMAX, "sigmoid", "tanh")}
SOURCES |= {
    f"PyTorch, {end}": functools.partial(torch_module, end) for end in ("softmax", "sigmoid", "log", "functional")
}
SOURCES |= {"subclassed": Subclassed, "Keras 2": keras_2, "function": lambda: function}


def network_of(make) -> Network:
    model = make()
    shape = None if isinstance(model, keras.Model) and not isinstance(model, Subclassed) else (SIZE, SIZE, 3)
    shape = None if type(model).__module__.startswith("tf_keras") else shape
    return Network(model, value_range=(0, 1), image_shape=shape)


def pictures() -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(4, SIZE, SIZE, 3)).astype(np.float32)


def scored(network: Network, unit) -> np.ndarray:
    made = activation.make_activation(network, unit, param.fourier(SIZE), None)
    return made.of_images(tf.constant(pictures()), ()).numpy()


def logit_gaps(kind: str, values: np.ndarray) -> np.ndarray:
    """Of the values of an output, differences between images that values before its function have, too."""
    values = values.reshape(len(values), -1).astype(np.float64)
    if kind in ("softmax", "logsoftmax"):
        logs = values if kind == "logsoftmax" else np.log(values)
        return logs[:, UNIT] - logs[:, 0]
    return np.log(values[:, UNIT] / (1 - values[:, UNIT])) if kind == "sigmoid" else np.arctanh(values[:, UNIT])


@pytest.mark.parametrize("source", SOURCES)
def test_units_of_an_output_are_scored_before_its_end(source):
    network = network_of(SOURCES[source])
    layer = list(network.layers)[-1]
    values, ending = network(pictures(), layer)[layer].numpy(), network.endings.find(layer)
    found = scored(network, f"{layer}:{UNIT}")
    if ending.kind in ("softmax", "logsoftmax") and ending.logits is not None:
        found = found - scored(network, f"{layer}:0")
        expected = logit_gaps(ending.kind, values)
    elif ending.kind in ("softmax", "logsoftmax"):
        p = values.reshape(len(values), -1)[:, UNIT]
        expected = np.log(p / (1 - p))
    else:
        expected = logit_gaps(ending.kind, values)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)
    # By name, and by a function, the output itself.
    flat = values.reshape(len(values), -1)[:, UNIT]
    np.testing.assert_allclose(scored(network, f"{layer}/post:{UNIT}"), flat, rtol=1e-4)
    by_function = scored(network, lambda T: tf.reshape(T(layer), (-1, 3))[:, UNIT])
    np.testing.assert_allclose(by_function, flat, rtol=1e-4)


def test_controls_are_scored_as_they_are():
    """A gate inside the network, a rectified output, an output without a function, one of numbers that add up to another sum."""
    image, x = body()
    gate = L.Dense(3, activation="softmax", name="gate")(x)
    gated = keras.Model(image, L.Dense(3, name="out")(L.Multiply()([x, gate])))
    ends = {"relu": L.ReLU(name="out")(x), "plain": L.Activation("linear", name="out")(x)}
    ends["sum of 2"] = L.Lambda(lambda t: 2 * tf.nn.softmax(t), name="out")(x)
    networks = {name: Network(keras.Model(image, end)) for name, end in ends.items()} | {"gate": Network(gated)}
    for name, network in networks.items():
        layer = "gate" if name == "gate" else "out"
        assert network.endings.find(layer) is None, name
        np.testing.assert_allclose(
            scored(network, f"{layer}:{UNIT}"), network(pictures(), layer)[layer][:, UNIT], rtol=1e-4, err_msg=name
        )


def test_all_objectives_of_units_read_before_the_end():
    network = Network(keras_model("dense"), labels=("a", "b", "c"))
    before = network(pictures(), "out/pre")["out/pre"].numpy()
    for unit in (
        objectives.channel("out", UNIT),
        objectives.neuron("out", UNIT),
        objectives.class_logit("out", "b"),
        objectives.direction("out", np.eye(3)[UNIT]),
        "out:b",
        objectives.channel("out", UNIT) + 0,
        2 * objectives.channel("out", UNIT) - objectives.channel("out/pre", UNIT),
    ):
        np.testing.assert_allclose(scored(network, unit), before[:, UNIT], rtol=1e-4, err_msg=str(unit))


def test_a_probability_is_not_applied_twice():
    dense = network_of(functools.partial(keras_model, "dense"))
    probabilities = dense(pictures(), "out")["out"].numpy()[:, UNIT]
    for layer in ("out", "out/pre"):
        found = scored(dense, objectives.class_probability(layer, UNIT))
        np.testing.assert_allclose(found, probabilities, rtol=1e-4)
    sigmoid = network_of(functools.partial(keras_model, "sigmoid"))
    found = scored(sigmoid, objectives.class_probability("out", UNIT))
    np.testing.assert_allclose(found, sigmoid(pictures(), "out")["out"].numpy()[:, UNIT], rtol=1e-4)


def test_units_and_probabilities_in_one_batch_are_kept_apart():
    network = network_of(functools.partial(keras_model, "dense"))
    both = objectives.each([objectives.channel("out", UNIT), objectives.class_probability("out", UNIT)])
    made = activation.make_activation(network, both, param.fourier(SIZE), None)
    logit, probability = made.of_images(tf.constant(pictures()[[0, 0]]), ()).numpy()
    np.testing.assert_allclose(logit, network(pictures()[:1], "out/pre")["out/pre"][0, UNIT], rtol=1e-4)
    np.testing.assert_allclose(probability, network(pictures()[:1], "out")["out"][0, UNIT], rtol=1e-4)


@pytest.mark.parametrize("log_odds", [softmax_log_odds, sigmoid_log_odds])
def test_log_odds_have_a_gradient_where_probabilities_are_flat(log_odds):
    to_probability = tf.nn.softmax if log_odds is softmax_log_odds else tf.nn.sigmoid
    logits = tf.constant([[x, 0.0, -1.0] for x in (-30.0, -5.0, 0.0, 5.0, 12.0)])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        found = log_odds(to_probability(logits))[:, 0]
    others = np.log(np.exp(0.0) + np.exp(-1.0)) if log_odds is softmax_log_odds else 0.0
    np.testing.assert_allclose(found, logits[:, 0] - others, rtol=0.02, atol=1e-3)
    np.testing.assert_allclose(tape.gradient(found, logits)[:, 0], 1, rtol=0.05)


def test_a_run_says_once_how_its_units_are_scored(capsys):
    network = network_of(functools.partial(keras_model, "dense"))
    settings = dict(param=param.fourier(SIZE), steps=1, transforms=None, progress=True)
    optimize(network, "out:1", **settings)
    said = [line for line in capsys.readouterr().err.splitlines() if "before its softmax" in line]
    assert said == ["samplevis: units of 'out' are scored before its softmax; the probability is 'out/post:UNIT'"]
    sweep(network, "out", **settings)
    assert capsys.readouterr().err.count("before its softmax") == 1
    for unit in ("out/pre:1", "out/post:1", "conv2d:1", objectives.class_probability("out", 1)):
        layer = next(name for name in network.layers if name.startswith("conv"))
        unit = unit.replace("conv2d", layer) if isinstance(unit, str) else unit
        made = activation.make_activation(network, unit, param.fourier(SIZE), None)
        assert made.objective.unsaturated == ()
