"""Bilinear resizing against TensorFlow's two grids, NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from samplevis.param import resize_bilinear_nd
from samplevis.param.resize import resize_matrix

SIDES = st.integers(1, 13)


def ramp(*shape):
    return tf.constant(np.random.default_rng(0).normal(size=shape), tf.float32)


@settings(deadline=None, max_examples=20)
@given(source=st.tuples(SIDES, SIDES), target=st.tuples(SIDES, SIDES))
def test_pictures_are_those_of_tensorflow(source, target):
    x = ramp(2, *source, 3)
    half = resize_bilinear_nd(x, (2, *target, 3))
    np.testing.assert_allclose(half, tf.image.resize(x, target), atol=1e-5)
    legacy = resize_bilinear_nd(x, (2, *target, 3), grid="legacy")
    np.testing.assert_allclose(legacy, tf.compat.v1.image.resize_bilinear(x, target), atol=1e-5)


def test_the_grids_differ_as_lucids_users_found():
    x = tf.constant([0.0, 1.0, 2.0, 3.0])
    np.testing.assert_allclose(resize_bilinear_nd(x, [8]), [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])
    np.testing.assert_allclose(resize_bilinear_nd(x, [8], grid="legacy"), [0, 0.5, 1, 1.5, 2, 2.5, 3, 3])


@settings(deadline=None, max_examples=10)
@given(source=SIDES, target=SIDES)
def test_one_dimension_is_numpy_interpolation(source, target):
    x = ramp(source)
    places = (np.arange(target) + 0.5) * source / target - 0.5
    np.testing.assert_allclose(resize_bilinear_nd(x, [target]), np.interp(places, np.arange(source), x), atol=1e-5)


def test_five_dimensions_are_scipys():
    x = ramp(2, 3, 4, 2, 5)
    shape = (4, 3, 6, 3, 2)
    grid = np.meshgrid(
        *((np.arange(n) + 0.5) * m / n - 0.5 for m, n in zip(x.shape, shape, strict=True)), indexing="ij"
    )
    expected = scipy.ndimage.map_coordinates(x.numpy(), grid, order=1, mode="nearest")
    np.testing.assert_allclose(resize_bilinear_nd(x, shape), expected, atol=1e-5)


def test_gradient_is_the_adjoint():
    x, y = ramp(3, 4), ramp(5, 2)
    with tf.GradientTape() as tape:
        tape.watch(x)
        inner = tf.reduce_sum(resize_bilinear_nd(x, (5, 2)) * y)
    expected = resize_matrix(5, 3).T @ y.numpy() @ resize_matrix(2, 4)
    np.testing.assert_allclose(tape.gradient(inner, x), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(shape=(3,)), "shape: expected 2 sizes"),
        (dict(shape=(3, 0)), "shape: expected a whole number >= 1"),
        (dict(shape=(3, 2.5)), "shape: expected a whole number >= 1"),
        (dict(shape=(3, 3), grid="corners"), "grid: expected one of 'legacy', 'half_pixel'. Received: 'corners'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        resize_bilinear_nd(tf.zeros((2, 2)), **arguments)
