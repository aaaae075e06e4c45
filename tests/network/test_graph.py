"""Frozen graphs: the Keras model of the same network is the oracle."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from samplevis import Network, modelzoo, objectives, optimize, overrides, param
from samplevis.network.sources.operation import compute

LAYERS = ("conv", "norm", "mixed", "pool", "scaled", "logits")
QUIET = dict(param=param.fourier(16), steps=4, progress=False, seed=3)
RANDOM = np.random.default_rng(0)
WEIGHTS = {
    "conv": RANDOM.normal(0, 0.3, (3, 3, 3, 6)),
    "narrow": RANDOM.normal(0, 0.3, (1, 1, 6, 4)),
    "wide": RANDOM.normal(0, 0.2, (3, 3, 6, 5)),
    "bias": RANDOM.normal(0, 0.1, 5),
    "mean": RANDOM.normal(0, 0.1, 9),
    "variance": RANDOM.uniform(0.5, 1.5, 9),
    "gamma": RANDOM.uniform(0.5, 1.5, 9),
    "beta": RANDOM.normal(0, 0.1, 9),
    "logits": RANDOM.normal(0, 0.3, (9, 3)),
}
WEIGHTS = {name: value.astype(np.float32) for name, value in WEIGHTS.items()}
LRN = dict(depth_radius=2, bias=1.0, alpha=0.05, beta=0.75)


def graph_def(**placeholder):
    """A network in the manner of 2015: LRN, Concat with its axis first, batch normalisation in one old operation."""
    with tf.Graph().as_default() as graph:
        weights = {name: tf.constant(value, name=f"weights/{name}") for name, value in WEIGHTS.items()}
        x = tf.compat.v1.placeholder(name="input", **{"dtype": tf.float32, "shape": None} | placeholder)
        x = tf.nn.relu(tf.nn.conv2d(x, weights["conv"], 2, "SAME"), name="conv")
        x = tf.raw_ops.LRN(input=x, name="norm", **LRN)
        narrow = tf.nn.relu(tf.nn.conv2d(x, weights["narrow"], 1, "SAME"), name="narrow/Relu")
        wide = tf.nn.conv2d(x, weights["wide"], 1, "SAME", name="wide/Conv2D")
        wide = tf.nn.relu(tf.nn.bias_add(wide, weights["bias"], name="wide/BiasAdd"), name="wide/Relu")
        x = tf.raw_ops.Concat(concat_dim=tf.constant(3), values=[narrow, wide], name="mixed")
        x = tf.nn.max_pool2d(x, 3, 2, "SAME", name="pool")
        x = tf.identity(x, name="scaled")
        x = tf.matmul(tf.reduce_mean(x, (1, 2), name="mean"), weights["logits"], name="logits")
        tf.nn.softmax(x, name="softmax")
    whole = graph.as_graph_def()
    # TensorFlow no longer builds this operation, but old files hold it.
    scaled = next(node for node in whole.node if node.name == "scaled")
    scaled.op = "BatchNormWithGlobalNormalization"
    scaled.input.extend(f"weights/{name}" for name in ("mean", "variance", "beta", "gamma"))
    scaled.attr["variance_epsilon"].f = 1e-3
    scaled.attr["scale_after_normalization"].b = True
    return whole


@pytest.fixture(scope="module")
def frozen() -> Network:
    return Network(graph_def(), value_range=(-1, 1), labels=("a", "b", "c"), name="frozen")


@pytest.fixture(scope="module")
def model() -> Network:
    """The same network of Keras layers."""
    layers, bare = keras.layers, dict(padding="same", use_bias=False)
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(6, 3, 2, activation="relu", name="conv", **bare)(image)
    x = layers.Lambda(lambda v: tf.nn.local_response_normalization(v, **LRN), name="norm")(x)
    narrow = layers.Conv2D(4, 1, activation="relu", name="narrow", **bare)(x)
    wide = layers.Conv2D(5, 3, padding="same", activation="relu", name="wide")(x)
    x = layers.Concatenate(name="mixed")([narrow, wide])
    x = layers.MaxPooling2D(3, 2, "same", name="pool")(x)
    x = layers.BatchNormalization(name="scaled")(x)
    x = layers.Dense(3, use_bias=False, name="logits")(layers.GlobalAveragePooling2D(name="mean")(x))
    x = layers.Softmax(name="softmax")(x)
    whole = keras.Model(image, x)
    for name in ("conv", "narrow", "logits"):
        whole.get_layer(name).set_weights([WEIGHTS[name]])
    whole.get_layer("wide").set_weights([WEIGHTS["wide"], WEIGHTS["bias"]])
    whole.get_layer("scaled").set_weights([WEIGHTS[name] for name in ("gamma", "beta", "mean", "variance")])
    return Network(whole, value_range=(-1, 1), labels=("a", "b", "c"))


def gradient(network: Network, layer: str, images: np.ndarray) -> np.ndarray:
    x = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(x)
        score = tf.reduce_sum(network.cut((layer,))(x)[layer][..., 1] ** 2)
    return tape.gradient(score, x).numpy()


@pytest.mark.parametrize("layer", [*LAYERS, "mixed/pre", "wide/pre", "softmax"])
def test_activations_and_gradients_are_keras_own(frozen, model, images, layer):
    found, expected = frozen.activations(images, layer)[layer], model.activations(images, layer)[layer]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gradient(frozen, layer, images), gradient(model, layer, images), rtol=1e-5, atol=1e-5)
    assert frozen.layer_shape(layer, (16, 20)) == model.layer_shape(layer, (16, 20))


@pytest.mark.parametrize("obj", ["mixed/pre:7", "logits:1", objectives.class_logit("logits", "c"), "conv:2"])
def test_pictures_are_keras_own(frozen, model, obj):
    found, expected = optimize(frozen, obj, **QUIET), optimize(model, obj, **QUIET)
    np.testing.assert_allclose(found.images, expected.images, atol=1e-5)
    np.testing.assert_allclose(found.history, expected.history, rtol=1e-4, atol=1e-5)
    # The control: another unit's picture.
    other = optimize(model, "logits:0" if obj != "logits:0" else "logits:1", **QUIET)
    assert np.abs(found.images - other.images).max() > 1e-3


@pytest.mark.parametrize(
    "change",
    [
        overrides.redirect_relu,
        overrides.smooth_max_pool,
        lambda n: overrides.smooth_max_pool(n, "l2"),
        overrides.linearize,
        overrides.smooth,
        lambda n: overrides.smooth(n, 0.2, "softmax"),
        lambda n: overrides.redirect_relu(overrides.smooth(n)),
        lambda n: overrides.smooth(overrides.smooth(n, pooling="max"), pooling="max"),
    ],
)
def test_overrides_do_to_nodes_what_they_do_to_layers(frozen, model, images, change):
    ours, theirs = change(frozen), change(model)
    np.testing.assert_allclose(
        ours.activations(images, "logits")["logits"], theirs.activations(images, "logits")["logits"], atol=1e-5
    )
    np.testing.assert_allclose(gradient(ours, "logits", images), gradient(theirs, "logits", images), atol=1e-5)
    assert dict(ours.layers) == dict(frozen.layers) and ours.exact_gradient == theirs.exact_gradient


def test_some_overrides_change_something(frozen, images):
    """The control for the test above."""
    own = gradient(frozen, "logits", images)
    assert np.abs(gradient(overrides.linearize(frozen), "logits", images) - own).max() > 1e-4
    assert np.abs(gradient(overrides.smooth(frozen), "logits", images) - own).max() > 1e-4


def test_a_substituted_layer_cuts_what_is_before_it(frozen, model, images):
    values = np.random.default_rng(2).normal(size=(4, 8, 6, 9)).astype(np.float32)
    ours, theirs = (n.substitute("mixed", ("logits", "conv"))(images, tf.constant(values)) for n in (frozen, model))
    for layer in ("logits", "conv"):
        np.testing.assert_allclose(ours[layer], theirs[layer], atol=1e-5)


def test_names(frozen):
    table = [line.split()[0] for line in frozen.layer_table().splitlines()]
    assert table == ["Conv2D", "conv", "norm", "Conv2D_1", "narrow", "wide", "mixed", "pool", "scaled", "mean"] + [
        "logits",
        "softmax",
    ]
    # What a scope hides is still there, by the names of nodes and of tensors.
    for name in ("wide/Relu", "wide/BiasAdd", "wide/Relu:0", "mixed:0", "mixed_pre_relu", "wide/Relu/pre"):
        frozen.check_layer(name)
    assert objectives.as_objective("wide/Relu:0:3").resolve(frozen).layers == ("wide/Relu:0",)
    assert objectives.as_objective("wide/Relu:0").resolve(frozen).layers == ("wide/Relu",)
    with pytest.raises(ValueError, match="'conv' .*None.*layer_table"):
        frozen.check_layer("convv")


def test_aliases(images):
    network = Network(graph_def(), aliases={"mixed4a": "mixed", "before": "mixed/pre"})
    own = network.activations(images, ["mixed4a", "mixed", "mixed4a_pre_relu", "before"])
    np.testing.assert_array_equal(own["mixed4a"], own["mixed"])
    np.testing.assert_array_equal(own["mixed4a_pre_relu"], own["before"])
    assert network.layer_shape("mixed4a", (16, 16)) == (8, 8, 9)
    assert "mixed4a = mixed, before = mixed/pre" in network.layer_table() and "mixed4a" not in network.layers
    assert optimize(network, "mixed4a:1", **QUIET | {"steps": 1}).images.shape == (1, 16, 16, 3)
    assert overrides.smooth(network).activations(images, "mixed4a")["mixed4a"].shape == own["mixed4a"].shape
    with pytest.raises(ValueError, match="aliases: 'conv'"):
        Network(graph_def(), aliases={"conv": "mixed"})
    with pytest.raises(ValueError, match="no layer 'mixes'"):
        Network(graph_def(), aliases={"mixed4a": "mixes"})


def test_lucids_file_says_what_it_expects(tmp_path, images, frozen):
    whole = graph_def()
    written = {"input_name": "input", "image_shape": [None, None, 3], "image_value_range": [-1, 1]}
    with tf.Graph().as_default() as graph:
        tf.constant(json.dumps(written), name="lucid_metadata_json")
    whole.node.extend(graph.as_graph_def().node)
    (tmp_path / "lucid.pb").write_bytes(whole.SerializeToString())
    network = modelzoo.load(tmp_path / "lucid.pb")
    assert network.value_range == (-1, 1) and network.name == "lucid" and "lucid_metadata_json" not in network.layers
    np.testing.assert_array_equal(
        network.activations(images, "logits")["logits"], frozen.activations(images, "logits")["logits"]
    )
    assert modelzoo.load(tmp_path / "lucid.pb", value_range=(0, 2)).value_range == (0, 2), (
        "what a caller says goes first"
    )
    # A manifest beside a plain graph.
    (tmp_path / "graph.pb").write_bytes(graph_def().SerializeToString())
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    manifest = written | {"model_path": "./graph.pb", "labels_path": "labels.txt", "is_BGR": True}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    network = modelzoo.load(tmp_path / "manifest.json")
    assert network.labels == ("a", "b", "c") and network.bgr
    for field, path in (("model_path", "../graph.pb"), ("labels_path", "/etc/hostname")):
        (tmp_path / "manifest.json").write_text(json.dumps(manifest | {field: path}))
        with pytest.raises(ValueError, match=f"{field}: expected a file in the folder"):
            assert modelzoo.load(tmp_path / "manifest.json").labels
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"labels_path": "gs://modelzoo/labels.txt"}))
    with pytest.raises(OSError, match="nothing is fetched"):
        assert modelzoo.load(tmp_path / "manifest.json").labels


def test_bad_files(tmp_path):
    (tmp_path / "bad.pb").write_bytes(b"no graph")
    with pytest.raises(ValueError, match="cannot be read as a frozen graph"):
        modelzoo.load(tmp_path / "bad.pb")
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ValueError, match="part of a SavedModel. Give its folder"):
        modelzoo.load(tmp_path / "saved_model.pb")
    with pytest.raises(ValueError, match="cannot be read as a SavedModel"):
        (tmp_path / "folder").mkdir()
        modelzoo.load(tmp_path / "folder")
    with tf.Graph().as_default() as graph:
        tf.raw_ops.VariableV2(shape=[2], dtype=tf.float32, name="weights")
    (tmp_path / "loose.pb").write_bytes(graph.as_graph_def().SerializeToString())
    with pytest.raises(ValueError, match="not frozen: 'weights'"):
        modelzoo.load(tmp_path / "loose.pb")


def test_inputs(images, frozen):
    assert frozen.image_shape == (None, None, 3)
    assert Network(graph_def(shape=(None, 16, 16, 3))).image_shape == (16, 16, 3)
    assert Network(graph_def(shape=(1, 16, 16, 3)), image_shape=(None, None, 3)).image_shape == (None, None, 3)
    assert Network(graph_def(), input="norm", image_shape=(None, None, 6)).layers["mixed"][-1] == 9
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.uint8, (None, 8, 8, 3), name="bytes")
        keep = tf.compat.v1.placeholder(tf.float32, (), name="keep")
        other = tf.compat.v1.placeholder(tf.float32, (None, 8, 8, 3), name="other")
        tf.add(keep * tf.cast(x, tf.float32, name="cast"), other, name="out")
    whole = graph.as_graph_def()
    with pytest.raises(ValueError, match="placeholders that may be the images: bytes, keep, other.*input='name'"):
        Network(whole)
    with pytest.raises(ValueError, match="uint8 images, which have no gradient.*after the cast"):
        Network(whole, input="bytes", fixed_inputs={"keep": 0.5, "other": np.zeros((1, 8, 8, 3))})
    network = Network(
        whole, input="cast", image_shape=(8, 8, 3), fixed_inputs={"keep": 0.5, "other": np.ones((8, 8, 3))}
    )
    batch = images[:, :8, :8]
    np.testing.assert_allclose(network.activations(batch, "out")["out"], 0.5 * batch + 1, rtol=1e-6)
    with pytest.raises(ValueError, match="needs a value: fixed_inputs={'keep'"):
        Network(whole, input="other", image_shape=(8, 8, 3))
    with pytest.raises(ValueError, match="fixed_inputs: there is no node 'kept'"):
        Network(whole, fixed_inputs={"kept": 1.0})
    with pytest.raises(ValueError, match="input: .* no node 'image'"):
        Network(whole, input="image")


def test_what_cannot_be_followed_says_why():
    @tf.function(input_signature=[tf.TensorSpec((None, 8, 8, 3))])
    def looped(x):
        before = tf.nn.relu(x, name="before")
        return tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * 2), (0, before))[1] + 1

    network = Network(looped)
    assert list(network.layers) == ["before"]
    (name,) = [name for name in network.source.missing if "add" in name]
    with pytest.raises(ValueError, match="cannot be computed: .*is control flow"):
        network.check_layer(name)
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (None, 8, 8, 3))
        tf.raw_ops.WriteFile(filename="/tmp/never", contents=tf.as_string(tf.reduce_sum(x)))
    with pytest.raises(ValueError, match="no layer|WriteFile"):
        Network(graph.as_graph_def())
    with pytest.raises(ValueError, match="would reach out of the model"):
        compute(next(node for node in graph.as_graph_def().node if node.op == "WriteFile"), [])
    bad = graph_def()
    node = next(node for node in bad.node if node.op == "LRN")
    node.op = "NoSuchOperation"
    with pytest.raises(ValueError, match="'mixed' .*cannot be computed: the node 'norm' is a NoSuchOperation"):
        Network(bad).check_layer("mixed")


def test_weights_that_are_not_numbers_are_named():
    bad = graph_def()
    node = next(node for node in bad.node if node.name == "weights/wide")
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.full((3, 3, 6, 5), np.nan, np.float32)))
    with pytest.raises(ValueError, match="weights/wide.*not finite"):
        Network(bad)


@pytest.mark.parametrize(
    ("op", "inputs"),
    [
        ("Sum", [np.ones((2, 3), np.float32), np.array([1])]),
        ("Split", [np.array(1, np.int32), np.arange(6.0).reshape(2, 3)]),
        ("Select", [np.array([True, False]), np.zeros(2), np.ones(2)]),
        ("Squeeze", [np.ones((2, 1))]),
        ("LeakyRelu", [np.array([-1.0, 2.0], np.float32)]),
    ],
)
def test_operations_whose_arguments_python_renames(op, inputs):
    """Against TensorFlow's own import of the node."""
    with tf.Graph().as_default() as graph:
        values = [tf.constant(value) for value in inputs]
        arguments = {
            "Sum": lambda: tf.raw_ops.Sum(input=values[0], axis=values[1], keep_dims=True),
            "Split": lambda: tf.raw_ops.Split(axis=values[0], value=values[1], num_split=3),
            "Select": lambda: tf.raw_ops.Select(condition=values[0], x=values[1], y=values[2]),
            "Squeeze": lambda: tf.raw_ops.Squeeze(input=values[0], axis=[1]),
            "LeakyRelu": lambda: tf.raw_ops.LeakyRelu(features=values[0], alpha=0.3),
        }
        arguments[op]()
        node = next(node for node in graph.as_graph_def().node if node.op == op)
        with tf.compat.v1.Session() as session:
            made = graph.get_operation_by_name(node.name)
            expected = session.run(list(made.outputs))
    found = compute(node, [tf.constant(value) for value in inputs])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
