"""What programs for Lucid rely on: own models and graphs, sessions, layouts, recipes and layers' names as Lucid has them."""

from __future__ import annotations

import pickle

import googlenet
import keras
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from samplevis import modelzoo
from samplevis.lucid.core.facts import MODELS
from samplevis.lucid.misc.tfutil import create_session
from samplevis.lucid.modelzoo import vision_models
from samplevis.lucid.modelzoo.get_activations import get_activations
from samplevis.lucid.modelzoo.vision_base import Layer, Model
from samplevis.lucid.optvis import objectives, param, render, transform
from samplevis.lucid.recipes import caricature as recipe
from samplevis.lucid.recipes.feature_visualization import channel, neuron
from samplevis.lucid.recipes.image_activations import image_activations, manifest_image_activations
from samplevis.lucid.scratch.parameter_editor import ParameterEditor

RANDOM = np.random.default_rng(5)
PHOTO = RANDOM.uniform(size=(40, 56, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A small graph: a convolution, a rectifier, another convolution, and a mean, after the range (-1, 1)."""
    weights = np.random.RandomState(0).standard_normal((3, 3, 3, 4)).astype(np.float32)
    more = np.random.RandomState(1).standard_normal((3, 3, 4, 5)).astype(np.float32)
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None] * 4, name="images")
        x = tf.nn.relu(tf.nn.conv2d(x, tf.constant(weights, name="w"), 1, "SAME", name="first"), name="relu")
        x = tf.nn.conv2d(x, tf.constant(more), 2, "SAME", name="second")
        tf.nn.softmax(tf.reduce_mean(x, [1, 2], name="logits"), name="softmax")
    file = tmp_path_factory.mktemp("own") / "own.pb"
    file.write_bytes(graph.as_graph_def().SerializeToString())
    return file


@pytest.fixture(scope="module")
def own(path):
    class Own(Model):
        model_path, input_name = str(path), "images"
        image_shape, image_value_range = [24, 24, 3], (-1, 1)

    return Own


def plain(**settings):
    return lambda: param.image(16, **settings)


def optimized(model, objective="second:2", images=None, **settings):
    """One step on pixels, from the same first values in each call."""
    settings = {"transforms": [], "thresholds": [0], "verbose": False, "use_fixed_seed": True} | settings
    images = images or plain(fft=False, decorrelate=False)
    return render.render_vis(model, objective, images, tf.train.GradientDescentOptimizer(5.0), **settings)[-1]


# --- Models of a program's own ----------------------------------------------------------------------------------------


def test_a_subclass_says_what_its_network_sees(own):
    """Whatever it overrides: the picture is that of a model whose declaration says the same."""

    class Declared(own):
        image_value_range = (0, 2)

    class Written(own):
        def create_input(self, t_input=None, forget_xy_shape=True):
            t_input, _ = super().create_input(t_input, forget_xy_shape)
            return t_input, 2.0 * (t_input if len(t_input.shape) == 4 else t_input[None])

    class Imported(own):
        def import_graph(self, t_input=None, scope="import", forget_xy_shape=True, input_map=None):
            graph = tf.get_default_graph()
            tf.import_graph_def(self.graph_def, {"images": 2.0 * t_input}, name=scope)
            return lambda name: graph.get_tensor_by_name(f"{scope}/{name}:0")

    class Foreign:
        """Not of Lucid's classes at all."""

        def __init__(self, model):
            self.model, self.labels, self.image_shape = model, ["a"], [16, 16, 3]

        def import_graph(self, t_image, scope="import", forget_xy_shape=True, input_map=None):
            return Imported.import_graph(self.model, t_image, scope, forget_xy_shape, input_map)

    changed = own()
    changed.image_value_range = (0, 2)
    expected = optimized(Declared())
    assert np.abs(expected - optimized(own())).max() > 1e-3
    for model in (Written(), Imported(), Foreign(own()), changed):
        np.testing.assert_allclose(optimized(model), expected, atol=1e-5)
        acts = get_activations(model, "second", PHOTO[None, :16, :16])
        np.testing.assert_allclose(acts, get_activations(Declared(), "second", PHOTO[None, :16, :16]), atol=1e-4)


def test_what_is_done_after_the_import_is_seen(own):
    class Doubled(own):
        def post_import(self, scope):
            graph = tf.get_default_graph()
            tf.multiply(graph.get_tensor_by_name(f"{scope}/second:0"), 2.0, name=f"{scope}/doubled")

    values = [optimized(Doubled(), name) for name in ("doubled:2", lambda T: 2 * tf.reduce_mean(T("second")[..., 2]))]
    np.testing.assert_allclose(*values, atol=1e-6)
    with tf.Graph().as_default(), tf.Session():
        T = render.import_model(Doubled(), tf.constant(PHOTO), None)
        np.testing.assert_allclose(T("doubled").eval(), 2 * T("second").eval(), rtol=1e-6)


def test_a_model_of_the_zoo_under_another_range_is_not_the_zoos():
    class Dark(vision_models.Shapes):
        def create_input(self, t_input=None, forget_xy_shape=True):
            t_input, seen = super().create_input(t_input, forget_xy_shape)
            return t_input, 0.1 * seen

    images = lambda: param.image(32, fft=False)  # noqa: E731
    bright, dark = (optimized(model(), "logits:4", images) for model in (vision_models.Shapes, Dark))
    assert np.abs(bright - dark).max() > 1e-3


def test_edited_weights_are_those_that_are_used(own):
    edited = own()
    before = optimized(edited)
    parameters = ParameterEditor(edited.graph_def)
    assert parameters["w"].shape == (3, 3, 3, 4)
    parameters["w", :, :, 0] *= -1
    after = optimized(edited)
    assert np.abs(after - before).max() > 1e-4
    parameters["w"] = parameters["w"] * np.float32([-1, 1, 1])[:, None]
    np.testing.assert_allclose(optimized(edited), before, atol=1e-6)
    with pytest.raises(ValueError, match="shape"):
        parameters["w"] = np.zeros(3)


def test_models_are_equal_if_their_files_are(own, path, tmp_path):
    copy = tmp_path / "other.pb"
    copy.write_bytes(path.read_bytes())
    metadata = {"input_name": "images", "image_shape": [24, 24, 3], "image_value_range": [-1, 1]}
    one, same, other = (Model.load_from_metadata(str(file), metadata) for file in (path, path, copy))
    assert one == same and hash(one) == hash(same) and len({one, same, other, own()}) == 2
    networks = [vision_models.NetworkModel(modelzoo.Shapes()) for _ in range(2)]
    assert networks[0] != networks[1] and networks[0] == vision_models.NetworkModel(networks[0].network)
    assert pickle.loads(pickle.dumps(vision_models.Shapes())).name == "Shapes"
    assert vision_models.VGG16_caffe() == pickle.loads(pickle.dumps(vision_models.VGG16_caffe()))


def test_save_and_load_inside_and_outside_of_graphs(tmp_path, capsys):
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 16, 16, 3], name="input")
        weights = tf.get_variable("w", initializer=np.full((1, 1, 3, 2), 0.1, np.float32))
        tf.nn.softmax(tf.reduce_mean(tf.nn.conv2d(x, weights, 1, "SAME", name="conv"), [1, 2]), name="output")
        session.run(tf.global_variables_initializer())
        found = Model.suggest_save_args()
        assert found["input_name"] == "input" and found["image_shape"] == [16, 16, 3]
        assert found["output_names"] == ["output"] and "output" in capsys.readouterr().out
        Model.save(str(tmp_path / "mini.pb"), **found | {"image_value_range": (0, 1)})
        with pytest.raises(ValueError, match="nodes"):
            Model.save(str(tmp_path / "mini.pb"), "input:0", ["output"], [16, 16, 3], (0, 1))
    with tf.Graph().as_default(), tf.Session():
        model = Model.load(str(tmp_path / "mini.pb"))
        acts = render.import_model(model, tf.ones([1, 16, 16, 3]), None)("conv").eval()
    np.testing.assert_allclose(acts, 0.3, rtol=1e-5)
    assert model.image_shape == [16, 16, 3]
    manifest = {"model_path": "./mini.pb", "input_name": "input", "image_shape": [16, 16, 3]}
    text = '{"image_value_range": [0, 1], "layers": ["conv"], ' + str(manifest)[1:].replace("'", '"')
    (tmp_path / "manifest.json").write_text(text)
    loaded = Model.load(str(tmp_path / "manifest.json"))
    assert loaded.layer_names == ["conv"]
    np.testing.assert_allclose(loaded.get_activations("conv", np.ones((1, 16, 16, 3), np.float32)), 0.3, rtol=1e-5)
    results = recipe.make_caricature(save_photo(tmp_path), str(tmp_path), str(tmp_path / "out"), n_steps=1)
    assert [value["shape"] for value in results["values"]] == [(16, 16, 3)] and (tmp_path / "out/conv.jpg").is_file()
    with pytest.raises(ValueError, match="missing"):
        (tmp_path / "short.json").write_text('{"model_path": "mini.pb"}')
        Model.load(str(tmp_path / "short.json"))
    with pytest.raises(OSError, match="https://"):
        Model.load("https://127.0.0.1:1/none.pb")


def save_photo(folder):
    from samplevis.lucid.misc.io import save

    save(PHOTO, str(folder / "photo.png"))
    return str(folder / "photo.png")


# --- Graphs and sessions ----------------------------------------------------------------------------------------------


def test_every_session_has_a_graph_of_its_own(own):
    assert tf.executing_eagerly()
    values, sessions = [], []
    for _ in range(3):
        # Programs make the next one without closing the last.
        sessions.append(create_session())
        T = render.import_model(own(), tf.placeholder_with_default(PHOTO, [None] * 3), None)
        values.append(T("logits").eval())
    assert len({session.graph for session in sessions}) == 3
    np.testing.assert_array_equal(values, [values[0]] * 3)
    for session in reversed(sessions):
        session.close()
    assert tf.executing_eagerly()


def test_inputs_of_no_known_shape(own):
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.placeholder(tf.float32, [None] * 4)
        gradient = tf.gradients(objectives.channel("second", 1)(render.import_model(own(), images)), images)[0]
        found = session.run(gradient, {images: PHOTO[None]})
        shapes = tf.placeholder(tf.float32, [None] * 4)
        logits = render.import_model(vision_models.Shapes(), shapes, scope="shapes")("logits")
        assert session.run(logits, {shapes: PHOTO[None]}).shape == (1, 18)
    assert found.shape == (1, *PHOTO.shape) and np.abs(found).max() > 0


@pytest.mark.parametrize("kind", ["file", "subclass", "keras"])
def test_gradients_between_two_layers_in_an_objective(own, kind):
    class Sub(own):
        def post_import(self, scope):
            pass

    inputs = keras.Input((None, None, 3))
    first = keras.layers.Conv2D(4, 3, activation="tanh", name="relu")(inputs)
    network = keras.Model(inputs, keras.layers.Conv2D(5, 3, name="second")(first))
    model = {"file": own, "subclass": Sub, "keras": lambda: network}[kind]()

    def attribution(T):
        gradient = tf.gradients(tf.reduce_mean(T("second")[..., 2] ** 2), T("relu"))[0]
        return tf.reduce_sum(gradient * T("relu"))

    first, last = (optimized(model, attribution, thresholds=steps) for steps in ([0], [0, 8]))
    assert np.isfinite(last).all() and np.abs(first - last).max() > 1e-4


def test_variables_of_get_variable_in_param_f(own):
    def images():
        with tf.variable_scope("drawing"):
            weights = tf.get_variable("w", [1, 16, 16, 3], initializer=tf.random_normal_initializer(0, 0.1, seed=1))
            bias = tf.get_variable("b", [3], initializer=tf.ones_initializer(), trainable=False)
        return tf.sigmoid(weights + bias - 1)

    class Sub(own):
        def post_import(self, scope):
            pass

    for model in (own(), Sub()):
        first, last = (optimized(model, images=images, thresholds=[step]) for step in (0, 8))
        assert first.shape == (1, 16, 16, 3) and np.abs(first - last).max() > 1e-3


def test_a_network_of_coordinates_in_several_sizes(own):
    """As for large pictures of a small optimised one: the width is a tensor of the graph."""
    with tf.Graph().as_default(), tf.Session() as session:
        width = tf.placeholder_with_default(12, [])
        T = render.make_vis_T(own(), "second:1", lambda: param.cppn(width, num_layers=2), transforms=[])
        session.run(tf.global_variables_initializer())
        T("vis_op").run()
        small, large = T("input").eval(), T("input").eval({width: 23})
    assert small.shape == (1, 12, 12, 3) and large.shape == (1, 23, 23, 3)
    np.testing.assert_allclose(large[:, ::2, ::2], small, atol=1e-5)


def test_the_global_step_is_initialised_as_in_lucid(own):
    with tf.Graph().as_default(), tf.Session() as session:
        T = render.make_vis_T(own(), "second:1", plain(), tf.train.GradientDescentOptimizer(1.0))
        step = T("global_step")
        assert step.eval() == 0
        others = [one for one in tf.global_variables() if one is not step]
        session.run(tf.variables_initializer(others))
        T("vis_op").run()
        assert step.eval() == 1


def test_a_sum_of_many_terms_cuts_the_network_once(own, monkeypatch):
    from samplevis.network import Network

    calls, cut = [], Network.cut
    monkeypatch.setattr(Network, "cut", lambda self, names: calls.append(names) or cut(self, names))
    total = objectives.Objective.sum([objectives.channel("second", n % 5) for n in range(50)])
    model = own()
    found = optimized(model, total)
    assert len(calls) < 10
    np.testing.assert_allclose(found, optimized(model, lambda T: 50 * tf.reduce_mean(T("second"))), atol=1e-4)


def test_printed_numbers_are_float32(own, capsys):
    value = objectives.Objective(lambda T: tf.constant(0.1) + 0 * tf.reduce_mean(T("second")), "", "Tenth")
    for model in (own(), type("Sub", (own,), {"post_import": lambda self, scope: None})()):
        optimized(model, value, verbose=True, print_objectives=[value])
        assert capsys.readouterr().out == "0 0.1\n01: Tenth:    0.10\n"


# --- Layouts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made_of", ["operations", "transpositions"])
def test_channels_first_layers(tmp_path, made_of):
    """Lucid transposes what an operation before says is channels-first; here 7 channels of 5 x 6 positions."""
    weights = RANDOM.normal(size=(2, 2, 3, 7)).astype(np.float32)
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, None, None, 3], name="input")
        x = tf.transpose(x, [0, 3, 1, 2])
        if made_of == "operations":
            x = tf.nn.conv2d(x, weights, 1, "VALID", data_format="NCHW")
        else:
            x = tf.transpose(tf.nn.conv2d(tf.transpose(x, [0, 2, 3, 1]), weights, 1, "VALID"), [0, 3, 1, 2])
        tf.nn.relu(x, name="layer")
    (tmp_path / "first.pb").write_bytes(graph.as_graph_def().SerializeToString())
    metadata = {"input_name": "input", "image_shape": [6, 7, 3], "image_value_range": (0, 1)}
    model = Model.load_from_metadata(str(tmp_path / "first.pb"), metadata)
    images = RANDOM.uniform(size=(2, 6, 7, 3)).astype(np.float32)
    expected = tf.nn.relu(tf.nn.conv2d(images, weights, 1, "VALID")).numpy()
    seen = {}

    def read(name):
        @objectives.wrap_objective(require_format="NHWC")
        def spy():
            def inner(T):
                seen[name] = T("layer")
                return tf.reduce_mean(T("layer")[..., 6])

            return inner

        return spy()

    optimized(model, read("compiled"), lambda: param.image(7, 6, fft=False))
    assert seen["compiled"].shape[-1] == 7
    with tf.Graph().as_default(), tf.Session() as session:
        T = render.import_model(model, tf.constant(images), None)
        found = session.run([objectives.channel("layer", 6)(T), objectives.neuron("layer", 6, 4, 5)(T)])
    np.testing.assert_allclose(found, [expected[..., 6].mean(), expected[:, 4, 5, 6].mean()], rtol=1e-4)


def test_a_graph_that_takes_channels_first_gets_them(tmp_path):
    """As in programs on medical images: the declared shape has a batch, and `param_f` gives what the graph takes."""
    weights = RANDOM.normal(size=(2, 2, 4, 7)).astype(np.float32)
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 4, 12, 10], name="input_1")
        x = tf.nn.conv2d(tf.transpose(x, [0, 2, 3, 1]), weights, 1, "VALID")
        tf.transpose(x, [0, 3, 1, 2], name="layer")
    (tmp_path / "scan.pb").write_bytes(graph.as_graph_def().SerializeToString())

    class Scan(Model):
        model_path, input_name = str(tmp_path / "scan.pb"), "input_1"
        image_shape, image_value_range = [None, 4, 12, 10], (0, 1)

    def images():
        return tf.transpose(param.image(10, 12, channels=4, fft=False), [0, 3, 1, 2])

    first, last = (optimized(Scan(), "layer:3", images, thresholds=[step]) for step in (0, 6))
    assert first.shape == (1, 4, 12, 10)
    values = [tf.nn.conv2d(np.transpose(one, [0, 2, 3, 1]), weights, 1, "VALID")[..., 3] for one in (first, last)]
    assert np.mean(values[1]) > np.mean(values[0]) + 0.01


def test_channels_last_layers_stay_as_they_are(own):
    with tf.Graph().as_default(), tf.Session() as session:
        T = render.import_model(own(), tf.constant(PHOTO), None)
        found, acts = session.run([objectives.channel("second", 4)(T), T("second")])
    np.testing.assert_allclose(found, acts[..., 4].mean(), rtol=1e-5)


# --- Recipes ----------------------------------------------------------------------------------------------------------


def test_caricatures_are_the_photograph_and_a_picture_for_each_layer(own):
    found = recipe.caricature(PHOTO, own(), ["relu", "second"], n_steps=3, verbose=False)
    assert found.shape == (3, 24, 24, 3)
    np.testing.assert_allclose(found[0], recipe.resize(PHOTO, (24, 24)), atol=1e-6)
    assert recipe.feature_inversion(PHOTO, own(), "second", n_steps=1, verbose=False).shape == (2, 24, 24, 3)
    with pytest.raises(TypeError, match="layer"):
        recipe.caricature(PHOTO, own(), 3)


def test_a_caricature_is_lucids_program(own, monkeypatch):
    """Transforms, objective and updates: render_vis gets what Lucid's recipe writes out."""
    given = {}

    def record(model, objective, param_f, **settings):
        given.update(settings, objective=objective, images=param_f())
        return [np.zeros((3, 24, 24, 3))]

    monkeypatch.setattr(render, "render_vis", record)
    recipe.caricature(PHOTO, own(), ["relu", "second"], n_steps=7, cossim_pow=1, verbose=False)
    assert given["thresholds"] == [6] and given["relu_gradient_override"] is False
    assert given["transforms"] == [*transform.standard_transforms, transform.crop_or_pad_to(24, 24)]
    acts = {name: RANDOM.normal(size=(3, 4, 4, 5)).astype(np.float32) for name in ("relu", "second")}
    expected = 0.0
    for place, name in enumerate(acts, start=1):
        dot = (acts[name][0] * acts[name][place]).sum()
        expected += dot * max(0.1, dot / (1e-6 + np.sqrt((acts[name][place] ** 2).sum())))
    found = given["objective"](lambda name: tf.constant(acts[name]))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_feature_visualizations_come_with_their_values(own):
    images, values = channel(own(), "second", 2, n_steps=5)
    assert images.shape == (1, 24, 24, 3) and values.shape == (1, 5) and np.isfinite(values).all()
    several = neuron(own(), Layer(own(), "second", 5, ["conv"]), [1, 2], n_steps=3, alpha=True, negative=True)
    assert [(image.shape, value.shape) for image, value in several] == [((24, 24, 4), (3,))] * 2
    with pytest.raises(ValueError, match="layer"):
        channel(own(), 3, 2)


def test_activations_of_an_image(own):
    model = own()
    found = image_activations(model, PHOTO, ["relu", "second"])
    resized = recipe.resize(PHOTO, (24, 24))
    for name, acts in found.items():
        np.testing.assert_allclose(acts, get_activations(model, name, resized[None])[0], atol=1e-4)
    assert set(image_activations(model, PHOTO)) == {layer.name for layer in model.layers if "conv" in layer.tags}
    manifest = manifest_image_activations(model, PHOTO, layer_names=["relu"])
    assert manifest["values"][0]["shape"] == (24, 24, 4) and manifest["took"] > 0


# --- Lucid's models ---------------------------------------------------------------------------------------------------


def test_classes_have_what_lucid_declares():
    for name, facts in MODELS.items():
        made = getattr(vision_models, name)
        assert [[one.name, one.depth] for one in made.layers] == [each[:2] for each in facts["layers"]]
        assert [one.tags for one in made.layers] == [set(each[2:]) for each in facts["layers"]]
        assert made.image_shape == facts["image_shape"] and made.model_path.endswith(".pb")
        assert made().name == name and all(one.model_class is made for one in made.layers)
        assert (
            repr(made.layers[-1]).startswith(f"Layer (belonging to {name}) <")
            if made.layers
            else name.startswith("Clip")
        )


# The others take 2 to 25 seconds each.
FAST, LONG = ["MobilenetV1_slim"], ["NasnetLarge_slim", "ResnetV1_152_slim"]
MATCHED = [name for name, match in vision_models.MATCHES.items() if match.layers]


def marked(name):
    return name if name in FAST else pytest.param(name, marks=pytest.mark.long if name in LONG else pytest.mark.slow)


@pytest.mark.parametrize("name", [*map(marked, MATCHED)])
def test_networks_from_keras_answer_to_lucids_names(name, monkeypatch):
    """Depths are Lucid's, the order is that of computation, and the last layer are probabilities."""
    zoo = vision_models.MATCHES[name].zoo
    make = getattr(modelzoo, zoo)
    monkeypatch.setattr(modelzoo, zoo, lambda: make(weights=None))
    model = getattr(vision_models, name)()
    network = model.network
    for layer in model.layers:
        assert network.layer_shape(layer.name)[-1] == layer.depth, layer
    order = list(network.source.names)
    places = [order.index(network.aliases[layer.name]) for layer in model.layers]
    assert places == sorted(places) and len(set(places)) == len(places)
    images = RANDOM.uniform(size=(1, *network.image_shape)).astype(np.float32)
    probabilities = network(images, model.layers[-1].name)[model.layers[-1].name].numpy()
    logits = network(images, "predictions")["predictions"].numpy()
    background = probabilities.shape[-1] - 1000
    np.testing.assert_allclose(probabilities[:, background:], tf.nn.softmax(logits), atol=1e-6)
    assert not probabilities[:, :background].any()
    np.testing.assert_allclose(model.create_input(images, False)[1], network.preprocess(images), atol=1e-4)
    assert not model.imports_itself()


def test_lucids_names_are_names_of_nodes_in_a_graph(monkeypatch):
    make = modelzoo.MobileNet
    monkeypatch.setattr(modelzoo, "MobileNet", lambda: make(weights=None))
    model = vision_models.MobilenetV1_slim()
    images = RANDOM.uniform(size=(1, 224, 224, 3)).astype(np.float32)
    with tf.Graph().as_default() as graph, tf.Session() as session:
        T = render.import_model(model, tf.constant(images), None)
        for layer in model.layers:
            assert graph.get_tensor_by_name(f"import/{layer.name}:0").shape[-1] == layer.depth
        name = model.layers[2].name
        gradient = tf.gradients(T(model.layers[-1].name)[0, 5], T(name))[0]
        found, values = session.run([T(name), gradient])
    np.testing.assert_allclose(found, model.network(images, name)[name], atol=1e-3)
    assert np.abs(values).max() > 0
    assert model.input_name == "input" and any(node.name == "input" for node in model.graph_def.node)


def test_a_model_of_other_layers_does_not_take_the_name():
    with pytest.raises(OSError, match="AlexNet"):
        _ = vision_models.AlexNet().network
    assert "torchvision" in vision_models.AlexNet.__doc__


def test_the_graph_of_a_file_is_lucids(tmp_path):
    model = vision_models.InceptionV1(googlenet.write(tmp_path, divisor=16))
    assert {node.name for node in model.graph_def.node} >= {"conv2d0", "mixed4a", "softmax2"}
    with tf.Graph().as_default() as graph:
        model.import_graph()
        assert (
            graph.get_tensor_by_name("import/mixed4a_pre_relu:0").shape[-1]
            == graph.get_tensor_by_name("import/mixed4a:0").shape[-1]
        )
        with pytest.raises(ValueError, match="scope"):
            model.import_graph()
