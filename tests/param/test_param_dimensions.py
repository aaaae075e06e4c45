"""What every parameterization promises, in one, two and three dimensions and at odd and uneven sizes."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from samplevis import param
from samplevis.runtime import seeds

SIZES = st.lists(st.integers(4, 9), min_size=1, max_size=3).map(tuple)
PICTURES = st.tuples(st.integers(4, 12), st.integers(4, 12))
EVERY_SIZE = [(16,), (15,), (8, 8), (7, 10), (8, 8, 8), (6, 8, 10), (5, 7, 9)]
quick = settings(deadline=None, max_examples=12)


def pictures(size=(12, 12)):
    return np.random.default_rng(0).uniform(0.1, 0.9, (4, *size, 3)).astype(np.float32)


# For any number of dimensions.
GENERAL = {
    "fourier": param.fourier,
    "one channel": lambda size: param.fourier(size, channels=1, alpha=1.5),
    "pixel": param.pixel,
    "uniform": param.uniform,
    "greyscale": lambda size: param.greyscale(param.fourier(size, channels=1), channels=4),
    "alpha": lambda size: param.with_alpha(param.fourier(size)),
    "alpha of pixels": lambda size: param.with_alpha(param.pixel(size), param.uniform(size, channels=1)),
    "maco": lambda size: param.maco(param.fourier(size)),
    "shared": lambda size: param.shared(param.fourier(size), (1, 2)),
}
# For pictures.
FLAT = {
    "pyramid": param.pyramid,
    "laplacian": lambda size: param.laplacian_pyramid(size, levels=2),
    "measured": lambda size: param.measured(size, pictures()),
    "maco of measured": lambda size: param.maco(param.measured(size, pictures())),
    "cppn": lambda size: param.cppn(size, hidden=3, layers=2),
    "greyscale of a pyramid": lambda size: param.greyscale(param.pyramid(size, channels=1)),
    "alpha of a pyramid": lambda size: param.with_alpha(param.pyramid(size)),
}
# Those of which `latent` is the inverse of `image`.
INVERTIBLE = ("fourier", "one channel", "pixel", "greyscale", "alpha", "measured")


def check_coordinates(p):
    """`rotate` is orthonormal and its own inverse, and every coordinate has a band and a scale."""
    z, y = p.prior(seeds.root(0), 2), p.prior(seeds.root(1), 2)
    flat, other = (tf.reshape(p.rotate(each), (2, -1)).numpy() for each in (z, y))
    np.testing.assert_allclose(p.rotate(p.rotate(z)), z, atol=2e-5)
    inner = (tf.reshape(z, (2, -1)).numpy() * tf.reshape(y, (2, -1)).numpy()).sum(1)
    np.testing.assert_allclose((flat * other).sum(1), inner, atol=2e-3)
    for labels in (p.bands(), p.scales()):
        assert labels.shape == tuple(p.latent_shape) and labels.dtype.kind == "i"
        assert labels.min() == 0
    assert set(np.unique(p.bands())) == set(range(p.bands().max() + 1)), "no band is empty"


def check_images(p, name):
    """Images have their shape and range, and `latent` is what it says."""
    z = p.prior(seeds.root(0), 2)
    images = p.image(z).numpy()
    assert images.shape == (2, *p.image_shape) and images.min() >= 0 and images.max() <= 1
    assert images.dtype == np.float32 and z.shape[1:] == p.latent_shape
    assert p.start(seeds.root(0), 2).shape == z.shape
    if name in INVERTIBLE:
        np.testing.assert_allclose(p.latent(images), z, atol=5e-3)
    elif "cppn" not in name:
        again = p.image(p.latent(tf.constant(images)))
        assert again.shape == images.shape
        if name in ("uniform", "maco", "maco of measured", "alpha of pixels", "shared", "laplacian"):
            np.testing.assert_allclose(again, images, atol=2e-3)
    for move in p.symmetries().values():
        moved = move(z, seeds.root(3))
        np.testing.assert_allclose(tf.norm(moved), tf.norm(z), rtol=1e-5)


@pytest.mark.parametrize("name", GENERAL)
def test_promises_in_every_dimension(name):
    @quick
    @given(size=SIZES)
    def check(size):
        p = GENERAL[name](size)
        assert len(p.image_shape) == len(size) + 1 and p.image_shape[:-1] == size
        check_coordinates(p)
        check_images(p, name)

    check()


@pytest.mark.parametrize("name", FLAT)
def test_promises_of_pictures(name):
    @quick
    @given(size=PICTURES)
    def check(size):
        p = FLAT[name](size)
        assert p.image_shape[:-1] == size
        check_coordinates(p)
        check_images(p, name)

    check()


def test_the_checks_find_coordinates_that_are_not_orthonormal():
    """The control."""

    class Stretched(type(param.fourier(4))):
        def rotate(self, z):
            return 1.01 * super().rotate(z)

    with pytest.raises(AssertionError):
        check_coordinates(Stretched(**vars(param.fourier((5, 6)))))


def linear_response(p, size):
    """The image before the sigmoid of every unit vector of latents, [latent, *image_shape], less that of 0."""
    unit = np.eye(int(np.prod(p.latent_shape)), dtype=np.float32).reshape(-1, *p.latent_shape)
    return (p.pre_image(tf.constant(unit)) - p.pre_image(tf.zeros((1, *p.latent_shape)))).numpy().astype(np.float64)


@quick
@given(size=st.sampled_from(EVERY_SIZE[:4] + [(4, 4, 5), (5, 4, 6)]), contrast=st.sampled_from([0.316, 1.0]))
def test_the_prior_of_fourier_has_the_stated_deviation_in_every_pixel(size, contrast):
    p = param.fourier(size, contrast=contrast, channels=2)
    deviation = np.sqrt((linear_response(p, size) ** 2).sum(0))
    np.testing.assert_allclose(deviation, contrast, rtol=1e-4)


@quick
@given(size=PICTURES, levels=st.integers(1, 3))
def test_the_prior_of_a_laplacian_pyramid_has_the_stated_deviation(size, levels):
    p = param.laplacian_pyramid(size, channels=2, levels=levels, contrast=0.5)
    variance = (linear_response(p, size) ** 2).sum(0)
    np.testing.assert_allclose(variance.mean((0, 1)), 0.25, rtol=1e-4)


@quick
@given(size=PICTURES)
def test_the_prior_of_a_pyramid_without_clustering_has_the_stated_deviation(size):
    p = param.pyramid(size, channels=1, clustering=0.0)
    np.testing.assert_allclose(np.sqrt((linear_response(p, size) ** 2).sum(0)), 0.316, rtol=1e-4)


@pytest.mark.parametrize("size", [(5, 9), (4, 33), (17, 6)])
def test_a_clustered_pyramid_has_the_stated_deviation_at_uneven_sizes(size):
    p = param.pyramid(size, channels=1, clustering=0.6)
    each = (p.pre_image(p.prior(seeds.root(2), 4000)).numpy().astype(np.float64) ** 2).mean((1, 2, 3))
    error = each.std() / np.sqrt(len(each))
    assert abs(each.mean() - p.contrast**2) < 4 * error
    assert abs(1.25 * each.mean() - p.contrast**2) > 4 * error, "the control must fail"


@quick
@given(size=PICTURES)
def test_the_prior_of_measured_has_the_measured_covariance_in_every_pixel(size):
    p = param.measured(size, pictures())
    response = linear_response(p, size)
    covariance = np.einsum("lhwi,lhwj->hwij", response, response)
    expected = np.broadcast_to(np.array(p.factor) @ np.transpose(p.factor), covariance.shape)
    np.testing.assert_allclose(covariance, expected, atol=1e-4 * expected.max())


# Magnitude constraint


@pytest.mark.parametrize("size", EVERY_SIZE)
def test_maco_is_the_stated_formula_in_every_dimension(size):
    base = param.fourier(size, channels=2, contrast=1.0, decorrelate=False)
    p, axes = param.maco(base), tuple(range(1, 1 + len(size)))
    z = p.prior(seeds.root(0), 3).numpy().astype(np.float64)
    half = np.fft.rfftn(z, axes=axes)
    half *= np.sqrt(np.prod(size)) * base.amplitude()[..., None] / np.abs(half)
    half[(slice(None), *[0] * len(size))] = 0
    expected = np.fft.irfftn(half, s=size, axes=axes)
    np.testing.assert_allclose(p.pre_image(tf.constant(z, tf.float32)), expected, atol=3e-4)


@pytest.mark.parametrize("size", EVERY_SIZE)
def test_maco_has_the_contrast_of_its_base_in_every_image(size):
    """By Parseval, the mean square is the filter's mean square without its constant component: no image deviates."""
    base = param.fourier(size, channels=1)
    x = param.maco(base).pre_image(base.prior(seeds.root(1), 8)).numpy()
    constant = base.amplitude()[(0,) * len(size)] ** 2 / np.prod(size)
    axes = tuple(range(1, x.ndim))
    np.testing.assert_allclose(np.sqrt((x**2).mean(axes)), 0.316 * np.sqrt(1 - constant), rtol=1e-4)
    np.testing.assert_allclose(x.mean(axes), 0, atol=1e-5)
    # The control: images of the base deviate.
    assert np.ptp(np.sqrt((base.pre_image(base.prior(seeds.root(1), 8)).numpy() ** 2).mean(axes))) > 1e-3


# Planes beside colours, and instead of them


@pytest.mark.parametrize("size", EVERY_SIZE)
def test_greyscale_is_one_plane_in_every_dimension(size):
    plane = param.fourier(size, channels=1)
    p = param.greyscale(plane)
    z = p.prior(seeds.root(0), 2)
    images = p.image(z).numpy()
    assert p.image_shape == (*size, 3)
    np.testing.assert_array_equal(images, np.repeat(plane.image(z).numpy(), 3, -1))
    colours = param.pixel(size).image(param.pixel(size).prior(seeds.root(1), 2)).numpy()
    np.testing.assert_allclose(p.image(p.latent(colours))[..., 0], colours.mean(-1), atol=1e-3)


def test_greyscale_of_a_signal_by_its_length():
    assert param.greyscale(param.fourier(64, dimensions=1, channels=1)).image_shape == (64, 3)
    with pytest.raises(ValueError, match="base: expected one channel"):
        param.greyscale(param.fourier(64, dimensions=1))


@pytest.mark.parametrize("size", EVERY_SIZE)
def test_alpha_is_the_last_channel_in_every_dimension(size):
    base, plane = param.fourier(size), param.pixel(size, channels=1)
    p = param.with_alpha(base, plane)
    images = p.image(p.prior(seeds.root(0), 2)).numpy()
    own, other = p.split(p.prior(seeds.root(0), 2))
    np.testing.assert_array_equal(images[..., :-1], base.image(own))
    np.testing.assert_array_equal(images[..., -1:], plane.image(other))
    assert param.with_alpha(base).plane == param.fourier(size, channels=1)


def test_a_texture_is_a_picture():
    for base in (param.fourier(16, dimensions=1), param.fourier(8, dimensions=3)):
        with pytest.raises(ValueError, match=r"base: expected images \[height, width, channels\]"):
            param.textured(base, np.zeros((4, 4, 2)))


@pytest.mark.parametrize("make", [param.pyramid, param.laplacian_pyramid, param.cppn])
@pytest.mark.parametrize("size", [(16,), (8, 8, 8)])
def test_what_makes_pictures_alone_says_so(make, size):
    with pytest.raises(ValueError, match="size: expected 2 sides"):
        make(size)
