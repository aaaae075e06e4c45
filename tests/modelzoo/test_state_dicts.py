"""Torch-style state dicts: against PyTorch where it is installed, and against loops over NumPy arrays everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import torch_writer

from samplevis import Network, modelzoo
from samplevis.modelzoo import alexnet as alexnet_module
from samplevis.modelzoo import checkpoints, vgg
from samplevis.modelzoo import resnet as resnet_module

Arrays = dict[str, np.ndarray]


def architecture(name: str) -> keras.Model:
    """One of torchvision's networks without weights."""
    if name == "AlexNet":
        return alexnet_module.architecture()
    return (resnet_module if name in resnet_module.BLOCKS else vgg).architecture(name)


def random_weights(model: keras.Model, seed: int) -> Arrays:
    """A state dict for a model, with statistics that keep activations near 1, as PyTorch lays its arrays out."""
    random = np.random.default_rng(seed)
    arrays = {}
    for layer in model.layers:
        name = layer.name
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape
            arrays[f"{name}.weight"] = random.uniform(0.5, 1.5, size)
            arrays[f"{name}.bias"] = random.normal(0, 0.1, size)
            arrays[f"{name}.running_mean"] = random.normal(0, 0.1, size)
            arrays[f"{name}.running_var"] = random.uniform(0.5, 1.5, size)
            arrays[f"{name}.num_batches_tracked"] = np.array(7)
        elif layer.weights:
            shape = np.array(layer.kernel.shape)[[3, 2, 0, 1] if layer.kernel.ndim == 4 else [1, 0]]
            arrays[f"{name}.weight"] = random.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
            if layer.use_bias:
                arrays[f"{name}.bias"] = random.normal(0, 0.1, shape[0])
    return {name: a.astype(np.int64 if a.shape == () else np.float32) for name, a in arrays.items()}


def convolve(x: np.ndarray, weights: Arrays, name: str, stride: int = 1, padding: int = 0) -> np.ndarray:
    """Convolves [channels, height, width] as PyTorch defines it: `padding` zeros on every side."""
    kernel = weights[f"{name}.weight"].astype(np.float64)
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[2:], (1, 2))[:, ::stride, ::stride]
    y = np.einsum("chwij,ocij->ohw", windows, kernel, optimize=True)
    return y + weights.get(f"{name}.bias", np.zeros(len(y)))[:, None, None]


def norm(x: np.ndarray, weights: Arrays, name: str) -> np.ndarray:
    mean, variance, scale, bias = (
        weights[f"{name}.{key}"][:, None, None] for key in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / np.sqrt(variance.astype(np.float64) + 1e-5) * scale + bias


def max_pool(x: np.ndarray, size: int, stride: int, padding: int = 0) -> np.ndarray:
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)), constant_values=-np.inf)
    return np.lib.stride_tricks.sliding_window_view(x, (size, size), (1, 2))[:, ::stride, ::stride].max((3, 4))


def adaptive_mean(x: np.ndarray, size: int) -> np.ndarray:
    """Means over `size` x `size` windows from floor(i n / size) to ceil((i + 1) n / size)."""
    y = np.zeros((len(x), size, size))
    edges = [[(i * n // size, -(-(i + 1) * n // size)) for i in range(size)] for n in x.shape[1:]]
    for i, (top, bottom) in enumerate(edges[0]):
        for j, (left, right) in enumerate(edges[1]):
            y[:, i, j] = x[:, top:bottom, left:right].mean((1, 2))
    return y


def normalized(image: np.ndarray) -> np.ndarray:
    """An image [height, width, 3] in [0, 1] as torchvision's [3, height, width]."""
    return ((image - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).transpose(2, 0, 1)


def resnet(image: np.ndarray, weights: Arrays, depths: tuple[int, ...]) -> Arrays:
    """He et al.'s network of basic blocks, after the definition in the paper and torchvision's paddings."""
    x = np.maximum(norm(convolve(normalized(image), weights, "conv1", 2, 3), weights, "bn1"), 0)
    found = {"conv1_relu": x}
    x = found["maxpool"] = max_pool(x, 3, 2, 1)
    for group, depth in enumerate(depths, start=1):
        for block in range(depth):
            name, stride = f"layer{group}.{block}", 2 if group > 1 and block == 0 else 1
            y = np.maximum(norm(convolve(x, weights, f"{name}.conv1", stride, 1), weights, f"{name}.bn1"), 0)
            y = norm(convolve(y, weights, f"{name}.conv2", 1, 1), weights, f"{name}.bn2")
            if stride == 2:
                x = norm(convolve(x, weights, f"{name}.downsample.0", 2), weights, f"{name}.downsample.1")
            found[f"{name}.add"] = x + y
            x = found[f"{name}.relu_1"] = np.maximum(x + y, 0)
    found["fc"] = weights["fc.weight"] @ x.mean((1, 2)) + weights["fc.bias"]
    return found


def alexnet(image: np.ndarray, weights: Arrays) -> Arrays:
    x = np.maximum(convolve(normalized(image), weights, "features.0", 4, 2), 0)
    x = found_2 = max_pool(x, 3, 2)
    x = max_pool(np.maximum(convolve(x, weights, "features.3", 1, 2), 0), 3, 2)
    for number in (6, 8, 10):
        x = np.maximum(convolve(x, weights, f"features.{number}", 1, 1), 0)
    x = max_pool(x, 3, 2)
    found = {"features.2": found_2, "features.12": x, "avgpool": adaptive_mean(x, 6)}
    y = found["avgpool"].reshape(-1)
    for number in (1, 4, 6):
        y = weights[f"classifier.{number}.weight"] @ y + weights[f"classifier.{number}.bias"]
        y = y if number == 6 else np.maximum(y, 0)
    return found | {"classifier.6": y}


def check(network: Network, image: np.ndarray, expected: Arrays, tolerance: float = 1e-4) -> None:
    """Compares layers with arrays [channels, height, width] or [channels], relative to each layer's largest value."""
    found = network.activations(image[None].astype(np.float32), list(expected))
    for name, values in expected.items():
        values = values.transpose(1, 2, 0) if values.ndim == 3 else values
        assert found[name].shape[1:] == values.shape, name
        np.testing.assert_allclose(found[name][0], values, rtol=0, atol=tolerance * np.abs(values).max(), err_msg=name)


@pytest.fixture(scope="module")
def resnet_weights() -> Arrays:
    return random_weights(architecture("ResNet18"), 0)


@pytest.fixture(scope="module")
def resnet_file(tmp_path_factory, resnet_weights) -> Path:
    path = tmp_path_factory.mktemp("torch") / "resnet18.npz"
    np.savez(path, **resnet_weights)
    return path


@pytest.fixture
def image() -> np.ndarray:
    """Of odd and even sides: paddings that are not PyTorch's show at one of them."""
    return np.random.default_rng(3).uniform(size=(61, 74, 3))


def test_resnet_is_the_definition(resnet_file, resnet_weights, image):
    expected = resnet(image, resnet_weights, (2, 2, 2, 2))
    expected.pop("conv1_relu")
    check(modelzoo.ResNet18(resnet_file), image, expected)


def test_paddings_of_tensorflow_would_show(resnet_weights, image):
    """The control: the same first convolution with Keras's "same" is far off."""
    expected = convolve(normalized(image), resnet_weights, "conv1", 2, 3)
    kernel = resnet_weights["conv1.weight"].transpose(2, 3, 1, 0)
    x = normalized(image).transpose(1, 2, 0)[None]
    found = keras.ops.conv(x.astype(np.float32), kernel, 2, "same")[0]
    assert np.abs(found - expected.transpose(1, 2, 0)).max() > 0.1 * np.abs(expected).max()


@pytest.mark.parametrize("sides", [(95, 130), (224, 224)])
def test_alexnet_is_the_definition(alexnet_file, sides):
    path, weights = alexnet_file
    image = np.random.default_rng(4).uniform(size=(*sides, 3))
    check(modelzoo.AlexNet(path), image, alexnet(image, weights))


@pytest.fixture(scope="module")
def alexnet_file(tmp_path_factory) -> tuple[Path, Arrays]:
    weights = random_weights(architecture("AlexNet"), 1)
    path = tmp_path_factory.mktemp("torch") / "alexnet.npz"
    np.savez(path, **weights)
    return path, weights


@pytest.mark.parametrize(("name", "convolutions"), [("VGG16_torchvision", 13), ("VGG19_torchvision", 16)])
def test_vgg_has_the_published_layers(name, convolutions):
    # Initialisers of 140 million weights would take most of the time.
    with keras.StatelessScope():
        model = architecture(name)
    count = sum(isinstance(layer, keras.layers.Conv2D) for layer in model.layers)
    weights = {"VGG16_torchvision": 138_357_544, "VGG19_torchvision": 143_667_240}[name]
    assert count == convolutions and sum(np.prod(w.shape) for w in model.weights) == weights
    last = {"VGG16_torchvision": "features.30", "VGG19_torchvision": "features.36"}[name]
    assert isinstance(model.get_layer(last), keras.layers.MaxPooling2D)


def test_the_same_weights_as_safetensors(tmp_path, resnet_file, resnet_weights):
    numpy = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "resnet18.safetensors"
    numpy.save_file(resnet_weights, path)
    for a, b in zip(modelzoo.ResNet18(path).model.weights, modelzoo.ResNet18(resnet_file).model.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="cannot be read as .safetensors"):
        modelzoo.ResNet18(path)


def test_a_file_of_pytorchs_and_nothing_but_a_network_takes_it(tmp_path, resnet_file, resnet_weights):
    """Every array reaches its variable; a network that the file is not for refuses it, and so does `load` without one."""
    path = tmp_path / "weights.pth"
    tensors = {name: torch_writer.array(str(i), a) for i, (name, a) in enumerate(resnet_weights.items())}
    storages = {str(i): a for i, a in enumerate(resnet_weights.values())}
    path.write_bytes(torch_writer.zipped(torch_writer.ordered_dict(**tensors), storages))
    found, expected = (modelzoo.load("ResNet18", weights=file).model for file in (path, resnet_file))
    for a, b in zip(found.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="weights.pth.*is for another network"):
        modelzoo.load("ResNet34", weights=path)
    with pytest.raises(ValueError, match=r"weights.pth holds weights, and no network.*load\('ResNet18'"):
        modelzoo.load(path)


def test_without_safetensors_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    (tmp_path / "a.safetensors").write_bytes(b"")
    with pytest.raises(ImportError, match=r"samplevis\[safetensors\]"):
        checkpoints.read_state_dict(tmp_path / "a.safetensors")


def test_weights_in_the_cache_are_found(tmp_path, monkeypatch, resnet_weights):
    numpy = pytest.importorskip("safetensors.numpy")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    numpy.save_file(resnet_weights, tmp_path / "models" / "resnet18.safetensors")
    network = modelzoo.load("ResNet18")
    np.testing.assert_array_equal(network.model.get_layer("fc").bias, resnet_weights["fc.bias"])


WRONG = {
    "missing": "no 'block.conv.weight'. Did you mean 'block.conv.weights'",
    "extra": "no 'block.conv2.weight'",
    "shape": "(3, 3, 4, 5), in Keras's order of axes. Received: (3, 3, 4, 2)",
    "rank": "Received: (4, 3, 3)",
    "nan": "no finite numbers",
    "text": "no finite numbers",
    "object": "pickle",
    "noise": "cannot be read as .npz",
}


@pytest.mark.parametrize("change", WRONG)
def test_a_wrong_file_is_refused_and_nothing_changes(tmp_path, change):
    layers = [keras.layers.Conv2D(5, 3, name="block.conv"), keras.layers.BatchNormalization(name="norm")]
    layers += [keras.layers.Flatten(), keras.layers.Dense(2, name="fc")]
    model = keras.Sequential([keras.Input((3, 3, 4)), *layers])
    name, wrong = "block.conv.weight", random_weights(model, 0)
    if change == "missing":
        wrong["block.conv.weights"] = wrong.pop(name)
    elif change == "extra":
        wrong["block.conv2.weight"] = wrong[name]
    elif change != "noise":
        kernel = wrong[name]
        bad = {"shape": kernel[:2], "rank": kernel[0], "nan": np.full_like(kernel, np.nan), "text": kernel.astype("U4")}
        wrong[name] = np.array([None]) if change == "object" else bad[change]
    path = tmp_path / "wrong.npz"
    if change == "noise":
        path.write_bytes(b"nothing of the kind")
    else:
        np.savez(path, **wrong)
    before = model.get_weights()
    with pytest.raises(ValueError, match="wrong.npz") as error:
        checkpoints.load_state_dict(model, checkpoints.read_state_dict(path), path)
    assert WRONG[change] in str(error.value)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_other_files_are_refused(tmp_path):
    for name in ("resnet18.pkl", "resnet18.bin", "resnet18.ckpt"):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(ValueError, match=r"expected a state dict \(.pth, .pt, .npz, .safetensors\)"):
            modelzoo.ResNet18(tmp_path / name)
    with pytest.raises(OSError, match="nowhere.npz"):
        modelzoo.ResNet18(tmp_path / "nowhere.npz")


# PyTorch and TensorFlow bring an LLVM each, which do not always bear each other: PyTorch gets a process of its own.
PYTORCH = """
import sys
try:
    import torch, torchvision
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names
except ImportError:
    sys.exit(77)
import numpy as np
name, weights, image, out = sys.argv[1:]
model = getattr(torchvision.models, name)(weights=None).eval()
with np.load(weights) as arrays:
    model.load_state_dict({key: torch.tensor(arrays[key]) for key in arrays.files})
for module in model.modules():
    # What comes before a ReLU should stay as it was.
    if isinstance(module, torch.nn.ReLU):
        module.inplace = False
names = [n for n in get_graph_node_names(model)[1] if n != "x"]
with torch.no_grad():
    values = create_feature_extractor(model, names)(torch.tensor(np.load(image)[None], dtype=torch.float32))
np.savez(out, **{key: value[0].numpy() for key, value in values.items()})
"""


@pytest.mark.parametrize(
    "name",
    ["ResNet18", "ResNet34", "AlexNet"]
    + [pytest.param(f"VGG{depth}_torchvision", marks=pytest.mark.long) for depth in (16, 19)],
)
def test_pytorch_agrees(tmp_path, name):
    """Every layer of a random network, of odd and even sides; needs the extra `peers`, here or in `SAMPLEVIS_TEST_TORCH`."""
    model = architecture(name)
    np.savez(tmp_path / "weights.npz", **random_weights(model, 2))
    image = np.random.default_rng(5).uniform(size=(111, 134, 3))
    np.save(tmp_path / "image.npy", normalized(image))
    python = os.environ.get("SAMPLEVIS_TEST_TORCH", sys.executable)
    files = [tmp_path / file for file in ("weights.npz", "image.npy", "found.npz")]
    done = subprocess.run([python, "-c", PYTORCH, name.partition("_")[0].lower(), *files])
    if done.returncode == 77:
        pytest.skip(
            "PYTORCH NOT FOUND: pip install 'samplevis[peers]', or set SAMPLEVIS_TEST_TORCH to a Python that has it"
        )
    assert done.returncode == 0
    network = getattr(modelzoo, name)(tmp_path / "weights.npz")
    with np.load(tmp_path / "found.npz") as found:
        # Keras's own names: paddings, and layers that turn or flatten axes.
        own = {"normalize", "avgpool", "flatten", "flatten.channels_first"}
        layers = [layer for layer in network.layers if layer not in own and not layer.endswith(".pad")]
        check(network, image, {layer: found[layer] for layer in layers})
