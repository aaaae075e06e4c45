"""GoogLeNet in both forms: TF-slim's against its known answers, from TensorFlow 1 checkpoints; Lucid's from a frozen graph."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT

import samplevis
from samplevis import modelzoo, objectives, param
from samplevis.activation import make_activation
from samplevis.modelzoo import inception, inception_slim
from samplevis.runtime import seeds

MIXED_5B = "InceptionV1/InceptionV1/Mixed_5b/concat"


@pytest.fixture(scope="module")
def reference() -> Path:
    """The folder of TF-slim's known answers; skips loudly without it."""
    data = ROOT / os.environ.get("SAMPLEVIS_TEST_DATA", "../shared/models")
    folder = Path(os.environ.get("SAMPLEVIS_TEST_REFERENCE", data / ".." / "reference")) / "inception_v1_slim"
    if not (folder / "inception_v1_slim_seed0.npz").is_file():
        pytest.skip(
            f"KNOWN ANSWERS OF TF-SLIM NOT FOUND in {folder}: set SAMPLEVIS_TEST_REFERENCE to the folder above it"
        )
    return folder


def value(name: str, shape: list[int]) -> np.ndarray:
    """The weights of the known answers: a function of the variable's name."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    if name.endswith("/weights"):
        return np.float32(random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1])))
    if name.endswith("/moving_variance"):
        return np.float32(random.uniform(0.5, 1.5, shape))
    return np.float32(random.standard_normal(shape) * 0.1)


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    """Those weights by the names that TF-slim's checkpoint has."""
    variables = inception_slim.checkpoint_names(inception_slim.architecture())
    return {name: value(name, list(variable.shape)) for name, variable in variables.items()}


def write(save: Callable, path: Path, weights: dict[str, np.ndarray]) -> Path:
    """Writes a checkpoint by one of TensorFlow's own operations, with what training leaves beside the weights."""
    everything = weights | {"global_step": np.int64(0), "InceptionV1/Conv2d_1a_7x7/weights/RMSProp": np.zeros(3, "f4")}
    save(str(path), list(everything), list(everything.values()))
    return path


def in_several_files(path: str, names: list[str], values: list[np.ndarray]) -> None:
    tf.raw_ops.SaveV2(prefix=path, tensor_names=names, shape_and_slices=[""] * len(names), tensors=values)


def in_one_file(path: str, names: list[str], values: list[np.ndarray]) -> None:
    tf.raw_ops.Save(filename=path, tensor_names=names, data=values)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, weights) -> Path:
    """The old format, of one file, which TF-slim's checkpoint of 2016 has."""
    return write(in_one_file, tmp_path_factory.mktemp("slim") / "inception_v1.ckpt", weights)


@pytest.fixture(scope="module")
def network(checkpoint) -> samplevis.Network:
    return modelzoo.InceptionV1_slim(checkpoint)


def test_every_end_point_is_tf_slims(network, reference):
    known = np.load(reference / "inception_v1_slim_seed0.npz")
    images = np.random.RandomState(0).uniform(-1, 1, (1, 224, 224, 3)).astype(np.float32)
    names = [name for name in known.files if "|" not in name]
    assert len(names) == 18
    for name, values in network.activations((images + 1) / 2, names).items():
        flat = np.ravel(values)
        assert values.shape == tuple(known[f"{name}|shape"]), name
        found = [flat.mean(), flat.std(), *flat[np.linspace(0, flat.size - 1, 16).astype(int)]]
        np.testing.assert_allclose(found, known[name], rtol=1e-3, atol=1e-5 * np.abs(known[name]).max(), err_msg=name)


def test_variables_are_tf_slims(reference, weights):
    known = json.loads((reference / "inception_v1_slim_variables.json").read_text())
    assert {name: list(array.shape) for name, array in weights.items()} == known


def test_a_checkpoint_of_several_files_or_a_folder_gives_the_same_weights(tmp_path, network, weights):
    path = write(in_several_files, tmp_path / "model.ckpt-7", weights)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-7"\n')
    for given in (path, tmp_path):
        for found, expected in zip(modelzoo.InceptionV1_slim(given).model.weights, network.model.weights, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_layers_go_by_their_names_in_the_graph(network):
    assert network.layer_shape(MIXED_5B, (224, 224)) == (7, 7, 832)
    images = np.random.default_rng(0).uniform(size=(1, 64, 64, 3)).astype(np.float32)
    branch = "InceptionV1/InceptionV1/Mixed_5b/Branch_2/Conv2d_0a_3x3/Relu"
    pool, logits = "InceptionV1/InceptionV1/MaxPool_5a_2x2/MaxPool", "InceptionV1/Logits/SpatialSqueeze"
    found = network.activations(images, [MIXED_5B, f"{MIXED_5B}/pre", branch, pool, logits, "Mixed_5b", "Logits"])
    np.testing.assert_array_equal(found[MIXED_5B], found["Mixed_5b"])
    np.testing.assert_array_equal(found[MIXED_5B], np.maximum(found[f"{MIXED_5B}/pre"], 0))
    # 256 channels of 1x1 and 320 of 3x3 come before the second branch of 3x3.
    np.testing.assert_array_equal(found[MIXED_5B][..., 576:704], found[branch])
    np.testing.assert_array_equal(found[logits], found["Logits"])
    assert found[pool].shape == (1, 2, 2, 832)


@pytest.mark.parametrize("change", ["missing", "shape", "nan", "no checkpoint"])
def test_a_wrong_checkpoint_is_refused(tmp_path, weights, change):
    name = "InceptionV1/Mixed_3b/Branch_1/Conv2d_0b_3x3/weights"
    wrong = dict(weights)
    if change == "missing":
        wrong["InceptionV1/Mixed_3b/Branch_1/Conv2d_0b_3x3/kernel"] = wrong.pop(name)
    elif change == "shape":
        wrong[name] = wrong[name][:1]
    else:
        wrong[name] = np.full_like(wrong[name], np.nan)
    path = write(in_one_file, tmp_path / "wrong.ckpt", wrong)
    if change == "no checkpoint":
        path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="weights") as error:
        modelzoo.InceptionV1_slim(path)
    message = {
        "missing": name,
        "shape": r"(1, 3, 96, 128)",
        "nan": "no finite numbers",
        "no checkpoint": "cannot be read",
    }
    assert message[change] in str(error.value) and "wrong.ckpt" in str(error.value)


def test_a_missing_checkpoint_and_no_network(tmp_path, monkeypatch):
    with pytest.raises(OSError, match="nowhere"):
        modelzoo.InceptionV1_slim(tmp_path / "nowhere.ckpt")

    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.utils, "get_file", offline)
    for model, archive in (
        (modelzoo.InceptionV1_slim, inception_slim.ARCHIVE),
        (modelzoo.InceptionV1, "inception5h.zip"),
    ):
        with pytest.raises(OSError, match="weights=PATH") as error:
            model()
        assert str(tmp_path / "models" / archive) in str(error.value)


def test_nothing_is_fetched_for_a_path_or_random_weights(checkpoint, monkeypatch):
    monkeypatch.setattr(keras.utils, "get_file", lambda *_, **__: pytest.fail("fetched"))
    assert callable(modelzoo.InceptionV1_slim(checkpoint)._labels)
    assert modelzoo.InceptionV1_slim(None).labels is None


@pytest.fixture
def archive_in_cache(tmp_path, monkeypatch, checkpoint) -> Path:
    """Keras's cache with an archive of the checkpoint in the place that errors name, as if somebody had put it there."""
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / inception_slim.ARCHIVE
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        archive.add(checkpoint, "inception_v1.ckpt")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return path


def test_an_archive_put_into_the_cache_is_read_if_it_is_the_published_one(archive_in_cache, monkeypatch, network):
    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", offline)
    digest = hashlib.sha256(archive_in_cache.read_bytes()).hexdigest()
    content = archive_in_cache.read_bytes()
    with pytest.raises(OSError, match="cannot fetch"):
        modelzoo.InceptionV1_slim()
    archive_in_cache.write_bytes(content)
    monkeypatch.setattr(inception_slim, "SHA256", digest)
    found = modelzoo.InceptionV1_slim()
    np.testing.assert_array_equal(found.model.weights[-1], network.model.weights[-1])


def test_labels_begin_with_the_background(tmp_path, checkpoint):
    (tmp_path / "labels.txt").write_text("".join(f"class {i}\n" for i in range(1000)))
    network = modelzoo.InceptionV1_slim(checkpoint, labels=tmp_path / "labels.txt")
    assert len(network.labels) == network.layers["Logits"][-1] == 1001
    assert (network.class_index("background"), network.class_index("class 0")) == (0, 1)


# The program of 2018 but for its imports.
PROGRAM = """
# Import a model from Lucid's modelzoo.
model = models.InceptionV1_slim()
model.load_graphdef()

# Specify activation objective - either neuron/channel/layer (from lucid.optvis.objectives).
# In this case, it is the activation of the central neuron in layer Mixed-5b, channel 0.
obj = objectives.neuron("InceptionV1/InceptionV1/Mixed_5b/concat", 0)

# Run sampling on the specified model and objective.
samples = samplevis.render(model, obj, hmc_opts=dict(num_results=10))
"""


@pytest.fixture
def program(monkeypatch, checkpoint) -> dict:
    """The names that the program of 2018 imports; its checkpoint is in the cache."""
    monkeypatch.setattr(inception_slim, "fetch_checkpoint", lambda: checkpoint)
    return {"models": modelzoo, "objectives": objectives, "samplevis": samplevis}


def test_the_program_of_2018_comes_to_its_last_line(program, monkeypatch):
    calls = []
    monkeypatch.setattr(samplevis, "render", lambda *given, **options: calls.append((given, options)) or "samples")
    exec(PROGRAM, program)
    (((network, objective), options),) = calls
    assert options == {"hmc_opts": {"num_results": 10}} and program["samples"] == "samples"
    images = np.random.default_rng(0).uniform(size=(2, 64, 64, 3)).astype(np.float32)
    activation = make_activation(network, objective, param.pixel(64), None)
    score = activation.of_images(tf.constant(images), activation.sample_transforms(seeds.root(0), 2))
    np.testing.assert_allclose(score, network.activations(images, MIXED_5B)[MIXED_5B][:, 1, 1, 0], rtol=1e-5)


@pytest.mark.long
def test_the_program_of_2018_runs_line_for_line(program):
    exec(PROGRAM, program)
    assert program["samples"].images.shape == (4, 10, 128, 128, 3)
    print(program["samples"].summary())


@pytest.fixture
def graph(tmp_path) -> Path:
    """A graph as small as can be with the names and the old operations of Lucid's."""
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, name="input")
        kernel = tf.constant(np.eye(3, dtype=np.float32)[None, None])
        towers = [tf.nn.relu(tf.nn.conv2d(image, sign * kernel, 1, "SAME"), name=f"tower{sign}") for sign in (1, -1)]
        tf.raw_ops.Concat(concat_dim=3, values=towers, name="mixed3a")
    path = tmp_path / inception.GRAPH
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def test_lucids_network_is_read_with_its_range_and_labels(graph):
    assert modelzoo.InceptionV1(graph).labels is None
    (graph.parent / inception.LABELS).write_text("dummy\nkit fox\n")
    network = modelzoo.InceptionV1(graph)
    assert network.name == "InceptionV1" and network.value_range == (-117, 138)
    assert network.class_index("kit fox") == 1
    images = np.random.default_rng(0).uniform(size=(2, 9, 12, 3)).astype(np.float32)
    found = network.activations(images, ["mixed3a", "mixed3a_pre_relu"])
    expected = np.concatenate([255 * images - 117, 117 - 255 * images], axis=-1)
    np.testing.assert_allclose(found["mixed3a_pre_relu"], expected, atol=1e-4)
    np.testing.assert_allclose(found["mixed3a"], np.maximum(expected, 0), atol=1e-4)


def test_lucids_network_has_no_random_weights(tmp_path):
    with pytest.raises(ValueError, match="weights: .*InceptionV1"):
        modelzoo.InceptionV1(None)
    with pytest.raises(OSError, match="nowhere.pb"):
        modelzoo.InceptionV1(tmp_path / "nowhere.pb")
