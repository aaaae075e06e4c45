"""Every kind of model x kind of objective x (optimise, sample): each runs, or is declared not to, with the reason."""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from samplevis import Network, modelzoo, objectives, optimize, param, render
from samplevis.activation import make_activation
from samplevis.overrides.smooth import smoothed
from samplevis.runtime import seeds
from samplevis.sampling.density import Tilted
from samplevis.sampling.kernels.split_hmc import SplitHMC

SIZE = 16


class Kind(NamedTuple):
    """A kind of model: how to make one, and what two of its layers are called."""

    make: Callable[..., Network]
    middle: str = "conv"
    top: str = "logits"


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="subclassed")
        self.conv = keras.layers.Conv2D(4, 3, activation="relu", bias_initializer="ones", name="conv")
        self.pool = keras.layers.MaxPooling2D(name="pool")
        self.normal = keras.layers.BatchNormalization(name="normal")
        self.logits = keras.layers.Dense(3, name="logits")

    def call(self, x):
        x = self.normal(self.pool(self.conv(x)))
        return self.logits(keras.ops.mean(x, (1, 2)))


class SubclassedKeras2(tf_keras.Model):
    def __init__(self):
        super().__init__(name="subclassed")
        self.conv = tf_keras.layers.Conv2D(4, 3, activation="relu", bias_initializer="ones", name="conv")
        self.logits = tf_keras.layers.Dense(3, name="logits")

    def call(self, x):
        return self.logits(tf.reduce_mean(self.conv(x), (1, 2)))


def functional(size=(None, None), channels=3, layers=keras.layers, model=keras.Model):
    image = layers.Input((*size, channels))
    x = layers.Conv2D(4, 3, activation="relu", bias_initializer="ones", name="conv")(image)
    x = layers.BatchNormalization(name="normal")(layers.MaxPooling2D(name="pool")(x))
    x = layers.GlobalAveragePooling2D()(x) if None in size else layers.Flatten()(x)
    return model(image, layers.Dense(3, name="logits")(x))


def with_policy(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return Network(functional())
    finally:
        keras.config.set_dtype_policy(before)


def nested():
    image = keras.Input((None, None, 3))
    inner = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(4, 3, activation="relu", bias_initializer="ones", name="conv"),
        ]
    )
    inner.name = "backbone"
    x = keras.layers.GlobalAveragePooling2D()(inner(image))
    return keras.Model(image, keras.layers.Dense(3, name="logits")(x))


def several_inputs(layers=keras.layers, model=keras.Model):
    image, scale = layers.Input((None, None, 3), name="image"), layers.Input((4,), name="scale")
    x = layers.Conv2D(4, 3, activation="relu", bias_initializer="ones", name="conv")(image)
    x = layers.Multiply(name="scaled")([layers.GlobalAveragePooling2D()(x), scale])
    return model([image, scale], layers.Dense(3, name="logits")(x))


class SeveralInputs(keras.Model):
    def __init__(self):
        super().__init__(name="several")
        self.conv = keras.layers.Conv2D(4, 3, activation="relu", bias_initializer="ones", name="conv")
        self.logits = keras.layers.Dense(3, name="logits")

    def call(self, inputs):
        return self.logits(keras.ops.mean(self.conv(inputs["image"]), (1, 2)) * inputs["scale"])


class SeveralArguments(SeveralInputs):
    def call(self, image, scale):
        return super().call({"image": image, "scale": scale})


def several_inputs_subclassed():
    model = SeveralInputs()
    model({"image": np.zeros((1, SIZE, SIZE, 3), np.float32), "scale": np.ones((1, 4), np.float32)})
    return model


def several_arguments():
    model = SeveralArguments()
    model(np.zeros((1, SIZE, SIZE, 3), np.float32), np.ones((1, 4), np.float32))
    return model


def several_outputs():
    whole = functional()
    return keras.Model(whole.input, {"features": whole.get_layer("conv").output, "classes": whole.output})


def channels_first():
    image = keras.Input((3, SIZE, SIZE))
    x = keras.layers.Conv2D(
        4, 3, activation="relu", bias_initializer="ones", data_format="channels_first", name="conv"
    )(image)
    x = keras.layers.GlobalAveragePooling2D(data_format="channels_first")(x)
    return keras.Model(image, keras.layers.Dense(3, name="logits")(x))


def transformer():
    """A small ViT: patches, attention, a multilayer perceptron, the mean token."""
    image = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Reshape((16, 8), name="tokens")(keras.layers.Conv2D(8, 4, 4, name="patches")(image))
    y = keras.layers.LayerNormalization(name="norm1")(x)
    x = keras.layers.Add(name="attended")([x, keras.layers.MultiHeadAttention(2, 4, name="attention")(y, y)])
    y = keras.layers.Dense(16, activation="gelu", name="hidden")(keras.layers.LayerNormalization(name="norm2")(x))
    x = keras.layers.Add(name="block")([x, keras.layers.Dense(8, name="back")(y)])
    return keras.Model(image, keras.layers.Dense(3, name="logits")(keras.layers.GlobalAveragePooling1D()(x)))


def function(images):
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 4)).astype(np.float32)
    x = tf.nn.relu(tf.nn.conv2d(images, kernel, 1, "SAME"), name="conv")
    return tf.identity(tf.reduce_mean(x, (1, 2), name="mean")[:, :3] * 2.0, name="logits")


def frozen():
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, name="image")
        kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 4)).astype(np.float32)
        x = tf.nn.lrn(tf.nn.relu(tf.nn.conv2d(image, kernel, 1, "SAME"), name="conv"))
        tf.matmul(tf.reduce_mean(x, (1, 2)), tf.ones((4, 3)) * [1.0, 2.0, 3.0], name="logits")
    return graph.as_graph_def()


def built(model):
    model(np.zeros((1, SIZE, SIZE, 3), np.float32))
    return model


def saved(path, ending=""):
    """A file or folder of a model of Keras 3."""
    file = path / f"model{ending}"
    if ending == ".pb":
        file.write_bytes(frozen().SerializeToString())
    elif ending:
        functional().save(file)
    else:
        functional((SIZE, SIZE)).export(file, verbose=False)
    return file


KINDS = {
    "functional": Kind(lambda path: Network(functional())),
    "Sequential": Kind(
        lambda path: Network(
            keras.Sequential(
                [
                    keras.Input((None, None, 3)),
                    keras.layers.Conv2D(4, 3, activation="relu", bias_initializer="ones", name="conv"),
                    keras.layers.GlobalAveragePooling2D(),
                    keras.layers.Dense(3, name="logits"),
                ]
            )
        )
    ),
    "nested": Kind(lambda path: Network(nested()), "backbone/conv"),
    "subclassed": Kind(lambda path: Network(built(Subclassed()))),
    "subclassed, any size": Kind(lambda path: Network(built(Subclassed()), image_shape=(None, None, 3))),
    "Keras 2": Kind(lambda path: Network(functional(layers=tf_keras.layers, model=tf_keras.Model))),
    "Keras 2, subclassed": Kind(lambda path: Network(built(SubclassedKeras2()))),
    "SavedModel": Kind(lambda path: modelzoo.load(saved(path)), "conv_1", "logits_1"),
    "TFSMLayer": Kind(lambda path: Network(keras.layers.TFSMLayer(str(saved(path)))), "conv_1", "output"),
    ".keras": Kind(lambda path: modelzoo.load(saved(path, ".keras"))),
    ".h5": Kind(lambda path: modelzoo.load(saved(path, ".h5"))),
    ".pb": Kind(lambda path: modelzoo.load(saved(path, ".pb"))),
    "function": Kind(lambda path: Network(function), top="output"),
    "several inputs": Kind(lambda path: Network(several_inputs(), fixed_inputs={"scale": np.arange(4.0)})),
    "several inputs, subclassed": Kind(
        lambda path: Network(several_inputs_subclassed(), fixed_inputs={"scale": np.arange(4.0)})
    ),
    "several inputs, Keras 2": Kind(
        lambda path: Network(several_inputs(tf_keras.layers, tf_keras.Model), fixed_inputs={"scale": np.arange(4.0)})
    ),
    "several outputs": Kind(lambda path: Network(several_outputs())),
    "fixed size": Kind(lambda path: Network(functional((SIZE, SIZE)))),
    "channels first": Kind(lambda path: Network(channels_first())),
    "1 channel": Kind(lambda path: Network(functional(channels=1))),
    "4 channels": Kind(lambda path: Network(functional(channels=4))),
    "7 channels": Kind(lambda path: Network(functional(channels=7))),
    "float16": Kind(lambda path: with_policy("mixed_float16")),
    "bfloat16": Kind(lambda path: with_policy("mixed_bfloat16")),
    "transformer": Kind(lambda path: Network(transformer()), "block"),
}
OBJECTIVES = {
    "channel": lambda kind: f"{kind.middle}:1",
    "neuron": lambda kind: objectives.neuron(kind.middle, 1, x=3),
    "class": lambda kind: objectives.class_logit(kind.top, 1),
}
# (kind of model, objective, action) -> why it cannot be.
DECLARED: dict[tuple[str, str, str], str] = {
    (name, objective, "sampled"): f"^model: a sampler needs differences of energies that {name} cannot carry"
    for name in ("float16", "bfloat16")
    for objective in OBJECTIVES
}


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Each network, made once."""
    made: dict[str, Network] = {}

    def network(name):
        if name not in made:
            keras.utils.set_random_seed(3)
            tf.random.set_seed(3)
            made[name] = KINDS[name].make(tmp_path_factory.mktemp("model"))
        return made[name]

    return network


def optimised(network, obj):
    small = keras.optimizers.Adam(0.02)
    # On the network as it is, so that both steps score the same function.
    settings = dict(param=prior(network), transforms=None, steps=2, batch=2, smooth=None)
    found = optimize(network, obj, optimizer=small, progress=False, **settings)
    assert found.images.shape == (2, SIZE, SIZE, network.image_shape[-1]) and np.isfinite(found.images).all()
    # In half precision a step may be too small to show.
    assert (found.history[1] >= found.history[0]).all(), found.history
    still = prior(network).image(prior(network).start(seeds.fold(seeds.root(0), "optimize"), 2))
    assert np.abs(found.images - still).max() > 1e-3, "an image without a gradient rests"


def sampled(network, obj):
    """A few transitions of the sampler on the smoothed network."""
    activation = make_activation(smoothed(network, 0.3), obj, prior(network), None)
    activation.check_sampled()
    density, bank = Tilted(5.0), activation.sample_transforms(seeds.root(0), 1)
    kernel = SplitHMC(lambda z: density.tilt(activation.scores(z, bank)[:, 0]), 0.2, 2)
    state = first = activation.param.prior(seeds.root(1), 2)
    results, accepted = kernel.bootstrap_results(state), 0
    for number in range(2):
        state, results = kernel.one_step(state, results, seed=tf.constant([number, 7]))
        accepted += int(tf.reduce_sum(tf.cast(results.is_accepted, tf.int32)))
    assert accepted and np.isfinite(state).all() and np.abs(state - first).max() > 1e-2
    assert np.isfinite(results.gradient).all() and np.abs(results.gradient).max() > 0


def prior(network):
    return param.fourier(SIZE, channels=network.image_shape[-1])


def _cases():
    """Every kind of model is optimised and sampled by default, each for another objective; all of them in CI."""
    for number, name in enumerate(KINDS):
        for place, objective in enumerate(OBJECTIVES):
            for turn, action in enumerate((optimised, sampled)):
                in_turn = (number + place + turn) % len(OBJECTIVES) == 0
                marks = () if in_turn else pytest.mark.slow
                yield pytest.param(name, objective, action, marks=marks, id=f"{name}-{objective}-{action.__name__}")


@pytest.mark.parametrize(("name", "objective", "action"), _cases())
def test_every_kind_of_model(networks, name, objective, action):
    reason = DECLARED.get((name, objective, action.__name__))
    with pytest.raises(ValueError, match=reason) if reason else contextlib.nullcontext():
        action(networks(name), OBJECTIVES[objective](KINDS[name]))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_model_is_called_inside_a_function(networks, name):
    network, kind = networks(name), KINDS[name]
    image = prior(network)
    images = image.image(image.prior(seeds.root(0), 2))
    layers = [kind.middle, kind.top]

    def gradient(run, x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = tf.add_n([tf.reduce_mean(tf.square(values)) for values in run(x).values()])
        return tape.gradient(score, x)

    def values_and_gradient(run):
        return {**run(images), "gradient": gradient(run, images)}

    cut, called = network.cut(layers), lambda x: network(x, layers)
    expected = values_and_gradient(cut)
    assert np.abs(expected["gradient"]).max() > 0
    for name, values in values_and_gradient(called).items():
        np.testing.assert_array_equal(values, expected[name])
    # A graph may round otherwise than single operations do: it is compared with a graph.
    expected, found = (
        tf.function(lambda x, run=run: {**run(x), "gradient": gradient(run, x)}) for run in (cut, called)
    )
    expected, found = expected(images), found(images)
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name])


def test_a_traced_model_is_rendered(networks):
    options = dict(num_results=1, num_chains=1, num_burnin_steps=1, num_leapfrog_steps=1, num_transforms=1)
    settings = dict(im_size=SIZE, transforms=None, optimize_steps=16, anneal_steps=2, progress=False)
    samples = render(networks("subclassed"), "conv/pre:1", options, **settings)
    assert samples.model == "smooth subclassed" and len(samples) == 1
    assert np.isfinite(samples[:]).all() and np.isfinite(samples.network_levels).all()


@pytest.mark.parametrize("name", ["subclassed", "Keras 2", "SavedModel", "TFSMLayer", "function"])
def test_traced_values_are_the_models_own(networks, name, images):
    network = networks(name)
    images = images[:, :, [*range(12), 0, 1, 2, 3]]
    model = network.model
    if name == "SavedModel":
        model = model.signatures["serving_default"]
    own = np.asarray(tf.nest.flatten(model(tf.constant(images)))[0])
    top = KINDS[name].top
    np.testing.assert_allclose(network.activations(images, top)[top], own, atol=1e-5)
    pre, post = (
        network.activations(images, KINDS[name].middle + end)[KINDS[name].middle + end] for end in ("/pre", "")
    )
    np.testing.assert_allclose(np.maximum(pre, 0), post, atol=1e-6)
    assert np.min(pre) < 0, "the control"


def test_a_traced_model_is_a_snapshot(images):
    keras.utils.set_random_seed(0)
    model = built(Subclassed())
    network = Network(model, image_shape=(None, None, 3))
    before = network.activations(images, "logits")["logits"]
    model.logits.bias.assign([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(network.activations(images, "logits")["logits"], before)
    again = Network(model, image_shape=(None, None, 3)).activations(images, "logits")["logits"]
    np.testing.assert_allclose(again - before, [[1.0, 2.0, 3.0]] * 4, atol=1e-5)


def test_layers_of_a_subclassed_model_have_their_own_names(networks):
    assert list(networks("subclassed").layers) == ["conv", "pool", "normal", "Mean", "logits", "output"]
    assert list(networks("Keras 2, subclassed").layers) == ["conv", "Mean", "logits", "output"]
    keras.utils.set_random_seed(0)
    twice = built(Subclassed())
    twice.call = lambda x: twice.logits(keras.ops.mean(twice.conv(x) - 0.5 * twice.conv(x[:, ::-1]), (1, 2)))
    # A layer's name stands for its first call.
    network = Network(twice)
    names = [name for name in network.layers if name.startswith("conv")]
    assert names == ["conv", "conv#2"]


def test_tokens_and_heads(networks, images):
    network = networks("transformer")
    images = np.random.default_rng(0).uniform(size=(2, SIZE, SIZE, 3)).astype(np.float32)
    values = network.activations(images, "block")["block"].numpy()
    for objective, expected in (
        (objectives.neuron("block", 5), values[:, 8, 5]),
        (objectives.neuron("block", 5, x=0), values[:, 0, 5]),
        (objectives.channel("block", 2), values[:, :, 2].mean(1)),
        (objectives.as_objective("block:2 - block:3"), (values[:, :, 2] - values[:, :, 3]).mean(1)),
    ):
        known = objective.resolve(network)
        np.testing.assert_allclose(known(lambda layer: tf.constant(values)), expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="x .token.: expected a whole number from 0 to 15 for layer 'block'"):
        objectives.neuron("block", 5, x=16).resolve(network)
    with pytest.raises(ValueError, match="neuron: 'block' has 1 direction"):
        objectives.neuron("block", 5, x=1, y=1).resolve(network)
    with pytest.raises(ValueError, match="0 to 7"):
        objectives.channel("block", 8).resolve(network)
    # Traced, the inside of the attention shows: [batch, token, head, channel].
    model = network.model
    traced = Network(lambda x: model(x, training=False), image_shape=(SIZE, SIZE, 3))
    heads = [name for name, shape in traced.layers.items() if shape == (16, 2, 4)]
    assert heads
    objectives.neuron(heads[-1], 3, x=15, y=1).resolve(traced)
    with pytest.raises(ValueError, match="y .column.: expected a whole number from 0 to 1"):
        objectives.neuron(heads[-1], 3, x=15, y=2).resolve(traced)


def test_channels_first_is_channels_last_outside(images):
    keras.utils.set_random_seed(0)
    first, square = channels_first(), np.random.default_rng(0).uniform(size=(2, SIZE, SIZE, 3)).astype(np.float32)
    image = keras.Input((SIZE, SIZE, 3))
    last = keras.Model(image, keras.layers.Conv2D(4, 3, activation="relu", bias_initializer="ones", name="conv")(image))
    last.get_layer("conv").set_weights(first.get_layer("conv").get_weights())
    network, twin = Network(first, value_range=(-1, 1)), Network(last, value_range=(-1, 1))
    assert network.image_shape == (SIZE, SIZE, 3) and network.layers["conv"] == (14, 14, 4)
    for layer in ("conv", "conv/pre"):
        np.testing.assert_allclose(
            network.activations(square, layer)[layer], twin.activations(square, layer)[layer], atol=1e-5
        )
    traced = Network(
        built_first := tf.function(lambda x: first(x), input_signature=[tf.TensorSpec((None, 3, SIZE, SIZE))])
    )
    assert built_first is traced.model and traced.image_shape == (SIZE, SIZE, 3)
    conv = next(name for name in traced.source.names if name.endswith("Relu"))
    # The network declared its range; the function did not.
    np.testing.assert_allclose(
        traced.activations(square, conv)[conv], Network(last).activations(square, "conv")["conv"], atol=1e-5
    )
    values = tf.ones((2, 14, 14, 4))
    given = network.substitute("conv", ("logits", "conv"))(tf.constant(square), values)
    np.testing.assert_allclose(given["logits"], first.get_layer("logits")(np.ones((2, 4))), atol=1e-5)
    np.testing.assert_array_equal(given["conv"], values)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_half_precision_comes_back_whole(networks, name, images):
    network = networks(name)
    assert network.model.get_layer("conv").compute_dtype == name
    values = network.activations(images, ["conv", "conv/pre"])
    assert {value.dtype for value in values.values()} == {tf.float32}
    np.testing.assert_array_equal(np.maximum(values["conv/pre"], 0), values["conv"])


def test_given_inputs(images):
    model = several_inputs()
    network = Network(model, fixed_inputs={"scale": np.arange(4.0)})
    expected = model([images, np.tile(np.arange(4.0), (4, 1))])
    np.testing.assert_allclose(network.activations(images, "logits")["logits"], expected, atol=1e-6)
    for given, words in (
        (None, "2 inputs .image, scale., and 2 of them are free.*fixed_inputs="),
        ({"scales": 1}, "no input 'scales'"),
        ({"scale": np.zeros((1, 4))}, r"expected 'scale' of shape \(4,\), no batch. Received: \(1, 4\)"),
    ):
        with pytest.raises(ValueError, match=words):
            Network(model, fixed_inputs=given)


@pytest.mark.parametrize(
    "make",
    [several_inputs_subclassed, several_arguments, lambda: several_inputs(tf_keras.layers, tf_keras.Model)],
    ids=["dictionary", "arguments", "Keras 2"],
)
def test_given_inputs_of_what_is_traced(make, images):
    model, scale = make(), np.arange(4.0)
    images = images[:, :, [*range(12), 0, 1, 2, 3]]
    each = np.tile(scale.astype(np.float32), (4, 1))
    expected = model(images, each) if isinstance(model, SeveralArguments) else model({"image": images, "scale": each})
    network = Network(model, fixed_inputs={"scale": scale})
    np.testing.assert_allclose(network.activations(images, "output")["output"], expected, atol=1e-5)
    other = Network(model, fixed_inputs={"scale": 2 * scale}).activations(images, "output")["output"]
    assert np.abs(other - expected).max() > 1e-3, "the control"
    with pytest.raises(ValueError, match="fixed_inputs="):
        Network(model)
    if not isinstance(model, SeveralArguments):
        for given, words in (
            ({"scales": 1}, "no input 'scales'. Its inputs: image, scale"),
            ({"scale": np.zeros((1, 4))}, r"expected 'scale' of shape \(4,\), no batch. Received: \(1, 4\)"),
        ):
            with pytest.raises(ValueError, match=words):
                Network(model, fixed_inputs=given)


def test_given_inputs_of_a_function_and_of_a_saved_model(tmp_path, images):
    def scaled(images, scale):
        return tf.reduce_mean(images, (1, 2)) * scale

    expected = images.mean((1, 2)) * [1, 2, 3]
    found = Network(scaled, fixed_inputs={"scale": [1.0, 2.0, 3.0]}).activations(images, "output")["output"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    model = several_inputs()
    model.export(tmp_path / "saved", verbose=False)
    network = modelzoo.load(tmp_path / "saved", fixed_inputs={"scale": np.arange(4.0, dtype=np.float32)})
    own = model([images, np.tile(np.arange(4.0), (4, 1))])
    np.testing.assert_allclose(network.activations(images, "output_0")["output_0"], own, atol=1e-5)


def test_a_list_of_inputs_has_no_names():
    model = SeveralInputs()
    model.call = lambda inputs: SeveralInputs.call(model, dict(zip(("image", "scale"), inputs, strict=True)))
    model([np.zeros((1, SIZE, SIZE, 3), np.float32), np.ones((1, 4), np.float32)])
    with pytest.raises(ValueError, match="takes a list of 2 inputs, which have no names. Give a function of the image"):
        Network(model)


@pytest.mark.parametrize("pool", ["maximum", "average", "volume"])
def test_graphs_with_channels_first_run_where_only_channels_last_do(pool, images):
    """CPUs have no gradient of max pooling, and nothing for volumes, with the channels first."""
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 3, 4) if pool == "volume" else (3, 3, 3, 4)).astype("f4")
    rank = kernel.ndim
    order = [0, rank - 1, *range(1, rank - 1)]

    def of(format, strides):
        def run(x):
            if pool == "volume":
                x = tf.nn.relu(tf.nn.conv3d(x, kernel, strides([1, 1, 2, 1, 1]), "SAME", format))
                x = tf.nn.max_pool3d(x, 2, 2, "SAME", format)
                return tf.nn.avg_pool3d(x, 2, 1, "SAME", format)
            x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME", format))
            if pool == "average":
                return tf.nn.avg_pool2d(x, [3, 2], 2, "SAME", format)
            return tf.nn.max_pool2d(x, [3, 2], [2, 1], [[0, 0]] + strides([[0, 0], [1, 1], [1, 0], [0, 0]])[1:], format)

        return run

    def moved(values):
        return [values[i] for i in order]

    names = {4: ("NHWC", "NCHW"), 5: ("NDHWC", "NCDHW")}[rank]
    batch = images[:, :8, :8] if rank == 4 else np.stack([images[:, :8, :8]] * 4, 1)
    expected = of(names[0], list)
    spec = tf.TensorSpec([None, *(batch.shape[i] for i in order[1:])], tf.float32)
    network = Network(tf.function(of(names[1], moved), input_signature=[spec], autograph=False))
    assert network.image_shape == batch.shape[1:]
    gradients = []
    for run in (expected, lambda x: network.cut(("output",))(x)["output"]):
        x = tf.constant(batch)
        with tf.GradientTape() as tape:
            tape.watch(x)
            values = run(x)
            total = tf.reduce_sum(values**2)
        gradients.append((values, tape.gradient(total, x)))
    for ours, theirs in zip(gradients[1], gradients[0], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_what_is_no_model():
    with pytest.raises(ValueError, match="'subclassed' does not say what images it takes. Call it once"):
        Network(Subclassed())
    with pytest.raises(ValueError, match="'mean' cannot be traced on images .batch, None, None, 3.*image_shape="):
        Network(np.mean)
    with pytest.raises(
        ValueError, match=r"image_shape: .* takes \(None, None, None, 3\). Expected \(None, None, 3\) or"
    ):
        Network(functional(), image_shape=(8, 8, 4))
    with pytest.raises(ValueError, match="input: only for graphs and SavedModels"):
        Network(functional(), input="image")
    for shape in ((8,), (8, 8, None), (0, 8, 3), 8):
        with pytest.raises(ValueError, match="image_shape: expected .height, width, channels."):
            Network(function, image_shape=shape)
    for thing in ("SqueezeNet", None, 3, keras.Model):
        with pytest.raises(TypeError, match="model: expected a samplevis.Network"):
            Network(thing)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_file_that_brings_code_is_refused(tmp_path, ending):
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Lambda(lambda x: x + 1, name="hostile")])
    model.save(tmp_path / f"hostile{ending}")
    with pytest.raises(ValueError, match="cannot be read as a Keras model.*(?s:[Ll]ambda)"):
        modelzoo.load(tmp_path / f"hostile{ending}")


# What a stranger could write into a layer's settings: functions of Python's own, and Keras's own switch of its safe mode.
HOSTILE = {
    "os.system": (
        {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"},
        "Could not locate function 'system'",
    ),
    "eval": (
        {"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "eval"},
        "Could not locate function 'eval'",
    ),
    "safe mode": (
        {
            "module": "keras.config",
            "class_name": "function",
            "config": "enable_unsafe_deserialization",
            "registered_name": "enable_unsafe_deserialization",
        },
        "not a modeling function",
    ),
    "bytecode": ({"class_name": "__lambda__", "config": {"value": "4wEA"}}, "contains Python code"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_configuration_that_reaches_for_code_is_refused(tmp_path, name):
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3, activation="relu", name="conv")])
    model.save(tmp_path / "whole.keras")
    with zipfile.ZipFile(tmp_path / "whole.keras") as whole, zipfile.ZipFile(tmp_path / "bad.keras", "w") as bad:
        for part in whole.namelist():
            content = whole.read(part)
            if part == "config.json":
                config = json.loads(content)
                config["config"]["layers"][1]["config"]["activation"] = HOSTILE[name][0]
                content = json.dumps(config).encode()
            bad.writestr(part, content)
    assert modelzoo.load(tmp_path / "whole.keras").layers["conv"] == (6, 6, 2), "the control"
    reason = HOSTILE[name][1]
    with pytest.raises(ValueError, match=f"bad.keras cannot be read as a Keras model: .*{reason}") as caught:
        modelzoo.load(tmp_path / "bad.keras")
    assert "'layers'" not in str(caught.value), "the reason, and not the whole configuration"
    assert (
        keras.config.is_unsafe_deserialization_enabled() is not True
        if hasattr(keras.config, "is_unsafe_deserialization_enabled")
        else True
    )
    print(caught.value)


def test_a_graph_that_reaches_for_files_is_refused(tmp_path):
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, (None, 8, 8, 3), name="image")
        secret = tf.strings.to_number(tf.io.read_file("/etc/hostname"))
        tf.multiply(image, secret, name="leak")
    (tmp_path / "bad.pb").write_bytes(graph.as_graph_def().SerializeToString())
    with pytest.raises(ValueError, match="a ReadFile, which would reach out of the model"):
        modelzoo.load(tmp_path / "bad.pb")
