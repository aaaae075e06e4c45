"""Objectives: values against NumPy, the algebra, and errors that teach."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from samplevis import Network, modelzoo, objectives, optimize, param
from samplevis.objectives import Context, Objective, as_objective

ACTIVATIONS = np.random.default_rng(0).normal(size=(3, 5, 4, 6)).astype(np.float32)
LOGITS = np.random.default_rng(1).normal(size=(3, 7)).astype(np.float32)
VALUES = {"conv": tf.constant(ACTIVATIONS), "logits": tf.constant(LOGITS), "input": tf.constant(ACTIVATIONS[..., :3])}
NUMBER = st.floats(-3, 3, width=32)


class Shapes(Context):
    """The shapes of the values above, without a network."""

    def shape(self, layer):
        return VALUES[layer].shape[1:]


SHAPES = Shapes(None, (5, 4), (5, 4, 3))


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
        (" -conv:5 ", -ACTIVATIONS[..., 5].mean((1, 2))),
        (
            "conv:5 + logits:1 - conv:0",
            ACTIVATIONS[..., 5].mean((1, 2)) + LOGITS[:, 1] - ACTIVATIONS[..., 0].mean((1, 2)),
        ),
        ("-conv:5 - -conv:0", ACTIVATIONS[..., 0].mean((1, 2)) - ACTIVATIONS[..., 5].mean((1, 2))),
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
    np.testing.assert_allclose(score((f * f + 1) ** a), (x * x + 1) ** a, **close)
    np.testing.assert_allclose(score(g**2), y * y, **close)
    np.testing.assert_allclose(score(a * (f + g)), score(a * f + a * g), **close)
    np.testing.assert_allclose(score((f + g) + b), score(f + (g + b)), **close)
    np.testing.assert_allclose(score(np.array(a) - f), score(-(f - a)), **close)
    np.testing.assert_allclose(score(np.int64(3) * f), 3 * x, **close)
    np.testing.assert_allclose(score(Objective.sum([f, g, f])), 2 * x + y, **close)
    np.testing.assert_allclose(score(sum([f, g])), x + y, **close)
    # Operands keep their values and their names (Xplique's subtraction changes them).
    np.testing.assert_array_equal(score(f), x)
    assert repr(f) == "channel(conv, 0)"


def test_differences_and_sums_are_exact_and_leave_their_parts_alone():
    """Xplique multiplies the running sum by each weight: a - b becomes -(a + b), 2 a + 3 b becomes 3 (2 a + b)."""
    f, g = objectives.channel("conv", 0), objectives.channel("conv", 1)
    x, y = score(f), score(g)
    np.testing.assert_allclose(score(f - g), x - y, atol=1e-6)
    np.testing.assert_allclose(score(2 * f + 3 * g), 2 * x + 3 * y, atol=1e-6)
    assert np.abs((x - y) - -(x + y)).min() > 1e-3 and np.abs((2 * x + 3 * y) - 3 * (2 * x + y)).min() > 1e-3
    np.testing.assert_array_equal(score(f), x)
    np.testing.assert_array_equal(score(g), y)


@pytest.mark.parametrize("whole", [np.int64, np.int32, np.uint8])
def test_numpy_integers_are_whole_numbers(tiny_network, whole):
    """Lucid takes them for no number at all."""
    for objective in (
        objectives.channel("conv2", whole(4)),
        objectives.neuron("conv2", whole(4), x=whole(1), y=whole(2)),
        objectives.class_logit("logits", whole(2)),
        objectives.class_probability("logits", whole(2)),
        objectives.channel_interpolate("conv1", whole(0), "conv2", whole(1)),
        objectives.first_positions("conv2", whole(4), whole(3)),
    ):
        parameters = objective.resolve(tiny_network, (16, 16)).parameters
        assert all(type(number) is int for number in parameters if np.ndim(number) == 0)


def test_labels_are_loaded_only_if_asked_for(tiny_network):
    loaded = []
    network = Network(tiny_network.model, labels=lambda: loaded.append(1) or ("a", "b", "c"))
    settings = dict(param=param.pixel(16), transforms=None, steps=1, progress=False)
    optimize(network, objectives.class_logit("logits", 1) + objectives.channel("conv1", 0), **settings)
    assert not loaded
    optimize(network, lambda T: T("logits")[:, T("labels").index("c")], **settings)
    assert loaded == [1]


def test_the_old_name_of_a_context_warns():
    with pytest.warns(DeprecationWarning, match="objectives.Setting is now objectives.Context"):
        assert objectives.Setting is objectives.Context
    with pytest.raises(AttributeError, match="Settings"):
        objectives.Settings  # noqa: B018


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


@settings(deadline=None, max_examples=20)
@given(mask=arrays(bool, (5, 4)).filter(np.any), n=st.integers(0, 5))
def test_positions_are_a_mean_over_any_mask(mask, n):
    parts = [objectives.positions("conv", n, where).resolver(SHAPES, (n, None)) for where in (mask, np.nonzero(mask))]
    values = [objectives.positions("conv", n).function(VALUES.__getitem__, part).numpy() for part in parts]
    np.testing.assert_allclose(values[0], ACTIVATIONS[:, mask, n].mean(1), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(values[0], values[1])


def test_resolve_finds_layers_and_numbers(tiny_network):
    f = objectives.class_logit("logits", "b") - objectives.L1() + objectives.neuron("conv2", 4)
    known = f.resolve(tiny_network, (16, 12))
    assert known.layers == ("logits", "input", "conv2")
    assert known.parameters == (1, 0.0, 4, 4, 3, 0)
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
        (objectives.class_probability("logits", "d"), ["'d'"]),
        (objectives.positions("conv2", 5), ["channel", "0 to 4", "5"]),
        (objectives.positions("conv2", 0, np.s_[8]), ["where", "(8, 8)"]),
        (objectives.positions("conv2", 0, np.s_[3:3]), ["where", "at least one"]),
        (objectives.positions("conv2", 0, np.ones((4, 4), bool)), ["where", "(8, 8)"]),
        (objectives.positions("logits", 0), ["layer", "'logits'", "rows"]),
        (objectives.first_positions("conv2", 0, 0), ["n:", "1 to 64", "0"]),
        (objectives.first_positions("conv2", 0, 65), ["n:", "1 to 64", "65"]),
        (objectives.distance_to_constant("conv2", 0, 1, np.s_[9]), ["where", "(8, 8)"]),
        (objectives.direction_neuron("conv2", [1, 2]), ["vector", "5 channels", "2 numbers"]),
        (objectives.direction_neuron("conv2", np.ones(5), x=8), ["x (row)", "0 to 7", "8"]),
        (objectives.tensor_direction("conv2", np.ones((2, 2, 4))), ["tensor", "5 channels", "4 numbers"]),
        (objectives.tensor_direction("conv2", np.ones((9, 2, 5))), ["tensor", "(8, 8)", "(9, 2)"]),
        (objectives.input_diff(np.zeros((4, 4, 3))), ["image", "(16, 16, 3)", "(4, 4, 3)"]),
        (objectives.blur_alpha_each_step(), ["4 channels", "RGBA", "3"]),
        (objectives.penalize_boundary_complexity(mask=np.ones((4, 4))), ["mask", "(16, 16)", "(4, 4)"]),
        (objectives.channel_interpolate("conv1", 4, "conv2", 0), ["n1", "0 to 3", "4"]),
        (objectives.channel_interpolate("conv1", 0, "conv2", 5), ["n2", "0 to 4", "5"]),
        (objectives.dot_compare("conv2", np.full((16, 16, 3), 2.0)), ["images", "[0, 1]"]),
        (objectives.decay(3), ["[batch]", "decay(3)", "()"]),
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


@pytest.mark.parametrize(
    "text",
    ["conv", "conv:", ":3", "-:3", "conv:-1", "conv:²", "", "conv:1 +", "conv:1 + conv"],
)
def test_bad_strings(text):
    with pytest.raises(ValueError, match="layer:channel"):
        as_objective(text)


@pytest.mark.parametrize(("text", "sign"), [("logits:heart", 1), ("-logits: heart", -1)])
def test_a_class_by_its_name(text, sign):
    network = modelzoo.Shapes()
    logits = tf.constant(np.arange(2.0 * len(network.labels)).reshape(2, -1), tf.float32)
    found = as_objective(text).resolve(network, (64, 64))({"logits": logits}.__getitem__)
    np.testing.assert_allclose(found, sign * logits[:, network.labels.index("heart")])


def test_a_class_that_is_misspelt():
    with pytest.raises(ValueError, match="Did you mean 'heart'"):
        as_objective("logits:haert").resolve(modelzoo.Shapes(), (64, 64))


def test_bad_types():
    with pytest.raises(TypeError, match="obj"):
        as_objective(3)
    with pytest.raises(TypeError):
        objectives.channel("conv", 0) + "conv:1"
    with pytest.raises(ValueError, match="at least one"):
        Objective.sum([])
    with pytest.raises(ValueError, match="vector"):
        objectives.direction("conv", [[1.0]])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: objectives.direction("conv", [1.0], cossim_pow=-1), ["direction", "cossim_pow", "-1"]),
        (lambda: objectives.direction_neuron("conv", [[1.0]]), ["vector", "(1, 1)"]),
        (lambda: objectives.tensor_direction("conv", [1.0]), ["tensor", "[h, w, channels]", "(1,)"]),
        (lambda: objectives.random_direction("conv", -1), ["seed", "-1"]),
        (lambda: objectives.dot_compare("conv", np.zeros((4, 4))), ["image", "(4, 4)"]),
        (lambda: objectives.activation_difference([], np.zeros((4, 4, 3))), ["layers", "at least one"]),
        (lambda: objectives.penalize_boundary_complexity(0), ["w", ">= 1", "0"]),
        (lambda: objectives.only_image(-1), ["n", ">= 0", "-1"]),
        (lambda: objectives.alignment("conv", 0), ["decay_ratio", "> 0", "0"]),
        (lambda: objectives.decay(0), ["steps", "> 0", "0"]),
        (lambda: objectives.only_after(-1), ["step", ">= 0", "-1"]),
        (lambda: objectives.ramp(5, 5), ["ramp", "last", "> 5", "5"]),
    ],
)
def test_bad_arguments_are_named_at_once(make, words):
    with pytest.raises(ValueError) as error:
        make()
    for word in words:
        assert word in str(error.value)
