"""Rectifiers with rounded kinks: against averages over shifts, closed forms, finite differences and the functions they round."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from samplevis import Network, overrides
from samplevis.overrides import ramps

X = np.linspace(-9, 9, 1801)
# Widths below and above half the distance of the kinks of ReLU6 and the like.
HALVES = (0.5, 2.9, 3.0, 5.0)
MAKE = {
    "rectifier": (ramps.rectifier, lambda x: np.maximum(x, 0)),
    "bounded": (lambda half: ramps.bounded(6.0, half), lambda x: np.clip(x, 0, 6)),
    "hard_sigmoid": (ramps.hard_sigmoid, lambda x: np.clip(x / 6 + 0.5, 0, 1)),
}


def averaged(function, half: float) -> np.ndarray:
    """A function averaged over shifts that are uniform in (-half, half), by the midpoint rule."""
    shifts = half * ((np.arange(4000) + 0.5) / 2000 - 1)
    return np.mean([function(X + shift) for shift in shifts], 0)


def slope(function, x: np.ndarray) -> np.ndarray:
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return tape.gradient(y, x).numpy()


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("name", MAKE)
def test_values_are_those_of_the_rectifier_averaged_over_shifts(name, half):
    make, kinked = MAKE[name]
    got = make(half)(tf.constant(X)).numpy()
    # The midpoint rule is off by half the curvature of a cell: width^2 / 8 at a kink, over the interval.
    np.testing.assert_allclose(got, averaged(kinked, half), atol=half / 2000**2)
    # The control: another width.
    assert np.abs(got - averaged(kinked, 0.9 * half)).max() > 1e-3


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("name", [*MAKE, "hard_silu"])
def test_slopes_are_those_of_finite_differences(name, half):
    function = ramps.hard_silu(half) if name == "hard_silu" else MAKE[name][0](half)
    step = 1e-6
    central = (function(tf.constant(X + step)) - function(tf.constant(X - step))).numpy() / (2 * step)
    # The second derivative is at most 1 / (2 half) for a rectifier, and below 4 for x times a hard sigmoid.
    np.testing.assert_allclose(slope(function, X), central, atol=4 * step)


@pytest.mark.parametrize("half", HALVES)
def test_hard_silu_is_x_times_hard_sigmoid(half):
    x = tf.constant(X)
    np.testing.assert_allclose(ramps.hard_silu(half)(x), x * ramps.hard_sigmoid(half)(x), rtol=1e-12)


@pytest.mark.parametrize("half", HALVES)
def test_bounded_is_a_difference_of_two_ramps(half):
    x, rise = tf.constant(X), ramps.rectifier(half)
    np.testing.assert_allclose(ramps.bounded(6.0, half)(x), rise(x) - rise(x - 6), atol=1e-12)


def test_rectifier_in_closed_form_and_exact_outside_the_ramp():
    x = np.float32([-9, -1, 0, 1, 2, 9])
    np.testing.assert_allclose(ramps.rectifier(2.0)(tf.constant(x)), [0, 1 / 8, 4 / 8, 9 / 8, 2, 9], rtol=1e-6)
    np.testing.assert_allclose(slope(ramps.rectifier(2.0), x), [0, 1 / 4, 2 / 4, 3 / 4, 1, 1], rtol=1e-6)


def test_a_ramp_is_as_wide_as_the_softplus_it_stands_for():
    scale, x = 0.4, np.linspace(-20, 20, 400001)
    bump = np.gradient(slope(ramps.rectifier(ramps.half_width(scale)), x), x)
    logistic = np.gradient(1 / (1 + np.exp(-x / scale)), x)
    variances = [np.trapezoid(density * x**2, x) for density in (bump, logistic)]
    np.testing.assert_allclose(variances, np.pi**2 * scale**2 / 3, rtol=1e-4)


@pytest.mark.parametrize("name", MAKE)
def test_narrow_ramps_leave_the_rectifier(name):
    make, kinked = MAKE[name]
    for half in (1e-2, 1e-3, 1e-4):
        gap = np.abs(make(half)(tf.constant(X, tf.float32)) - kinked(X)).max()
        # A quarter of the half-width at the kink; and float32.
        assert gap <= half / 4 + 2e-6


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_dtypes_stay(dtype):
    x = tf.cast(X, dtype)
    for function in (ramps.rectifier(1.0), ramps.bounded(6.0, 1.0), ramps.hard_silu(1.0), ramps.hard_sigmoid(1.0)):
        assert function(x).dtype == x.dtype and slope(function, x).dtype == x.dtype.as_numpy_dtype


def with_function(layer: keras.layers.Layer) -> Network:
    image = keras.Input((1, 1, 1))
    return Network(keras.Model(image, layer(image)), value_range=(-9, 9))


LAYERS = {
    "relu": keras.layers.ReLU,
    "relu6": lambda **kw: keras.layers.ReLU(6.0, **kw),
    "leaky": keras.layers.LeakyReLU,
    "both": lambda **kw: keras.layers.ReLU(1.0, negative_slope=0.2, **kw),
    "hard_sigmoid": lambda **kw: keras.layers.Activation("hard_sigmoid", **kw),
    "hard_silu": lambda **kw: keras.layers.Activation("hard_silu", **kw),
}


@pytest.mark.parametrize("name", LAYERS)
def test_smooth_rounds_kinks_either_way_and_equally_wide(name):
    network = with_function(LAYERS[name](name="f"))
    x = np.linspace(0, 1, 181, dtype=np.float32).reshape(-1, 1, 1, 1)
    hard = network.activations(x, "f")["f"].numpy()
    ramp, softplus = (
        overrides.smooth(network, 0.1, images=x, kind=kind).activations(x, "f")["f"].numpy()
        for kind in ("ramp", "softplus")
    )
    # Both round the kinks, and differ less from each other than from the original. At a kink softplus is log(2) s, a ramp
    # pi s / 4 above: 13 per cent more.
    assert 0 < np.abs(ramp - softplus).max() < 0.4 * np.abs(softplus - hard).max()
    assert 0.9 < np.abs(ramp - hard).max() / np.abs(softplus - hard).max() < 1.2
