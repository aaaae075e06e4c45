"""Parameterizations: spectra, moments and inverses against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from samplevis import param, seeds
from samplevis.param import color
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
