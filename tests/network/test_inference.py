"""The models that newcomers bring: what is inferred of their preprocessing, and what stays doubtful."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest

import samplevis
from samplevis import Network, param
from samplevis.analysis.preprocessing_notice import preprocessing_words
from samplevis.modelzoo.registry import MODELS
from samplevis.network.inference import mode_by_name
from samplevis.network.preprocessing import MODES, declared

layers = keras.layers
QUICK = dict(steps=2, progress=False, transforms=None)


def tutorial(scale: float = 1 / 255, *, inside: bool = True, **offset: float) -> keras.Model:
    """The CNN of Keras's tutorial "Image classification from scratch", smaller: augmentation and rescaling inside."""
    keras.utils.set_random_seed(0)
    augmentation = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)], name="augmentation")
    first = [augmentation, layers.Rescaling(scale, **offset, name="rescaling")] if inside else []
    body = [layers.Conv2D(4, 3, activation="relu", name="conv"), layers.MaxPooling2D(), layers.Flatten()]
    return keras.Sequential([keras.Input((16, 16, 3)), *first, *body, layers.Dense(3, name="logits")], name="tutorial")


def headed(base: keras.Model, *first: keras.layers.Layer) -> keras.Model:
    """A model of keras.applications under a new head."""
    shape = base.input_shape[1:]
    return keras.Sequential([keras.Input(shape), *first, base, layers.GlobalAveragePooling2D(), layers.Dense(2)])


def small_base(*first: keras.layers.Layer, name: str = "base") -> keras.Model:
    """A convolutional base, as keras.applications give them without their top."""
    parts = [keras.Input((16, 16, 3)), *first, layers.Conv2D(4, 3, 2, activation="relu")]
    return keras.Sequential(parts, name=name)


def keras_base(name: str, **options: float) -> keras.Model:
    return getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(32, 32, 3), **options)


def normalized(mean: float, deviation: float) -> keras.Model:
    """A model with its own preprocessing in a Normalization that was adapted to data."""
    layer = layers.Normalization(mean=[mean] * 3, variance=[deviation**2] * 3, name="normalization")
    return keras.Sequential([keras.Input((16, 16, 3)), layer, layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(2)])


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (lambda: tutorial(), "bytes"),
        (lambda: tutorial(1 / 127.5, offset=-1), "bytes"),
        (lambda: tutorial(2.0, offset=-1), "unit"),
        (lambda: tutorial(0.5, offset=0.5), "signed"),
        (lambda: headed(small_base(), layers.Rescaling(1 / 127.5, offset=-1)), "bytes"),
        (lambda: normalized(118, 64), "bytes"),
        (lambda: normalized(0.45, 0.25), "unit"),
        (lambda: normalized(-0.1, 0.5), "signed"),
        (lambda: headed(small_base(layers.Rescaling(1 / 255))), "bytes"),
    ],
)  # fmt: skip
def test_layers_that_rescale_decide(model, expected):
    network = Network(model())
    assert network.inferred.evidence == "layers"
    np.testing.assert_allclose(declared(network), MODES[expected].matrix(3), atol=1e-4)


def test_operations_of_keras_preprocess_input_decide():
    image = keras.Input((32, 32, 3))
    signed = keras.applications.mobilenet_v2.preprocess_input(image)
    network = Network(keras.Model(image, layers.Conv2D(2, 3)(signed)))
    assert (network.inferred.evidence, network.value_range) == ("layers", (0.0, 255.0))
    caffe = keras.applications.vgg16.preprocess_input(image)
    network = Network(keras.Model(image, layers.Conv2D(2, 3)(caffe)))
    # The model itself reverses the channels and subtracts the mean.
    assert (network.inferred.evidence, network.value_range, network.bgr) == ("layers", (0.0, 255.0), False)


@pytest.mark.parametrize(
    ("model", "mode"),
    [
        pytest.param(lambda: headed(keras_base("MobileNetV2", alpha=0.35)), "signed", marks=pytest.mark.slow),
        pytest.param(lambda: headed(keras_base("VGG16")), "caffe", marks=pytest.mark.slow),
        # Named as Keras names them; the real ones take seconds to build.
        (lambda: headed(small_base(name="mobilenetv2_1.00_224")), "signed"),
        (lambda: headed(small_base(name="vgg16")), "caffe"),
    ],
)
def test_names_of_keras_applications_decide_also_nested(model, mode):
    network = Network(model())
    assert network.inferred.evidence == "name" and "keras.applications" in network.inferred.reason
    np.testing.assert_allclose(declared(network), MODES[mode].matrix(3), atol=1e-3)


def test_the_names_agree_with_the_zoo():
    expected = {name: entry.images for name, entry in MODELS.items() if entry.images}
    assert {name: mode_by_name(name) for name in expected} == expected
    assert mode_by_name("my_network") is None


def trained_on(low: float, high: float, name: str, tells_mean: bool = True) -> keras.Model:
    """A model whose batch normalization has seen images of a range."""
    keras.utils.set_random_seed(1)
    image = keras.Input((16, 16, 3))
    x = layers.BatchNormalization(momentum=0.0, name="bn")(layers.Conv2D(6, 3, name="conv")(image))
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(layers.ReLU()(x))), name=name)
    if tells_mean:
        kernel = model.get_layer("conv").kernel
        kernel.assign(abs(kernel))
    # Smooth images: what photographs and 1/f noise have in common.
    coarse = (
        np.random.default_rng(0).uniform(size=(64, 2, 2, 3)) * 0.5
        + np.random.default_rng(1).uniform(size=(64, 1, 1, 1)) * 0.5
    )
    pictures = np.asarray(keras.ops.image.resize(coarse, (16, 16), interpolation="bilinear"))
    model(low + pictures * (high - low), training=True)
    return model


@pytest.mark.parametrize("mode", ["unit", "signed", "bytes"])
@pytest.mark.parametrize("name", ["own", "mobilenet_of_mine"])
def test_statistics_decide_also_against_a_name(mode, name):
    network = Network(trained_on(*MODES[mode].value_range, name))
    assert network.value_range == MODES[mode].value_range
    assert network.inferred.evidence == ("name" if (mode, name) == ("signed", "mobilenet_of_mine") else "statistics")


def test_statistics_that_fit_two_ranges_are_doubtful():
    # Kernels whose weights sum to about 0 hardly see the mean of the images.
    network = Network(trained_on(-1, 1, "own", tells_mean=False))
    assert network.inferred.evidence == "nothing" and "(0, 1) and (-1, 1) alike" in network.inferred.reason


def test_what_is_declared_stays():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        network = Network(tutorial(), value_range=(0, 1))
        assert network.inferred is None and network.value_range == (0, 1)
        samplevis.optimize(network, "logits:0", **QUICK)
    assert preprocessing_words(network) == "value_range=(0, 1): declared"
    assert Network(tutorial(), mean=0.5).inferred is None
    blue = Network(tutorial(), bgr=True)
    assert (blue.value_range, blue.bgr, blue.inferred.evidence) == ((0, 255), True, "layers")


def test_a_network_made_of_another_says_the_same():
    network = Network(tutorial())
    assert samplevis.overrides.smooth(network).inferred == network.inferred


TOLD = "value_range=(0, 255): the model begins with Rescaling 'rescaling'"


@pytest.mark.parametrize("call", ["optimize", "sweep", "render"])
def test_what_is_inferred_is_told_and_what_is_doubtful_warns(call, capsys, monkeypatch):
    monkeypatch.setattr("samplevis.runs.rendering.carry_out", lambda plan, callbacks: plan)

    def run(model: object) -> object:
        if call == "render":
            return samplevis.render(model, "logits:0", dict(num_chains=2))
        units = "logits:0" if call == "optimize" else ["logits:0"]
        return getattr(samplevis, call)(model, units, steps=1, transforms=None, param=param.fourier(16))

    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        run(tutorial())
    assert capsys.readouterr().err.count(TOLD) == 1
    with pytest.warns(UserWarning, match=r"Pass samplevis.Network\(model, value_range=\(0, 1\)\)"):
        run(tutorial(inside=False))


@pytest.mark.slow
def test_the_summary_says_what_was_inferred():
    tiny = dict(num_results=1, num_chains=2, num_burnin_steps=1, num_leapfrog_steps=1, num_transforms=1)
    options = dict(optimize_steps=1, anneal_steps=1, smooth=None, progress=False)
    assert TOLD in str(samplevis.render(tutorial(), "logits:0", tiny, **options).summary())


def test_a_model_for_bytes_warns_with_the_argument():
    model = tutorial(inside=False)
    model.get_layer("conv").bias.assign([40.0, -60.0, 50.0, 30.0])
    with pytest.warns(UserWarning, match=r"looks wrong.*Pass samplevis.Network\(model, value_range=\(0, 255\)\)"):
        samplevis.optimize(model, "logits:0", **QUICK)


def test_the_arithmetic_of_a_function_is_no_preprocessing():
    image = keras.Input((8, 8, 3))
    network = Network(keras.Model(image, layers.Rescaling(1 / 255)(image)))
    assert network.value_range == (0, 1) and network.inferred.evidence == "nothing"


def test_rescaling_twice_is_doubtful():
    network = Network(twice())
    assert network.inferred.evidence == "nothing" and "spans 1.54e-05" in network.inferred.reason


def twice() -> keras.Model:
    parts = [
        layers.Rescaling(1 / 255),
        layers.Rescaling(1 / 255),
        layers.Conv2D(2, 3),
        layers.Flatten(),
        layers.Dense(2),
    ]
    return keras.Sequential([keras.Input((16, 16, 3)), *parts])
