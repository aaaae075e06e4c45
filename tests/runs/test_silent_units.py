"""Units that never fire: every call that optimises them names them, and no unit that fires is named."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest

from samplevis import Network, optimize, param, sweep

SMALL = {"param": param.fourier(16), "transforms": None, "steps": 20, "progress": False}
CHANNELS = 6


def _network(silent: tuple[int, ...], how: str) -> Network:
    """A network of which some channels never fire: by a bias, by weights of 0, or by their own next layer."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((None, None, 3)),
        keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="low"),
        keras.layers.Conv2D(CHANNELS, 3, padding="same", activation="relu", name="unit"),
    ]
    model = keras.Sequential(layers)
    kernel, bias = model.get_layer("unit").get_weights()
    bias[:] = 0.1
    bias[list(silent)] = {"bias": -100, "weights": 0, "constant": 2}[how]
    if how != "bias":
        kernel[..., list(silent)] = 0
    model.get_layer("unit").set_weights([kernel, bias])
    return Network(model, value_range=(0, 1))


def _warned(call) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)]


@pytest.mark.parametrize("how", ["bias", "weights", "constant"])
@pytest.mark.parametrize("smooth", [None, 0.3])
def test_a_sweep_names_the_silent_units_and_no_others(how: str, smooth: float | None):
    silent = (1, 4)
    (text,) = _warned(lambda: sweep(_network(silent, how), "unit", smooth=smooth, **SMALL))
    assert text.startswith("objectives: 2 of 6 ")
    for channel in range(CHANNELS):
        assert (f"channel(unit, {channel})" in text) == (channel in silent), text


@pytest.mark.parametrize("how", ["bias", "weights", "constant"])
def test_optimize_names_the_images_of_a_silent_unit(how: str):
    network = _network((2,), how)
    (text,) = _warned(lambda: optimize(network, "unit:2", batch=2, **SMALL))
    assert text.startswith("obj: channel(unit, 2) ") and "for image 0, 1 of 2" in text or "to image 0, 1 of 2" in text
    assert not _warned(lambda: optimize(network, "unit:3", batch=2, **SMALL))


def test_many_silent_units_are_counted():
    network = _network(tuple(range(CHANNELS)), "bias")
    units = [f"unit:{n % CHANNELS}" for n in range(CHANNELS)] + [
        f"unit:{n} + unit:{m}" for n in range(6) for m in range(6)
    ]
    text = " ".join(_warned(lambda: sweep(network, units, **SMALL | {"steps": 6})))
    assert "more" in text and "channel(unit, 0)" in text


def test_a_single_step_is_not_judged():
    assert not _warned(lambda: optimize(_network((), "bias"), "unit:3", **SMALL | {"steps": 1}))
    constant = np.full((1, 16, 16, 3), 0.5, np.float32)
    assert not _warned(lambda: optimize(_network((), "bias"), "unit:3", init=constant, **SMALL))
