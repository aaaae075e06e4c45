"""Dataset examples against NumPy's sort, whatever the images come in; percentiles, pictures, and the two commands."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from conftest import made_samples
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import samplevis
from samplevis import cli, export, objectives


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(23, 16, 12, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def expected(tiny_network, photos) -> np.ndarray:
    return tiny_network.activations(photos, "conv2")["conv2"].numpy()[..., 3].mean((1, 2))


@pytest.fixture(scope="module")
def found(tiny_network, photos) -> samplevis.Examples:
    return samplevis.collect(tiny_network, "conv2:3", photos, top=4, bottom=3, bins=7, batch_size=5)


def test_top_and_bottom_are_numpys(found, photos, expected):
    order = np.argsort(expected)
    np.testing.assert_allclose(found.activations, expected, rtol=1e-5, atol=1e-6)
    assert found.top_names == tuple(str(i) for i in order[::-1][:4])
    assert found.bottom_names == tuple(str(i) for i in order[:3])
    np.testing.assert_array_equal(found.top_images, photos[order[::-1][:4]])
    np.testing.assert_array_equal(found.bottom_images, photos[order[:3]])
    np.testing.assert_allclose(found.top_activations, expected[order[::-1][:4]], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.bottom_activations, expected[order[:3]], rtol=1e-5, atol=1e-6)
    counts, edges = np.histogram(found.activations, 7)
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_allclose(found.edges, edges)
    assert len(found) == 23 == found.counts.sum()


@pytest.mark.parametrize("batch_size", [1, 7, 64])
@pytest.mark.parametrize("kind", ["data set", "generator", "batches", "labelled"])
def test_whatever_the_images_come_in(tiny_network, photos, found, kind, batch_size):
    given = {
        "data set": lambda: tf.data.Dataset.from_tensor_slices(photos),
        "generator": lambda: (image for image in photos),
        "batches": lambda: (photos[:10], photos[10:]),
        "labelled": lambda: tf.data.Dataset.from_tensor_slices((photos, np.arange(23))).batch(4),
    }[kind]()
    # A tuple of one batch and another would be an image with its label: as an iterator it is not.
    other = samplevis.collect(tiny_network, "conv2:3", iter(given), top=4, bottom=3, bins=7, batch_size=batch_size)
    np.testing.assert_allclose(other.activations, found.activations, rtol=1e-5, atol=1e-6)
    assert other.top_names == found.top_names and other.bottom_names == found.bottom_names


def test_a_folder_and_a_list_of_files(tiny_network, photos, tmp_path):
    (tmp_path / "inner").mkdir()
    paths = [tmp_path / ("inner" if i % 2 else ".") / f"{i}.png" for i in range(6)]
    for image, path in zip(photos, paths, strict=False):
        export.save_image(image, path)
    one = samplevis.collect(tiny_network, "conv2:3", tmp_path, top=6)
    assert set(one.top_names) == {"0.png", "inner/1.png", "2.png", "inner/3.png", "4.png", "inner/5.png"}
    other = samplevis.collect(tiny_network, "conv2:3", paths, top=6)
    np.testing.assert_allclose(one.top_activations, other.top_activations)
    assert other.top_names[0].endswith(one.top_names[0])
    small = samplevis.collect(tiny_network, "conv2:3", [str(path) for path in paths], image_size=(8, 8))
    assert small.top_images.shape == (6, 8, 8, 3)


def test_images_are_not_all_held(tiny_network):
    """The control: what is referenced stays alive."""
    import weakref

    alive = []

    class Picture(np.ndarray):
        pass

    def images():
        for i in range(40):
            # Kept: two at the top, one at the bottom; under way: a batch of four, twice, and one ahead.
            assert sum(one() is not None for one in alive) <= 12
            picture = np.full((8, 8, 3), (i * 7 % 40) / 40, np.float32).view(Picture)
            alive.append(weakref.ref(picture))
            yield picture

    found = samplevis.collect(tiny_network, "conv1:0", images(), top=2, bottom=1, batch_size=4)
    assert len(found) == 40 and len(found.top_names) == 2


@settings(max_examples=20, deadline=None)
@given(values=st.lists(st.integers(-3, 3), min_size=1, max_size=20), asked=st.integers(-4, 4))
def test_percentile_is_scipys(values, asked):
    from scipy import stats

    empty = np.zeros((0, 4, 4, 3)), np.zeros(0), ()
    values = np.array(values, np.float32)
    counts, edges = np.histogram(values, 5)
    examples = samplevis.Examples("unit", "net", values, *empty, *empty, counts, edges, lambda images: images)
    assert np.isclose(examples.percentile(asked), stats.percentileofscore(values, asked, kind="mean"))


def test_ties_keep_the_first(tiny_network):
    images = np.full((5, 8, 8, 3), 0.5, np.float32)
    found = samplevis.collect(tiny_network, "conv1:0", images, top=2, bottom=2, batch_size=2)
    assert found.top_names == found.bottom_names == ("0", "1")


def test_any_objective(tiny_network, photos, expected):
    obj = objectives.class_logit("logits", "b") - 2 * objectives.channel("conv2", 3)
    found = samplevis.collect(tiny_network, obj, photos, top=1, bottom=0)
    by_hand = tiny_network.activations(photos, "logits")["logits"].numpy()[:, 1] - 2 * expected
    assert found.top_names == (str(by_hand.argmax()),) and found.bottom_images.shape == (0, 16, 12, 3)
    np.testing.assert_allclose(found.activations, by_hand, rtol=1e-4, atol=1e-5)


def test_the_grid_shows_the_images(found, tmp_path):
    picture = found.grid()
    # The first image of the first row is in it as it is.
    first = np.round(255 * found.top_images[0]).astype(np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(picture, first.shape)[..., 0, :, :, :]
    assert (windows == first).all((-3, -2, -1)).any()
    found.save_grid(tmp_path / "grid.png", scale=2)
    assert export.load_metadata(tmp_path / "grid.png")["Objective"] == "channel(conv2, 3)"
    text = str(found)
    assert "23 images" in text and all(name in text for name in found.top_names)


@pytest.fixture(scope="module")
def samples(tiny_network) -> samplevis.Samples:
    """What a run of 3 chains and 4 draws could have returned, on other sizes than the photographs."""
    return made_samples(3, 4, size=16, objective="channel(conv2, 3)", model="tiny")


def test_beside_samples(tiny_network, found, samples):
    percentiles = found.percentile(samples)
    assert percentiles.shape == samples.images.shape[:2]
    plain = tiny_network.activations(samples.images[1, :1], "conv2")["conv2"].numpy()[..., 3].mean()
    assert np.isclose(percentiles[1, 0], 100 * np.mean(found.activations < plain))
    picture = samplevis.beside(samples, found, columns=3)
    smooth = dataclasses.replace(samples, model="smooth tiny")
    assert samplevis.beside(smooth, found, columns=3).shape[-1] == 3, "render samples a smoothed network"
    # The last draw of the second chain is the second picture of its row.
    sample = np.round(255 * samples.images[1, -1]).astype(np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(picture, sample.shape)[..., 0, :, :, :]
    assert (windows == sample).all((-3, -2, -1)).any()
    red = (picture == (200, 30, 30)).all(-1)
    assert red[-80:].any() and not (found.grid() == (200, 30, 30)).all(-1).any()


def test_bad_arguments(tiny_network, photos, found, samples, tmp_path):
    def fails(match, error=ValueError, obj="conv2:3", images=photos, **options):
        with pytest.raises(error, match=match):
            samplevis.collect(tiny_network, obj, images, **options)

    fails("top: expected a whole number >= 0. Received: -1", top=-1)
    fails("bottom: expected", bottom=1.5)
    fails("bins: expected a whole number >= 1. Received: 0", bins=0)
    fails("batch_size: expected a whole number >= 1. Received: 0", batch_size=0)
    fails("conv3", obj="conv3:1")
    fails("0 to 4", obj="conv2:5")
    fails("scores each image by itself", obj=objectives.diversity("conv2"))
    fails("images: expected at least one. Received: none", images=[])
    fails("one size", images=[photos[0], photos[0, :8]])
    fails(r"values in \[0, 1\]", images=2 * photos)
    fails("image_size: only for a folder or files", image_size=(8, 8))
    fails("images: expected an array", TypeError, images=3)
    fails("nowhere", OSError, images=tmp_path / "nowhere")
    fails("not finite on 23", batch_size=64, obj=lambda T: tf.reduce_mean(T("conv2"), (1, 2, 3)) * np.inf)
    with pytest.raises(ValueError, match="values: expected finite"):
        found.percentile(np.nan)
    with pytest.raises(ValueError, match="columns: expected a whole number >= 1"):
        samplevis.beside(samples, found, columns=0)
    other = samplevis.collect(tiny_network, "conv2:2", photos)
    with pytest.raises(ValueError, match=r"expected those of channel\(conv2, 3\) in tiny"):
        samplevis.beside(samples, other)


# The commands.


def test_commands(tiny_network, photos, tmp_path, capsys):
    tiny_network.model.save(tmp_path / "tiny.keras")
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(5):
        export.save_image(photos[i], folder / f"{i}.png")
    out = tmp_path / "unit.png"
    words = [
        "examples",
        tmp_path / "tiny.keras",
        "conv2:3",
        folder,
        "--out",
        out,
        "--top",
        2,
        "--size",
        8,
        "--scale",
        2,
    ]
    assert cli.main(list(map(str, words))) == 0
    printed = capsys.readouterr().out
    assert "5 images" in printed and f"wrote {out}" in printed and Image.open(out).width > 16
    words = ["describe", tmp_path / "tiny.keras", "--value-range", "-1", "1", "--images", folder, "--size", 8]
    assert cli.main(list(map(str, words))) == 0
    printed = capsys.readouterr().out
    assert "black is -1, white is 1" in printed and "5 given images, 8 x 8" in printed and "conv1" in printed
    assert cli.main(["examples", str(tmp_path / "tiny.keras"), "conv2:9", str(folder), "--out", str(out)]) == 2
    assert "0 to 4" in capsys.readouterr().err
    assert cli.main(["examples", str(tmp_path / "tiny.keras"), "conv2:1", str(tmp_path / "no"), "--out", str(out)]) == 1
