"""Laplacian pyramid, greyscale, alpha, magnitude constraint and colour matrices: values, priors, inverses, errors."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from samplevis import param
from samplevis.runtime import seeds

SIZES = st.tuples(st.integers(5, 24), st.integers(5, 24))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def enlarge(x, size):
    """One picture [h, w, C], enlarged by np.interp along its columns and rows."""

    def stretch(line, target):
        places = (np.arange(target) + 0.5) * len(line) / target - 0.5
        return np.interp(places, np.arange(len(line)), line)

    return np.apply_along_axis(stretch, 1, np.apply_along_axis(stretch, 0, x, size[0]), size[1])


def sample_images(p, count, seed=0):
    return p.image(p.prior(seeds.root(seed), count)).numpy()


def mean_square_error(squares):
    """Mean over samples and its standard error."""
    each = squares.reshape(len(squares), -1).mean(1)
    return each.mean(), each.std() / np.sqrt(len(each))


# Laplacian pyramid


def test_laplacian_pyramid_is_the_sum_of_its_enlarged_levels():
    p = param.laplacian_pyramid((9, 12), levels=3, channels=2, contrast=1.0)
    z = p.prior(seeds.root(0), 2).numpy()
    shapes = [(3, 3, 2), (5, 6, 2), (9, 12, 2)]
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    assert p.latent_shape == (ends[-1],)
    for one, pre in zip(z, p.pre_image(tf.constant(z)).numpy(), strict=True):
        levels = [part.reshape(shape) for part, shape in zip(np.split(one, ends[:-1]), shapes, strict=True)]
        total = sum(enlarge(level, (9, 12)) for level in levels)
        # The scale that gives unit variance is one number.
        ratio = pre / total
        np.testing.assert_allclose(ratio, np.median(ratio), rtol=1e-3)
    np.testing.assert_allclose(p.image(tf.constant(z)), sigmoid(p.pre_image(tf.constant(z)).numpy()), atol=1e-6)


@pytest.mark.parametrize(
    "settings_", [dict(size=16), dict(size=(15, 22), levels=3, contrast=1.0), dict(size=8, levels=1)]
)
def test_laplacian_pyramid_has_the_stated_contrast(settings_):
    p = param.laplacian_pyramid(**settings_)
    z = p.prior(seeds.root(1), 600)
    mean, error = mean_square_error(p.pre_image(z).numpy() ** 2)
    assert abs(mean - p.contrast**2) < 4 * error
    mean, error = mean_square_error(p.pre_image(1.2 * z).numpy() ** 2)
    assert abs(mean - p.contrast**2) > 4 * error, "the control must fail"


@settings(deadline=None, max_examples=12)
@given(size=SIZES, levels=st.integers(1, 3), channels=st.sampled_from([1, 3, 4]))
def test_laplacian_pyramid_reaches_every_image(size, levels, channels):
    p = param.laplacian_pyramid(size, levels=levels, channels=channels)
    other = param.pixel(size, channels=channels)
    images = sample_images(other, 2)
    np.testing.assert_allclose(p.image(p.latent(tf.constant(images))), images, atol=1e-3)
    assert p.scales().shape == p.bands().shape == p.latent_shape and p.scales().max() == levels - 1


def test_laplacian_latent_puts_what_is_coarse_into_the_coarsest_level():
    p = param.laplacian_pyramid(16, levels=3)
    z = p.prior(seeds.root(0), 1).numpy() * (p.scales() == 0)
    np.testing.assert_allclose(p.latent(p.image(tf.constant(z))), z, atol=2e-3)


def test_laplacian_pyramid_refuses_more_levels_than_pixels():
    assert param.laplacian_pyramid((16, 40), levels=5).latent_shape[0] > 0
    for levels in (0, 6, 2.0, True):
        with pytest.raises(ValueError, match="levels: expected a whole number from 1 to 5"):
            param.laplacian_pyramid((16, 40), levels=levels)
    with pytest.raises(ValueError, match="contrast: expected a finite number > 0"):
        param.laplacian_pyramid(16, contrast=0)


# Channels and colour matrices


@pytest.mark.parametrize("channels", [1, 4, 10])
@pytest.mark.parametrize("make", [param.fourier, param.pixel, param.laplacian_pyramid, param.uniform, param.cppn])
def test_any_number_of_channels(make, channels):
    images = sample_images(make((8, 11), channels=channels), 2)
    assert images.shape == (2, 8, 11, channels) and images.min() >= 0 and images.max() <= 1
    assert np.ptp(images, axis=(1, 2)).min() > 0, "no channel is even"


@pytest.mark.parametrize("make", [param.fourier, param.pixel, param.laplacian_pyramid])
def test_a_decorrelation_matrix_of_ones_own(make):
    matrix = np.array([[2.0, 0.0], [3.0, 4.0]])
    p = make(16, channels=2, decorrelate=matrix, contrast=0.5)
    x = np.log(sample_images(p, 200).astype(np.float64))
    x -= np.log1p(-np.exp(x))
    each = np.einsum("nhwi,nhwj->nij", x, x) / 256
    rows = matrix / [[2], [5]]
    error = each.std(0) / np.sqrt(200)
    assert np.all(np.abs(each.mean(0) - 0.25 * rows @ rows.T) < 4 * error)
    assert np.any(np.abs(each.mean(0) - 0.25 * np.eye(2)) > 4 * error), "the control must fail"
    images = sample_images(p, 2, seed=1)
    np.testing.assert_allclose(p.image(p.latent(tf.constant(images))), images, atol=1e-3)
    assert p == make(16, channels=2, decorrelate=matrix, contrast=0.5) and isinstance(hash(p), int)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.eye(3), r"decorrelate: expected a matrix of shape \(2, 2\). Received: \(3, 3\)"),
        (np.ones((2, 2)), "decorrelate: expected a matrix with an inverse"),
        (np.full((2, 2), np.nan), "decorrelate: expected a matrix with an inverse"),
    ],
)
def test_matrices_that_cannot_be(matrix, message):
    with pytest.raises(ValueError, match=message):
        param.fourier(16, channels=2, decorrelate=matrix)


# Greyscale


@settings(deadline=None, max_examples=8)
@given(size=SIZES, channels=st.integers(1, 4))
def test_greyscale_is_one_plane_in_every_channel(size, channels):
    plane = param.fourier(size, channels=1)
    p = param.greyscale(plane, channels=channels)
    z = p.prior(seeds.root(0), 2)
    np.testing.assert_array_equal(p.image(z), np.repeat(plane.image(z).numpy(), channels, 3))
    np.testing.assert_allclose(p.latent(p.image(z)), z, atol=2e-3)
    assert p.image_shape == (*size, channels) and p.latent_shape == plane.latent_shape
    np.testing.assert_array_equal(p.rotate(z), plane.rotate(z))


def test_greyscale_projects_colours_to_their_mean():
    p = param.greyscale(param.pixel(8, channels=1))
    colours = sample_images(param.pixel(8), 1)
    np.testing.assert_allclose(p.image(p.latent(colours))[..., 1], colours.mean(-1), atol=1e-5)


def test_greyscale_refuses():
    with pytest.raises(ValueError, match="base: expected one channel"):
        param.greyscale(param.fourier(16))
    with pytest.raises(ValueError, match="channels: expected a whole number >= 1. Received: 0"):
        param.greyscale(param.fourier(16, channels=1), channels=0)
    with pytest.raises(TypeError, match="base: expected a parameterization"):
        param.greyscale(16)


# Alpha


@settings(deadline=None, max_examples=8)
@given(size=SIZES)
def test_alpha_is_the_plane_of_another(size):
    base, plane = param.fourier(size), param.pixel(size, channels=1)
    p = param.with_alpha(base, plane)
    z = p.prior(seeds.root(0), 2)
    own, other = p.split(z)
    images = p.image(z)
    np.testing.assert_array_equal(images[..., :3], base.image(own))
    np.testing.assert_array_equal(images[..., 3:], plane.image(other))
    np.testing.assert_allclose(p.latent(images), z, atol=2e-3)
    np.testing.assert_allclose(p.rotate(p.rotate(z)), z, atol=1e-5)
    np.testing.assert_allclose(tf.norm(p.rotate(z), axis=1), tf.norm(z, axis=1), rtol=1e-5)
    labels = p.bands()
    assert labels.shape == p.latent_shape and set(labels) == set(range(labels.max() + 1))


def test_alpha_moves_with_its_image():
    p = param.with_alpha(param.fourier(16))
    z, seed = p.prior(seeds.root(0), 2), seeds.root(5)
    before = p.image(z).numpy()
    np.testing.assert_allclose(p.image(p.symmetries()["mirror"](z, seed)), before[:, :, ::-1], atol=1e-5)
    shifted = p.image(p.symmetries()["shift"](z, seed)).numpy()
    ways = [
        (i, j) for i in range(16) for j in range(16) if np.allclose(np.roll(before, (i, j), (1, 2)), shifted, atol=1e-5)
    ]
    assert len(ways) == 1, "colours and alpha roll the same way"
    assert "invert" not in param.with_alpha(param.cppn(16)).symmetries()


def test_alpha_takes_a_base_of_any_kind():
    p = param.with_alpha(param.cppn((8, 10), hidden=3, layers=1), param.laplacian_pyramid((8, 10), channels=1))
    start = p.start(seeds.root(0), 2)
    assert p.image(start).shape == (2, 8, 10, 4)
    np.testing.assert_allclose(p.image(start)[..., :3], 0.5, atol=1e-6, err_msg="a CPPN starts even")


def test_alpha_refuses():
    with pytest.raises(ValueError, match=r"plane: expected images of shape \(16, 16, 1\). Received: \(16, 16, 3\)"):
        param.with_alpha(param.fourier(16), param.fourier(16))
    with pytest.raises(TypeError, match="plane: expected a parameterization"):
        param.with_alpha(param.fourier(16), 16)


# Magnitude constraint


def magnitudes(p, images):
    x = p.base.latent(tf.constant(images)).numpy().astype(np.float64)
    return np.abs(np.fft.rfft2(x, axes=(1, 2)))


@settings(deadline=None, max_examples=10)
@given(size=SIZES, channels=st.sampled_from([1, 3]), alpha=st.sampled_from([0.0, 1.0]))
def test_maco_is_the_stated_formula(size, channels, alpha):
    base = param.fourier(size, channels=channels, alpha=alpha, contrast=1.0, decorrelate=False)
    p = param.maco(base)
    z = p.prior(seeds.root(0), 2).numpy().astype(np.float64)
    half = np.fft.rfft2(z, axes=(1, 2))
    half *= np.sqrt(np.prod(size)) * base.amplitude()[..., None] / np.abs(half)
    half[:, 0, 0] = 0
    expected = np.fft.irfft2(half, s=size, axes=(1, 2))
    np.testing.assert_allclose(p.pre_image(tf.constant(z, tf.float32)), expected, atol=2e-4)
    np.testing.assert_allclose(p.image(tf.constant(z, tf.float32)), sigmoid(expected), atol=1e-4)


@settings(deadline=None, max_examples=10)
@given(size=SIZES)
def test_maco_keeps_phases_and_fixes_magnitudes(size):
    p = param.maco(param.fourier(size))
    images = sample_images(p, 2)
    np.testing.assert_allclose(p.image(p.latent(tf.constant(images))), images, atol=1e-3)
    found = magnitudes(p, images).transpose(0, 3, 1, 2).reshape(6, -1)[:, 1:]
    np.testing.assert_allclose(found, np.sqrt(np.prod(size)), rtol=0.02)
    # Of other images, the phases.
    other = sample_images(p.base, 1, seed=2)
    found, expected = (
        np.fft.rfft2(x, axes=(1, 2))[0, 1, 1:-1] for x in (p.latent(other).numpy(), p.base.latent(other).numpy())
    )
    np.testing.assert_allclose(np.angle(found / expected), 0, atol=1e-3)


def test_maco_has_one_contrast_where_fourier_varies():
    base = param.fourier(17, channels=1, contrast=1.0)
    free, fixed = (p.pre_image(p.prior(seeds.root(0), 50)).numpy().std((1, 2, 3)) for p in (base, param.maco(base)))
    assert np.ptp(fixed) < 1e-4 < 0.1 < np.ptp(free)


def test_maco_prior_has_uniform_phases():
    p = param.maco(param.fourier((9, 8), channels=1, alpha=0.0, contrast=1.0))
    x = p.pre_image(p.prior(seeds.root(0), 400)).numpy()[..., 0]
    turns = np.exp(1j * np.angle(np.fft.rfft2(x)))[:, 1:, 1:-1]
    # The mean of uniform phases is 0, of variance 1/2 in each part; so is that of their squares.
    error = np.sqrt(0.5 / 400)
    for power in (1, 2):
        assert np.abs((turns**power).mean(0)).max() < 5 * error
    skewed = np.exp(1j * np.angle(np.fft.rfft2(x + 2 * x[:1])))[:, 1:, 1:-1]
    assert np.abs(skewed.mean(0)).max() > 5 * error, "the control must fail"


def test_maco_of_ones_own_images_has_their_mean():
    own = np.clip(sample_images(param.fourier(16), 8) * 0.5 + [0.4, 0.2, 0.0], 0, 1).astype(np.float32)
    p = param.maco(param.measured(16, own))
    means = p.pre_image(p.prior(seeds.root(0), 3)).numpy().mean((1, 2))
    np.testing.assert_allclose(means, np.tile(p.base.mean, (3, 1)), atol=1e-5)


def test_maco_does_not_lose_its_gradient_where_a_frequency_is_silent():
    p = param.maco(param.fourier(8, channels=1))
    z = tf.zeros((1, 8, 8, 1))
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = tf.reduce_sum(p.image(z) ** 2)
    assert np.isfinite(tape.gradient(value, z)).all()


def test_maco_refuses():
    with pytest.raises(TypeError, match="base: expected param.fourier"):
        param.maco(param.pyramid(16))
