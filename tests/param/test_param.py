"""Parameterizations: spectra, moments and inverses against closed forms."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from samplevis import param
from samplevis.param import color
from samplevis.runtime import seeds
from samplevis.sampling.diagnostics import power_slope

SIZES = st.tuples(st.integers(5, 24), st.integers(5, 24))


@settings(deadline=None, max_examples=12)
@given(size=SIZES, channels=st.integers(1, 4), alpha=st.sampled_from([0.0, 1.0, 1.5]))
def test_fourier_is_the_stated_formula(size, channels, alpha):
    p = param.fourier(size, channels=channels, alpha=alpha)
    z = p.prior(seeds.root(3), 2).numpy().astype(np.float64)
    filtered = np.fft.irfft2(np.fft.rfft2(z, axes=(1, 2)) * p.amplitude()[:, :, None], s=size, axes=(1, 2)) * 0.316
    if channels == 3:
        matrix = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
        filtered = filtered @ (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).T
    np.testing.assert_allclose(p.image(tf.constant(z, tf.float32)), 1 / (1 + np.exp(-filtered)), atol=2e-6)


@settings(deadline=None, max_examples=12)
@given(size=SIZES, channels=st.sampled_from([1, 3]))
def test_latent_inverts_image(size, channels):
    for p in (param.fourier(size, channels=channels), param.pixel(size, channels=channels, decorrelate=True)):
        z = p.prior(seeds.root(1), 2)
        np.testing.assert_allclose(p.latent(p.image(z)), z, atol=2e-3)


def test_latent_of_black_and_white_is_finite():
    extremes = tf.constant(np.indices((16, 16)).sum(0)[None, :, :, None] % 2 * np.ones(3), tf.float32)
    for make in (param.fourier, param.pixel, param.uniform):
        p = make(16)
        assert np.isfinite(p.latent(extremes)).all()
        np.testing.assert_allclose(p.image(p.latent(extremes)), extremes, atol=1e-3)


@settings(deadline=None, max_examples=12)
@given(size=SIZES)
def test_amplitude_keeps_unit_variance(size):
    # The variance of filtered white noise is the mean of the squared filter over the full spectrum.
    p = param.fourier(size, channels=1)
    impulse = np.zeros((1, *size, 1), np.float32)
    impulse[0, 0, 0, 0] = 1
    response = p.pre_image(tf.constant(impulse)).numpy() / p.contrast
    assert np.isclose((response**2).sum(), 1, rtol=1e-5)


def test_prior_spectrum_has_the_slope_of_the_filter():
    for alpha in (0.0, 1.0, 1.5):
        p = param.fourier(64, channels=1, alpha=alpha)
        slope = power_slope(p.pre_image(p.prior(seeds.root(0), 64)).numpy())
        assert abs(slope + 2 * alpha) < 0.15, (alpha, slope)


@settings(deadline=None, max_examples=12)
@given(size=SIZES)
def test_rotate_is_orthonormal_and_its_own_inverse(size):
    p = param.fourier(size)
    z, y = p.prior(seeds.root(0), 1), p.prior(seeds.root(1), 1)
    np.testing.assert_allclose(p.rotate(p.rotate(z)), z, atol=1e-5)
    inner = float(tf.reduce_sum(z * y)), float(tf.reduce_sum(p.rotate(z) * p.rotate(y)))
    assert np.isclose(*inner, atol=1e-3)


def test_rotate_separates_frequencies():
    p = param.fourier((16, 12), channels=1)
    wave = np.cos(2 * np.pi * 3 * np.arange(12) / 12)[None, None, :, None] * np.ones((1, 16, 1, 1))
    coordinates = np.abs(p.rotate(tf.constant(wave, tf.float32)).numpy()[0, :, :, 0])
    rows, columns = np.nonzero(coordinates > 1e-3)
    assert set(rows) == {0} and set(columns) == {3, 9}
    assert len(set(p.bands()[0, [3, 9], 0])) == 1


def test_uniform_prior_is_uniform():
    p = param.uniform(64, channels=1)
    pixels = np.sort(p.image(p.prior(seeds.root(0), 4)).numpy().ravel())
    # Kolmogorov-Smirnov: 1.95 / sqrt(n) is the 0.1 % point.
    distance = np.abs(pixels - (np.arange(len(pixels)) + 0.5) / len(pixels)).max()
    assert distance < 1.95 / np.sqrt(len(pixels))
    white = np.sort(param.fourier(64, channels=1).image(p.prior(seeds.root(0), 4)).numpy().ravel())
    assert np.abs(white - np.linspace(0, 1, len(white))).max() > 0.1, "the control must fail"


def test_color_matrix_has_unit_rows_and_an_inverse():
    np.testing.assert_allclose(np.linalg.norm(color.color_matrix(), axis=1), 1)
    x = tf.constant(np.random.default_rng(0).normal(size=(5, 3)), tf.float32)
    np.testing.assert_allclose(color.decorrelate(color.correlate(x)), x, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(size=3), "size"),
        (dict(size=(16, 2)), "size"),
        (dict(size=16, channels=0), "channels"),
        (dict(size=16, alpha=-1), "alpha"),
        (dict(size=16, contrast=0), "contrast"),
        (dict(size=16, contrast=float("nan")), "contrast"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        param.fourier(**arguments)


def test_equal_settings_compare_equal():
    assert param.fourier(16) == param.fourier((16, 16)) and hash(param.fourier(16)) == hash(param.fourier(16))
    assert param.fourier(16) != param.fourier(16, alpha=1.2)


def deviations(p, seed=0, num_samples=64):
    """Standard deviation, mean and excess kurtosis of the image before the sigmoid, with their standard errors."""
    x = p.pre_image(p.prior(seeds.root(seed), num_samples)).numpy().astype(np.float64)
    squares = (x**2).mean((1, 2, 3))
    return squares.mean(), squares.std() / np.sqrt(num_samples)


@pytest.mark.parametrize("clustering", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("size", [(32, 32), (33, 48)])
def test_pyramid_has_the_stated_contrast(size, clustering):
    p = param.pyramid(size, clustering=clustering)
    variance, error = deviations(p, num_samples=256)
    assert abs(variance - p.contrast**2) < 4 * error


def test_pyramid_has_heavy_tails_where_fourier_has_none():
    def kurtosis(p):
        # Differences of neighbours, as natural-image statistics are quoted.
        x = np.diff(p.pre_image(p.prior(seeds.root(0), 32)).numpy().astype(np.float64), axis=2)
        return (x**4).mean() / (x**2).mean() ** 2

    assert abs(kurtosis(param.fourier(64)) - 3) < 0.1
    assert abs(kurtosis(param.pyramid(64, clustering=0.0)) - 3) < 0.1, "no clustering is Gaussian"
    # Differences mix octaves whose fields differ, so that a single band's 3 exp(4 s^2) is the most.
    assert 6 < kurtosis(param.pyramid(64)) < 3 * np.exp(4 * 0.6**2)


def test_pyramid_has_the_spectrum_of_fourier():
    images = [p.pre_image(p.prior(seeds.root(0), 64)).numpy() for p in (param.fourier(64), param.pyramid(64))]
    slopes = [power_slope(x) for x in images]
    assert abs(slopes[0] - slopes[1]) < 0.15, slopes


@settings(deadline=None, max_examples=8)
@given(size=SIZES, clustering=st.sampled_from([0.0, 0.6, 1.5]))
def test_pyramid_keeps_a_picture_under_an_even_field(size, clustering):
    p = param.pyramid(size, clustering=clustering)
    images = param.fourier(size).image(param.fourier(size).prior(seeds.root(0), 2))
    z = p.latent(images)
    np.testing.assert_allclose(p.image(z), images, atol=2e-3)
    assert z.shape[1:] == p.latent_shape and np.all(z[..., -1] == 0)


@pytest.mark.parametrize("make", [param.fourier, param.pyramid])
def test_priors_are_stationary(make):
    p = make(24)
    z = p.prior(seeds.root(0), 1)
    shifted = p.image(tf.roll(z, (5, -3), (1, 2)))
    np.testing.assert_allclose(shifted, tf.roll(p.image(z), (5, -3), (1, 2)), atol=1e-5)


def test_measured_finds_the_prior_that_made_the_images():
    made = param.fourier(64, alpha=1.3, contrast=0.5)
    images = made.image(made.prior(seeds.root(0), 64)).numpy()
    found = param.measured(64, images)
    variance, error = deviations(found)
    own, own_error = deviations(made, seed=1)
    assert abs(variance - own) < 4 * np.hypot(error, own_error) + 0.05 * own
    x, y = (p.pre_image(p.prior(seeds.root(2), 64)).numpy() for p in (found, made))
    assert abs(power_slope(x) - power_slope(y)) < 0.15
    first, second = (np.einsum("nhwi,nhwj->nij", pixels, pixels) / 64**2 for pixels in (x, y))
    # Three samples of 64 differ: the one measured, and one of each prior.
    assert np.all(np.abs(first.mean(0) - second.mean(0)) < 4 * np.sqrt(3 / 64) * second.std(0))
    white = param.measured(64, np.random.default_rng(0).uniform(0.2, 0.8, (16, 64, 64, 3)).astype(np.float32))
    assert abs(power_slope(white.pre_image(white.prior(seeds.root(2), 64)).numpy()) - power_slope(y)) > 1, "the control"


@settings(deadline=None, max_examples=8)
@given(size=SIZES)
def test_measured_serves_any_size_and_has_an_inverse(size):
    images = param.fourier(32).image(param.fourier(32).prior(seeds.root(0), 4)).numpy()
    p = param.measured(size, images)
    z = p.prior(seeds.root(1), 2)
    np.testing.assert_allclose(p.latent(p.image(z)), z, atol=5e-3)
    assert p == param.measured(size, images) and hash(p) == hash(param.measured(size, images))


def test_measured_reads_a_folder(tmp_path):
    prior = param.fourier(32)
    images = prior.image(prior.prior(seeds.root(0), 3)).numpy()
    for i, image in enumerate(images):
        Image.fromarray(np.uint8(np.round(255 * image))).save(tmp_path / f"{i}.png")
    (tmp_path / "notes.txt").write_text("no picture")
    found, expected = param.measured(32, tmp_path), param.measured(32, images)
    np.testing.assert_allclose(found.mean, expected.mean, atol=0.01)
    np.testing.assert_allclose(np.log(found.profile)[:, 1], np.log(expected.profile)[:, 1], atol=0.05)


def test_measured_refuses_what_it_cannot_read(tmp_path):
    with pytest.raises(OSError, match="images: expected a folder"):
        param.measured(32, tmp_path / "missing")
    with pytest.raises(ValueError, match="images: expected at least one picture"):
        param.measured(32, tmp_path)
    with pytest.raises(ValueError, match="from 0 to 1"):
        param.measured(32, np.full((1, 8, 8, 3), 255.0))
    with pytest.raises(ValueError, match=r"\[N, H, W, C\]"):
        param.measured(32, np.zeros((8, 8, 3)))


def generator(activation="tanh"):
    keras.utils.set_random_seed(0)
    layers = [keras.Input((5,)), keras.layers.Dense(48, activation=activation), keras.layers.Reshape((4, 4, 3))]
    return keras.Sequential(layers, name="toy")


def test_decoder_is_the_generator():
    model = generator()
    p = param.decoder(model, value_range=(-1, 1))
    z = p.prior(seeds.root(0), 6)
    assert p.latent_shape == (5,) and p.image_shape == (4, 4, 3)
    np.testing.assert_allclose(p.image(z), (model(z) + 1) / 2, atol=1e-6)
    assert p == param.decoder(model, value_range=(-1, 1)) != param.decoder(model)
    assert "toy" in repr(p)


def test_decoder_refuses_what_is_no_generator():
    with pytest.raises(TypeError, match="model: expected a Keras model"):
        param.decoder("generator.keras")
    with pytest.raises(ValueError, match=r"\[N, height, width, channels\]"):
        param.decoder(keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)]))
    with pytest.raises(ValueError, match="value_range"):
        param.decoder(generator(), value_range=(1, -1))
