"""Shared fixtures: the folder of real weights, and a tiny smooth network."""

from __future__ import annotations

import os

# TensorFlow reads these when it is first imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

from pathlib import Path  # noqa: E402

import keras  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

from samplevis import Network  # noqa: E402

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def squeezenet_folder() -> Path:
    """The folder of the real SqueezeNet's weights; skips loudly without it."""
    folder = ROOT / os.environ.get("SAMPLEVIS_TEST_DATA", "../shared/models") / "squeezenet"
    if not (folder / "compressed_SqueezeNet.net").is_file():
        pytest.skip(f"REAL WEIGHTS NOT FOUND in {folder}: set SAMPLEVIS_TEST_DATA to the folder that holds squeezenet/")
    return folder


@pytest.fixture(scope="session")
def squeezenet(squeezenet_folder: Path) -> Network:
    """The real SqueezeNet."""
    from samplevis import modelzoo

    return modelzoo.SqueezeNet(squeezenet_folder / "compressed_SqueezeNet.net")


@pytest.fixture(scope="session")
def tiny_network() -> Network:
    """A smooth network for images of any size: layers conv1 (4 channels), conv2 (5) and logits (3), labels a, b, c."""
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.Conv2D(4, 3, padding="same", activation="softplus", name="conv1")(image)
    x = keras.layers.Conv2D(5, 3, 2, padding="same", activation="tanh", name="conv2")(x)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    model = keras.Model(image, keras.layers.Dense(3, name="logits")(x), name="tiny")
    for variable in model.weights:
        variable.assign(2 * variable)
    return Network(model, labels=("a", "b", "c"))


@pytest.fixture
def images() -> np.ndarray:
    """Four random images of 16 x 12 pixels."""
    return np.random.default_rng(0).uniform(size=(4, 16, 12, 3)).astype(np.float32)
