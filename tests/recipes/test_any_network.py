"""Every recipe with its defaults, on networks of any size and number of channels: it works, or says what to change."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import keras
import numpy as np
import pytest

import samplevis
from samplevis import recipes

QUIET = {"progress": False, "steps": 1}
SHORT = {
    "hmc_opts": {"num_results": 1, "num_chains": 1, "num_burnin_steps": 1},
    "optimize_steps": 2,
    "anneal_steps": 1,
    "progress": False,
}
SIZES = {"oblong": (24, 40), "square": (32, 32), "free": (None, None), "half free": (None, 40)}


def network(size: tuple[int | None, int | None], channels: int) -> samplevis.Network:
    """A network of random weights that takes images of a size."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((*size, channels)),
        keras.layers.Conv2D(4, 3, 2, "same", activation="relu", name="low"),
        keras.layers.Conv2D(5, 3, 2, "same", name="high"),
        keras.layers.GlobalAveragePooling2D(name="mean"),
        keras.layers.Dense(3, name="logits"),
    ]
    return samplevis.Network(keras.Sequential(layers), value_range=(0, 1))


def picture(net: samplevis.Network) -> np.ndarray:
    height, width, channels = net.image_shape
    return np.random.default_rng(1).uniform(size=(height or 36, width or 44, channels)).astype(np.float32)


def dream(net: samplevis.Network) -> None:
    made = recipes.deep_dream(net, "high:1", **QUIET).image
    assert made.shape[:2] >= net.image_shape[:2] if None not in net.image_shape else made.size


def dream_of_a_picture(net: samplevis.Network) -> None:
    photo = picture(net)
    assert recipes.deep_dream(net, "high", photo, **QUIET).image.shape == photo.shape


def grid(net: samplevis.Network) -> None:
    found = recipes.activation_grid(net, "high", picture(net), **QUIET)
    assert found.cells.shape[2:4] == tuple(side or 48 for side in net.image_shape[:2])
    _check_paper(found.picture(by_magnitude=True))


def atlas(net: samplevis.Network) -> None:
    activations = np.random.default_rng(2).normal(size=(40, 5))
    found = recipes.activation_atlas(net, "high", activations, grid=2, method="pca", **QUIET)
    assert found.icons.shape[1:3] == tuple(side or 64 for side in net.image_shape[:2])
    _check_paper(found.picture())


def dictionary(net: samplevis.Network) -> None:
    found = recipes.semantic_dictionary(net, "high", picture(net), n_channels=2, **QUIET)
    assert found.icons.shape[1:3] == tuple(side or 96 for side in net.image_shape[:2])
    _check_paper(found.picture())


def sheets(net: samplevis.Network) -> None:
    _check_paper(recipes.channel_sheet(net, "high", [0, 1], **QUIET).grid())
    _check_paper(recipes.neuron_sheet(net, "high", [0], **QUIET).grid())


def interactions(net: samplevis.Network) -> None:
    _check_paper(recipes.interaction_grid(net, ["high:0", "high:1"], aligned=True, **QUIET).grid())
    _check_paper(recipes.interpolation(net, "high:0", "high:1", points=2, **QUIET).grid())


def caricatures(net: samplevis.Network) -> None:
    _check_paper(recipes.caricature(net, picture(net), "high", **QUIET).grid())


def style(net: samplevis.Network) -> None:
    photo = picture(net)
    made = recipes.style_transfer(net, photo, photo, content_layers="high", style_layers="low", **QUIET)
    assert made.images.shape == (1, *photo.shape)


def texture(net: samplevis.Network) -> None:
    made = recipes.texture_optimization(net, "high:1", recipes.sphere(), texture=16, count=2, **QUIET)
    assert made.images.shape == (1, 16, 16, net.image_shape[-1])


def attribution(net: samplevis.Network) -> None:
    assert recipes.spatial_attribution(net, "low", "high", picture(net)).ndim == 4


def accentuation(net: samplevis.Network) -> None:
    _check_paper(recipes.accentuate(net, "logits:1", picture(net), **SHORT).grid())


def comparison(net: samplevis.Network) -> None:
    _check_paper(recipes.compare(net, "high:1", **SHORT).grid())


RECIPES = [
    *(dream, dream_of_a_picture, grid, atlas, dictionary, sheets, interactions, caricatures, style, texture),
    *(attribution, accentuation, comparison),
]
# Recipes that take no part of a run of chains, on a small oblong network: the case that failed most.
FAST = {dream, dream_of_a_picture, grid, atlas}


def _cases() -> Iterator[object]:
    """Every recipe with every size in CI, each with another number of channels; all pairs of them by hand."""
    for number, recipe in enumerate(RECIPES):
        for place, (name, size) in enumerate(SIZES.items()):
            for turn, channels in enumerate((1, 3, 7)):
                fast = recipe in FAST and (name, channels) == ("oblong", 7)
                in_turn = (number + place + turn) % 3 == 0
                yield pytest.param(
                    recipe,
                    size,
                    channels,
                    id=f"{recipe.__name__}, {name}, {channels}",
                    marks=() if fast else pytest.mark.slow if in_turn else pytest.mark.long,
                )


@pytest.mark.parametrize(("recipe", "size", "channels"), list(_cases()))
def test_a_recipe_fits_its_defaults_to_the_network(recipe: Callable, size: tuple, channels: int):
    recipe(network(size, channels))


REFUSED = {
    "cell: 'sequential.*' takes pictures of 24 x 40 pixels, the default. Received: 48": lambda net: (
        recipes.activation_grid(net, "high", picture(net), cell=48)
    ),
    "size: 'sequential.*' takes pictures of 24 x 40 pixels, the default. Received: 64": lambda net: (
        recipes.activation_atlas(net, "high", np.ones((9, 5)), size=64)
    ),
    "view_size: .* Received: 32": lambda net: recipes.texture_optimization(
        net, "high:1", recipes.sphere(), view_size=32
    ),
    "tile: .* Received: 32": lambda net: recipes.deep_dream(net, "high", tile=32),
    r"octaves\[0\]: expected at least 24 x 40, .* Received: 20 x 20": lambda net: recipes.deep_dream(
        net, "high", octaves=[20, 48]
    ),
    "image: expected at least 24 x 40 pixels, .* Received: 20 x 64; enlarge it": lambda net: recipes.deep_dream(
        net, "high", np.zeros((20, 64, 3))
    ),
    "image: .* takes pictures of 24 x 40 pixels. Received: 30 x 40; resize it": lambda net: recipes.semantic_dictionary(
        net, "high", np.zeros((30, 40, 3))
    ),
    "content: .* Received: 30 x 40": lambda net: recipes.style_transfer(
        net, np.zeros((30, 40, 3)), np.zeros((24, 40, 3)), content_layers="high", style_layers="low"
    ),
    r"image: expected \[height, width, 3\]. Received shape: \(24, 40, 7\)": lambda net: recipes.activation_grid(
        net, "high", np.zeros((24, 40, 7))
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_size_that_does_not_fit_is_named_by_its_argument(message: str):
    with pytest.raises(ValueError, match=f"^{message}"):
        REFUSED[message](network((24, 40), 3))


def test_a_network_of_signals_is_refused_by_what_makes_pictures():
    signals = keras.Sequential([keras.Input((64, 2)), keras.layers.Conv1D(4, 3, name="low")])
    with pytest.raises(ValueError, match="model: expected a network that takes pictures .* optimize and render"):
        recipes.deep_dream(samplevis.Network(signals, value_range=(0, 1)), "low")


def _check_paper(paper: np.ndarray) -> None:
    assert paper.dtype == np.uint8 and paper.ndim == 3 and paper.shape[-1] == 3
    assert len(np.unique(paper)) > 2, "the pictures are missing"
