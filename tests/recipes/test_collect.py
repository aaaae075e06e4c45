"""Collected activations against NumPy, whatever the images come in; covariance, whitening, pushing."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from samplevis import recipes
from samplevis.analysis import image_stream

CLOSE = dict(rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(7, 16, 12, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def expected(tiny_network, photos) -> np.ndarray:
    return tiny_network.activations(photos, "conv2")["conv2"].numpy()


@pytest.mark.parametrize(
    ("reducer", "by_hand"),
    [
        ("mean", lambda a: a.mean((1, 2))),
        ("max", lambda a: a.max((1, 2))),
        # Also the first image of all is squared.
        ("rms", lambda a: np.sqrt((a**2).mean((1, 2)))),
        ("centre", lambda a: a[:, 4, 3]),
        (None, lambda a: a),
    ],
)
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_reducers_are_numpys(tiny_network, photos, expected, reducer, by_hand, batch_size):
    found = recipes.collect_activations(tiny_network, "conv2", photos, reducer=reducer, batch_size=batch_size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_hand(expected), **CLOSE)


def test_random_positions_come_from_the_seed_alone(tiny_network, photos, expected):
    def collect(layer="conv2", **settings):
        return recipes.collect_activations(tiny_network, layer, photos, reducer="random position", **settings)

    one, again, other = collect(), collect(batch_size=2), collect(seed=1)
    np.testing.assert_allclose(one, again, **CLOSE)
    assert np.abs(one - other).max() > 1e-3
    distance = np.abs(expected - one[:, None, None]).max(-1)
    np.testing.assert_allclose(distance.min((1, 2)), 0, atol=1e-6)
    # The same share of the way in a layer of twice the size.
    rows, columns = np.array([np.unravel_index(d.argmin(), d.shape) for d in distance]).T
    finer = tiny_network.activations(photos, "conv1")["conv1"].numpy()
    distance = np.abs(finer - collect("conv1")[:, None, None]).max(-1)
    fine_rows, fine_columns = np.array([np.unravel_index(d.argmin(), d.shape) for d in distance]).T
    np.testing.assert_array_equal(fine_rows // 2, rows)
    np.testing.assert_array_equal(fine_columns // 2, columns)


def test_random_positions_are_uniform(tiny_network):
    ramp = np.zeros((1, 16, 16, 3), np.float32)
    ramp[0, ..., 0] = np.linspace(0, 1, 16)[:, None]
    many = np.repeat(ramp, 400, axis=0)
    values = tiny_network.activations(ramp, "conv1")["conv1"].numpy()[0, :, 8]
    found = recipes.collect_activations(tiny_network, "conv1", many, reducer="random position", batch_size=400)
    middle = (found[:, None] == values[4:12]).all(-1).any(1).mean()
    assert abs(middle - 0.5) < 0.1
    # The control: the centre is always in the middle rows.
    centre = recipes.collect_activations(tiny_network, "conv1", many[:2], reducer="centre")
    np.testing.assert_allclose(centre[0], values[8], **CLOSE)


def test_repeated_images_and_anything_to_iterate_over(tiny_network, photos, expected):
    rows = expected.mean((1, 2))
    order = [0, 3, 3, 0, 6, 3]
    sources = {
        "array": photos[order],
        "generator": (photos[n] for n in order),
        "batches": [photos[order[:4]], photos[order[4:]]],
        "pairs": [(photos[n], n) for n in order],
        "tf.data": tf.data.Dataset.from_tensor_slices(photos[order]).batch(4),
    }
    for name, source in sources.items():
        found = recipes.collect_activations(tiny_network, "conv2", source, batch_size=3)
        np.testing.assert_allclose(found, rows[order], err_msg=name, **CLOSE)


def test_images_of_several_sizes(tiny_network, photos):
    mixed = [photos[0], photos[1, :8, :8], photos[2]]
    found = recipes.collect_activations(tiny_network, "conv2", mixed)
    np.testing.assert_allclose(found[1:2], recipes.collect_activations(tiny_network, "conv2", [mixed[1]]), **CLOSE)
    with pytest.raises(ValueError, match="reducer: None needs images of one size"):
        recipes.collect_activations(tiny_network, "conv2", mixed, reducer=None)


def test_a_layer_without_positions(tiny_network, photos):
    logits = tiny_network.activations(photos, "logits")["logits"].numpy()
    for reducer in ("mean", "max", "centre", "random position", None):
        found = recipes.collect_activations(tiny_network, "logits", photos, reducer=reducer)
        np.testing.assert_allclose(found, logits, **CLOSE)


def test_images_stream(photos):
    seen = []

    def images():
        for n in range(6):
            seen.append(n)
            yield photos[n], str(n)

    for n, (batch, _) in enumerate(image_stream.batches(images(), 2)):
        # One image ahead at most.
        assert len(batch) == 2 and 2 * n + 2 <= len(seen) <= 2 * n + 3


def test_a_folder(tiny_network, tmp_path):
    (tmp_path / "inner").mkdir()
    red = Image.new("RGB", (20, 10), (255, 0, 0))
    red.paste((0, 0, 255), (0, 0, 1, 10))
    red.save(tmp_path / "b.png")
    Image.new("L", (8, 8), 128).save(tmp_path / "inner" / "a.png")
    (tmp_path / "notes.txt").write_text("no picture")
    found = recipes.collect_activations(tiny_network, "conv1", str(tmp_path), image_size=(8, 8))
    grey = np.full((8, 8, 3), 128 / 255, np.float32)
    plain = np.zeros((8, 8, 3), np.float32)
    plain[..., 0] = 1
    # The centre of b.png is all red.
    np.testing.assert_allclose(found, recipes.collect_activations(tiny_network, "conv1", [plain, grey]), atol=1e-5)
    assert recipes.collect_activations(tiny_network, "conv1", tmp_path).shape == (2, 4)
    with pytest.raises(NotADirectoryError, match="notes.txt"):
        recipes.collect_activations(tiny_network, "conv1", tmp_path / "notes.txt")
    (tmp_path / "inner" / "a.png").unlink()
    with pytest.raises(ValueError, match="at least one"):
        recipes.collect_activations(tiny_network, "conv1", tmp_path / "inner")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (dict(layer="conv22"), ValueError, "conv2"),
        (dict(reducer="men"), ValueError, "reducer: expected one of 'mean', .*'men'"),
        (dict(batch_size=0), ValueError, "batch_size"),
        (dict(seed=-1), ValueError, "seed"),
        (dict(images=np.zeros((1, 8, 8, 3), np.uint8)), ValueError, "divide bytes by 255"),
        (dict(images=np.full((1, 8, 8, 3), 2.0)), ValueError, r"\[0, 1\]"),
        (dict(images=np.zeros((8, 8))), ValueError, "item of shape"),
        (dict(images=[]), ValueError, "at least one"),
        (dict(images=3), TypeError, "images"),
        (dict(image_size=(8, 8)), ValueError, "image_size"),
    ],
)
def test_errors(tiny_network, photos, arguments, error, words):
    settings = dict(layer="conv2", images=photos) | arguments
    with pytest.raises(error, match=words):
        recipes.collect_activations(tiny_network, settings.pop("layer"), settings.pop("images"), **settings)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**31), rows=st.integers(2, 9))
def test_covariance_is_numpys(seed, rows):
    a, b = (np.random.default_rng(seed + k).normal(1, 2, (rows, 3 + k)) for k in range(2))
    np.testing.assert_allclose(recipes.covariance(a), sum(np.outer(x, x) for x in a) / rows)
    np.testing.assert_allclose(recipes.covariance(a, b, centred=True), np.cov(a.T, b.T, bias=True)[:3, 3:], atol=1e-12)


def test_whitening_inverts():
    a = np.random.default_rng(0).normal(size=(100, 4)) @ np.random.default_rng(1).normal(size=(4, 4))
    matrix = recipes.covariance(a)
    np.testing.assert_allclose(recipes.whitening(matrix, ridge=0) @ matrix, np.eye(4), atol=1e-9)
    v = np.arange(8.0).reshape(2, 4)
    np.testing.assert_allclose(
        recipes.whitened_direction(v, matrix, ridge=0), np.linalg.solve(matrix, v.T).T, rtol=1e-7
    )
    # A silent channel has no inverse variance; the ridge bounds it.
    a[:, 2] = 0
    with pytest.raises(ValueError, match="cannot be inverted"):
        recipes.whitening(recipes.covariance(a), ridge=0)
    safe = recipes.whitening(recipes.covariance(a), ridge=0.1)
    np.testing.assert_allclose(safe[2, 2], 10 / (np.trace(recipes.covariance(a)) / 4))


def test_pushing_recovers_a_linear_map():
    generator = np.random.default_rng(0)
    source, map_ = generator.normal(size=(50, 4)), generator.normal(size=(4, 6))
    new = generator.normal(size=(2, 3, 4))
    np.testing.assert_allclose(recipes.push_activations(new, source, source @ map_), new @ map_, atol=1e-10)
    # Without alignment, no map is left.
    shuffled = recipes.push_activations(new, source, (source @ map_)[generator.permutation(50)])
    assert np.abs(shuffled - new @ map_).max() > 0.5
    # Lucid's formula, where it is defined.
    target = generator.normal(size=(50, 6))
    formula = new @ np.linalg.inv(recipes.covariance(source)) @ recipes.covariance(source, target)
    np.testing.assert_allclose(recipes.push_activations(new, source, target), formula, atol=1e-10)
    doubled = np.concatenate([source, source], 1)
    pushed = recipes.push_activations(np.concatenate([new, new], -1), doubled, source @ map_)
    np.testing.assert_allclose(pushed, new @ map_, atol=1e-10)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: recipes.covariance(np.zeros((2, 3)), np.zeros((3, 3))), "of one n"),
        (lambda: recipes.covariance(np.zeros(3)), r"\[n, channels\]"),
        (lambda: recipes.whitening(np.zeros((2, 3))), "covariance"),
        (lambda: recipes.whitening(np.eye(2), ridge=-1), "ridge"),
        (lambda: recipes.whitened_direction(np.ones(3), np.eye(2)), "direction"),
        (lambda: recipes.push_activations(np.ones(3), np.eye(2), np.eye(2)), "activations"),
    ],
)
def test_linear_algebra_names_what_is_wrong(call, words):
    with pytest.raises(ValueError, match=words):
        call()
