"""The model zoo: one registry, preprocessing as Keras's own, and no download unless it was asked for."""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys
import urllib.error

import keras
import numpy as np
import pytest
from conftest import ROOT

from samplevis import Network, cli, modelzoo
from samplevis.modelzoo import imagenet
from samplevis.modelzoo.registry import MODELS
from samplevis.modelzoo.torch_layers import FILES

APPLICATIONS = [name for name, entry in MODELS.items() if entry.images]
LIGHT = """
import sys
from samplevis import cli, modelzoo
assert "MobileNetV2" in modelzoo.NAMES and "SqueezeNet" in dir(modelzoo)
cli.main(["models"])
assert not {"keras", "tensorflow"} & set(sys.modules)
"""


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """An empty cache, and no network; returns the addresses that were asked for."""
    asked = []

    def urlretrieve(url, *_, **__):
        asked.append(url)
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", urlretrieve)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    # Keras reads the variable when it is imported.
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    return asked


def test_names_need_neither_keras_nor_tensorflow():
    subprocess.run([sys.executable, "-c", LIGHT], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def test_every_keras_application_is_registered():
    models = {name for name in dir(keras.applications) if inspect.isfunction(getattr(keras.applications, name))}
    assert models == set(APPLICATIONS) and len(models) >= 40


@pytest.mark.parametrize("name", APPLICATIONS)
def test_preprocessing_is_keras_own(name, monkeypatch):
    asked = {}

    def stub(weights, input_tensor, classifier_activation):
        asked.update(weights=weights, classifier_activation=classifier_activation)
        return keras.Model(
            keras.utils.get_source_inputs(input_tensor), keras.layers.Identity(name="prepared")(input_tensor)
        )

    own = importlib.import_module(getattr(keras.applications, name).__module__)
    monkeypatch.setattr(keras.applications, name, stub)
    network = getattr(modelzoo, name)(weights=None, image_size=8)
    assert network.name == name and asked == {"weights": None, "classifier_activation": None}
    images = np.random.default_rng(0).uniform(size=(2, 8, 8, 3)).astype(np.float32)
    found = network.activations(images, "prepared")["prepared"]
    expected = own.preprocess_input(255 * images.astype(np.float64))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    if MODELS[name].images != "bytes":
        assert np.abs(expected - 255 * images).max() > 100


@pytest.mark.parametrize("name", ["MobileNetV3Small", "EfficientNetB0", "EfficientNetV2B0", "ConvNeXtTiny"])
def test_models_for_bytes_rescale_them_themselves(name):
    # Before the first convolution of each family.
    network = getattr(modelzoo, name)(weights=None, image_size=32)
    layers = list(network.layers)
    first = next(i for i, layer in enumerate(layers) if isinstance(network.operations[layer], keras.layers.Conv2D))
    images = np.random.default_rng(0).uniform(size=(1, 32, 32, 3)).astype(np.float32)
    assert first > 0 and np.abs(network.activations(images, layers[first - 1])[layers[first - 1]]).max() < 3


@pytest.fixture(scope="module")
def mobile_net() -> Network:
    keras.utils.set_random_seed(0)
    return modelzoo.MobileNetV2(weights=None, image_size=32)


def test_weights_from_a_file(tmp_path, mobile_net):
    path = tmp_path / "mobile.weights.h5"
    mobile_net.model.save_weights(path)
    images = np.random.default_rng(0).uniform(size=(1, 32, 32, 3)).astype(np.float32)
    loaded = modelzoo.MobileNetV2(path, image_size=32)
    expected = mobile_net.activations(images, "predictions")["predictions"]
    np.testing.assert_array_equal(loaded.activations(images, "predictions")["predictions"], expected)
    # Classes before softmax: they do not sum to 1.
    assert expected.shape == (1, 1000) and abs(np.sum(expected) - 1) > 1e-3
    assert mobile_net.labels is None and callable(loaded._labels)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="mobile.weights.h5.*MobileNetV2"):
        modelzoo.MobileNetV2(path, image_size=32)


def test_random_weights_and_paths_fetch_nothing(tmp_path, offline):
    with pytest.raises(OSError, match="nowhere.h5"):
        modelzoo.MobileNetV2(tmp_path / "nowhere.h5")
    for name in ("MobileNetV2", "ResNet18", "SqueezeNet"):
        assert getattr(modelzoo, name)(weights=None).labels is None
    assert offline == []


def test_without_a_network_the_error_says_which_file_to_put_where(tmp_path, offline):
    with pytest.raises(OSError, match=r"https://\S+mobilenet_v2\S+\.h5.*MobileNetV2\(weights=PATH\)"):
        modelzoo.load("MobileNetV2")
    for name, file in FILES.items():
        with pytest.raises(OSError, match=rf"/{file}.*{name}\(weights=PATH\)") as error:
            modelzoo.load(name)
        assert str(tmp_path / "models" / file) in str(error.value)
    assert len(offline) == 1 + len(FILES)


def test_fetched_files_of_torchvision_are_checked(tmp_path, offline):
    path = tmp_path / "models" / FILES["ResNet18"]
    path.parent.mkdir()
    path.write_bytes(b"something else")
    with pytest.raises(OSError, match="resnet18-f37072fd.pth' is not the published file. Expected SHA-256 f37072fd"):
        modelzoo.ResNet18()
    assert offline == []


def test_names_in_any_case_and_the_nearest_of_a_wrong_one():
    assert modelzoo.load("shapes").name == "Shapes"
    with pytest.raises(ValueError, match="such as VGG19, VGG16"):
        modelzoo.load("VGG17")
    with pytest.raises(ValueError, match="^value_range.*weights$"):
        modelzoo.load("Shapes", value_range=(0, 1))
    with pytest.raises(ValueError, match="image_size: .*Received: -3"):
        modelzoo.load("mobilenetv2", image_size=-3)
    with pytest.raises(AttributeError, match="VGG17"):
        modelzoo.VGG17  # noqa: B018


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_a_documented_function(name):
    function = getattr(modelzoo, name)
    assert function.__name__ == name and function.__doc__ and "weights" in inspect.signature(function).parameters
    assert MODELS[name].description


@pytest.mark.parametrize("size", [0, 32.5, (32, -1), (32, 32, 3)])
def test_a_wrong_image_size(size):
    with pytest.raises(ValueError, match="image_size"):
        modelzoo.MobileNetV2(weights=None, image_size=size)


def test_labels(tmp_path, monkeypatch):
    (tmp_path / "imagenet_labels.txt").write_text("".join(f"{i} class {i}\n" for i in range(1000)))
    index = tmp_path / "index.json"
    index.write_text(json.dumps({str(i): ["n0", f"fetched_{i}"] for i in range(1000)}))
    monkeypatch.setattr(keras.utils, "get_file", lambda *_, **__: str(index))
    given = imagenet.imagenet_labels(tmp_path / "imagenet_labels.txt", None)
    beside = imagenet.imagenet_labels(None, tmp_path / "weights.h5")
    above = imagenet.imagenet_labels(None, tmp_path / "folder" / "weights.h5", background=True)
    fetched = imagenet.imagenet_labels(None, "imagenet", background=True)
    assert given()[7] == beside()[7] == above()[8] == "class 7" and above()[0] == "background"
    assert fetched()[:2] == ["background", "fetched 0"] and len(fetched()) == 1001
    assert imagenet.imagenet_labels(None, None) is None
    (tmp_path / "imagenet_labels.txt").write_text("one\n")
    with pytest.raises(ValueError, match="expected 1000 lines"):
        given()


def test_the_command_lists_them(capsys):
    assert cli.main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(modelzoo.NAMES)
