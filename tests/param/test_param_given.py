"""Parameterizations around something given: balls around an image, views of a texture."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from samplevis import param
from samplevis.param.base import Constant
from samplevis.runtime import seeds

SIZES = st.tuples(st.integers(4, 12), st.integers(4, 12))


def picture(size=(8, 8), low=0.0, high=1.0):
    return np.random.default_rng(0).uniform(low, high, (*size, 3)).astype(np.float32)


# Balls


@settings(deadline=None, max_examples=12)
@given(size=SIZES, norm=st.sampled_from(["l2", "linf"]), radius=st.sampled_from([0.01, 0.3, 5.0]), far=st.booleans())
def test_no_image_leaves_the_ball(size, norm, radius, far):
    centre = picture(size)
    p = param.ball(centre, radius, norm)
    images = p.image((100.0 if far else 1.0) * p.prior(seeds.root(0), 3)).numpy()
    change = (images - centre).reshape(3, -1)
    lengths = np.linalg.norm(change, axis=1) if norm == "l2" else np.abs(change).max(1)
    assert lengths.max() <= radius + 1e-5 and images.min() >= 0 and images.max() <= 1


@settings(deadline=None, max_examples=12)
@given(size=SIZES, norm=st.sampled_from(["l2", "linf"]))
def test_a_ball_is_reached_everywhere(size, norm):
    # Far enough from 0 and 1 for the perturbation.
    p = param.ball(picture(size, 0.3, 0.7), 0.25, norm)
    z = p.prior(seeds.root(0), 3)
    np.testing.assert_allclose(p.image(p.latent(p.image(z))), p.image(z), atol=1e-3)
    near = np.abs(z) < 3
    np.testing.assert_allclose(p.latent(p.image(z))[near], z[near], atol=2e-3)
    start = p.image(p.start(seeds.root(0), 1))[0]
    assert 0 < np.abs(start - p.centre.values).max() < 0.1


def test_values_of_the_euclidean_ball():
    p = param.ball(np.full((4, 4, 1), 0.5, np.float32), 0.4)
    z = np.zeros((1, 4, 4, 1), np.float32)
    z[0, 1, 2] = 3.0
    # 3 / sqrt(9 + 16) of the radius.
    assert p.image(tf.constant(z))[0, 1, 2, 0].numpy() == pytest.approx(0.5 + 0.4 * 0.6)
    assert p.image(tf.constant(z)).numpy().sum() == pytest.approx(8 + 0.24)


def test_the_prior_of_the_cube_is_uniform():
    p = param.ball(np.full((16, 16, 1), 0.1, np.float32), 0.3, "linf")
    values = np.sort(p.image(p.prior(seeds.root(0), 8)).numpy().ravel())
    share = (np.arange(len(values)) + 0.5) / len(values)
    # Kolmogorov-Smirnov: 1.95 / sqrt(n) is the 0.1 % point. [0, 1] cuts the cube at 0.
    assert np.abs(values / 0.4 - share).max() < 1.95 / np.sqrt(len(values))
    assert np.abs((values + 0.2) / 0.6 - share).max() > 1.95 / np.sqrt(len(values)), "the control must fail"


def test_the_prior_of_the_euclidean_ball_has_any_direction():
    p = param.ball(np.full((8, 8, 1), 0.5, np.float32), 1.0)
    change = p.image(p.prior(seeds.root(0), 400)).numpy().reshape(400, -1) - 0.5
    assert np.abs(np.linalg.norm(change, axis=1) - 0.5**0.5).max() < 0.15
    error = np.sqrt(0.5 / 64 / 400)
    assert np.abs(change.mean(0)).max() < 4.5 * error
    assert np.abs((change + 0.05).mean(0)).max() > 4.5 * error, "the control must fail"


def test_images_outside_come_to_the_edge():
    centre = np.full((4, 4, 3), 0.5, np.float32)
    far = np.clip(centre + 0.4 * np.sign(picture((4, 4)) - 0.5), 0, 1)[None]
    sides = param.ball(centre, 0.1, "linf")
    np.testing.assert_allclose(sides.image(sides.latent(far)), centre + 0.25 * (far - centre), atol=1e-3)
    round_ = param.ball(centre, 0.1)
    shrunk = (far - centre) * 0.1 / np.linalg.norm(far - centre)
    np.testing.assert_allclose(round_.image(round_.latent(far)), centre + shrunk, atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(image=np.zeros((8, 8)), radius=1), r"image: expected shape \[H, W, C\]"),
        (dict(image=np.full((8, 8, 3), 2.0), radius=1), "image: expected floats from 0 to 1"),
        (dict(image=np.zeros((8, 8, 3), np.uint8), radius=1), "image: expected floats from 0 to 1"),
        (dict(image=np.zeros((8, 2, 3)), radius=1), "size"),
        (dict(image=np.zeros((8, 8, 3)), radius=0), "radius: expected a finite number > 0. Received: 0"),
        (dict(image=np.zeros((8, 8, 3)), radius=1, norm="l1"), "norm: expected one of 'l2', 'linf'. Received: 'l1'"),
    ],
)
def test_balls_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        param.ball(**arguments)


def test_arrays_compare_by_value():
    one, other = picture(), picture() + np.float32(1e-6)
    assert param.ball(one, 0.1) == param.ball(one.copy(), 0.1) != param.ball(other, 0.1)
    assert hash(Constant(one)) == hash(Constant(one.copy())) and Constant(one) != one
    assert Constant(np.zeros(4)) != Constant(np.zeros((2, 2)))
    assert len(repr(param.ball(one, 0.1))) < 100 and "[8, 8, 3]" in repr(Constant(one))
    with pytest.raises(ValueError, match="read-only"):
        Constant(one).values[0] = 0


# Textures


def test_sampler_table():
    """A texture of 2 x 2: texel centres, the middle between them, and the repetition beyond the border."""
    texture = tf.constant([[1.0, 2.0], [3.0, 4.0]])[None, :, :, None]
    table = {
        (0.25, 0.75): 1.0,  # centre of the upper left texel: v points up
        (0.75, 0.75): 2.0,
        (0.25, 0.25): 3.0,
        (0.75, 0.25): 4.0,
        (0.5, 0.75): 1.5,
        (0.25, 0.5): 2.0,
        (0.5, 0.5): 2.5,
        (0.0, 0.75): 1.5,  # half of the texel beyond the left border, which is the right one
        (1.0, 0.75): 1.5,
        (0.25, 1.0): 2.0,
        (0.375, 0.75): 1.25,
        (1.25, 1.75): 1.0,
        (-0.75, -0.25): 1.0,
        (-0.25, 0.25): 4.0,
    }
    uv = np.array([list(table)], np.float32)
    found = param.sample_bilinear(texture, uv)
    assert found.shape == (1, 1, len(table), 1)
    np.testing.assert_allclose(found[0, 0, :, 0], list(table.values()), atol=1e-6)


@settings(deadline=None, max_examples=10)
@given(size=st.tuples(st.integers(1, 5), st.integers(1, 5)), view=st.tuples(st.integers(1, 4), st.integers(1, 4)))
def test_sampler_is_the_loop(size, view):
    random = np.random.default_rng(0)
    texture, uv = random.normal(size=(2, *size, 3)), random.uniform(-2, 3, (2, *view, 2))
    expected = np.zeros((2, *view, 3))
    for n, i, j in np.ndindex(2, *view):
        row, column = (1 - uv[n, i, j, 1]) * size[0] - 0.5, uv[n, i, j, 0] * size[1] - 0.5
        for y in (int(np.floor(row)), int(np.floor(row)) + 1):
            for x in (int(np.floor(column)), int(np.floor(column)) + 1):
                weight = (1 - abs(row - y)) * (1 - abs(column - x))
                expected[n, i, j] += weight * texture[n, y % size[0], x % size[1]]
    np.testing.assert_allclose(param.sample_bilinear(tf.constant(texture), uv), expected, atol=1e-9)
    # One view for all textures.
    first = param.sample_bilinear(tf.constant(texture), uv[0])
    np.testing.assert_allclose(first[0], expected[0], atol=1e-9)
    np.testing.assert_allclose(first[1], param.sample_bilinear(tf.constant(texture), uv[[0, 0]])[1], atol=1e-9)


def test_sampler_gradient_is_the_adjoint():
    random = np.random.default_rng(0)
    texture, other = (tf.constant(random.normal(size=(2, 3, 4, 2))) for _ in range(2))
    y = tf.constant(random.normal(size=(2, 5, 6, 2)))
    for shape in ((5, 6, 2), (2, 5, 6, 2)):
        uv = random.uniform(-1, 2, shape)
        with tf.GradientTape() as tape:
            tape.watch(texture)
            inner = tf.reduce_sum(param.sample_bilinear(texture, uv) * y)
        forward = tf.reduce_sum(param.sample_bilinear(other, uv) * y)
        np.testing.assert_allclose(tf.reduce_sum(tape.gradient(inner, texture) * other), forward, atol=1e-9)


def test_a_view_shows_the_texture_behind_its_mask():
    texture = param.fourier((6, 5))
    u, v = np.meshgrid((np.arange(5) + 0.5) / 5, 1 - (np.arange(6) + 0.5) / 6)
    mask = np.linspace(0, 1, 30).reshape(6, 5)
    p = param.textured(texture, np.stack([u, v], -1), mask=mask, background=0.25)
    z = p.prior(seeds.root(0), 2)
    expected = mask[..., None] * texture.image(z) + (1 - mask[..., None]) * 0.25
    np.testing.assert_allclose(p.image(z), expected, atol=1e-6)
    assert p.latent_shape == (6, 5, 3) and p.image_shape == (6, 5, 3) and "shift" in p.symmetries()
    with pytest.raises(ValueError, match="a view does not show the whole texture"):
        p.latent(p.image(z))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(uv=np.zeros((4, 4))), r"uv: expected finite coordinates of shape \[H, W, 2\]"),
        (dict(uv=np.full((4, 4, 2), np.nan)), "uv: expected finite"),
        (dict(uv=np.zeros((4, 4, 2)), mask=np.ones((4, 5))), r"mask: expected values from 0 to 1, shape \(4, 4\)"),
        (dict(uv=np.zeros((4, 4, 2)), mask=np.full((4, 4), 2)), "mask: expected values from 0 to 1"),
        (dict(uv=np.zeros((4, 4, 2)), background=2), "background: expected a number from 0 to 1. Received: 2"),
    ],
)
def test_views_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        param.textured(param.fourier(8), **arguments)


def test_lookups_that_cannot_be():
    with pytest.raises(ValueError, match=r"texture: expected shape \[N, h, w, C\]"):
        param.sample_bilinear(tf.zeros((4, 4, 3)), np.zeros((2, 2, 2)))
    for shape in ((2, 2), (2, 2, 2, 2), (2, 2, 3)):
        with pytest.raises(ValueError, match=r"uv: expected shape \[H, W, 2\] or \[1, H, W, 2\]"):
            param.sample_bilinear(tf.zeros((1, 4, 4, 3)), np.zeros(shape))
    with pytest.raises(TypeError, match="base: expected a parameterization"):
        param.textured(np.zeros((4, 4, 3)), np.zeros((2, 2, 2)))
