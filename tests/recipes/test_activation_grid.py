"""Pictures of many directions, and the recipes that show them: activation grids, semantic dictionaries."""

from __future__ import annotations

import base64
import io
import re
import signal
import sys

import numpy as np
import pytest
from PIL import Image

from samplevis import recipes, transform
from samplevis.optimizers.keras_stepper import number_of_traces
from samplevis.recipes.activation_grid import tile
from samplevis.recipes.directions import IconRenderer
from samplevis.runs.smooth_ascent import ascend_smoothly

PHOTO = np.random.default_rng(2).uniform(size=(8, 8, 3)).astype(np.float32)
FAST = dict(steps=6, transforms=None, progress=False)


def icons_of(network, vectors, **settings):
    """The icons of directions of conv2."""
    return IconRenderer(network, "conv2", **dict(size=12, seed=0) | FAST | settings).render(vectors)


def test_batches_share_a_trace_and_do_not_touch_each_other(tiny_network):
    tiny_network.compiled.clear()
    vectors = np.random.default_rng(0).normal(size=(7, 5))
    settings = dict(seed=3, transforms=(transform.noise(0.05),))
    images = icons_of(tiny_network, vectors, batch_size=3, **settings)
    assert images.shape == (7, 12, 12, 3) and number_of_traces(tiny_network) == 1
    alone = icons_of(tiny_network, vectors[4:5], batch_size=1, **settings)
    np.testing.assert_allclose(images[4:5], alone, atol=1e-4)
    assert len({image.tobytes() for image in images}) == 7
    # Directions, not lengths; and like directions give like pictures.
    longer = icons_of(tiny_network, 50 * vectors[[4, 4, 4]], batch_size=3, **settings)
    np.testing.assert_allclose(longer, np.repeat(alone, 3, 0), atol=1e-4)


def test_pictures_score_highest_on_their_own_direction(tiny_network):
    vectors = np.random.default_rng(0).normal(size=(4, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    images = icons_of(tiny_network, vectors, batch_size=4, steps=40)
    found = tiny_network.activations(images, "conv2")["conv2"].numpy().mean((1, 2)) @ vectors.T
    np.testing.assert_array_equal(found.argmax(0), range(4))


def test_grid_of_every_position(tiny_network):
    grid = recipes.activation_grid(tiny_network, "conv2", PHOTO, cell=12, batch_size=5, **FAST)
    activations = tiny_network.activations(PHOTO[None], "conv2")["conv2"][0].numpy()
    assert grid.cells.shape == (4, 4, 12, 12, 3) and grid.icons is None and grid.reducer is None
    np.testing.assert_allclose(grid.magnitudes, np.linalg.norm(activations, axis=-1), rtol=1e-5)
    one = icons_of(tiny_network, activations[2, 1][None], batch_size=1)
    np.testing.assert_allclose(grid.cells[2, 1], one[0], atol=1e-4)
    picture = grid.picture()
    assert picture.shape == (48, 48, 3)
    np.testing.assert_array_equal(picture[24:36, 12:24], np.round(255 * grid.cells[2, 1]).astype(np.uint8))
    # By magnitude, the largest stays as it is and others shrink.
    largest = np.unravel_index(grid.magnitudes.argmax(), (4, 4))
    sized = grid.picture(by_magnitude=True).reshape(4, 12, 4, 12, 3).transpose(0, 2, 1, 3, 4)
    np.testing.assert_array_equal(sized[largest], np.round(255 * grid.cells[largest]).astype(np.uint8))
    paper = (sized == 255).all(-1).mean((2, 3))
    side = np.round(12 * np.sqrt(grid.magnitudes / grid.magnitudes.max()))
    np.testing.assert_allclose(1 - paper, side**2 / 144, atol=1e-6)


def test_grid_of_groups_mixes_their_pictures(tiny_network):
    pytest.importorskip("sklearn")
    grid = recipes.activation_grid(tiny_network, "conv1", PHOTO, groups=2, cell=12, **FAST)
    assert grid.icons.shape == (2, 12, 12, 3) and grid.weights.shape == (8, 8, 2)
    share = grid.weights[3, 4] / grid.weights[3, 4].sum()
    np.testing.assert_allclose(grid.cells[3, 4], share[0] * grid.icons[0] + share[1] * grid.icons[1], atol=1e-6)
    # The reducer is there for other images; a unit of weight counts by the length of its direction.
    activations = tiny_network.activations(PHOTO[None], "conv1")["conv1"][0].numpy()
    lengths = np.linalg.norm(grid.reducer.directions, axis=-1)
    np.testing.assert_allclose(grid.reducer.transform(activations) * lengths, grid.weights, rtol=1e-5)


def test_tile_by_hand():
    cells = np.zeros((1, 3, 4, 4, 1))
    cells[0, 1] = 0.2
    picture = tile(cells, np.array([[1.0, 0.5, 0.1]]))
    expected = np.full((4, 12), 255)
    expected[:, :4], expected[1:3, 5:7] = 0, 51
    np.testing.assert_array_equal(picture, np.repeat(expected[..., None], 3, -1))


def test_semantic_dictionary(tiny_network, tmp_path):
    found = recipes.semantic_dictionary(tiny_network, "conv2", PHOTO, (2, 1), n_channels=3, size=16, **FAST)
    here = tiny_network.activations(PHOTO[None], "conv2")["conv2"][0, 2, 1].numpy()
    np.testing.assert_array_equal(found.channels, np.argsort(-here)[:3])
    np.testing.assert_allclose(found.activations, np.sort(here)[:1:-1])
    unit = np.eye(5)[found.channels]
    icons = icons_of(tiny_network, unit, size=16, batch_size=3)
    np.testing.assert_array_equal(found.icons, icons)
    assert found.labels[0].startswith(f"{here.argmax()}: ") and found.title == "conv2, row 2, column 1"
    assert found.picture().ndim == 3 and found.picture(2).shape > found.picture().shape
    # 4 positions on 8 pixels: rows 4 and 5, columns 2 and 3.
    red = (found.marked_image() == (255, 0, 0)).all(-1)
    assert red[4:6, 2:4].all() and red.sum() == 4
    found.save_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    embedded = re.findall(r"data:image/png;base64,([\w+/=]+)", page)
    assert len(embedded) == 4 and "http" not in page and f"channel {found.channels[0]}" in page
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(embedded[1]))))
    np.testing.assert_array_equal(shown, np.round(255 * icons[0]).astype(np.uint8))


def test_the_strongest_position_by_default(tiny_network):
    found = recipes.semantic_dictionary(tiny_network, "conv2", PHOTO, n_channels=1, size=8, **FAST)
    norms = np.linalg.norm(tiny_network.activations(PHOTO[None], "conv2")["conv2"][0], axis=-1)
    assert norms[found.position] == norms.max()


def test_ctrl_c_ends_all(tiny_network, monkeypatch):
    calls = []

    def interrupted(*arguments, **settings):
        calls.append(signal.raise_signal(signal.SIGINT))
        return ascend_smoothly(*arguments, **settings)

    monkeypatch.setattr(sys.modules["samplevis.runs.sweeping"], "ascend_smoothly", interrupted)
    with pytest.raises(KeyboardInterrupt):
        recipes.activation_grid(tiny_network, "conv2", PHOTO, cell=12, batch_size=5, **FAST)
    assert len(calls) == 1


def test_directions_must_fit(tiny_network):
    with pytest.raises(ValueError, match=r"\[n, 5\]"):
        icons_of(tiny_network, np.ones((2, 4)), size=8, batch_size=2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda n: recipes.activation_grid(n, "conv22", PHOTO), "conv2"),
        (lambda n: recipes.activation_grid(n, "logits", PHOTO), "rows and columns"),
        (lambda n: recipes.activation_grid(n, "conv2", PHOTO, groups=0), "groups"),
        (lambda n: recipes.activation_grid(n, "conv2", PHOTO + 1), r"\[0, 1\]"),
        (lambda n: recipes.activation_grid(n, "conv2", PHOTO, steps=0), "steps"),
        (lambda n: recipes.activation_grid(n, "conv2", PHOTO, batch_size=0), "batch_size"),
        (lambda n: recipes.activation_grid(n, "conv2", PHOTO, cossim_pow=-1), "cossim_pow"),
        (lambda n: recipes.semantic_dictionary(n, "conv2", PHOTO, (4, 0), n_channels=2), r"below \(4, 4\)"),
        (lambda n: recipes.semantic_dictionary(n, "conv2", PHOTO, n_channels=6), "5 channels"),
        (lambda n: recipes.semantic_dictionary(n, "logits", PHOTO), "rows and columns"),
    ],
)
def test_errors(tiny_network, call, words):
    with pytest.raises(ValueError, match=words):
        call(tiny_network)
