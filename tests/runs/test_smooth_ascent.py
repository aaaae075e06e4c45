"""Gradient ascent on a smoothed network first, as render optimises."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import samplevis
from samplevis import Network, optimize, overrides, param, render, sweep, transform

SMALL = {"param": param.fourier(16), "transforms": transform.noise(0.02), "progress": False}


def _network(activation: str = "relu6") -> Network:
    keras.utils.set_random_seed(1)
    layers = [
        keras.Input((None, None, 3)),
        keras.layers.Conv2D(6, 3, padding="same", activation=activation, name="low"),
        keras.layers.Conv2D(4, 3, padding="same", name="unit"),
    ]
    return Network(keras.Sequential(layers), value_range=(0, 1))


def test_the_first_part_is_that_of_the_smoothed_network_and_the_last_of_the_network_itself():
    network = _network()
    both = optimize(network, "unit:1", steps=20, thresholds=(8, 16, 18), **SMALL)
    first = optimize(overrides.smooth(network), "unit:1", steps=16, thresholds=(8,), smooth=None, **SMALL)
    np.testing.assert_allclose(both.history[:16], first.history, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(both.snapshots[16], first.images, atol=1e-4)
    np.testing.assert_allclose(both.snapshots[8], first.snapshots[8], atol=1e-4)
    assert both.history.shape == (20, 1) and sorted(both.snapshots) == [8, 16, 18]
    plain = optimize(network, "unit:1", steps=20, smooth=None, **SMALL)
    assert np.abs(plain.images - both.images).max() > 1e-3
    # The last part scores the network itself.
    exact = network.activations(both.images, "unit")["unit"].numpy()[..., 1].mean()
    np.testing.assert_allclose(exact, both.history[-1, 0], atol=5e-3)
    smoothed = optimize(overrides.smooth(network), "unit:1", steps=20, smooth=None, **SMALL)
    assert np.abs(smoothed.history[16:] - both.history[16:]).max() > 1e-4


class _Stop(samplevis.Callback):
    """Presses Ctrl-C after the first steps."""

    def on_step(self, stage, done, total, figures):
        raise KeyboardInterrupt


@pytest.mark.parametrize("activation", ["relu6", "tanh"])
@pytest.mark.parametrize("smooth", [0.3, None])
def test_each_part_of_the_history_is_of_the_network_that_it_names(activation: str, smooth: float | None):
    network, settings = _network(activation), SMALL | {"transforms": None}
    found = optimize(network, "unit:1", steps=40, thresholds=range(1, 40), smooth=smooth, **settings)
    assert found.smooth_steps == (32 if activation == "relu6" and smooth else 0)
    copy = overrides.smooth(network) if found.smooth_steps else network
    for step in (1, 20, 31, 32, 39):
        # A row is the activation before the step's update.
        first, other = (copy, network) if step < found.smooth_steps else (network, copy)
        values = [float(each(found.snapshots[step], "unit")["unit"].numpy()[..., 1].mean()) for each in (first, other)]
        np.testing.assert_allclose(found.history[step, 0], values[0], atol=1e-4)
        assert not found.smooth_steps or abs(values[1] - values[0]) > 3e-4, "the two networks differ"
    assert "smoothed" not in repr(found)


def test_an_image_of_the_smoothed_network_alone_says_so():
    found = optimize(_network(), "unit:1", steps=40, callbacks=[_Stop()], **SMALL)
    assert found.smooth_steps == len(found.history) == 16
    assert "on the smoothed network after 16 steps" in repr(found)


@pytest.mark.parametrize("activation", ["silu", "tanh"])
def test_a_network_without_kinks_is_optimised_as_it_is(activation: str):
    network = _network(activation)
    with_default, without = (optimize(network, "unit:1", steps=6, smooth=s, **SMALL).images for s in (0.3, None))
    assert np.array_equal(with_default, without)


def test_a_sweep_gives_the_images_of_optimize():
    network = _network()
    found = sweep(network, ["unit:0", "unit:2"], steps=12, **SMALL)
    for image, unit in zip(found, ("unit:0", "unit:2"), strict=True):
        alone = optimize(network, unit, steps=12, redirect_steps=16, **SMALL).images[0]
        np.testing.assert_allclose(image, alone, atol=2e-3)


@pytest.mark.slow
def test_optimize_shows_what_render_starts_from():
    network = _network()
    settings = {"im_size": 16, "progress": False}
    run = {"num_results": 1, "num_chains": 2, "num_burnin_steps": 0}
    samples = render(network, "unit:1", run, optimize_steps=64, anneal_steps=1, **settings)
    found = optimize(network, "unit:1", steps=80, batch=2, **settings)
    # The last fifth has other random transforms, so that pixels differ a little.
    assert np.abs(found.images - samples.optimized).mean() < 0.03
    other = optimize(network, "-unit:1", steps=80, batch=2, **settings)
    assert np.abs(other.images - samples.optimized).mean() > 0.1


@pytest.mark.parametrize("smooth", [0, -1.0, float("nan"), "much"])
def test_a_bad_softness_is_named(smooth: object):
    with pytest.raises((TypeError, ValueError), match="smooth: expected"):
        optimize(_network(), "unit:1", smooth=smooth, **SMALL)


def test_a_function_that_is_made_anew_is_noticed_once():
    network = _network("tanh")

    def unit(channel: int):
        return lambda T: tf.reduce_mean(T("unit")[..., channel], [1, 2])

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        one = unit(1)
        for obj in (one, one):
            optimize(network, obj, steps=2, **SMALL)
        assert not caught
        for channel in (2, 3):
            optimize(network, unit(channel), steps=2, **SMALL)
    (warning,) = caught
    assert "compiled anew" in str(warning.message) and "objectives.channel" in str(warning.message)
