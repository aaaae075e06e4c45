"""What the network itself says of draws: which units are classes, and which answers count as right."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from samplevis import Network, activation, modelzoo, objectives, param
from samplevis.runs.network_answers import _names, class_unit, network_answers
from samplevis.runs.options import RenderOptions, RunOptions
from samplevis.runs.render_plan import plan_render
from samplevis.sampling.options import HMCOptions

LABELS = ("dark", "light", "light|green")


def classifier(end: str | None, labels=LABELS) -> Network:
    """Images are dark, light or green by their means."""
    image = keras.Input((8, 8, 3))
    mean = keras.layers.GlobalAveragePooling2D()(image)
    out = keras.layers.Dense(3, activation=end, name="out")
    model = keras.Model(image, out(mean))
    out.set_weights([np.float32([[-9, 9, 0], [-9, 9, 12], [-9, 9, 0]]), np.float32([13.5, -13.5, -9])])
    return Network(model, value_range=(0, 1), labels=labels)


def unit_of(network, objective):
    made = activation.make_activation(network, objective, param.fourier(8), None)
    return class_unit(network, made.objective)


def pictures(*colors) -> np.ndarray:
    """Uniform images, one draw for each of two chains."""
    return np.tile(np.float32(colors)[None, :, None, None, :], (2, 1, 8, 8, 1))


@pytest.mark.parametrize("end", ["softmax", "sigmoid", None])
def test_units_of_an_output_of_classes(end):
    network = classifier(end)
    for objective in ("out:1", "out:light", "out/post:1", "out/pre:1", objectives.class_probability("out", 1)):
        if end is None and "pre" in str(objective):
            continue
        unit = unit_of(network, objective)
        assert (unit.layer, unit.index, unit.label, unit.ending) == ("out", 1, "light", end or "")
    for other in ("out:1 - out:0", "-out:1", lambda T: T("out")[:, 1]):  # noqa: N803
        assert unit_of(network, other) is None
    # Numbers without names may be anything; those of a softmax are classes.
    unnamed = unit_of(classifier(end, None), "out:1")
    assert (unnamed is None) == (end is None) and (unnamed is None or unnamed.label == "class 1")


def test_units_inside_are_no_classes():
    assert unit_of_shapes("conv2:1") is None and unit_of_shapes("logits:star").label == "star"


def unit_of_shapes(objective):
    network = modelzoo.Shapes()
    layer = objective.partition(":")[0]
    name = objective if layer in network.layers else f"{list(network.layers)[0]}:1"
    made = activation.make_activation(network, name, param.fourier(32), None)
    return class_unit(network, made.objective)


def test_draws_are_named_by_the_network():
    network = classifier("softmax")
    images = pictures((0.1, 0.1, 0.1), (0.9, 0.9, 0.9), (0.6, 1.0, 0.6))
    light = _names(network, unit_of(network, "out:light"), images)
    assert light == {"class": "light", "named": [2, 2], "named_else": "dark", "exclusive": True}
    dark = _names(network, unit_of(network, "out:dark"), images)
    assert dark["named"] == [1, 1] and dark["named_else"] == "light"
    sigmoid = classifier("sigmoid")
    separate = _names(sigmoid, unit_of(sigmoid, "out:light|green"), images)
    assert separate["named"] == [2, 2] and not separate["exclusive"]


def answers_of(network: Network, objective, images: np.ndarray) -> dict:
    plan = plan_render(
        network, objective, HMCOptions(), RenderOptions(smooth=None), RunOptions(), param.fourier(8), transforms=None
    )
    return network_answers(plan, images, images[:, 0])


@pytest.mark.parametrize("seed", range(3))
def test_pictures_of_a_class_that_excite_another_more(seed):
    """Generated: another class reads the same pattern, with a larger weight or, the control, with a smaller one."""
    random = np.random.default_rng(seed)
    pattern, other = random.normal(size=(2, 8 * 8 * 3))
    excited = (0.5 + 0.4 * np.sign(pattern)).reshape(8, 8, 3).astype(np.float32)
    images = np.broadcast_to(excited, (2, 3, 8, 8, 3))
    for gain, named in ((1.5, 0), (0.5, 3)):
        layers = [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax", name="out")]
        model = keras.Sequential(layers)
        kernel = np.stack([other, pattern, gain * pattern], axis=1)
        model.layers[-1].set_weights([kernel.astype(np.float32), -0.5 * kernel.sum(0).astype(np.float32)])
        network = Network(model, value_range=(0, 1), labels=LABELS[:2] + ("green",))
        found = answers_of(network, "out:1", images)
        assert found["named"] == [named, named] and found["named_else"] == ("" if named else "green")
        # What the advice says can be run, and scores the same class against the others.
        against_others = eval(found["log_odds"], {"objectives": objectives})
        assert unit_of(network, against_others).index == 1
        assert answers_of(network, against_others, images)["log_odds"] == ""
