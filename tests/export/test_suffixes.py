"""A file's suffix decides its format, in everything that writes a picture or a page; or it is refused, before any work."""

from __future__ import annotations

from collections.abc import Callable

import conftest
import numpy as np
import pytest
from PIL import Image

from samplevis import export
from samplevis.cli.loading import PICTURES
from samplevis.export.grid_mixin import ColumnsGridMixin, GridMixin
from samplevis.export.image import FORMATS
from samplevis.results.optimized import Optimized


class Plain(GridMixin):
    def grid(self, scale: int = 1) -> np.ndarray:
        return np.full((8, 8, 3), 99, np.uint8)


class Columns(ColumnsGridMixin):
    def grid(self, columns: int | None = None, scale: int = 1) -> np.ndarray:
        return np.full((8, 8, 3), 99, np.uint8)


class Unmade(GridMixin):
    def grid(self, scale: int = 1) -> np.ndarray:
        raise AssertionError("the work began before the suffix was checked")


IMAGES = np.full((2, 8, 8, 3), 0.4, np.float32)
OPTIMIZED = Optimized(IMAGES, IMAGES, np.zeros((1, 2), np.float32), {}, "channel(a, 1)", "tiny")
ONE = Optimized(IMAGES[:1], IMAGES[:1], np.zeros((1, 1), np.float32), {})
SAVERS: dict[str, tuple[Callable, set[str]]] = {
    "save_image": (lambda path: export.save_image(IMAGES[0], path), set(FORMATS)),
    "save_png": (lambda path: export.save_png(IMAGES[0], path), {".png"}),
    "save_gif": (lambda path: export.save_gif(IMAGES, path), {".gif"}),
    "save_animation": (lambda path: export.save_animation(IMAGES, path), {".gif", ".png", ".apng", ".webp"}),
    "save_sprites": (lambda path: export.save_sprites(IMAGES, path), {".png", ".webp"}),
    "grid": (lambda path: Plain().save_grid(path), set(FORMATS)),
    "grid of columns": (lambda path: Columns().save_grid(path), set(FORMATS)),
    "optimized grid": (lambda path: OPTIMIZED.save_grid(path), set(FORMATS)),
    "optimized": (lambda path: ONE.save(path), set(FORMATS)),
    "samples' grid": (lambda path: conftest.made_samples(draws=2).save_grid(path), set(FORMATS)),
    "samples' gif": (lambda path: conftest.made_samples(draws=2).save_gif(path), {".gif"}),
}
KINDS = {".png": "PNG", ".apng": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".gif": "GIF"}
OTHERS = (".bmp", ".txt", "", ".npz", ".PNG.part")


@pytest.mark.parametrize("name", SAVERS)
def test_the_suffix_decides_or_is_refused(name: str, tmp_path):
    save, allowed = SAVERS[name]
    for suffix in [*KINDS, *(kind.upper() for kind in KINDS), *OTHERS]:
        path = tmp_path / f"picture{suffix}"
        if suffix.lower() in allowed:
            save(path)
            assert Image.open(path).format == KINDS[suffix.lower()], suffix
        else:
            with pytest.raises(ValueError, match="path: expected a name that ends in"):
                save(path)
            assert not path.exists()


def test_the_suffix_is_checked_before_the_picture_is_made(tmp_path):
    with pytest.raises(ValueError, match="path: expected a name that ends in"):
        Unmade().save_grid(tmp_path / "a.bmp")
    with pytest.raises(AssertionError):
        Unmade().save_grid(tmp_path / "a.png")


def test_samples_go_to_npz_and_reports_to_html(tmp_path):
    samples = conftest.made_samples(draws=2)
    for save in (samples.save, samples.report):
        with pytest.raises(ValueError, match="path: expected a name that ends in"):
            save(tmp_path / "a.png")


def test_the_command_knows_the_same_suffixes():
    assert set(PICTURES) == set(FORMATS)


def test_png_files_say_what_made_them_and_others_do_without(tmp_path):
    OPTIMIZED.save_grid(tmp_path / "a.png")
    assert export.load_metadata(tmp_path / "a.png")["Objective"] == "channel(a, 1)"
    OPTIMIZED.save(tmp_path / "b.jpg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b-0.jpg", "b-1.jpg"]
