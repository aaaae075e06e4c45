"""Picture files: every reader of the package turns a picture upright before it uses it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from samplevis import export, param, recipes
from samplevis.param.picture_files import open_upright, picture_files


@pytest.fixture
def folders(tmp_path):
    """The same photograph in three folders: upright, turned with the orientation in its EXIF data, and turned without."""
    generator = np.random.default_rng(0)
    # Stripes of a gradient: not the same after a quarter turn.
    photograph = np.linspace(0, 255, 24)[:, None, None] * generator.uniform(0.4, 1, (24, 16, 3))
    turned = Image.fromarray(np.rot90(photograph.astype(np.uint8)))
    exif = Image.Exif()
    # Orientation 6: to be turned a quarter to the right.
    exif[0x0112] = 6
    found = {name: tmp_path / name for name in ("upright", "turned", "unmarked")}
    for folder in found.values():
        folder.mkdir()
    turned.save(found["turned"] / "a.jpg", exif=exif)
    turned.save(found["unmarked"] / "a.jpg")
    # What the camera's file decodes to, turned by hand.
    pixels = np.rot90(np.asarray(Image.open(found["unmarked"] / "a.jpg")), -1)
    Image.fromarray(pixels).save(found["upright"] / "a.png")
    return found


def test_a_turned_photograph_has_the_statistics_of_the_upright_one(folders):
    upright, turned, unmarked = (param.measured((24, 16), folders[name]) for name in ("upright", "turned", "unmarked"))
    assert turned == upright
    assert unmarked != upright, "the control must fail"


def test_all_readers_turn_pictures_upright(folders, tiny_network):
    expected = np.asarray(Image.open(folders["upright"] / "a.png"), np.float32) / 255
    assert expected.shape == (24, 16, 3)
    np.testing.assert_array_equal(export.load_image(folders["turned"] / "a.jpg"), expected)
    np.testing.assert_array_equal(export.load_images(folders["turned"])[0], expected)
    np.testing.assert_array_equal(np.asarray(open_upright(folders["turned"] / "a.jpg"), np.float32) / 255, expected)
    found, whole, wrong = (
        recipes.collect_activations(tiny_network, "conv1", folders[name], reducer=None)
        for name in ("turned", "upright", "unmarked")
    )
    np.testing.assert_array_equal(found, whole)
    assert wrong.shape != whole.shape, "the control must fail"


def test_sixteen_bits_are_rounded_and_folders_are_searched_in_order(tmp_path):
    (tmp_path / "inside").mkdir()
    values = np.array([[0, 128, 257, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "b.png")
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "inside" / "a.PNG")
    (tmp_path / "notes.txt").write_text("no picture")
    assert picture_files(tmp_path) == [tmp_path / "b.png", tmp_path / "inside" / "a.PNG"]
    np.testing.assert_array_equal(np.asarray(open_upright(tmp_path / "b.png")), [[0, 0, 1, 255]])
    with pytest.raises(NotADirectoryError, match="images: expected a folder"):
        picture_files(tmp_path / "b.png")
