"""Functions of each element in one pass: the numbers of separate operations, gradients of all orders, any batch."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from samplevis.overrides import fused, pooling, ramps

FUNCTIONS = {
    "rectifier": ramps.rectifier(0.7),
    "bounded": ramps.bounded(1.5, 0.4),
    "bounded, wide": ramps.bounded(0.6, 0.5),
    "hard_sigmoid": ramps.hard_sigmoid(0.7),
    "hard_silu": ramps.hard_silu(0.7),
    "power": lambda x: pooling._fourth_norm(x, lambda p: 4 * tf.nn.avg_pool(p, 2, 2, "VALID")),
}


@pytest.fixture(scope="module")
def x() -> tf.Tensor:
    """Three images, large enough to be computed in one pass; their values reach past all kinks."""
    return tf.constant(np.random.default_rng(0).normal(0, 2, (3, 64, 64, 4)), tf.float32)


def orders(function, x: tf.Tensor) -> list[np.ndarray]:
    """Values, gradient, and the gradient of the sum of the gradient's squares."""

    @tf.function(autograph=False)
    def run(x: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = function(x)
            first = inner.gradient(y, x)
            squares = tf.reduce_sum(tf.square(first))
        return y, first, outer.gradient(squares, x)

    return [each.numpy() for each in run(x)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_pass_gives_the_numbers_of_separate_operations(name, x, monkeypatch):
    assert x[0].shape.num_elements() >= fused.MIN_ELEMENTS
    found = orders(FUNCTIONS[name], x)
    eager = FUNCTIONS[name](x)
    monkeypatch.setattr(fused, "MIN_ELEMENTS", np.inf)
    for got, want in zip(found, orders(FUNCTIONS[name], x), strict=True):
        # Differences of rounding; second derivatives of a root are small differences of large terms.
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-4 * np.abs(want).max())
    np.testing.assert_allclose(eager, found[0], rtol=1e-6, atol=1e-6)


def test_second_order_gradients_are_those_of_closed_forms(x):
    half = 0.7
    _, slope, curvature = orders(ramps.rectifier(half), x)
    inside = np.abs(x) < half
    np.testing.assert_allclose(slope, np.clip((x + half) / (2 * half), 0, 1), atol=1e-6)
    # d(slope^2)/dx = 2 slope / (2 half) on the ramp, and zero elsewhere.
    np.testing.assert_allclose(curvature, np.where(inside, slope / half, 0), atol=1e-5)
    assert 0.1 < inside.mean() < 0.9


@pytest.mark.parametrize("name", ["bounded", "power"])
def test_an_image_does_not_depend_on_its_neighbours(name, x):
    whole, alone = orders(FUNCTIONS[name], x), orders(FUNCTIONS[name], x[1:2])
    for together, single in zip(whole, alone, strict=True):
        # Up to last bits, as for convolutions.
        np.testing.assert_allclose(together[1:2], single, rtol=1e-5, atol=1e-4 * np.abs(single).max())


def test_unknown_sizes_and_other_types(x):
    small = tf.function(FUNCTIONS["bounded"], input_signature=[tf.TensorSpec([None, None, None, 4])], autograph=False)
    np.testing.assert_allclose(small(x), FUNCTIONS["bounded"](x), atol=1e-6)
    batch = tf.function(FUNCTIONS["bounded"], input_signature=[tf.TensorSpec([None, 64, 64, 4])], autograph=False)
    np.testing.assert_array_equal(batch(x), FUNCTIONS["bounded"](x))
    assert batch(x).shape == x.shape
    for dtype in ("float16", "bfloat16", "float64"):
        assert FUNCTIONS["bounded"](tf.cast(x, dtype)).dtype == dtype
