"""Images that share their coarse details: what is shared, by whom, and each image's own prior."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import samplevis
from samplevis import param
from samplevis.runtime import seeds

BASES = {
    "fourier": lambda: param.fourier((16, 13)),
    "laplacian_pyramid": lambda: param.laplacian_pyramid((16, 13), levels=3),
    "pyramid": lambda: param.pyramid(16),
}


@pytest.mark.parametrize("name", sorted(BASES))
def test_the_given_scales_are_shared_and_the_others_are_not(name):
    base = BASES[name]()
    p = param.shared(base, (1, 1))
    state = base.rotate(p.mixed(p.prior(seeds.root(0), 5))).numpy()
    scales = base.scales()
    for scale in range(scales.max() + 1):
        apart = np.abs(state - state[:1])[1:, scales == scale].max()
        assert (apart < 1e-4) == (scale < 2), scale


@settings(deadline=None, max_examples=10)
@given(images=st.integers(1, 7), count=st.integers(1, 4))
def test_images_interpolate_between_the_latents_of_their_scale(images, count):
    base = param.laplacian_pyramid(8, levels=1)
    p = param.shared(base, (count,))
    z = p.prior(seeds.root(0), images).numpy().astype(np.float64)
    keys = min(count, images)
    places = (np.arange(images) + 0.5) * keys / images - 0.5
    weights = np.array([np.interp(places, np.arange(keys), np.eye(keys)[k]) for k in range(keys)]).T
    expected = weights / np.linalg.norm(weights, axis=1, keepdims=True) @ z[:keys]
    np.testing.assert_allclose(p.mixed(tf.constant(z, tf.float32)), expected, atol=1e-5)
    np.testing.assert_allclose(
        p.image(tf.constant(z, tf.float32)), base.image(tf.constant(expected, tf.float32)), atol=1e-5
    )


def test_a_grid_of_images_interpolates_along_both_sides():
    p = param.shared(param.laplacian_pyramid(4, levels=1), (2,), layout=(3, 5))
    corners = p.mixed(p.prior(seeds.root(0), 15)).numpy().reshape(3, 5, -1)
    z = p.prior(seeds.root(0), 15).numpy()
    for corner, latent in zip(corners[[0, 0, -1, -1], [0, -1, 0, -1]], z[:4], strict=True):
        np.testing.assert_allclose(corner, latent, atol=1e-5)
    np.testing.assert_allclose(corners[1, 2], z[:4].sum(0) / 2, atol=1e-5)


def test_each_image_by_itself_has_the_prior_of_the_base():
    p = param.shared(param.laplacian_pyramid(8, levels=2), (2, 3))
    z = tf.stack([p.mixed(p.prior(seeds.root(seed), 5)) for seed in range(40)]).numpy()
    variance = (z**2).mean((0, 2))
    error = np.sqrt(2 / (40 * z.shape[2]))
    assert np.abs(variance - 1).max() < 4 * error
    between = (z[:, 0] * z[:, 1]).mean()
    assert between > 4 * error, "the control: neighbours are alike"


@settings(deadline=None, max_examples=6)
@given(name=st.sampled_from(["fourier", "laplacian_pyramid"]), images=st.integers(2, 5))
def test_latent_finds_the_images_that_it_can_make(name, images):
    p = param.shared(BASES[name](), (1, 2))
    # For the pyramid, latents that its own inverse would choose; its levels overlap a little.
    tolerance = {"fourier": 1e-3, "laplacian_pyramid": 0.02}[name]
    made = p.image(p.base.latent(p.base.image(p.prior(seeds.root(0), images))))
    np.testing.assert_allclose(p.image(p.latent(made)), made, atol=tolerance)
    other = p.base.image(p.prior(seeds.root(1), images))
    assert np.abs(p.image(p.latent(other)) - other).max() > 0.05, "the control: images that share nothing"


def test_chains_cannot_share(tiny_network):
    p = param.shared(param.fourier(16), (1, 1))
    for coupled in (p, param.greyscale(param.shared(param.fourier(16, channels=1), (1,)))):
        with pytest.raises(ValueError, match="param: a sampler needs images that do not depend on each other"):
            samplevis.render(tiny_network, "conv2:1", param=coupled, progress=False)
    assert p.couples_images and not param.fourier(16).couples_images
    assert param.with_alpha(p).couples_images and not param.with_alpha(param.fourier(16)).couples_images


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(counts=()), "counts: expected 1 to 4 numbers"),
        (dict(counts=(1,) * 5), "counts: expected 1 to 4 numbers"),
        (dict(counts=(1, 0)), "counts: expected a whole number >= 1"),
        (dict(counts=(1,), layout=(2, 0)), "layout: expected a whole number >= 1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        param.shared(param.laplacian_pyramid(16), **arguments)


def test_a_batch_that_is_no_such_grid():
    p = param.shared(param.fourier(16), (1,), layout=(2, 3))
    with pytest.raises(ValueError, match="layout: expected 2 x 3 images in the batch. Received: 4"):
        p.image(p.prior(seeds.root(0), 4))
    with pytest.raises(TypeError, match="base: expected a parameterization"):
        param.shared("fourier", (1,))
