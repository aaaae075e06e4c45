"""Films of a run: draws, the annealing before them, and captions."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import made_samples
from PIL import Image

import samplevis
from samplevis import export, transform
from samplevis.results import film as films
from samplevis.results.film import film

LOOKS = np.random.default_rng(3).integers(0, 256, (2, 4, 16, 16, 3), np.uint8)


@pytest.fixture(scope="module")
def samples():
    return made_samples(2, 3, anneal_images=LOOKS)


MEAN = "mean of chain, not a draw (contrast stretched)"
HEADING = "logits:goldfish, SqueezeNet"


@pytest.fixture
def told(monkeypatch):
    """Captions of the frames, as they are drawn."""
    captions = []
    real = films.grid

    def recorded(images, *, labels, scale):
        captions.extend(labels)
        return real(images, labels=labels, scale=scale)

    monkeypatch.setattr(films, "grid", recorded)
    return captions


def test_frames_without_captions_are_the_draws_alone(samples):
    for layout, frames in (("chains", export.chain_frames), ("sweep", export.sweep_frames)):
        expected = np.round(255 * frames(samples.images))
        np.testing.assert_array_equal(film(samples, layout, captions=False, scale=1), expected)
    assert film(samples, captions=False, scale=2).shape == (3, 32, 2 * (2 * 16 + 2), 3)
    assert film(samples, captions=False).shape == (3, 6 * 16, 6 * (2 * 16 + 2), 3), "pictures of 96 pixels"


def test_the_chain_means_come_last_and_say_that_they_are_no_draws(samples, told):
    frames = film(samples, scale=1)
    assert len(frames) == len(told) == 3 + films.MEAN_FRAMES
    assert [text for text in told if MEAN in text] == [f"{HEADING}\n{MEAN}"] * films.MEAN_FRAMES
    expected = np.round(255 * export.chain_frames(export.stretch_contrast(samples.chain_means)[:, None]))
    np.testing.assert_array_equal(frames[-1:, -20:-4, 4:38], expected)
    np.testing.assert_array_equal(frames[3:], np.repeat(frames[-1:], films.MEAN_FRAMES, 0))


def test_many_chains_are_a_sheet_of_several_rows(told):
    sheet = film(made_samples(12, 2, size=8), captions=False, scale=1)
    assert sheet.shape == (2, 3 * 10 - 2, 4 * 10 - 2, 3)
    assert film(made_samples(100, 1, size=8), captions=False, scale=1).shape == (1, 4 * 10 - 2, 6 * 10 - 2, 3)
    film(made_samples(100, 1, size=8))
    assert told[0].startswith(f"{HEADING}, first 24 of 100 chains\ndraw 0, level 0.6")


def test_annealing_comes_first_each_frame_with_its_caption(samples, told):
    frames = film(samples, "anneal", scale=1)
    levels = [f"draw {i}, level {x:.2f}" for i, x in enumerate(samples.levels.mean(0))]
    expected = ["anneal 0", "anneal 25", "anneal 50", "anneal 75", *levels]
    assert told[:7] == [f"{HEADING}\n{text}" for text in expected]
    # Below the caption, the pictures stand at one place in all frames.
    found = frames[:, -20:-4, 4:38]
    np.testing.assert_array_equal(found[:4], export.chain_frames(LOOKS))
    np.testing.assert_array_equal(found[4:7], film(samples, captions=False, scale=1))
    assert (frames[:, :-20] < 128).any(axis=(1, 2, 3)).all()
    assert (frames[0, :-20] != frames[1, :-20]).any()
    np.testing.assert_array_equal(film(samples, "anneal", False, 1)[:4], export.chain_frames(LOOKS))


def test_captions_of_the_draws(samples, told):
    film(samples, captions=True)
    film(samples, "sweep", captions=True, scale=3)
    levels, count = samples.levels, 3 + films.MEAN_FRAMES
    said = [text.removeprefix(f"{HEADING}\n") for text in told]
    assert said[:3] == [f"draw {i}, level {x:.2f}" for i, x in enumerate(levels.mean(0))]
    swept = [said[count + c * count :][:count] for c in range(2)]
    assert [texts[:3] for texts in swept] == [
        [f"chain {c}, draw {i}, level {levels[c, i]:.2f}" for i in range(3)] for c in range(2)
    ]
    assert swept[1][3:] == [f"chain 1, {MEAN}"] * films.MEAN_FRAMES and len(said) == 3 * count


@pytest.mark.parametrize("shape", [(40, 1), (5, 8, 8, 1)])
def test_signals_and_volumes(shape, told):
    random = np.random.default_rng(0)
    changes = {"images": (2, 3), "optimized": (2,), "chain_means": (2,), "sd_images": (2,)}
    changes = {name: random.random((*first, *shape), np.float32) for name, first in changes.items()}
    samples = made_samples(2, 3, **changes, anneal_images=random.integers(0, 256, (2, 4, *shape), np.uint8))
    frames = film(samples, "anneal")
    slices = 5 if len(shape) == 4 else 1
    # The slices of a mean pass by once; a signal's mean stays, and is not stretched.
    held = 1 if len(shape) == 4 else films.MEAN_FRAMES
    assert len(frames) == len(told) == (7 + held) * slices
    said = [text.removeprefix(f"{HEADING}\n") for text in told]
    assert said[0] == said[slices - 1] == "anneal 0" and said[slices] == "anneal 25"
    assert said[-1] == (MEAN if len(shape) == 4 else "mean of chain, not a draw")


def test_files(samples, tmp_path):
    samples.save_animation(tmp_path / "a.webp", layout="anneal")
    with Image.open(tmp_path / "a.webp") as picture:
        # Equal frames are stored as one that stays longer.
        assert picture.n_frames == 8
    samples.save_gif(tmp_path / "a.gif", captions=True, scale=2)
    samples.save(tmp_path / "a.npz")
    loaded = samplevis.Samples.load(tmp_path / "a.npz")
    np.testing.assert_array_equal(loaded.anneal_images, LOOKS)
    np.testing.assert_array_equal(loaded.of_chains(np.array([False, True])).anneal_images, LOOKS[1:])


def test_files_of_before_it_was_kept(samples, tmp_path):
    samples.save(tmp_path / "new.npz")
    with np.load(tmp_path / "new.npz") as archive:
        np.savez(tmp_path / "old.npz", **{name: archive[name] for name in archive.files if name != "anneal_images"})
    old = samplevis.Samples.load(tmp_path / "old.npz")
    assert old.anneal_images.shape == (2, 0, 16, 16, 3)
    np.testing.assert_array_equal(film(old), film(samples))
    with pytest.raises(ValueError, match="layout: 'anneal' shows the images of annealing. These samples have none"):
        old.save_gif(tmp_path / "old.gif", layout="anneal")
    with pytest.raises(ValueError, match="layout: expected one of 'anneal', 'chains', 'sweep'"):
        old.save_gif(tmp_path / "old.gif", layout="annealing")
    with pytest.raises(ValueError, match=r"anneal_images: expected shape \(2, 4, 16, 16, 3\)"):
        made_samples(2, 3, anneal_images=LOOKS[:, :, 1:])


def test_a_run_keeps_how_its_images_grew(tiny_network):
    options = dict(num_results=1, num_burnin_steps=0, num_leapfrog_steps=1, num_chains=2, num_transforms=1)
    settings = dict(im_size=16, transforms=transform.jitter(1), optimize_steps=8, smooth=None, progress=False)
    given = np.random.default_rng(0).uniform(0.2, 0.8, (2, 16, 16, 3)).astype(np.float32)
    samples = samplevis.render(tiny_network, "conv2:1", options, init=given, anneal_steps=50, **settings)
    looks = samples.anneal_images
    assert looks.dtype == np.uint8 and looks.shape[0] == 2 and looks.shape[1] >= 3 and looks.shape[2:] == (16, 16, 3)
    # It begins with the images that were given, and each look is another.
    assert np.abs(looks[:, 0] / 255 - given).mean() < 0.02 < np.abs(looks[:, -1] / 255 - given).mean()
    assert (np.abs(np.diff(looks.astype(float), axis=1)).mean((2, 3, 4)) > 1).all()
