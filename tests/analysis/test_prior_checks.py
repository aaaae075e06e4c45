"""check_prior: what it finds alike, and what it must find different."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import samplevis
from samplevis import modelzoo, param
from samplevis.analysis.prior_checks import _spectrum
from samplevis.analysis.two_samples import classifier_accuracy, mmd_and_band, nearest_distances, ring_power
from samplevis.param.base import Constant

SIZE = 32


@dataclasses.dataclass(frozen=True)
class Stored(param.Parameterization):
    """A prior whose images are stored ones: the first latent says which."""

    images: Constant
    image_shape: tuple[int, ...] = (SIZE, SIZE, 3)
    latent_shape = (1,)

    def image(self, z):
        # z -> a uniform number -> a picture.
        share = 0.5 * (1 + tf.math.erf(z[:, 0] / np.sqrt(2)))
        count = len(self.images.values)
        number = tf.clip_by_value(tf.cast(share * count, tf.int32), 0, count - 1)
        return tf.gather(tf.constant(self.images.values), number)

    def latent(self, images):
        raise ValueError("none")


@pytest.fixture(scope="module")
def drawings():
    return modelzoo.shapes.draw(1200, seed=5, size=SIZE)[0]


def check(images, pictures, **settings):
    return samplevis.check_prior(Stored(Constant(images)), pictures, draws=300, **settings)


@pytest.mark.slow
def test_the_drawings_pass(drawings):
    settings = dict(network=modelzoo.Shapes(), judge=modelzoo.ShapesJudge(), units=["logits:star|stripes"])
    found = check(modelzoo.shapes.draw(2000, seed=6, size=SIZE)[0], drawings, **settings)
    assert found.passed, str(found)
    assert "are like the pictures" in found.verdict
    # The first control: half of them without a shape, as an under-trained prior has them.
    rng = np.random.default_rng(0)
    blurred = drawings.copy()
    spectrum = np.fft.fft2(blurred[::2], axes=(1, 2))
    phases = np.fft.fft2(rng.standard_normal(spectrum.shape[:3] + (1,)), axes=(1, 2))
    blurred[::2] = np.clip(np.fft.ifft2(spectrum * phases / np.abs(phases), axes=(1, 2)).real, 0, 1)
    found = check(blurred, drawings, **settings)
    failed = {finding.name for finding in found.findings if not finding.passed}
    assert {"features", "labels"} <= failed, str(found)
    assert "not like the pictures" in found.verdict and "called 'nothing'" in found.verdict


def test_a_prior_that_repeats_its_training_pictures_is_caught(drawings):
    known, other, fresh = drawings[:400], drawings[400:800], drawings[800:]
    assert not check(known, other, training=known)["memory"].passed
    assert check(fresh, other, training=known)["memory"].passed, "the control: pictures like any other"


def test_gaussian_noise_of_the_same_spectrum_and_colours_fails(drawings):
    settings = dict(network=modelzoo.Shapes(), units=["logits:star|stripes"], draws=200)
    found = samplevis.check_prior(param.measured(SIZE, drawings), drawings, **settings)
    assert not found.passed and not found["features"].passed and not found["reach of logits:star|stripes"].passed


def test_two_sample_figures():
    rng = np.random.default_rng(0)
    same, other = rng.standard_normal((2, 200, 8))
    shifted = other + 1.0 * (np.arange(8) == 0)
    both = rng.standard_normal((400, 8))
    found, band = mmd_and_band(same, both)
    assert found < band
    found, band = mmd_and_band(shifted, both)
    assert found > band, "the control must fail"
    assert abs(classifier_accuracy(same, other) - 0.5) < 4 * 0.5 / np.sqrt(400)
    assert classifier_accuracy(same, shifted + 2) > 0.95
    np.testing.assert_allclose(nearest_distances(same + 0.01, same), 0.01, rtol=1e-2)


def test_the_power_of_white_noise_is_flat():
    power = ring_power(0.1 * np.random.default_rng(0).standard_normal((200, 32, 32, 3)))
    assert power.shape[0] == 200
    np.testing.assert_allclose(power.mean(0), 0.01 * 32**2, rtol=0.1)


def test_chance_alone_does_not_change_the_spectrum():
    """Few pictures whose contrasts differ a lot: halves of them differ by more than a quarter."""
    rng = np.random.default_rng(0)

    def pictures(factor: float = 1.0) -> np.ndarray:
        contrast = factor * np.exp(0.8 * rng.standard_normal((80, 1, 1, 1)))
        return ring_power(contrast * rng.standard_normal((80, 16, 16, 3)))

    halves = [_spectrum(pictures(), pictures()) for _ in range(40)]
    assert np.mean([found.passed for found in halves]) >= 0.95
    assert np.mean([found.value > 1.25 for found in halves]) > 0.2
    assert not np.any([_spectrum(pictures(3.0), pictures()).passed for _ in range(5)])


@pytest.mark.parametrize(
    "prior, settings, message",
    [
        (3, {}, "prior: expected a parameterization"),
        (param.fourier(SIZE), {"draws": 5}, "draws: expected"),
        (param.fourier(SIZE), {"units": ["logits:1"]}, "units: expected with network"),
        (param.fourier(16), {}, None),
    ],
)
def test_bad_input_is_refused(prior, settings, message, drawings):
    pictures = drawings[:20] if message is None else drawings
    with pytest.raises((ValueError, TypeError), match=message or "at least 64 to compare with"):
        samplevis.check_prior(prior, pictures, **settings)
