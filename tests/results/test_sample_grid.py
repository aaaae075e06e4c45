"""The contact sheet of a run: optimised images, draws and chain means, of one chain or of a hundred."""

from __future__ import annotations

import imageio.v3 as imageio
import numpy as np
import pytest
from conftest import made_samples

from samplevis import export
from samplevis.results import sample_grid as sheets

MEAN = "mean of chain, not a draw (contrast stretched)"
SIZE = 16
TILE = 6 * SIZE


@pytest.fixture(scope="module")
def good():
    return made_samples()


@pytest.fixture(scope="module")
def many():
    return made_samples(100, 4)


@pytest.fixture
def drawn(monkeypatch):
    """The arguments of every grid that is drawn."""
    calls = []
    real = export.grid

    def recorded(images, *args, **kwargs):
        calls.append({"images": images} | kwargs)
        return real(images, *args, **kwargs)

    monkeypatch.setattr(sheets.export, "grid", recorded)
    return calls


def labels(samples, stop, first=0):
    return [f"chain {i}\nlevel {samples.levels[i].mean():.2f}" for i in range(first, stop)]


def test_few_chains_are_rows(good):
    shown = np.concatenate([good.optimized[:, None], good.images[:, [0, 20, 39]]], axis=1)
    means = export.stretch_contrast(good.chain_means)[:, None]
    expected = export.grid(
        np.concatenate([shown, means], axis=1),
        scale=2,
        row_labels=labels(good, 4),
        column_labels=["optimised", "draw 0", "draw 20", "draw 39", MEAN],
        title="logits:goldfish, SqueezeNet: 4 chains x 40 draws, enlarged 2 times",
    )
    np.testing.assert_array_equal(good.grid(draws=3, scale=2), expected)


def test_many_chains_are_columns(drawn):
    samples = made_samples(12, 4)
    paper = samples.grid()
    (call,) = drawn
    assert call["images"].shape == (6, 12, SIZE, SIZE, 3)
    np.testing.assert_array_equal(call["images"][0], samples.optimized)
    np.testing.assert_array_equal(call["images"][1:5], samples.images.swapaxes(0, 1))
    np.testing.assert_array_equal(call["images"][5], export.stretch_contrast(samples.chain_means))
    assert call["row_labels"] == ["optimised", "draw 0", "draw 1", "draw 2", "draw 3", MEAN]
    assert call["column_labels"] == labels(samples, 12)
    assert paper.shape[1] > 12 * TILE and paper.shape[0] < paper.shape[1], "wider than high, as screens are"


def test_a_hundred_chains_the_first_in_full_and_the_others_small(many, drawn):
    paper = many.grid()
    full, rest = drawn
    assert full["images"].shape[:2] == (6, 12) and full["title"].startswith("logits:goldfish, SqueezeNet: 100 chains")
    assert rest["title"] == f"The other 88 chains: {MEAN}"
    np.testing.assert_array_equal(rest["images"], export.stretch_contrast(many.chain_means)[12:])
    assert rest["labels"] == labels(many, 100, 12)
    # Both sheets have the same columns, one above the other, and no more than they need.
    assert paper.shape[1] < 14 * TILE and paper.shape[0] < 22 * TILE
    inked = (paper < 255).any((0, 2))
    assert inked[-4 - TILE : -4].all() and not inked[-4:].any()


def test_without_means_the_others_are_draws(many, drawn):
    many.grid(draws=2, means=False)
    full, rest = drawn
    assert full["row_labels"] == ["optimised", "draw 0", "draw 3"]
    assert rest["title"] == "The other 88 chains: last draw"
    np.testing.assert_array_equal(rest["images"], many.images[12:, -1])


def test_one_chain_is_one_row(drawn):
    made_samples(1, 1).grid()
    assert drawn[0]["images"].shape[:2] == (1, 3) and drawn[0]["column_labels"] == ["optimised", "draw 0", MEAN]


def test_means_can_be_shown_as_they_are(good, drawn):
    good.grid(contrast=None)
    np.testing.assert_array_equal(drawn[0]["images"][:, -1], good.chain_means)
    assert drawn[0]["column_labels"][-1] == "mean of chain, not a draw"
    np.testing.assert_array_equal(drawn[0]["images"][:, 0], good.optimized)


@pytest.mark.parametrize(("size", "scale"), [(8, 12), (28, 4), (32, 3), (64, 2), (96, 1), (224, 1)])
def test_small_pictures_are_enlarged_by_whole_numbers_and_it_says_so(size, scale, drawn):
    made_samples(1, 1, size=size).grid()
    assert drawn[0]["scale"] == scale
    assert drawn[0]["title"].endswith(f", enlarged {scale} times" if scale > 1 else "1 chains x 1 draws")


def test_signals_are_plotted_and_not_stretched(drawn):
    signal = np.random.default_rng(0).uniform(0.4, 0.6, (2, 3, 40, 1)).astype(np.float32)
    changes = dict.fromkeys(("optimized", "chain_means", "sd_images"), signal[:, 0])
    made_samples(2, 3, images=signal, latents=signal, **changes).grid()
    assert drawn[0]["column_labels"][-1] == "mean of chain, not a draw"
    np.testing.assert_array_equal(drawn[0]["images"][:, -1], export.waveforms(signal[:, 0]))


def test_ten_draws_of_a_long_run(drawn):
    made_samples(2, 40).grid()
    assert drawn[0]["images"].shape[:2] == (2, 12) and drawn[0]["column_labels"][10] == "draw 39"


@pytest.mark.parametrize("draws", [0, 41, 2.5, True])
def test_grid_names_bad_draws(good, draws):
    with pytest.raises(ValueError, match="draws: expected a whole number from 1 to 40"):
        good.grid(draws=draws)


def test_saved_and_shown_it_is_the_grid(good, tmp_path):
    options = {"draws": 2, "scale": 2, "means": False}
    good.save_grid(tmp_path / "a.png", **options)
    np.testing.assert_array_equal(imageio.imread(tmp_path / "a.png"), good.grid(**options))
    assert export.load_metadata(tmp_path / "a.png")["Objective"] == good.objective
    np.testing.assert_array_equal(np.asarray(good.show(**options)), good.grid(**options))
    assert good.grid(**options).shape != good.grid(2, 2).shape, "the control"


def test_the_old_name_of_draws_works_and_warns(good, tmp_path):
    for call in (good.grid, good.show, lambda columns: good.save_grid(tmp_path / "a.png", columns=columns)):
        with pytest.warns(DeprecationWarning, match="columns is now draws"):
            call(columns=2)
