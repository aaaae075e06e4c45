"""The activation atlas: layout, bins and canvas in closed form; icons; the whole."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samplevis import recipes
from samplevis.recipes import atlas

GENERATOR = np.random.default_rng(0)
FAST = dict(steps=4, transforms=None, progress=False, size=16)


def test_pca_is_the_plane_of_largest_variance():
    # Unit vectors on a great circle, off which they are moved a little.
    angle = GENERATOR.uniform(0, 2 * np.pi, 60)
    circle = np.stack([np.cos(angle), np.sin(angle), 0.01 * GENERATOR.normal(size=60)], 1)
    turn = np.linalg.qr(GENERATOR.normal(size=(3, 3)))[0]
    lengths = GENERATOR.uniform(1, 5, (60, 1))
    found = atlas.layout(lengths * (circle @ turn), "pca")
    # Lengths are ignored and distances kept.
    expected = circle / np.linalg.norm(circle, axis=1, keepdims=True)
    between = [np.linalg.norm(points[:, None] - points, axis=-1) for points in (found, expected)]
    np.testing.assert_allclose(*between, atol=0.03)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 300), scale=st.floats(1e-3, 1e3), shift=st.floats(-100, 100))
def test_bounds(seed, n, scale, shift):
    points = np.random.default_rng(seed).normal(size=(n, 2))
    found = atlas.bounded(points)
    assert found.min() >= 0 and found.max() <= 1
    # The 1st and 99th percentile lie a tenth of the way between them inside: at 1/12 and 11/12.
    low, high = np.percentile(points, [1, 99], axis=0)
    np.testing.assert_allclose(found, ((points - low) / (high - low) * 10 / 12 + 1 / 12).clip(0, 1), atol=1e-9)
    np.testing.assert_allclose(atlas.bounded(scale * points + shift), found, atol=1e-5)


def test_an_outlier_does_not_squeeze_the_rest():
    points = GENERATOR.uniform(size=(1000, 2))
    points[7] = 1e6
    found = atlas.bounded(points)
    np.testing.assert_array_equal(found[7], 1)
    assert np.ptp(np.delete(found, 7, 0), axis=0).min() > 0.8
    np.testing.assert_array_equal(atlas.bounded(np.ones((4, 2))), 0.5)


def test_bins_are_a_loop():
    points, values = GENERATOR.uniform(size=(300, 2)), GENERATOR.normal(size=(300, 4))
    points[0], points[1] = 1, 0
    cells = atlas.bin_activations(values, points, (4, 7), minimum=9)
    expected = []
    for row in range(4):
        for column in range(7):
            inside = [
                n for n, (x, y) in enumerate(points) if min(int(y * 4), 3) == row and min(int(x * 7), 6) == column
            ]
            if len(inside) >= 9:
                expected.append(((row, column), values[inside].mean(0), len(inside)))
    assert 5 < len(expected) < 28
    places, directions, counts = zip(*expected, strict=True)
    np.testing.assert_array_equal(cells.places, places)
    np.testing.assert_array_equal(cells.counts, counts)
    np.testing.assert_allclose(cells.directions, directions)
    # With no lower limit, nothing is lost.
    assert atlas.bin_activations(values, points, (4, 7), 1).counts.sum() == 300


def test_canvas_by_hand():
    icons = np.stack([np.full((2, 2, 3), 0.2), np.zeros((2, 2, 3))])
    picture = atlas.canvas(icons, np.array([(0, 1), (1, 0)]), (2, 3))
    expected = np.full((4, 6), 255)
    expected[:2, 2:4], expected[2:, :2] = 51, 0
    np.testing.assert_array_equal(picture, np.repeat(expected[..., None], 3, -1))


@pytest.fixture(scope="module")
def activations(tiny_network) -> np.ndarray:
    images = np.random.default_rng(1).uniform(size=(60, 8, 8, 3)).astype(np.float32)
    return recipes.collect_activations(tiny_network, "conv2", images, reducer="random position")


def test_the_whole(tiny_network, activations):
    found = recipes.activation_atlas(tiny_network, "conv2", activations, grid=(2, 3), method="pca", **FAST)
    points = atlas.bounded(atlas.layout(activations, "pca"))
    np.testing.assert_array_equal(found.points, points)
    cells = atlas.bin_activations(activations, points, (2, 3), 5)
    np.testing.assert_array_equal(found.cells.directions, cells.directions)
    assert 2 <= len(cells.counts) == len(found.icons) and found.method == "pca"
    assert found.picture().shape == (32, 48, 3)
    again = recipes.activation_atlas(tiny_network, "conv2", activations, grid=(2, 3), method="pca", **FAST)
    assert again.icons.tobytes() == found.icons.tobytes()


def test_icons_follow_the_whitened_direction_at_the_centre(tiny_network, activations):
    found = recipes.activation_atlas(tiny_network, "conv2", activations, grid=2, method="pca", **FAST | dict(steps=40))
    whitened = recipes.whitened_direction(found.cells.directions, recipes.covariance(activations))
    whitened /= np.linalg.norm(whitened, axis=1, keepdims=True)
    rendered = tiny_network.activations(found.icons, "conv2")["conv2"].numpy()[:, 4, 4]
    cosine = rendered / np.linalg.norm(rendered, axis=1, keepdims=True) @ whitened.T
    np.testing.assert_array_equal(cosine.argmax(0), range(len(whitened)))


def test_umap_gets_the_constants(monkeypatch):
    asked = {}

    class UMAP:
        def __init__(self, **settings):
            asked.update(settings)

        def fit_transform(self, values):
            return values[:, :2].astype(np.float32)

    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(UMAP=UMAP))
    values = GENERATOR.normal(size=(80, 3))
    np.testing.assert_allclose(atlas.layout(values, seed=5), values[:, :2], rtol=1e-6)
    assert asked == dict(n_neighbors=50, min_dist=0.05, metric="cosine", random_state=5, n_jobs=1)
    atlas.layout(values[:20], "umap")
    assert asked["n_neighbors"] == 19


def test_without_umap_it_says_so(monkeypatch, tiny_network, activations):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.warns(UserWarning, match=r"PCA.*samplevis\[atlas\]"):
        found = atlas.layout(activations)
    np.testing.assert_array_equal(found, atlas.layout(activations, "pca"))
    with pytest.warns(UserWarning, match="PCA"):
        assert recipes.activation_atlas(tiny_network, "conv2", activations, grid=1, **FAST).method == "pca"
    with pytest.raises(ImportError, match=r"samplevis\[atlas\]"):
        atlas.layout(activations, "umap")


@pytest.mark.long
def test_umap_keeps_clusters_apart():
    pytest.importorskip("umap")
    centres = np.repeat(np.eye(3), 40, 0)
    found = atlas.layout(centres + 0.05 * GENERATOR.normal(size=(120, 3)), "umap").reshape(3, 40, 2)
    middle = found.mean(1)
    apart = np.linalg.norm(middle - np.roll(middle, 1, 0), axis=1)
    assert apart.min() > 2 * np.linalg.norm(found - middle[:, None], axis=-1).max()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (dict(layer="conv22"), "conv2"),
        (dict(activations=np.ones((9, 4))), "5 channels"),
        (dict(activations=np.ones((2, 4, 4, 5))), "all positions"),
        (dict(activations=np.ones((2, 5))), "at least 3"),
        (dict(grid=0), "grid"),
        (dict(grid=(2, 2, 2)), "columns"),
        (dict(steps=0), "steps"),
        (dict(minimum=0), "minimum"),
        (dict(minimum=1000), "coarser grid"),
        (dict(method="pac"), "method: expected one of 'pca', .*'pac'"),
        (dict(seed=-1), "seed"),
        (dict(ridge=-1), "ridge"),
    ],
)
def test_errors(tiny_network, activations, arguments, words):
    given_ = dict(layer="conv2", activations=activations, method="pca") | FAST | arguments
    with pytest.raises(ValueError, match=words):
        recipes.activation_atlas(tiny_network, **given_)


def test_errors_come_before_the_layout(tiny_network, activations, monkeypatch):
    monkeypatch.setattr(atlas, "layout", lambda *arguments, **settings: pytest.fail("long work"))
    for arguments in (dict(steps=0), dict(size=2), dict(minimum=0), dict(ridge=-1), dict(grid=0), dict(transforms=3)):
        with pytest.raises((ValueError, TypeError)):
            recipes.activation_atlas(tiny_network, "conv2", activations, method="pca", **FAST | arguments)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: atlas.bounded(np.ones(3)), "points"),
        (lambda: atlas.bin_activations(np.ones((3, 2)), np.full((3, 2), 1.5), (2, 2)), r"in \[0, 1\]"),
        (lambda: atlas.bin_activations(np.ones((3, 2)), np.ones((2, 2)), (2, 2)), r"\[3, 2\]"),
    ],
)
def test_parts_name_what_is_wrong(call, words):
    with pytest.raises(ValueError, match=words):
        call()
