"""Images of any number of channels as pictures."""

from __future__ import annotations

import dataclasses

import conftest
import numpy as np
import pytest
from PIL import Image

from samplevis import Samples, export
from samplevis.export.bands import bands_of, bands_words, thirds
from samplevis.results.colors import in_colors
from samplevis.results.optimized import Optimized


def _bands(*values: float, size: int = 4) -> np.ndarray:
    """An image whose bands have these values everywhere."""
    return np.broadcast_to(np.float32(values), (size, size, len(values)))


@pytest.mark.parametrize("count", [2, 5, 6, 7, 12])
def test_a_band_brightens_the_colours_that_it_belongs_to(count: int):
    for band in range(count):
        color = export.false_colors(_bands(*np.eye(count)[band]))[0, 0]
        expected = [(band in group) / len(group) for group in thirds(count)]
        np.testing.assert_allclose(color, expected, atol=1e-6)
    assert sorted({band for group in thirds(count) for band in group}) == list(range(count))


@pytest.mark.parametrize("count", [1, 3, 4])
def test_pictures_stay_as_they_are(count: int):
    image = _bands(*np.linspace(0, 1, count))
    assert export.false_colors(image) is not None and np.array_equal(export.false_colors(image), image)
    assert not bands_words(count)


def test_named_bands_are_the_colours_of_floats_and_bytes():
    image = np.random.default_rng(0).uniform(size=(2, 5, 6, 7)).astype(np.float32)
    assert np.array_equal(export.false_colors(image, (4, 2, 1)), image[..., [4, 2, 1]])
    whole = (255 * image).astype(np.uint8)
    assert np.array_equal(export.false_colors(whole, (4, 2, 1)), whole[..., [4, 2, 1]])
    assert export.false_colors(whole).dtype == np.uint8
    assert bands_words(7, (4, 2, 1)) == "false colours: red band 4, green band 2, blue band 1"


@pytest.mark.parametrize("bands", [(0, 1), (0, 1, 7), (0, 1, 2, 3)])
def test_other_bands_are_refused(bands: tuple[int, ...]):
    with pytest.raises(ValueError, match="bands: expected three bands from 0 to 6, for red, green and blue"):
        export.false_colors(_bands(*np.zeros(7)), bands)
    with pytest.raises(ValueError, match="bands: expected one of 'pca', 'grid'"):
        export.false_colors(_bands(*np.zeros(7)), "pcs")


def test_the_picture_of_a_mean_is_the_mean_of_the_pictures():
    images = np.random.default_rng(0).uniform(size=(8, 5, 6, 7)).astype(np.float32)
    mean = export.false_colors(images.mean(0))
    np.testing.assert_allclose(mean, export.false_colors(images).mean(0), atol=1e-6)


def _samples(channels: int):
    images = np.random.default_rng(0).uniform(size=(2, 6, 16, 16, channels)).astype(np.float32)
    fields = {name: images.mean(1) for name in ("optimized", "chain_means", "sd_images")}
    return conftest.made_samples(chains=2, draws=6, size=16, images=images, **fields)


@pytest.mark.parametrize("channels", [2, 5, 7])
def test_samples_of_any_number_of_channels_are_written(channels: int, tmp_path):
    samples = _samples(channels)
    samples.save_grid(tmp_path / "a.png")
    samples.save_gif(tmp_path / "a.gif")
    samples.report(tmp_path / "a.html")
    assert "false colours: red band" in (tmp_path / "a.html").read_text()
    chosen = samples.false_colors((1, 0, 1))
    assert np.array_equal(chosen.images, samples.images[..., [1, 0, 1]])
    assert chosen.summary().figures == samples.summary().figures or chosen.options["colors"]
    chosen.save_grid(tmp_path / "b.png")
    first, second = (np.asarray(Image.open(tmp_path / name)) for name in ("a.png", "b.png"))
    assert first.shape == second.shape and (first != second).any()


@pytest.mark.parametrize("count", [2, 4, 7])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_principal_components_show_what_differs(count: int, dtype: type):
    random = np.random.default_rng(0)
    cause = random.uniform(size=(3, 8, 9, 1))
    images = 0.5 + 0.4 * (cause - 0.5) * np.linspace(1, 0.2, count) + 0.01 * random.uniform(size=(3, 8, 9, count))
    images = np.round(255 * images).astype(dtype) if dtype == np.uint8 else images.astype(dtype)
    shown = export.false_colors(images, "pca")
    assert shown.shape == (3, 8, 9, 3) and shown.dtype == dtype
    red, others = shown[..., 0].ravel(), [shown[..., color].ravel() for color in (1, 2)]
    assert np.corrcoef(red, cause.ravel())[0, 1] > 0.95
    assert all(np.ptp(x) == 0 or abs(np.corrcoef(x, cause.ravel())[0, 1]) < 0.4 for x in others)
    assert np.ptp(red) == (255 if dtype == np.uint8 else 1)


@pytest.mark.parametrize("count", [2, 4, 5, 7])
def test_a_grid_has_every_band_in_its_place(count: int):
    images = np.random.default_rng(0).uniform(size=(2, 5, 6, count)).astype(np.float32)
    paper = export.false_colors(images, "grid")
    columns = int(np.ceil(np.sqrt(count)))
    for band in range(count):
        y, x = band // columns * 6, band % columns * 7
        assert np.array_equal(paper[:, y : y + 5, x : x + 6, 0], images[..., band])
    assert bands_words(count, "grid") == f"bands 0-{count - 1} in grey, row by row"


@pytest.mark.parametrize("bands", [None, "pca", "grid", (3, 0, 1)])
def test_a_fourth_band_is_no_opacity(bands, tmp_path):
    images = np.random.default_rng(0).uniform(size=(2, 16, 16, 4)).astype(np.float32)
    found = Optimized(images, images, np.zeros((1, 2), np.float32), {}, bands=bands_of(4))
    other = Optimized(images, images, np.zeros((1, 2), np.float32), {})
    transparent, shown = other.grid(columns=2, scale=1), found.grid(columns=2, scale=1, bands=bands)
    first = {None: (0, 1, 2), (3, 0, 1): (3, 0, 1)}.get(bands)
    if first:
        assert np.array_equal(shown[4:20, 4:20], np.round(255 * images[0][..., list(first)]).astype(np.uint8))
    assert shown.shape[-1] == 3 and (bands == "grid" or (shown != transparent).any())
    found.save(tmp_path / "one.png", bands)
    assert Image.open(tmp_path / "one-0.png").mode in ("RGB", "L"), "nothing is transparent"
    assert Image.open(_saved(other, tmp_path / "two.png")).mode == "RGBA", (
        "a parameterization with opacity stays as it is"
    )


def _saved(found: Optimized, path):
    found.save(path)
    return path.with_name(f"{path.stem}-0.png")


def test_samples_of_four_bands_are_opaque(tmp_path):
    samples = _samples(4)
    samples = dataclasses.replace(samples, options=samples.options | {"bands": bands_of(4)})
    samples.save(tmp_path / "a.npz")
    samples = Samples.load(tmp_path / "a.npz")
    assert np.array_equal(in_colors(samples).images, samples.images[..., :3])
    assert in_colors(in_colors(samples)) is not None and in_colors(samples).images.shape[-1] == 3
    for name in ("pca", "grid"):
        assert in_colors(samples, name).images.shape[-1] == (3 if name == "pca" else 1)
        in_colors(samples, name).save_grid(tmp_path / "a.png")
        in_colors(samples, name).report(tmp_path / "a.html")
    # The control: colour and opacity.
    assert in_colors(_samples(4)).images.shape[-1] == 4


def test_samples_that_are_pictures_are_not_copied():
    samples = conftest.made_samples(draws=6)
    assert in_colors(samples) is samples


def _paper(images: np.ndarray, gap: int = 4) -> np.ndarray:
    return export.grid(images, columns=2, gap=gap)


def test_a_white_image_has_a_frame_and_a_missing_one_has_none():
    white = np.ones((2, 8, 8, 3), np.float32)
    paper = _paper(white)
    assert (paper[3:13, 3] < 255).all() and (paper[3, 3:13] < 255).all()
    missing = export.grid(white, columns=2, present=np.array([True, False]))
    assert (missing[:, 14:] == 255).all() and (missing[:, :13] < 255).any()
    assert (_paper(0.5 * white) != 176).all(), "grey images need no frame"
    with pytest.raises(ValueError, match="present: expected True or False for each of 2 images"):
        export.grid(white, present=np.array([True]))


def test_images_without_a_gap_touch():
    paper = _paper(np.full((4, 8, 8, 1), 0.5, np.float32), gap=0)
    assert (paper == 128).all()
