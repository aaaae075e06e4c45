"""Results with a grid: one implementation saves and shows all of them."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from PIL import Image

from samplevis import export, recipes
from samplevis.analysis.dataset_examples import Examples
from samplevis.export.grid_mixin import ColumnsGridMixin, GridMixin
from samplevis.results.sweep_result import Sweep

WITH_COLUMNS = (Sweep, recipes.Caricature, recipes.Sheet)
WITHOUT = (Examples, recipes.Comparison, recipes.InteractionGrid, recipes.Interpolation)
IMAGES = np.random.default_rng(0).uniform(size=(4, 6, 5, 3))


class Plain(GridMixin):
    def grid(self, scale=1):
        return export.grid(IMAGES, scale=scale)


class Marked(ColumnsGridMixin):
    metadata = {"Objective": "star"}

    def grid(self, columns=None, scale=1):
        return export.grid(IMAGES, columns, scale=scale)


@pytest.mark.parametrize("result", WITH_COLUMNS + WITHOUT)
def test_every_result_with_a_grid_uses_it(result):
    mixin = ColumnsGridMixin if result in WITH_COLUMNS else GridMixin
    assert issubclass(result, mixin) and "grid" in vars(result)
    for name in ("save_grid", "show"):
        assert getattr(result, name) is getattr(mixin, name)
        arguments = [
            name for name in inspect.signature(getattr(result, name)).parameters if name not in ("self", "path")
        ]
        assert arguments == list(inspect.signature(result.grid).parameters)[1:]


def test_what_is_saved_and_shown_is_the_grid(tmp_path):
    Plain().save_grid(tmp_path / "plain.png", 2)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "plain.png")), Plain().grid(2))
    np.testing.assert_array_equal(np.asarray(Plain().show(scale=3)), Plain().grid(3))
    assert export.load_metadata(tmp_path / "plain.png") == {}
    Marked().save_grid(tmp_path / "marked.png", columns=4, scale=2)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "marked.png")), Marked().grid(4, 2))
    np.testing.assert_array_equal(np.asarray(Marked().show(3)), Marked().grid(3))
    assert export.load_metadata(tmp_path / "marked.png") == {"Objective": "star"}
    assert Marked().grid(4).shape != Marked().grid(1).shape, "the control"
