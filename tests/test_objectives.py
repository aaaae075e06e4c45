"""Objectives: values against NumPy, the algebra, and errors that teach."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from samplevis import objectives
from samplevis.objectives import Objective, as_objective

ACTIVATIONS = np.random.default_rng(0).normal(size=(3, 5, 4, 6)).astype(np.float32)
LOGITS = np.random.default_rng(1).normal(size=(3, 7)).astype(np.float32)
VALUES = {"conv": tf.constant(ACTIVATIONS), "logits": tf.constant(LOGITS), "input": tf.constant(ACTIVATIONS[..., :3])}
NUMBER = st.floats(-3, 3, width=32)


def score(objective):
    return as_objective(objective)(VALUES.__getitem__).numpy()


def cossim(vector, power):
    dot = ACTIVATIONS @ vector
    norms = (1e-4 + np.linalg.norm(ACTIVATIONS, axis=-1)) * (1e-4 + np.linalg.norm(vector))
    return (dot * np.maximum(0.1, dot / norms) ** power).mean((1, 2))


VECTOR = np.arange(6, dtype=np.float32) - 2


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (objectives.neuron("conv", 2), ACTIVATIONS[:, 2, 2, 2]),
        (objectives.neuron("conv", 2, x=4, y=1), ACTIVATIONS[:, 4, 1, 2]),
        (objectives.neuron("logits", 3), LOGITS[:, 3]),
        (objectives.channel("conv", 5), ACTIVATIONS[..., 5].mean((1, 2))),
        ("conv:5", ACTIVATIONS[..., 5].mean((1, 2))),
        (objectives.class_logit("logits", 4), LOGITS[:, 4]),
        (objectives.direction("conv", VECTOR), (ACTIVATIONS @ VECTOR).mean((1, 2))),
        (objectives.direction("conv", VECTOR, cossim_pow=2), cossim(VECTOR, 2)),
        (objectives.deepdream("conv"), (ACTIVATIONS**2).mean((1, 2, 3))),
        (objectives.L1("conv", 0.5), np.abs(ACTIVATIONS - 0.5).sum((1, 2, 3))),
        (objectives.L2("conv"), np.sqrt(1e-6 + (ACTIVATIONS**2).sum((1, 2, 3)))),
        (
            objectives.total_variation(),
            np.abs(np.diff(ACTIVATIONS[..., :3], axis=1)).sum((1, 2, 3))
            + np.abs(np.diff(ACTIVATIONS[..., :3], axis=2)).sum((1, 2, 3)),
        ),
        (lambda T: T("logits")[:, 0] ** 2, LOGITS[:, 0] ** 2),
    ],
)
def test_values(objective, expected):
    np.testing.assert_allclose(score(objective), expected, rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=25)
@given(a=NUMBER, b=NUMBER)
def test_algebra(a, b):
    f, g = objectives.channel("conv", 0), objectives.class_logit("logits", 2)
    x, y = score(f), score(g)
    close = {"rtol": 1e-4, "atol": 1e-4}
    np.testing.assert_allclose(score(a * f + b * g), a * x + b * y, **close)
    np.testing.assert_allclose(score(f - g), score(f + (-g)), **close)
    np.testing.assert_allclose(score(f * g), score(g * f), **close)
    np.testing.assert_allclose(score(1 - f), 1 - x, **close)
    np.testing.assert_allclose(score(np.float32(a) + f), a + x, **close)
    np.testing.assert_allclose(score(np.float64(a) * f), a * x, **close)
    np.testing.assert_allclose(score((f + a) / 2), (x + a) / 2, **close)
    np.testing.assert_allclose(score(2 / (f * f + 1)), 2 / (x * x + 1), **close)
    np.testing.assert_allclose(score(Objective.sum([f, g, f])), 2 * x + y, **close)
    np.testing.assert_allclose(score(sum([f, g])), x + y, **close)
    # Operands keep their values and their names (Xplique's subtraction changes them).
    np.testing.assert_array_equal(score(f), x)
    assert repr(f) == "channel(conv, 0)"


def test_printing():
    f = objectives.channel("fire9", 10) - 0.5 * objectives.L2("input")
    assert repr(f) == "(channel(fire9, 10) - (0.5 * L2(input)))"
    with pytest.raises(AttributeError):
        f.description = "other"


def test_one_image_does_not_touch_another(tiny_network):
    images = np.random.default_rng(0).uniform(size=(2, 16, 16, 3)).astype(np.float32)
    changed = images.copy()
    changed[1] = 0
    for objective in (
        objectives.direction("conv2", np.ones(5), cossim_pow=1),
        objectives.deepdream("conv1"),
        objectives.total_variation("conv1"),
        objectives.neuron("conv2", 1),
    ):
        first = [
            objective(tiny_network.activations(batch, objective.resolve(tiny_network, (16, 16)).layers).__getitem__)
            for batch in (images, changed)
        ]
        assert first[0][0] == first[1][0] and first[0][1] != first[1][1]


def test_resolve_finds_layers_and_numbers(tiny_network):
    f = objectives.class_logit("logits", "b") - objectives.L1() + objectives.neuron("conv2", 4)
    known = f.resolve(tiny_network, (16, 12))
    assert known.layers == ("logits", "input", "conv2")
    assert known.parameters == (1, 0.0, 4, 4, 3)
    assert known.structure == f.structure
    again = known.resolve(tiny_network, (16, 12))
    assert again.parameters == known.parameters
    channels = {objectives.channel("conv2", n).resolve(tiny_network).structure for n in range(5)}
    assert len(channels) == 1


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        ("conv22:0", ["conv22", "conv2"]),
        ("conv2:5", ["channel", "0 to 4", "5"]),
        (objectives.neuron("conv2", 0, x=8), ["x (row)", "0 to 7", "8"]),
        (objectives.neuron("conv2", 0, y=-1), ["y (column)", "-1"]),
        (objectives.neuron("logits", 0, x=1), ["logits", "x=1"]),
        (objectives.class_logit("logits", "d"), ["'d'"]),
        (objectives.class_logit("logits", 3), ["label", "0 to 2", "3"]),
        (objectives.channel("conv2", True), ["channel", "True"]),
        (objectives.direction("conv2", [1, 2]), ["vector", "5 channels", "2 numbers"]),
        (lambda T: tf.reduce_mean(T("conv2")), ["[batch]", "()"]),
        (lambda T: T("conv2"), ["[batch]", "(2, 8, 8, 5)"]),
    ],
)
def test_errors_name_what_is_wrong(tiny_network, objective, words):
    with pytest.raises(ValueError) as error:
        as_objective(objective).resolve(tiny_network, (16, 16))
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("text", ["conv", "conv:", ":3", "conv:x", "conv:-1"])
def test_bad_strings(text):
    with pytest.raises(ValueError, match="layer:channel"):
        as_objective(text)


def test_bad_types():
    with pytest.raises(TypeError, match="obj"):
        as_objective(3)
    with pytest.raises(TypeError):
        objectives.channel("conv", 0) + "conv:1"
    with pytest.raises(ValueError, match="at least one"):
        Objective.sum([])
    with pytest.raises(ValueError, match="vector"):
        objectives.direction("conv", [[1.0]])
