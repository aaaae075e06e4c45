"""Shared: the folder of real weights, a tiny smooth network, samples of a good run without the run, and marks of slow tests."""

from __future__ import annotations

import gc
import os
import sys

# TensorFlow reads these when it is first imported, which is left to the fixtures: the process that hands tests out to others
# needs none of it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
# Off by default on processors without AVX-512, where TensorFlow then convolves channels last only, and more slowly.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

from collections.abc import Callable, Collection, Iterable, Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

import numpy as np  # noqa: E402
import pytest  # noqa: E402

if TYPE_CHECKING:
    from samplevis import Network, Samples

pytest_plugins = ["atlas_fixtures"]

ROOT = Path(__file__).parent.parent
# GiB of a process above which compiled code is freed between two files of tests.
MAX_MEMORY = 1.5


def with_slow(values: Iterable, slow: Callable[[Any], bool] | Collection) -> list:
    """Values of a parametrization, some of them marked slow.

    Args:
      values: what `pytest.mark.parametrize` takes; a tuple holds several arguments.
      slow: the slow ones, or a function that says whether a value is.

    Returns:
      The values, the slow ones with their mark.
    """
    is_slow = slow if callable(slow) else lambda value: value in slow
    return [
        pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=pytest.mark.slow)
        if is_slow(value)
        else value
        for value in values
    ]


def memory_taken() -> float:
    """GiB that this process takes; infinite where the system does not say."""
    statm = Path("/proc/self/statm")
    if not statm.is_file():
        return float("inf")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**30


@pytest.fixture(scope="module", autouse=True)
def bounded_memory() -> Iterator[None]:
    """Frees what a file of tests compiled and drew, once the process has grown: a compiled render takes about 40 MB."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
    if "samplevis.network" in sys.modules and memory_taken() > MAX_MEMORY:
        network_class = sys.modules["samplevis.network"].Network
        for thing in gc.get_objects():
            if type(thing) is network_class:
                # A network whose constructor raised an error has nothing compiled.
                vars(thing).get("compiled", {}).clear()
        gc.collect()


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
    import keras

    from samplevis import Network

    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.Conv2D(4, 3, padding="same", activation="softplus", name="conv1")(image)
    x = keras.layers.Conv2D(5, 3, 2, padding="same", activation="tanh", name="conv2")(x)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    model = keras.Model(image, keras.layers.Dense(3, name="logits")(x), name="tiny")
    for variable in model.weights:
        variable.assign(2 * variable)
    return Network(model, value_range=(0, 1), labels=("a", "b", "c"))


@pytest.fixture
def images() -> np.ndarray:
    """Four random images of 16 x 12 pixels."""
    return np.random.default_rng(0).uniform(size=(4, 16, 12, 3)).astype(np.float32)


def made_samples(chains: int = 4, draws: int = 40, thin: int = 1, size: int = 16, **changes) -> Samples:
    """Samples of a good run: independent draws at level .7 of a scale from -2 to 8."""
    from samplevis import Samples

    random = np.random.default_rng(7)
    transitions = (chains, thin * draws)
    activation = random.normal(5, 0.3, (chains, draws)).astype(np.float32)
    images = random.uniform(size=(chains, draws, size, size, 3)).astype(np.float32)
    fields = {
        "images": images,
        "latents": random.normal(size=images.shape).astype(np.float32),
        "activation": activation,
        "fresh_activation": activation - np.float32(0.1),
        "network_levels": (activation - np.float32(0.4) + 2) / 10,
        "strength": np.full((chains, draws), 2.5, np.float32),
        "optimized": images[:, 0] ** 2,
        "prior_activation": -2.0,
        "optimum_activation": 8.0,
        "level": 0.7,
        "beta": 3.0,
        "seed": 11,
        "objective": "logits:goldfish",
        "model": "SqueezeNet",
        "density": "conditioned",
        "density_params": {"target": 5.0, "width": 0.2, "beta": 3.0},
        "init": "optimize",
        "kernel": "split_hmc",
        "options": {"num_results": draws, "step_size": 0.05, "adapt_mass": True, "transforms": "Affine(8)"},
        "stats": {
            "acceptance_rate": random.uniform(0.7, 0.9, transitions).astype(np.float32),
            "is_accepted": random.uniform(size=transitions) < 0.8,
            "energy_error": random.normal(size=transitions).astype(np.float32),
            "energy": 1e5 + random.normal(size=transitions),
            "log_density": -1e5 + random.normal(size=transitions),
            "temperature": np.ones(transitions, np.float32),
            "move_acceptance_rate": np.full(transitions, np.nan, np.float32),
            "step_size": np.full(transitions[1], 0.03, np.float32),
            "num_gradient_evals": np.full(transitions[1], 12, np.int32),
        },
        "scalars": {name: random.normal(size=transitions).astype(np.float32) for name in ("radius", "power_low")},
        "chain_means": images.mean(1),
        "sd_images": images.std(1),
        "gradients": 12000,
        "seconds": {"optimise": 1.25, "sample": 10.5},
        "reached": np.ones(chains, bool),
    }
    # The energy of momenta that are drawn at the state where the transition before ended.
    log_density = fields["stats"]["log_density"]
    before = np.concatenate([log_density[:, :1], log_density[:, :-1]], axis=1)
    kinetic = np.random.default_rng(8).chisquare(3 * size * size, transitions) / 2
    fields["stats"]["energy"] = kinetic - before
    if "fresh_activation" in changes and "network_levels" not in changes:
        # The network itself is close to the copy that is sampled.
        changes["network_levels"] = np.asarray((changes["fresh_activation"] + 1.7) / 10, np.float32)
    return Samples(**(fields | changes))
