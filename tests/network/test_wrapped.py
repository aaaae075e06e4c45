"""A raw Keras model is wrapped once: nothing is compiled twice, every change is seen, and the model can be collected."""

from __future__ import annotations

import ast
import copy
import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import with_slow

import samplevis
from samplevis import Network, overrides, param
from samplevis.network import as_network, inference, structure, wrapped

PIXELS = param.pixel(8)


class Scaled(keras.layers.Layer):
    """A layer whose graph depends on an array and on a list."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.factors, self.terms = np.float32([1, 2, 3]), [0.5]

    def call(self, x):
        return x * tf.constant(self.factors) + sum(self.terms)


def new_model() -> keras.Sequential:
    """Built, with a nested model, an array in a layer, and a penalty that Keras collects in training."""
    keras.utils.set_random_seed(0)
    inner = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, activation="elu", name="conv", activity_regularizer="l2")],
        name="inner",
    )
    layers = [keras.Input((8, 8, 3)), keras.layers.Rescaling(2.0, name="scale"), Scaled(name="scaled"), inner]
    return keras.Sequential([*layers, keras.layers.LeakyReLU(name="leaky")], name="raw")


def optimized(model: keras.Model | Network) -> bytes:
    result = samplevis.optimize(model, "leaky:1", param=PIXELS, transforms=None, steps=3, progress=False)
    return result.images.tobytes() + result.history.tobytes()


@pytest.fixture
def traces(monkeypatch):
    """A list that grows with every graph that is traced."""
    found, own = [], tf.Graph.__init__

    def counted(graph, *arguments, **settings):
        own(graph, *arguments, **settings)
        found.append(graph)

    monkeypatch.setattr(tf.Graph, "__init__", counted)
    return found


def test_a_second_call_traces_nothing(traces):
    model = new_model()
    first = optimized(model)
    assert traces
    traces.clear()
    assert optimized(model) == first and not traces
    assert optimized(Network(model)) == first and traces, "a new network of the same model is traced"


@pytest.mark.slow
def test_a_second_render_of_a_raw_model_traces_nothing(traces):
    model = new_model()
    options = dict(num_results=2, num_burnin_steps=5, num_leapfrog_steps=2, num_chains=2, num_transforms=2)

    def rendered(model, channel):
        # Of a softness: where the run finds it, another unit may have a copy of another one, with code of its own.
        small = dict(im_size=8, optimize_steps=4, anneal_steps=25, smooth=0.3, progress=False)
        samplevis.render(model, f"leaky:{channel}", options, **small)

    rendered(model, 1)
    traces.clear()
    rendered(model, 2)
    assert not traces
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None


def set_weights(model):
    model.set_weights([1.5 * weights for weights in model.get_weights()])


def train(model):
    model.compile("sgd", "mse")
    model.fit(np.ones((2, 8, 8, 3)), np.ones((2, 6, 6, 4)), verbose=0)


@pytest.mark.parametrize("change", with_slow([set_weights, train], [train]))
def test_weights_are_read_when_a_call_runs(change):
    model = new_model()
    before, network = optimized(model), as_network(model)
    change(model)
    after = optimized(model)
    assert after != before and after == optimized(Network(model))
    if change is set_weights:
        assert as_network(model) is network


def test_statistics_of_training_are_asked_again():
    keras.utils.set_random_seed(0)
    layers = [keras.Input((16, 16, 3)), keras.layers.Conv2D(8, 3), keras.layers.BatchNormalization(name="norm")]
    model = keras.Sequential([*layers, keras.layers.ReLU()], name="raw")
    assert as_network(model).value_range == (0, 1)
    values = model.layers[0](255 * inference._noise((64, 16, 16, 3))).numpy()
    norm = model.get_layer("norm")
    norm.moving_mean.assign(values.mean((0, 1, 2)))
    norm.moving_variance.assign(values.var((0, 1, 2)))
    assert as_network(model).value_range == Network(model).value_range == (0, 255)
    assert as_network(model) is as_network(model)


def test_training_leaves_the_network_in_place():
    model = new_model()
    train(model)
    network = as_network(model)
    train(model)
    model.predict(np.zeros((1, 8, 8, 3)), verbose=0)
    assert as_network(model) is network


def replace_activation(model):
    model.get_layer("inner").get_layer("conv").activation = keras.activations.tanh


def change_number(model):
    model.get_layer("leaky").negative_slope = 0.9


def change_array(model):
    model.get_layer("scaled").factors[0] = 5


def change_list(model):
    model.get_layer("scaled").terms.append(1.0)


def replace_layer(model):
    model.pop()
    model.add(keras.layers.ELU(name="leaky"))


def add_to_nested(model):
    model.get_layer("inner").add(keras.layers.Rescaling(-1.0))


CHANGES = [replace_activation, change_number, change_array, change_list, replace_layer, add_to_nested]


def is_seen(change: Callable[[keras.Model], None]) -> bool:
    """Whether a call after a change gives what it gives on a network that is made after the change."""
    model = new_model()
    before = optimized(model)
    change(model)
    expected = optimized(Network(model))
    assert expected != before, "the change makes a difference"
    return optimized(model) == expected


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_changed_structure_is_another_network(change):
    model = new_model()
    network = as_network(model)
    assert as_network(model) is network
    change(model)
    assert as_network(model) is not network


@pytest.mark.parametrize("change", with_slow(CHANGES, lambda change: change is not change_number))
def test_a_changed_structure_is_seen(change):
    assert is_seen(change)


def test_a_change_that_is_not_looked_for_is_missed(monkeypatch):
    """The control: the check above finds a cache that looks at nothing."""
    for module in (wrapped, structure):
        monkeypatch.setattr(module, "is_same", lambda before, now: True)
    assert not is_seen(change_number)


def test_layers_that_are_added_can_be_asked_for():
    model = new_model()
    assert "more" not in as_network(model).layers
    model.add(keras.layers.Dense(2, name="more"))
    assert as_network(model).layers["more"] == (6, 6, 2)


def test_a_weight_that_is_not_finite_any_more():
    model = new_model()
    as_network(model)
    model.weights[0].assign(np.nan * model.weights[0])
    with pytest.raises(ValueError, match="not finite"):
        as_network(model)


@pytest.mark.parametrize("redirect_steps", with_slow([0, 2], [2]))
def test_a_model_is_collected_with_its_network(redirect_steps):
    model = new_model()
    settings = dict(param=PIXELS, steps=3, redirect_steps=redirect_steps, progress=False)
    samplevis.optimize(model, "inner/conv:1", **settings)
    model_reference, network_reference = weakref.ref(model), weakref.ref(as_network(model))
    del model
    gc.collect()
    assert model_reference() is None and network_reference() is None


def test_the_network_is_in_no_copy_and_in_no_file(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3, name="conv")])
    network = as_network(model)
    model.save(tmp_path / "model.keras")
    for other in (
        copy.deepcopy(model),
        keras.models.clone_model(model),
        keras.models.load_model(tmp_path / "model.keras"),
    ):
        assert wrapped.ATTRIBUTE not in vars(other) and as_network(other) is not network
    assert as_network(model) is network


def test_a_subclassed_model_is_copied_in_each_call():
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = keras.layers.Conv2D(2, 3)

        def call(self, x):
            return self.conv(x)

    model = Subclassed()
    model(np.zeros((1, 8, 8, 3), np.float32))
    assert as_network(model) is not as_network(model)


def test_every_entry_comes_through_the_same_door():
    """Only what makes its own model, or says more about one than a raw model does, calls `Network` itself."""
    root = Path(samplevis.__file__).parent
    found = {
        str(file.relative_to(root))
        for file in root.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", None)) == "Network"
    }
    found = {name for name in found if not name.startswith("modelzoo/")}
    assert found == {
        "lucid/modelzoo/vision_models.py",
        "network/convert.py",
        "network/network.py",
        "network/wrapped.py",
        "optimizers/blackbox.py",
    }


@pytest.mark.parametrize("change", with_slow(CHANGES, lambda change: change is not replace_activation))
@pytest.mark.parametrize("copied", [False, True])
def test_a_network_sees_changes_of_its_model(change, copied):
    """A Sequential model is read when its network is made: of what is added to it later, only calls of a nested model know."""
    if change is replace_layer:
        pytest.skip("the network has the layers of the model that it was made of")
    model = new_model()
    make = overrides.redirect_relu if copied else Network
    network = make(model)
    before = optimized(network)
    change(model)
    after = optimized(network)
    assert after != before and after == optimized(make(model))
