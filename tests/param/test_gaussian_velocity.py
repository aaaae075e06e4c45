"""The velocity of a Gaussian: closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft

from samplevis.param.gaussian_velocity import MIN_POWER, GaussianVelocity, Moments, cosines, moments, octaves

SIZE, CHANNELS = (4, 6), 3


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_cosines_are_the_orthonormal_cosine_transform(size):
    np.testing.assert_allclose(cosines(size), scipy.fft.dct(np.eye(size), norm="ortho", axis=0), atol=1e-12)


def gaussian(seed=0):
    """A Gaussian whose waves are independent in its colours: mean, covariance of all pixels, pictures."""
    rng = np.random.default_rng(seed)
    colors = np.linalg.qr(rng.standard_normal((CHANNELS, CHANNELS)))[0]
    deviations = np.exp(rng.standard_normal((*SIZE, CHANNELS)))
    mean = rng.standard_normal(CHANNELS)
    # [wave and colour, pixel and channel]
    basis = np.einsum("ih,jw,cd->ijdhwc", cosines(SIZE[0]), cosines(SIZE[1]), colors).reshape(deviations.size, -1)
    waves = deviations.ravel() * rng.standard_normal((20_000, deviations.size))
    pictures = np.tile(mean, SIZE[0] * SIZE[1]) + waves @ basis
    covariance = basis.T @ np.diag(deviations.ravel() ** 2) @ basis
    return np.tile(mean, SIZE[0] * SIZE[1]), covariance, pictures.reshape(-1, *SIZE, CHANNELS)


def test_the_velocity_is_that_of_conditional_expectations():
    """E[data - noise | x_t] from the covariances, as any book on Gaussians has it."""
    mean, covariance, pictures = gaussian()
    layer = GaussianVelocity(SIZE, CHANNELS)
    layer.set_moments(moments(pictures))
    rng = np.random.default_rng(1)
    for t in (0.1, 0.5, 0.9):
        x = rng.standard_normal((3, mean.size)) @ np.linalg.cholesky(covariance).T + mean
        of_place = (1 - t) ** 2 * np.eye(mean.size) + t**2 * covariance
        gain = (t * covariance - (1 - t) * np.eye(mean.size)) @ np.linalg.inv(of_place)
        expected = mean + (x - t * mean) @ gain.T
        left = np.trace(covariance + np.eye(mean.size) - gain @ of_place @ gain.T) / mean.size
        found = layer(x.reshape(-1, *SIZE, CHANNELS).astype("float32"), np.full((3, 1), t))
        # The moments are estimates: each variance of 20,000 is off by 1 % (one standard error).
        np.testing.assert_allclose(found.mean.numpy().reshape(3, -1), expected, atol=0.04 * np.abs(expected).max())
        np.testing.assert_allclose(found.deviation.numpy().ravel(), np.sqrt(left), rtol=0.02)
        assert found.seen.shape == (3, *SIZE, 2 * CHANNELS)


def test_what_the_network_sees_has_variance_one():
    _, _, pictures = gaussian()
    layer = GaussianVelocity(SIZE, CHANNELS)
    layer.set_moments(moments(pictures))
    noise = np.random.default_rng(2).standard_normal(pictures.shape)
    for t in (0.05, 0.5, 0.95):
        place = ((1 - t) * noise + t * pictures).astype("float32")
        found = layer(place, np.full((len(place), 1), t, "float32"))
        velocity, seen = found.mean.numpy(), found.seen.numpy()
        left = pictures - noise - velocity
        # 20,000 pictures of 72 numbers, a few of which have most of the variance.
        for values in (seen[..., :CHANNELS], seen[..., CHANNELS:], left / found.deviation.numpy()):
            assert np.mean(values**2) == pytest.approx(1, rel=0.05)
        assert abs(np.mean(left * velocity)) < 0.02 * np.mean(velocity**2), "nothing linear is left"
        powers = np.exp(found.powers.numpy()) - MIN_POWER
        # The square of a normal number has the variance 2; four standard errors.
        np.testing.assert_allclose(powers.mean(0), 1, atol=4 * np.sqrt(2 / len(pictures)))


def test_octaves_double_the_frequency():
    assert octaves((1, 9)).tolist() == [[0, 1, 2, 2, 3, 3, 3, 3, 4]]
    np.testing.assert_array_equal(octaves((6, 4)), octaves((4, 6)).T)


@pytest.mark.parametrize("t", [0.2, 0.8])
def test_gains_are_enough_for_pictures_of_another_contrast(t):
    """Data of a known scale r have variances r^2 s: their velocity is that of the Gaussian plus a gain for each octave."""
    rng, scale = np.random.default_rng(3), 2.5
    layer = GaussianVelocity(SIZE, CHANNELS)
    deviations = rng.uniform(0.5, 2, (octaves(SIZE).max() + 1, CHANNELS))
    colors = np.linalg.qr(rng.standard_normal((CHANNELS, CHANNELS)))[0]
    layer.set_moments(Moments(np.zeros(CHANNELS), colors, deviations[octaves(SIZE)]))
    x = rng.standard_normal((2, *SIZE, CHANNELS)).astype("float32")
    found = layer(x, np.full((2, 1), t, "float32"))

    def factor(s):
        return (t * s - (1 - t)) / ((1 - t) ** 2 + t**2 * s)

    s = deviations**2
    gains = (factor(scale**2 * s) - factor(s)) * ((1 - t) ** 2 + t**2 * s) / deviations
    velocity = found.mean + layer.amplified(found.waves, np.tile(gains.astype("float32"), (2, 1, 1)))
    contrasted = GaussianVelocity(SIZE, CHANNELS)
    contrasted.set_moments(Moments(np.zeros(CHANNELS), colors, scale * deviations[octaves(SIZE)]))
    expected = contrasted(x, np.full((2, 1), t, "float32")).mean
    np.testing.assert_allclose(velocity, expected, atol=1e-5)
    assert np.abs(found.mean - expected).max() > 0.1, "the control has no gains"


def test_a_layer_that_knows_nothing_is_for_white_noise():
    x = np.random.default_rng(0).standard_normal((2, *SIZE, CHANNELS)).astype("float32")
    found = GaussianVelocity(SIZE, CHANNELS)(x, np.array([[0.25], [1.0]], "float32"))
    factor = np.array([-0.5 / 0.625, 1.0]).reshape(2, 1, 1, 1)
    np.testing.assert_allclose(found.mean, factor * x, atol=1e-5)
    np.testing.assert_allclose(found.deviation.numpy().ravel(), [1 / np.sqrt(0.625), 1.0], rtol=1e-5)
