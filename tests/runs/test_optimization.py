"""The optimiser: ascent, caching, reproducibility, Lucid's signature."""

from __future__ import annotations

import os
import signal
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from samplevis import Callback, Network, objectives, optimize, overrides, param, render_vis, transform
from samplevis.activation import make_activation
from samplevis.optimizers.ascent import AscentOptions, ascend, first_latents
from samplevis.optimizers.keras_stepper import number_of_traces
from samplevis.runtime import seeds
from samplevis.runtime.checkpoint import Checkpoint

QUIET = dict(progress=False, transforms=None)


def small(**settings):
    return dict(param=param.fourier(16), steps=12, **QUIET) | settings


def test_sgd_takes_the_step_of_the_closed_form():
    p = param.pixel(8, channels=1)
    network = Network(keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(name="out")]))
    start = np.full((1, 8, 8, 1), 0.5, np.float32)
    result = optimize(
        network, lambda T: tf.reduce_sum(T("out"), 1), param=p, steps=1, init=start,
        optimizer=keras.optimizers.SGD(0.1), **QUIET,
    )  # fmt: skip
    # The derivative of the sigmoid at 0 is 1/4.
    np.testing.assert_allclose(result.latents, 0.025, rtol=1e-5)
    np.testing.assert_allclose(result.history, [[32.0]])


def test_history_rises_and_images_are_what_was_scored(tiny_network):
    result = optimize(tiny_network, "conv2:1", batch=3, **small(steps=60))
    assert result.history.shape == (60, 3) and (result.history[-1] > result.history[0] + 0.1).all()
    assert result.images.shape == (3, 16, 16, 3) and 0 <= result.images.min() <= result.images.max() <= 1
    again = tiny_network.activations(result.images, "conv2")["conv2"].numpy()[..., 1].mean((1, 2))
    assert (again >= result.history[-1] - 1e-3).all()


def test_a_sweep_traces_once(tiny_network):
    tiny_network.compiled.clear()
    images = [optimize(tiny_network, f"conv2:{n}", **small()).images for n in range(5)]
    assert number_of_traces(tiny_network) == 1
    optimize(tiny_network, "conv1:0", **small())
    assert number_of_traces(tiny_network) == 2
    # One trace, five different pictures: the channel is not frozen into it.
    assert len({image.tobytes() for image in images}) == 5


def test_seeds(tiny_network):
    one, two, other = (
        optimize(tiny_network, "conv2:1", seed=s, **small(transforms=transform.noise(0.1))) for s in (1, 1, 2)
    )
    assert one.images.tobytes() == two.images.tobytes() != other.images.tobytes()
    assert one.history.tobytes() == two.history.tobytes()


def test_one_optimizer_serves_many_calls(tiny_network):
    optimizer = keras.optimizers.RMSprop(0.02)
    first, second = (optimize(tiny_network, "conv2:1", optimizer=optimizer, **small()) for _ in range(2))
    assert first.images.tobytes() == second.images.tobytes() and not optimizer.built
    adam = optimize(tiny_network, "conv2:1", **small())
    assert adam.images.tobytes() != first.images.tobytes()


def test_penalties_act_on_the_clean_image(tiny_network):
    result = optimize(tiny_network, -objectives.L1("input"), **small(transforms=transform.pad(4, "constant", 1.0)))
    expected = -np.abs(param.fourier(16).image(tf.zeros((1, 16, 16, 3)))).sum()
    assert abs(result.history[0, 0] - expected) < 40


def test_start_from_a_picture(tiny_network):
    photo = np.random.default_rng(0).uniform(0.1, 0.9, (1, 16, 16, 3)).astype(np.float32)
    result = optimize(tiny_network, "conv2:1", init=photo, **small(steps=1, optimizer=keras.optimizers.SGD(1e-9)))
    np.testing.assert_allclose(result.images, photo, atol=1e-3)


def test_render_vis_returns_an_array_for_each_threshold(tiny_network):
    images = render_vis(
        tiny_network, "conv2:1", lambda: param.fourier(24), transforms=[], thresholds=(3, 20), verbose=False
    )
    assert [image.shape for image in images] == [(1, 24, 24, 3)] * 2
    direct = optimize(tiny_network, "conv2:1", param=param.fourier(24), steps=20, **QUIET)
    np.testing.assert_array_equal(images[1], direct.images)
    assert images[0].tobytes() != images[1].tobytes()


def test_standard_transforms_by_default(tiny_network):
    result = optimize(tiny_network, "conv2:1", param=param.fourier((24, 32)), steps=2, progress=False)
    assert result.images.shape == (1, 24, 32, 3)


def test_ctrl_c_keeps_what_there_is(tiny_network):
    calls = []

    def interrupting(T):
        if not calls:
            calls.append(signal.getsignal(signal.SIGINT))
        return tf.reduce_mean(T("conv2"), (1, 2, 3)) + 0 * tf.ensure_shape(
            tf.py_function(strike, [T("input")[0, 0, 0, 0]], tf.float32), []
        )

    def strike(x):
        if len(calls) == 1:
            calls.append(os.kill(os.getpid(), signal.SIGINT))
        return x

    result = optimize(tiny_network, interrupting, **small(steps=4000))
    assert 1 <= len(result.history) < 4000 and np.isfinite(result.images).all()


@pytest.fixture(scope="module")
def dead_network() -> Network:
    """Its unit is a mean brightness less .7, rectified: silent on noise of mean brightness .5, at every position."""
    image = keras.Input((8, 8, 1))
    rectify = keras.layers.Conv2D(1, 1, activation="relu", name="unit")
    network = Network(keras.Model(image, rectify(image)), value_range=(0, 1))
    rectify.set_weights([np.ones((1, 1, 1, 1)), np.full(1, -0.7)])
    return network


def test_redirected_gradient_wakes_a_silent_unit(dead_network):
    settings = dict(param=param.pixel(8, channels=1), steps=40, **QUIET)
    with pytest.warns(UserWarning, match=r"no gradient in any step for image 0 of 1.*redirect_steps=16"):
        asleep = optimize(dead_network, "unit:0", redirect_steps=0, **settings)
    assert not asleep.history.any() and asleep.images.max() < 0.6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        awake = optimize(dead_network, "unit:0", redirect_steps=32, **settings)
    assert awake.history[0, 0] == 0 and awake.history[-1, 0] > 0.1 and awake.images.mean() > 0.8
    # Lucid's name for it.
    images = [
        render_vis(
            dead_network, "unit:0", settings["param"], transforms=None, thresholds=(60,), verbose=False, **given
        )[0]
        for given in ({}, dict(relu_gradient_override=False))
    ]
    assert images[0].mean() > 0.8 and images[1].max() < 0.6


@pytest.mark.parametrize("change", [lambda network: network, lambda network: overrides.smooth(network, 0.01)])
def test_a_silent_image_begins_again_with_redirected_gradients(dead_network, change):
    network = change(dead_network)
    settings = dict(param=param.pixel(8, channels=1), steps=40, thresholds=(3, 20), smooth=None, **QUIET)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = optimize(network, "unit:0", **settings)
    assert not found.history[0].any() and found.history[-1, 0] > 0.1
    told = optimize(network, "unit:0", redirect_steps=20, **settings)
    np.testing.assert_array_equal(found.history, told.history)
    for steps in (3, 20):
        np.testing.assert_array_equal(found.snapshots[steps], told.snapshots[steps])
    assert len(found.history) == 40 and (found.snapshots[3] != found.snapshots[20]).any()


def test_images_that_live_are_not_redirected(dead_network):
    # A start that is bright enough.
    settings = dict(param=param.pixel(8, channels=1), steps=20, init=np.full((1, 8, 8, 1), 0.8, np.float32), **QUIET)
    found, told = (optimize(dead_network, "unit:0", redirect_steps=n, **settings) for n in (None, 0))
    np.testing.assert_array_equal(found.images, told.images)


@pytest.mark.parametrize("stop", [3, 16, 24])
def test_a_redirected_ascent_resumes_to_the_same_bytes(dead_network, tmp_path, stop):
    activation = make_activation(dead_network, "unit:0", param.pixel(8, channels=1), None)
    start = first_latents(activation.param, 1, None, seed := seeds.root(0))
    options = AscentOptions(32, thresholds=(3, 24))

    class Stop(Callback):
        def on_step(self, stage: str, step: int, total: int, figures: dict[str, float]) -> None:
            if step == stop:
                os.kill(os.getpid(), signal.SIGINT)

    def run(callbacks=()):
        with Checkpoint(tmp_path) as checkpoint:
            return ascend(activation, start, options, seed, callbacks, checkpoint.stage("optimise"))

    with pytest.raises(KeyboardInterrupt, match="stopped in optimise; the same call with .* resumes"):
        run([Stop()])
    found, whole = run(), ascend(activation, start, options, seed)
    np.testing.assert_array_equal(found.history, whole.history)
    np.testing.assert_array_equal(found.latents, whole.latents)
    assert whole.history[-1, 0] > 0 == whole.history[0, 0]


def test_redirection_follows_the_weights(dead_network):
    settings = dict(param=param.pixel(8, channels=1), steps=2, redirect_steps=2, **QUIET)
    before = optimize(dead_network, "unit:0", **settings)
    bias = dead_network.model.get_layer("unit").bias
    bias.assign([-0.2])
    after = optimize(dead_network, "unit:0", **settings)
    bias.assign([-0.7])
    assert before.history[0, 0] == 0 and abs(after.history[0, 0] - 0.3) < 0.01


def test_redirected_steps_change_nothing_where_units_live(tiny_network):
    """Softplus and tanh are not redirected: two segments of one run, with the same optimizer, are one run."""
    settings = small(steps=20, transforms=transform.noise(0.1))
    plain, split = (optimize(tiny_network, "conv2:1", redirect_steps=n, **settings) for n in (0, 7))
    np.testing.assert_allclose(split.history, plain.history, atol=1e-6)
    np.testing.assert_allclose(split.images, plain.images, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "error", "word"),
    [
        (dict(steps=0), ValueError, "steps"),
        (dict(batch=0), ValueError, "batch"),
        (dict(thresholds=(0,)), ValueError, "thresholds"),
        (dict(redirect_steps=-1), ValueError, "redirect_steps"),
        (dict(seed=-1), ValueError, "seed"),
        (dict(init=np.zeros((1, 8, 8, 3))), ValueError, "init"),
        (dict(init=np.full((1, 16, 16, 3), 1.5)), ValueError, "init"),
        (dict(optimizer="adam"), ValueError, "optimizer: expected one of 'cma', 'genetic', 'lbfgs'"),
        (dict(optimizer=3), TypeError, "optimizer"),
        (dict(optimizer="genetic", redirect_steps=3), ValueError, "redirect_steps: only for Keras"),
        (dict(transforms=3), TypeError, "transform"),
        (dict(param=lambda: 1), TypeError, "param"),
        (dict(param=param.fourier(16, channels=1)), ValueError, "channels"),
    ],
)
def test_bad_arguments(tiny_network, arguments, error, word):
    with pytest.raises(error, match=word):
        optimize(tiny_network, "conv2:1", **small(**arguments))


def test_an_objective_that_is_not_finite_says_so(tiny_network):
    with pytest.raises(FloatingPointError, match="not finite"):
        optimize(tiny_network, lambda T: T("logits")[:, 0] / 0.0, **small())
