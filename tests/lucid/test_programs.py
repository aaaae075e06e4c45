"""Small programs in the manner of Lucid's tutorial and notebooks, on a frozen graph with Lucid's node names; few steps."""

from __future__ import annotations

import logging
import subprocess
import sys

import googlenet
import keras
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import samplevis.lucid.modelzoo.vision_models as models
import samplevis.lucid.optvis.objectives as objectives
import samplevis.lucid.optvis.param as param
import samplevis.lucid.optvis.render as render
import samplevis.lucid.optvis.transform as transform
from samplevis.lucid.core.installation import modules
from samplevis.lucid.misc.gradient_override import gradient_override_map
from samplevis.lucid.misc.io import load, save, show
from samplevis.lucid.misc.io.showing import _image_url
from samplevis.lucid.misc.tfutil import create_session
from samplevis.lucid.modelzoo.vision_base import Model
from samplevis.lucid.optvis import overrides
from samplevis.lucid.optvis.objectives import wrap_objective
from samplevis.lucid.recipes.caricature import feature_inversion
from samplevis.lucid.recipes.feature_visualization import channel as channel_images
from samplevis.lucid.recipes.image_interpolation_params import multi_interpolation_basis
from samplevis.optimizers.keras_stepper import number_of_traces


@pytest.fixture(scope="session")
def path(tmp_path_factory):
    return googlenet.write(tmp_path_factory.mktemp("googlenet"), divisor=8)


@pytest.fixture(scope="session")
def model(path):
    model = models.InceptionV1(path)
    model.load_graphdef()
    return model


def small(**settings):
    return lambda: param.image(32, **settings)


# --- The tutorial -----------------------------------------------------------------------------------------------------


def test_thresholds_count_updates_as_in_lucid(model, capsys):
    images = render.render_vis(model, "mixed4a_pre_relu:30", small(), thresholds=(0, 2, 5))
    assert [image.shape for image in images] == [(1, 32, 32, 3)] * 3
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["0", "2", "5"]
    # Lucid's threshold 0 is after one update.
    sgd = [
        render.render_vis(
            model, "mixed4a:3", small(fft=False, decorrelate=False), tf.train.GradientDescentOptimizer(0.0),
            thresholds=(0,), verbose=False, use_fixed_seed=True,
        )
    ]  # fmt: skip
    assert np.abs(sgd[0][0] - 0.5).max() < 0.02


def test_the_one_liner_has_lucids_defaults(model):
    (image,) = render.render_vis(model, "mixed3a:2", thresholds=[0], verbose=False)
    assert image.shape == (1, 128, 128, 3)


def test_objectives_of_the_tutorial(model):
    total = objectives.channel("mixed4a_pre_relu", 30) - 0.2 * objectives.channel("mixed3a", 4)
    objective = total - 1e2 * objectives.diversity("mixed4a")
    transforms = [
        transform.pad(4),
        transform.jitter(2),
        transform.random_scale([0.9, 1, 1.1]),
        transform.random_rotate([-5, 5]),
    ]
    (image,) = render.render_vis(model, objective, small(batch=4), transforms=transforms, thresholds=[1], verbose=False)
    assert image.shape == (4, 32, 32, 3) and np.isfinite(image).all()


def test_a_scalar_of_the_users_own(model):
    scores = render.render_vis(
        model, lambda T: tf.reduce_mean(T("mixed4a")[..., 3]), small(batch=2), thresholds=[1], verbose=False
    )
    assert scores[0].shape == (2, 32, 32, 3)


def test_one_update_is_that_of_lucids_formula():
    """Gradient descent on pixels without transforms: x + rate * gradient of the mean over the whole batch."""
    first = np.random.RandomState(0).normal(size=(2, 16, 16, 3)).astype(np.float32)
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, None, 3))
    # Smooth: a value beside a kink would make the gradient depend on the last bit.
    smooth = keras.Model(inputs, keras.layers.Conv2D(4, 3, activation="tanh", name="conv")(inputs))

    def images():
        return param.to_valid_rgb(param.pixel_image([2, 16, 16, 3], init_val=first))

    x = tf.constant(first)
    with tf.GradientTape() as tape:
        tape.watch(x)
        # A number minus a vector is a vector, whose sum has the number twice; so it is in Lucid.
        score = 2 * tf.reduce_mean(smooth(tf.sigmoid(x))[..., 2]) - 1e-3 * tf.reduce_sum(tf.sigmoid(x) ** 2)
    expected = tf.sigmoid(first + 50 * tape.gradient(score, x))
    (found,) = render.render_vis(
        smooth,
        objectives.channel("conv", 2)
        - 1e-3 * objectives.Objective(lambda T: tf.reduce_sum(T("input") ** 2, [1, 2, 3])),
        images,
        tf.train.GradientDescentOptimizer(50.0),
        [],
        thresholds=[0],
        verbose=False,
        relu_gradient_override=False,
    )
    assert np.abs(found - tf.sigmoid(first)).max() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_seeds(model):
    def run(fixed):
        return render.render_vis(model, "mixed3a:2", small(), thresholds=[1], verbose=False, use_fixed_seed=fixed)[0]

    np.testing.assert_array_equal(run(True), run(True))
    assert np.abs(run(False) - run(False)).max() > 1e-3
    np.random.seed(3)
    one = run(False)
    np.random.seed(3)
    np.testing.assert_array_equal(run(False), one)


def test_printed_objectives(model, capsys):
    printed = [objectives.channel("mixed3a", 1), "mixed3b:2"]
    render.render_vis(model, "mixed3a:2", small(), thresholds=[1], print_objectives=printed)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("01: Channel [mixed3a, 1]: ") and lines[2].startswith("02: Channel [mixed3b, 2]: ")


def test_a_sweep_compiles_once(model):
    images = small(batch=3)
    run = lambda n: render.render_vis(model, f"mixed3b:{n}", images, thresholds=[17], verbose=False)  # noqa: E731
    run(0)
    before = number_of_traces(model.network)
    for n in range(1, 4):
        run(n)
    # Another function that makes the same images is the same program, too.
    render.render_vis(model, "mixed3b:4", small(batch=3), thresholds=[17], verbose=False)
    assert number_of_traces(model.network) == before


# --- Feature visualization, differentiable parameterizations, misc ----------------------------------------------------


def test_shared_parameters_and_alignment(model):
    def interpolation():
        shape = (5, 32, 32, 3)
        unique = param.fft_image(shape, sd=0.1)
        shared = [param.lowres_tensor(shape, (1, 16, 16, 3)), param.lowres_tensor(shape, (2, 32, 32, 3))]
        return param.to_valid_rgb(unique + sum(shared), decorrelate=True)

    objective = objectives.channel_interpolate("mixed4a", 1, "mixed4a", 2) + 0.1 * objectives.alignment("mixed3b")
    (image,) = render.render_vis(model, objective, interpolation, thresholds=[1], verbose=False)
    assert image.shape == (5, 32, 32, 3)


def test_style_transfer_with_constant_images_in_the_batch(model):
    content, style = np.random.default_rng(0).uniform(size=(2, 40, 40, 3)).astype(np.float32)

    @wrap_objective
    def difference(layers, to):
        def inner(T):
            return tf.add_n([tf.reduce_mean(tf.abs(T(layer)[0] - T(layer)[to])) for layer in layers])

        return inner

    def images():
        return tf.stack([param.image(40)[0], content, tf.random_crop(style, [40, 40, 3])])

    objective = -100 * difference(["mixed3a"], 1) - difference(["conv2d2", "mixed3b"], 2)
    objective.description = "Style"
    (found,) = render.render_vis(
        model, objective, images, tf.train.AdamOptimizer(0.05), [], [3], [objective], verbose=False
    )
    np.testing.assert_array_equal(found[1], content)
    assert found.shape == (3, 40, 40, 3)


def test_transparency(model):
    with_alpha = [transform.collapse_alpha_random()] + transform.standard_transforms
    objective = objectives.channel("mixed4a", 3) * (1 - 0.5 * objectives.L1("input") * 1e-4)
    objective = objective - 0.1 * objectives.blur_alpha_each_step()
    (image,) = render.render_vis(
        model, objective, small(alpha=True), transforms=with_alpha, thresholds=[1], verbose=False
    )
    assert image.shape == (1, 32, 32, 4)


def test_the_global_step_counts_updates(model, capsys):
    step = objectives.Objective(
        lambda T: tf.cast(tf.train.get_or_create_global_step(), tf.float32) + 0 * tf.reduce_mean(T("mixed3a")),
        "",
        "Step",
    )
    render.render_vis(model, step, small(), thresholds=[0, 3])
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [["0", "0.0"], ["3", "3.0"]]


def test_cppn_and_any_channels(model):
    (image,) = render.render_vis(
        model, "mixed3a:2", lambda: param.cppn(24), tf.train.AdamOptimizer(0.005), [], thresholds=[2], verbose=False
    )
    assert image.shape == (1, 24, 24, 3)
    inputs = keras.Input((None, None, 5))
    seven = keras.Model(inputs, keras.layers.Conv2D(3, 3, name="conv")(inputs))
    (image,) = render.render_vis(seven, "conv:1", lambda: param.image(20, channels=5), thresholds=[1], verbose=False)
    assert image.shape == (1, 20, 20, 5)


def test_a_network_of_a_fixed_size_gets_images_of_it():
    inputs = keras.Input((24, 24, 3))
    fixed = keras.Model(inputs, keras.layers.Dense(2, name="dense")(keras.layers.Flatten()(inputs)))
    (image,) = render.render_vis(fixed, objectives.class_logit("dense", 1), thresholds=[1], verbose=False)
    assert image.shape == (1, 24, 24, 3)
    with pytest.raises(ValueError, match="24"):
        render.render_vis(fixed, "dense:1", small(), verbose=False)


def test_variables_of_the_users_own(model):
    def images():
        weights = tf.Variable(np.zeros((1, 24, 24, 3), np.float32), name="own")
        fixed = tf.Variable(np.full((1, 24, 24, 3), 0.25, np.float32), trainable=False)
        return tf.sigmoid(weights) * 0.5 + fixed

    (image,) = render.render_vis(model, "mixed3a:2", images, transforms=[], thresholds=[3], verbose=False)
    assert image.shape == (1, 24, 24, 3) and np.abs(image - 0.5).max() > 1e-3


# --- Optimizers -------------------------------------------------------------------------------------------------------

OPTIMIZERS = {
    "adam": lambda: tf.train.AdamOptimizer(0.1, 0.8, 0.99),
    "sgd": lambda: tf.train.GradientDescentOptimizer(0.1),
    "momentum": lambda: tf.train.MomentumOptimizer(0.1, 0.9),
    "nesterov": lambda: tf.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
    "rmsprop": lambda: tf.train.RMSPropOptimizer(0.1, 0.8, 0.5),
    "adagrad": lambda: tf.train.AdagradOptimizer(0.1),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_optimizers_make_the_updates_of_tensorflow_1(make):
    """Five updates of a quadratic: Keras's translation beside the optimizer itself, in a session."""
    from samplevis.lucid.core.optimizers import as_keras

    start, target = np.float32([1, -2, 3]), np.float32([0.5, 0.5, 0.5])
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.Variable(start)
        step = make().minimize(tf.reduce_sum((x - target) ** 2 * [1, 2, 3]))
        tf.global_variables_initializer().run()
        for _ in range(5):
            sess.run(step)
        expected = x.eval()
    z = keras.Variable(start)
    optimizer = as_keras(make)
    for _ in range(5):
        optimizer.apply([2 * (z.value - target) * [1.0, 2.0, 3.0]], [z])
    np.testing.assert_allclose(z.numpy(), expected, rtol=1e-5)


# --- Graph programs ---------------------------------------------------------------------------------------------------


def test_make_vis_t_in_a_session(model):
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        tf.set_random_seed(0)
        # No transforms: under random ones the loss of one step says little about the image.
        T = render.make_vis_T(
            model, objectives.channel("mixed4a", 3), small(batch=2), transforms=[], relu_gradient_override=True
        )
        loss, vis_op, t_image = T("loss"), T("vis_op"), T("input")
        print_objectives = render.make_print_objective_func([objectives.channel("mixed3a", 1)], T)
        tf.global_variables_initializer().run()
        losses = [sess.run([loss, vis_op])[0] for _ in range(4)]
        print_objectives(sess)
        assert losses[-1] > losses[0] and t_image.eval().shape == (2, 32, 32, 3)
        assert T("labels")[1] == "class 1" and sess.run(T("global_step")) == 4
        assert graph.get_tensor_by_name("import/mixed3a:0") is T("mixed3a")


def test_activations_and_attributions_in_a_session(model):
    image = np.random.default_rng(0).uniform(size=(32, 32, 3)).astype(np.float32)
    with tf.Graph().as_default():
        sess = create_session()
        t_input = tf.placeholder_with_default(image, [None, None, 3])
        with overrides.pooling_overrides():
            T = render.import_model(model, t_input, t_input)
        acts = T("mixed4d").eval()
        gradient = tf.gradients(T("softmax2_pre_activation")[0, 3], [T("mixed4d")])[0].eval()
        sess.close()
        assert acts.shape == gradient.shape == (1, 2, 2, 66) and np.abs(gradient).max() > 0
    expected = model.network(image[None], ["mixed4d", "mixed4a_pre_relu"])
    np.testing.assert_allclose(acts, expected["mixed4d"], rtol=1e-4, atol=1e-4)
    with tf.Graph().as_default(), tf.Session():
        before = render.import_model(model, tf.constant(image), None)("mixed4a_pre_relu").eval()
    np.testing.assert_allclose(before, expected["mixed4a_pre_relu"], rtol=1e-4, atol=1e-4)


def test_a_keras_model_in_a_session():
    with tf.Graph().as_default(), tf.Session() as sess:
        T = render.make_vis_T(models.Shapes(), "logits:4", small(), transforms=[])
        tf.global_variables_initializer().run()
        losses = [sess.run([T("loss"), T("vis_op")])[0] for _ in range(8)]
    assert losses[-1] > losses[0]


def test_render_vis_inside_a_graph(model):
    with tf.Graph().as_default():
        (image,) = render.render_vis(model, "mixed3a:2", small(), thresholds=[1], verbose=False)
    assert image.shape == (1, 32, 32, 3)


def test_a_graph_program_without_a_graph_shows_its_translation(model):
    with pytest.raises(RuntimeError, match=r"with tf.Graph\(\).as_default\(\), tf.Session\(\) as sess:"):
        render.make_vis_T(model, "mixed3a:2")


# --- Overrides, models, files -----------------------------------------------------------------------------------------


def test_gradient_overrides_reach_render_vis(model):
    def run():
        return render.render_vis(
            model, "mixed3a:2", small(), transforms=[], thresholds=[0], verbose=False, use_fixed_seed=True,
            relu_gradient_override=False,
        )[0]  # fmt: skip

    plain = run()
    with gradient_override_map({"Relu": lambda op, grad: 0 * grad}):
        stopped = run()
    with gradient_override_map({"Relu": lambda op, grad: tf.where(op.inputs[0] > 0, grad, 0 * grad)}):
        np.testing.assert_allclose(run(), plain, atol=1e-6)
    with overrides.linearization_overrides():
        assert np.abs(run() - plain).max() > 1e-4
    np.testing.assert_array_equal(run(), plain)
    assert np.abs(stopped - plain).max() > 1e-4


def test_models(path, model, tmp_path):
    assert [layer.name for layer in model.layers][:3] == ["conv2d0", "conv2d1", "conv2d2"] and len(model.layers) == 19
    assert model.get_layer("mixed4a").depth == 508 and model.get_layer("Mixed4B").name == "mixed4b"
    assert (
        model.labels[1] == "class 1" and model.image_value_range == (-117, 138) and model.image_shape == [224, 224, 3]
    )
    assert model == models.InceptionV1(path) != models.InceptionV1(tmp_path)

    class Own(Model):
        model_path, input_name, image_value_range = str(path), "input", (-117, 138)

    images = np.random.default_rng(0).uniform(size=(2, 24, 24, 3)).astype(np.float32)
    for name in ("mixed3a", "mixed3a_pre_relu"):
        expected = model.network(images, name)[name]
        np.testing.assert_allclose(Own().network(images, name)[name], expected, rtol=1e-5)
    acts = model.get_activations("mixed3a", images, center_only=True)
    np.testing.assert_allclose(acts, model.network(images, "mixed3a")["mixed3a"][:, 1, 1], rtol=1e-4)
    with pytest.raises(OSError, match="CaffeNet_caffe"):
        _ = models.CaffeNet_caffe().network
    with pytest.raises(AttributeError, match="InceptionV1"):
        _ = models.InceptionV9


def test_files(tmp_path):
    image = np.random.default_rng(0).uniform(0.2, 0.7, size=(9, 7, 3)).astype(np.float32)
    # PIL's width comes first.
    assert save(image, str(tmp_path / "a.png"), domain=(0, 1))["shape"] == (7, 9, 3)
    np.testing.assert_allclose(load(str(tmp_path / "a.png")), image, atol=1 / 255)
    # Lucid stretches what it saves by default.
    save(image, str(tmp_path / "b.png"))
    assert load(str(tmp_path / "b.png")).min() == 0 and load(str(tmp_path / "b.png")).max() == 1
    for name, thing in (("c.npy", image), ("d.json", {"a": [1, 2]}), ("e.txt", "a\nb"), ("f.json.xz", [1])):
        save(thing, str(tmp_path / name))
        np.testing.assert_array_equal(load(str(tmp_path / name)), thing)
    assert load(str(tmp_path / "e.txt"), split=True) == ["a", "b"]
    assert _image_url(image).startswith("data:image/PNG;base64,")
    show(image)
    show([image, image], labels=["a", "b"], w=20)
    with pytest.raises(ValueError, match="pickle"):
        (tmp_path / "g.pickle").write_bytes(b"")
        load(str(tmp_path / "g.pickle"))
    with pytest.raises(OSError, match="gs://"):
        load("gs://modelzoo/a.png")


def test_recipes(model):
    images = channel_images(models.Shapes(), "conv1", [1, 2], n_steps=2)
    assert [image.shape for image, _ in images] == [(224, 224, 3)] * 2
    photo = np.random.default_rng(0).uniform(size=(250, 230, 3)).astype(np.float32)
    assert feature_inversion(photo, model, "mixed3a", n_steps=2, verbose=False).shape == (2, 224, 224, 3)
    basis = multi_interpolation_basis(3, 4, 16)
    np.testing.assert_allclose(basis, tf.reverse(tf.transpose(basis, [1, 0, 2, 3, 4, 5]), [2]), atol=1e-6)


@pytest.mark.parametrize("name", ["scratch.rl_util", "misc.colab_gl", "modelzoo.wordnet", "misc.graph_analysis"])
def test_what_cannot_come_back_says_what_to_use(name):
    with pytest.raises(ImportError, match=r"Instead: (samplevis|network)\."):
        __import__(f"samplevis.lucid.{name}")


@pytest.mark.slow
def test_old_imports_after_install():
    program = """
import samplevis.lucid; samplevis.lucid.install()
import lucid, lucid.optvis.render as render, lucid.modelzoo.vision_models as models
from lucid.misc.io import show, load; from lucid.optvis import objectives, param, transform
import samplevis.lucid.optvis.render
assert render is samplevis.lucid.optvis.render and lucid.optvis.param is param
images = render.render_vis(models.Shapes(), "logits:4", lambda: param.image(32), thresholds=[1])
assert images[0].shape == (1, 32, 32, 3)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_modules_that_notebooks_import_exist():
    expected = {
        *(
            "modelzoo.vision_models",
            "modelzoo.vision_base",
            "modelzoo.nets_factory",
            "optvis.objectives",
            "optvis.param",
        ),
        *("optvis.param.spatial", "optvis.param.color", "optvis.param.lowres", "optvis.param.cppn", "optvis.render"),
        *("optvis.transform", "optvis.style", "optvis.overrides", "misc.io", "misc.io.reading", "misc.io.showing"),
        *("misc.io.serialize_array", "misc.channel_reducer", "misc.gradient_override", "misc.redirected_relu_grad"),
        *("misc.tfutil", "recipes", "recipes.caricature", "recipes.feature_visualization"),
    }
    assert expected <= set(modules())


def test_interrupted_runs_return_what_there_is(model, monkeypatch, caplog):
    from samplevis.runtime.progress import Progress

    update = Progress.update

    def interrupt(self, units, **figures):
        update(self, units, **figures)
        self.interrupted = True

    monkeypatch.setattr(Progress, "update", interrupt)
    with caplog.at_level(logging.WARNING):
        images = render.render_vis(model, "mixed3a:2", small(), thresholds=[0, 40], verbose=False)
    assert len(images) == 1 and "Interrupted at step 0" in caplog.text
