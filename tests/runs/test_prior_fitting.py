"""fit_prior: what it learns, its files, resuming, and bad pictures."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import samplevis
from samplevis import modelzoo, param
from samplevis.analysis.prior_pictures import read_pictures
from samplevis.param.gaussian_velocity import moments
from samplevis.param.unet import unet
from samplevis.runs.flow_training import PictureSet, expected_velocity, held_out_pairs, loss, pairs
from samplevis.runtime import seeds

QUICK = dict(steps=4, widths=(8,), batch_size=4, progress=False)


def blobs(count=64, size=8, seed=0):
    """Flat pictures of two colours: no Gaussian."""
    rng = np.random.default_rng(seed)
    bright = rng.random(count) < 0.5
    level = np.where(bright, 0.8, 0.2)[:, None, None, None] + 0.02 * rng.standard_normal((count, size, size, 3))
    return np.clip(level, 0, 1).astype(np.float32)


def test_the_network_begins_as_the_velocity_of_white_noise():
    model = unet((8, 8), widths=(8,))
    x = np.random.default_rng(0).standard_normal((2, 8, 8, 3)).astype(np.float32)
    time = np.array([[0.25], [1.0]], np.float32)
    factor = ((2 * time - 1) / (time**2 + (1 - time) ** 2))[..., None, None]
    np.testing.assert_allclose(model([x, time]), factor * x, atol=1e-5)


def test_the_first_loss_is_that_of_the_best_velocity_for_a_gaussian():
    """White noise of standard deviation 1/8 of the range: every component has the variance 1/4."""
    rng = np.random.default_rng(0)
    pixels = np.clip(np.round(127.5 + 255 / 8 * rng.standard_normal((400, 8, 8, 3))), 0, 255).astype(np.uint8)
    pairs, s = held_out_pairs(pixels, seed=1), 0.25
    t = pairs.time[:, :, None, None]
    best = (t * s - (1 - t)) / (t**2 * s + (1 - t) ** 2) * pairs.place
    closed_form = np.mean((best - pairs.velocity) ** 2)
    model = unet((8, 8), widths=(8,))
    assert loss(model, pairs) > 1.1 * closed_form, "the control must be worse: it knows no variance"
    model.set_moments(moments(PictureSet(pixels, (8, 8), True).sample(rng, 1000)))
    assert loss(model, pairs) == pytest.approx(closed_form, rel=0.01)


def test_the_targets_are_means_over_the_pictures_that_a_way_may_end_at():
    """The references are one number each, of a normal distribution: the velocity there is known."""
    rng, count, s = np.random.default_rng(0), 20_000, 0.25
    data = np.sqrt(s) * rng.standard_normal((count, 1, 1, 1), np.float32)
    some = pairs(data[:400], rng.standard_normal(400), rng)
    t = some.time[:, :, None, None]
    exact = (t * s - (1 - t)) / (t**2 * s + (1 - t) ** 2) * some.place
    found = expected_velocity(some.place, some.time, data)
    # Each mean is over that many references at least, with a velocity that has the posterior's deviation.
    deviation = np.sqrt(s / (t**2 * s + (1 - t) ** 2))
    assert np.mean(np.square((found - exact) / deviation)) < 0.02
    assert np.mean(np.square((some.velocity - exact) / deviation)) > 0.8, "the control: one picture"


def test_where_the_noise_is_weak_the_target_is_the_pictures_own():
    rng = np.random.default_rng(0)
    data = 0.5 * rng.standard_normal((64, 8, 8, 3), np.float32)
    late = pairs(data, np.full(64, 4.0), rng)
    np.testing.assert_allclose(expected_velocity(late.place, late.time, data), late.velocity, atol=0.02)
    early = pairs(data, np.full(64, -3.0), rng)
    found = expected_velocity(early.place, early.time, data)
    assert np.mean(np.square(found - early.velocity)) > 0.1, "the control: noise is strong"


def test_crops_are_parts_of_the_pictures():
    ramp = np.arange(10 * 12, dtype=np.uint8).reshape(1, 10, 12, 1)
    crops = PictureSet(ramp, (4, 4), mirror=True).sample(np.random.default_rng(0), 64)
    values = np.round((crops + 2) * 255 / 4).astype(int)
    steps = np.diff(values, axis=2)
    assert set(np.unique(np.abs(steps))) == {1} and {-1, 1} <= set(np.unique(steps)), "mirrored or not"
    assert len({tuple(v.ravel()) for v in values}) > 20


LEARNT = dict(widths=(16,), learning_rate=4e-3, progress=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("priors")


@pytest.fixture(scope="module")
def fitted(folder):
    """A prior that has learnt the blobs; its file is "learnt.keras"."""
    return samplevis.fit_prior(blobs(512), 8, path=folder / "learnt.keras", steps=400, **LEARNT)


@pytest.fixture(scope="module")
def whole(folder):
    """A few steps without a stop; the file is "whole.keras", and its page of pictures "p.png"."""
    return samplevis.fit_prior(blobs(), 8, path=folder / "whole.keras", preview=folder / "p.png", **QUICK)


@pytest.mark.slow
def test_it_learns_what_a_gaussian_cannot(fitted):
    assert fitted.held_out_losses[-1] < 0.8 * fitted.gaussian_loss
    prior = fitted.prior
    means = prior.image(prior.prior(seeds.root(0), 256)).numpy().mean((1, 2, 3))
    near = np.minimum(np.abs(means - 0.8), np.abs(means - 0.2)) < 0.1
    # A Gaussian of the same mean and variance would have 27 % there.
    assert near.mean() > 0.8
    assert 0.35 < (means > 0.5).mean() < 0.65


@pytest.mark.slow
def test_a_prior_that_is_not_trained_enough_is_caught():
    """It has the colours and the spectrum of the drawings, and the features see that it has no shapes."""
    drawings = modelzoo.shapes.draw(800, seed=3, size=32)[0]
    fitted = samplevis.fit_prior(drawings[:400], 32, steps=8, widths=(8, 16), batch_size=8, progress=False)
    found = samplevis.check_prior(fitted.prior, drawings[400:], network=modelzoo.Shapes(), draws=128)
    failed = {finding.name for finding in found.findings if not finding.passed}
    assert "features" in failed and found.prior.verdict.startswith("The draws of this prior are not like the pictures")
    assert found["colours"].passed, str(found)


@pytest.mark.slow
def test_a_run_that_was_stopped_writes_the_same_bytes(whole, folder, tmp_path):
    class Stop(samplevis.Callback):
        def on_step(self, stage, done, total, figures):
            if done == 3:
                raise RuntimeError("killed")

    settings = QUICK | dict(path=tmp_path / "parts.keras", checkpoint=tmp_path / "state", checkpoint_interval=0)
    with pytest.raises(RuntimeError, match="killed"):
        samplevis.fit_prior(blobs(), 8, callbacks=[Stop()], **settings)
    parts = samplevis.fit_prior(blobs(), 8, **settings)
    assert (folder / "whole.keras").read_bytes() == (tmp_path / "parts.keras").read_bytes()
    np.testing.assert_array_equal(whole.held_out_losses, parts.held_out_losses)
    with pytest.raises(ValueError, match="another run"):
        samplevis.fit_prior(blobs(seed=1), 8, **settings)
    prior = param.flow(tmp_path / "parts.keras")
    z = prior.prior(seeds.root(0), 2)
    np.testing.assert_array_equal(prior.image(z), whole.prior.image(z))
    assert prior.value_range == whole.prior.value_range and prior.image_shape == (8, 8, 3)
    assert Image.open(folder / "p.png").size[0] > 64
    assert "held out" in str(whole)


@pytest.mark.slow
def test_a_prior_opens_in_a_new_process(whole, folder):
    program = "import sys\nfrom samplevis import param\nprint(param.flow(sys.argv[1]).shape)"
    found = subprocess.run(
        [sys.executable, "-c", program, str(folder / "whole.keras")], capture_output=True, text=True, check=True
    )
    assert found.stdout.split("\n")[0] == "(8, 8, 3)"


@pytest.mark.slow
def test_a_fit_goes_on_from_a_prior_that_is_there(fitted, folder):
    pictures, settings = blobs(512), LEARNT | dict(steps=1, learning_rate=1e-9)
    again = samplevis.fit_prior(pictures, 8, start=folder / "learnt.keras", **settings)
    assert again.held_out_losses[-1] == pytest.approx(fitted.held_out_losses[-1], rel=1e-4)
    assert again.gaussian_loss == pytest.approx(fitted.gaussian_loss, rel=1e-4)
    anew = samplevis.fit_prior(pictures, 8, **settings)
    assert anew.held_out_losses[-1] > 1.05 * again.held_out_losses[-1], "the control begins as the Gaussian"
    for start, size, more, message in (
        (fitted.prior, 16, {}, "start: expected a prior of \\(16, 16, 3\\)"),
        (param.fourier(8), 8, {}, "start: expected a prior of fit_prior"),
        (fitted.prior, 8, {"widths": (8,)}, "widths: expected those of start"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            samplevis.fit_prior(blobs(size=size), size, start=start, **settings | more)


# Pictures


def test_folders_arrays_and_data_sets(tmp_path):
    for number, picture in enumerate(blobs(20, size=12)):
        Image.fromarray(np.uint8(255 * picture)).resize((12 + number, 20)).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.warns(UserWarning, match="1 files cannot be read: broken.png"):
        found = read_pictures(tmp_path, (8, 8), None, 100)
    assert found.shape == (20, 10, 10, 3) and found.dtype == np.uint8
    data = tf.data.Dataset.from_tensor_slices((blobs(20), np.arange(20))).batch(6)
    assert read_pictures(data, (8, 8), None, 100).shape == (20, 8, 8, 3)
    assert read_pictures(data, (8, 8), None, 17).shape == (17, 8, 8, 3)
    mixed = [*blobs(8, size=16), *blobs(8, size=24)]
    assert read_pictures(mixed, (8, 8), None, 100).shape == (16, 10, 10, 3)


def bad(change):
    pictures = blobs(20)
    change(pictures)
    return pictures


@pytest.mark.parametrize(
    "pictures, settings, message",
    [
        (blobs(1), {}, "at least 16 of them. Received: 1"),
        (bad(lambda p: p.__setitem__((3, 1, 2, 0), np.nan)), {}, r"finite values. Received: nan at \[3, 1, 2, 0\]"),
        (2 * blobs(20), {}, "floats from 0 to 1. Received"),
        ([*blobs(10), *blobs(10)[..., :1]], {}, "pictures of 1 and 3 channels"),
        (blobs(20)[..., :2], {}, "1 or 3 channels"),
        (blobs(20).astype(int), {}, "floats from 0 to 1, or uint8"),
        (7, {}, "expected a folder, an array or a data set"),
        (blobs(20), {"size": 9}, "size: expected multiples of"),
        (blobs(20), {"widths": (12,)}, "widths: expected multiples of 8"),
        (blobs(20), {"steps": 0}, "steps: expected"),
        (blobs(20), {"learning_rate": 0}, "learning_rate: expected"),
        (blobs(20), {"path": "prior.h5"}, "ends in .keras"),
    ],
)
def test_bad_input_is_refused(pictures, settings, message):
    size = settings.get("size", 8)
    with pytest.raises((ValueError, TypeError), match=message):
        samplevis.fit_prior(pictures, size, **QUICK | {k: v for k, v in settings.items() if k != "size"})
