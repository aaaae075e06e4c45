"""Defects that were found in other libraries: none of them is here.

Some stand where their subject is tested: sums of objectives, scores that do not touch each other, half-precision objectives
(`test_objectives*`), layers of nested models (`test_network`), what an optimizer instance may be used for (`test_optimize`),
phases without their spectrum (`test_param_pictures`), jitter that drifts and transforms without a seed (`test_transform`),
sampling that is not calibrated and does not say so (`test_render`), documentation that does not run (`test_readme`,
`test_notebooks`).
"""

from __future__ import annotations

import ast
import gc
import importlib
import inspect
import json
import random
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import samplevis
from samplevis import Network, export, objectives, optimize, overrides, param, recipes, transform
from samplevis.optimizers.keras_stepper import number_of_traces
from samplevis.runtime import seeds

QUIET = dict(transforms=None, progress=False)
SMALL = dict(param=param.fourier(16), steps=6, **QUIET)


def seen(network, images, layer="conv2", channel=1):
    """The activations [batch] of a channel on given images."""
    return network.activations(images, layer)[layer].numpy()[..., channel].mean((1, 2))


# Xplique


@pytest.mark.parametrize("size", [(64, 96), (96, 64)])
@pytest.mark.parametrize("make", [param.fourier, param.pixel, param.laplacian_pyramid, param.pyramid])
def test_rectangles_stay_rectangles(tiny_network, make, size):
    """Xplique: Fourier images of 64 x 96 and of 96 x 64 come back as 64 x 64, without a word."""
    picture = np.random.default_rng(0).uniform(0.2, 0.8, (1, *size, 3)).astype(np.float32)
    still = keras.optimizers.SGD(1e-9)
    found = optimize(tiny_network, "conv2:1", param=make(size), init=picture, optimizer=still, steps=1, **QUIET)
    assert found.images.shape == (1, *size, 3)
    np.testing.assert_allclose(found.images, picture, atol=2e-3)


def test_a_second_call_compiles_nothing(tiny_network):
    """Xplique: every call of `maco` is traced again, and a schedule that returns a float is traced at every step."""
    settings = SMALL | dict(param=param.maco(param.fourier(16, contrast=1.0)), transforms=[transform.noise(0.1)])

    def run(n):
        penalty = 0.1 * objectives.decay(n + 2.5) * objectives.total_variation()
        return optimize(tiny_network, objectives.channel("conv2", n) - penalty, seed=n, **settings)

    run(0)
    before = number_of_traces(tiny_network)
    images = [run(n).images for n in range(1, 4)]
    assert number_of_traces(tiny_network) == before and len({image.tobytes() for image in images}) == 3


def test_what_may_be_none_may_be_none(tiny_network):
    """Xplique: `maco(custom_shape=None)` is documented and raises."""
    nothing = dict.fromkeys(("param", "transforms", "optimizer", "init"))
    assert optimize(tiny_network, "conv2:1", steps=1, progress=False, **nothing).images.shape == (1, 128, 128, 3)


def test_first_latents_have_mean_zero_and_the_declared_deviation():
    """Xplique: the standard deviation of the first pixels is taken for their mean."""
    z = param.pixel(64).start(seeds.root(0), 4).numpy()
    # 4 standard errors.
    assert abs(z.mean()) < 4 * 0.1 / np.sqrt(z.size) and abs(z.std() - 0.1) < 4 * 0.1 / np.sqrt(2 * z.size)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_takes_the_step_of_float32(policy):
    """Xplique: a float16 model fails. tf-keras-vis: its gradients are divided by a scale that they never had."""

    def network(dtype):
        image = keras.Input((16, 16, 3))
        layer = keras.layers.Conv2D(4, 3, activation="softplus", dtype=dtype, name="conv")
        made = Network(keras.Model(image, layer(image)))
        layer.set_weights([np.random.default_rng(0).normal(size=w.shape) for w in layer.get_weights()])
        return made

    def moved(dtype):
        settings = dict(param=param.pixel(16), steps=1, optimizer=keras.optimizers.SGD(100.0), **QUIET)
        return optimize(network(dtype), "conv:1", **settings).latents - param.pixel(16).start(
            seeds.fold(seeds.root(0), "optimize"), 1
        )

    whole, half = moved("float32"), moved(policy)
    assert np.linalg.norm(half - whole) < 0.03 * np.linalg.norm(whole)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_number_of_channels(channels):
    """Xplique: only grey and RGB images; others fail an assertion."""
    image = keras.Input((16, 16, channels))
    network = Network(keras.Model(image, keras.layers.Conv2D(3, 3, name="conv")(image)))
    found = optimize(network, "conv:1", param=param.fourier(16, channels=channels), steps=20, **QUIET)
    assert found.images.shape == (1, 16, 16, channels) and found.history[-1, 0] > found.history[0, 0]


def test_global_generators_neither_matter_nor_are_touched(tiny_network):
    """Xplique, tf-keras-vis: some draws come from NumPy's generator, so that seeding TensorFlow or Keras does not repeat them."""
    settings = SMALL | dict(transforms=transform.standard_transforms)
    results = []
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        states = [random.getstate(), np.random.get_state()[1].tolist()]
        results.append(optimize(tiny_network, "conv2:1", seed=5, **settings).images.tobytes())
        assert states == [random.getstate(), np.random.get_state()[1].tolist()]
    assert results[0] == results[1]
    assert results[0] != optimize(tiny_network, "conv2:1", seed=6, **settings).images.tobytes(), "the control"


def test_contrast_is_not_stretched():
    """Xplique: black and white are the extremes of each image, so that gradient flows through two pixels; even images fail."""
    p = param.pixel(8, decorrelate=False)
    even = tf.zeros((1, 8, 8, 3))
    np.testing.assert_allclose(p.image(even), 0.5)
    with tf.GradientTape() as tape:
        tape.watch(even)
        one = p.image(even)[0, 3, 4, 1]
    gradient = tape.gradient(one, even).numpy()
    assert np.count_nonzero(gradient) == 1 and gradient[0, 3, 4, 1] > 0


def test_units_are_numbers_and_not_masks(tiny_network):
    """Xplique: a channel is a dense float64 mask, 392 MiB for 64 channels of 56 x 56 x 256."""
    units = objectives.each(f"conv1:{n}" for n in range(4)).resolve(tiny_network, (96, 96))
    assert units.parameters == (0, 1, 2, 3)


# tf-keras-vis


@pytest.mark.parametrize("optimizer", [keras.optimizers.Adam(0.1), keras.optimizers.SGD(100.0)])
def test_the_returned_image_is_the_one_that_was_scored(tiny_network, optimizer):
    """tf-keras-vis: only the returned copy is clipped; its score was 0.58 where 8.11 had been reported."""
    steps = (1, 16, 17, 50)
    found = optimize(tiny_network, "conv2:1", thresholds=steps, optimizer=optimizer, batch=2, **SMALL | dict(steps=51))
    for step in steps:
        # The score before an update is that of the image after the one before.
        np.testing.assert_allclose(seen(tiny_network, found.snapshots[step]), found.history[step], atol=1e-5)
    assert seen(tiny_network, found.images).min() > found.history[0].max()


def test_transforms_do_not_add_up(tiny_network):
    """tf-keras-vis: each step keeps the turned image: 200 turns of up to 1 degree blur noise to a twelfth of its contrast."""
    turn = transform.random_rotate([-1, 1])
    settings = dict(param=param.pixel(24), transforms=turn, optimizer=keras.optimizers.SGD(0.0), progress=False)
    found = optimize(tiny_network, "conv2:1", steps=100, thresholds=(1,), **settings)
    np.testing.assert_array_equal(found.images, found.snapshots[1])
    turned = tf.constant(found.images)
    for step in range(100):
        turned = turn(turned, seeds.fold(seeds.root(0), step))
    assert turned.numpy().std() < 0.5 * found.images.std(), "the control: what would happen"


def test_the_users_model_is_unchanged():
    """tf-keras-vis: `ReplaceToLinear` without a clone, as its README has it, leaves the user's layer linear."""
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    x = keras.layers.MaxPooling2D()(x)
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D(name="out")(keras.layers.ReLU(name="relu")(x)))
    model.compile("sgd", "mse")
    photo = np.random.default_rng(0).uniform(size=(1, 16, 16, 3)).astype(np.float32)

    def state():
        weights = [weight.tobytes() for weight in model.get_weights()]
        kinds = [(type(layer), layer.trainable, getattr(layer, "activation", None)) for layer in model.layers]
        return model.to_json(), weights, kinds, model(photo).numpy().tobytes(), model.optimizer.variables[0].numpy()

    before = state()
    optimize(model, "relu:1", redirect_steps=4, **SMALL)
    optimize(overrides.smooth(model, 0.3), "out:1", **SMALL)
    recipes.deep_dream(model, "relu", photo[0], octaves=[(16, 16)], steps=2, progress=False)
    recipes.caricature(model, photo[0], "relu", param=param.fourier(16), steps=2, transforms=None, progress=False)
    assert state() == before
    model.get_layer("conv").activation = keras.activations.linear
    assert state() != before, "the control"


def test_one_optimizer_serves_many_batches(tiny_network):
    """tf-keras-vis, Xplique: the same optimizer in a second call is an error, "Unknown variable"."""
    optimizer = keras.optimizers.Adam(0.05)
    settings = SMALL | dict(optimizer=optimizer)
    sheet = recipes.channel_sheet(tiny_network, "conv1", batch_size=2, **settings)
    again = recipes.channel_sheet(tiny_network, "conv1", batch_size=4, **settings | dict(param=param.fourier(20)))
    assert len(sheet) == len(again) == 4 and not optimizer.built


def test_white_is_white_in_a_film(tmp_path):
    """tf-keras-vis: a GIF of images in [0, 1] is black."""
    export.save_gif(np.stack([np.zeros((8, 8, 3)), np.ones((8, 8, 3))]), tmp_path / "film.gif")
    film = Image.open(tmp_path / "film.gif")
    levels = []
    for frame in range(film.n_frames):
        film.seek(frame)
        levels.append(np.asarray(film.convert("L")).mean())
    assert levels == [0, 255]


# Others


def test_a_second_call_has_its_own_transforms(tiny_network):
    """torch-dreams: the transforms of the first call are kept, and later ones are ignored."""
    still, moving, other = (
        optimize(tiny_network, "conv2:1", **SMALL | dict(transforms=transforms)).images
        for transforms in (None, [transform.affine(8)], [transform.affine(2)])
    )
    assert still.tobytes() != moving.tobytes() != other.tobytes()


def test_errors_of_a_model_are_errors_every_time():
    """Lucent: an error in the forward pass becomes a warning, and the next ones are not shown at all."""

    def fails(x):
        raise RuntimeError("out of order")

    image = keras.Input((16, 16, 3))
    network = Network(keras.Model(image, keras.layers.Lambda(fails, lambda shape: shape, name="broken")(image)))
    for _ in range(2):
        with pytest.raises(RuntimeError, match="out of order"):
            optimize(network, "broken:0", **SMALL)


def _ignored(function) -> set[str]:
    """Arguments that the body of a function never reads."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    read = {node.id for part in tree.body for node in ast.walk(part) if isinstance(node, ast.Name)}
    return set(inspect.signature(function).parameters) - read


def _public_functions():
    for module in (samplevis, *map(_module, ("export", "objectives", "overrides", "param", "recipes", "transform"))):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isfunction(value):
                yield pytest.param(value, id=f"{module.__name__}.{name}")


def _module(name):
    return importlib.import_module(f"samplevis.{name}")


@pytest.mark.parametrize("function", list(_public_functions()))
def test_no_argument_is_taken_and_ignored(function):
    """Lucid: a recipe takes `parallel_transforms` and never looks at it. Horama: a penalty that functions do not take."""
    assert not _ignored(function)


def test_an_ignored_argument_is_found():
    """The control of the test above."""

    def recipe(model, parallel_transforms=None):
        """Says parallel_transforms, and does not read it."""
        return model

    assert _ignored(recipe) == {"parallel_transforms"}


MEMORY = """
import collections, gc, json, sys
from pathlib import Path
import keras
import numpy as np
from samplevis import Network, optimize, param

image = keras.Input((None, None, 3))
network = Network(keras.Model(image, keras.layers.Conv2D(4, 3, activation="softplus", name="conv")(image)))
settings = dict(param=param.fourier(16), transforms=None, steps=2, progress=False)
KINDS = ("FuncGraph", "ConcreteFunction", "AtomicFunction", "ResourceVariable", "EagerTensor", "Functional")
kept = []

def call(n):
    optimize(network, f"conv:{n % 4}", seed=n, **settings)

def leaking(n):
    kept.append((keras.optimizers.Adam(), np.ones((256, 256, 3), np.float32)))
    call(n)

def state():
    gc.collect()
    live = collections.Counter(type(thing).__name__ for thing in gc.get_objects())
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return [4 * pages, {kind: live[kind] for kind in KINDS}]

def watch(function, calls):
    before = state()
    for n in range(calls):
        function(n)
    after = state()
    return dict(kilobytes=(after[0] - before[0]) / calls, before=before[1], after=after[1])

calls = int(sys.argv[1])
watch(call, 60)
print(json.dumps([watch(call, calls), watch(leaking, 60)]))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="memory is read where Linux tells it")
@pytest.mark.parametrize(
    "calls", [pytest.param(200, marks=pytest.mark.slow), pytest.param(1000, marks=pytest.mark.long)]
)
def test_calls_do_not_grow_memory(calls):
    """Xplique: each call leaves its trace, 3 to 19 MB. Lucent: each call leaves its hooks."""
    done = subprocess.run([sys.executable, "-c", MEMORY, str(calls)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    ours, leaking = json.loads(done.stdout.splitlines()[-1])
    assert ours["after"] == ours["before"]
    assert ours["kilobytes"] < 10
    # The control: an optimizer and an image of 768 kilobytes that stay after each call show.
    assert leaking["kilobytes"] > 700 and leaking["after"]["ResourceVariable"] >= 60


def test_code_that_was_compiled_for_others_is_forgotten(tiny_network, monkeypatch):
    """Xplique: traces are never freed. Here a function that is new compiles anew, and only the last ones are kept."""
    tiny_network.compiled.clear()
    monkeypatch.setattr(tiny_network.compiled, "max_size", 2)

    def graphs_after(calls):
        for n in range(calls):
            optimize(tiny_network, lambda T, n=n: T("logits")[:, n % 3], **SMALL | dict(steps=1))
        gc.collect()
        return sum(isinstance(thing, tf.Graph) for thing in gc.get_objects())

    # The first calls also leave graphs that are collected later. Each call that were kept would add at least one.
    assert graphs_after(2) >= graphs_after(6) and len(tiny_network.compiled) == 2
    tiny_network.compiled.clear()
