"""Networks rewritten for gradients: the same values and gradients, from fewer layers. Wrong foldings must fail the same check."""

from __future__ import annotations

import contextlib
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

import samplevis
from samplevis import Network, modelzoo, objectives, overrides, param
from samplevis.activation import make_activation
from samplevis.network.prepared import affine, folding, passes, prepared
from samplevis.optimizers.keras_stepper import number_of_traces
from samplevis.runtime import seeds

L = keras.layers
TOLERANCE = 1e-5


def randomised(model: keras.Model) -> keras.Model:
    """The model with batch statistics as after training, negative factors among them."""
    random = np.random.default_rng(1)
    for layer in model._flatten_layers(include_self=False):
        if not isinstance(layer, L.BatchNormalization):
            continue
        count = layer.moving_mean.shape
        if layer.scale:
            layer.gamma.assign(random.uniform(0.7, 1.3, count) * random.choice([-1, 1, 1], count))
        if layer.center:
            layer.beta.assign(random.normal(0, 0.2, count))
        layer.moving_mean.assign(random.normal(0, 0.2, count))
        layer.moving_variance.assign(random.uniform(0.3, 1.5, count))
    return model


def sequence(*layers: keras.layers.Layer, shape: tuple[int | None, ...] = (9, 10, 3)) -> keras.Model:
    """The layers in a row, with random statistics and biases."""
    keras.utils.set_random_seed(0)
    x = image = keras.Input(shape)
    for layer in layers:
        x = layer(x)
    model = randomised(keras.Model(image, x))
    for weight in model.weights:
        if "bias" in weight.name:
            weight.assign(np.random.default_rng(2).normal(0, 0.3, weight.shape))
    return model


def images(network: Network, count: int = 2) -> np.ndarray:
    size = [side or 33 for side in network.image_shape[:-1]]
    return np.random.default_rng(0).uniform(0, 1, (count, *size, network.image_shape[-1])).astype(np.float32)


def value_and_gradient(cut, layer: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values of a layer, and the gradient of a random projection of them."""

    @tf.function(autograph=False)
    def run(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            values = cut([layer])(x)[layer]
            weights = tf.random.stateless_normal(tf.shape(values), [1, 2])
            score = tf.reduce_sum(values * tf.cast(weights, values.dtype))
        return values, tape.gradient(score, x)

    return tuple(each.numpy() for each in run(tf.constant(x)))


def errors(network: Network, layer: str | None = None) -> list[float]:
    """The largest difference from the model as it is over the largest size: of values, and of gradients."""
    layer, x = layer or list(network.layers)[-1], images(network)
    pairs = zip(*(value_and_gradient(cut, layer, x) for cut in (network.cut, network.prepared.cut)), strict=True)
    return [float(np.abs(new - old).max() / np.abs(old).max()) for old, new in pairs]


def error(network: Network, layer: str | None = None) -> float:
    """The larger one of `errors`."""
    return max(errors(network, layer))


def folded(network: Network, layer: str | None = None) -> int:
    return len(network.prepared.changes([layer or list(network.layers)[-1]]).folded)


# Layers in a row, and how many affine layers are folded.
ROWS = {
    "convolution": ([lambda: L.Conv2D(4, 3), L.BatchNormalization], 1),
    "without bias": ([lambda: L.Conv2D(4, 3, 2, padding="same", use_bias=False), L.BatchNormalization], 1),
    "dilated, in groups": ([lambda: L.Conv2D(6, 3, dilation_rate=2, groups=3), L.BatchNormalization], 1),
    "depthwise": ([lambda: L.DepthwiseConv2D(3, depth_multiplier=2), L.BatchNormalization], 1),
    "separable": ([lambda: L.SeparableConv2D(5, 3, depth_multiplier=2), L.BatchNormalization], 1),
    "transposed": ([lambda: L.Conv2DTranspose(5, 3, 2), L.BatchNormalization], 1),
    "dense": ([L.Flatten, lambda: L.Dense(5), L.BatchNormalization], 1),
    "dense on positions": ([lambda: L.Dense(5), L.BatchNormalization], 1),
    "no scale, no center": ([lambda: L.Conv2D(4, 3), lambda: L.BatchNormalization(scale=False, center=False)], 1),
    "several": (
        [lambda: L.Conv2D(4, 3), L.BatchNormalization, L.BatchNormalization, lambda: L.Rescaling(-2.0, 0.3)],
        3,
    ),
    "noise between": ([lambda: L.Conv2D(4, 3), lambda: L.Dropout(0.5), L.BatchNormalization], 1),
    "its activation after": ([lambda: L.Conv2D(4, 3), L.BatchNormalization, lambda: L.Activation("relu")], 1),
    "before a valid convolution": ([L.BatchNormalization, lambda: L.Conv2D(4, 3, activation="tanh")], 1),
    "before a single pixel": ([L.BatchNormalization, lambda: L.Conv2D(4, 1, 2, padding="same")], 1),
    "before a depthwise one": ([L.BatchNormalization, lambda: L.DepthwiseConv2D(3, depth_multiplier=2)], 1),
    "before a separable one": ([L.BatchNormalization, lambda: L.SeparableConv2D(5, 3, depth_multiplier=2)], 1),
    "before a dense layer": ([L.BatchNormalization, lambda: L.Dense(5)], 1),
    "on both sides": ([L.BatchNormalization, lambda: L.Conv2D(4, 3), L.BatchNormalization], 2),
    "preprocessing": (
        [lambda: L.Rescaling(2.0, -1.0), lambda: L.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 0.5])]
        + [lambda: L.Conv2D(4, 3)],
        2,
    ),
    "inverse preprocessing": (
        [lambda: L.Normalization(mean=0.4, variance=4.0, axis=None, invert=True), lambda: L.Conv2D(4, 3)],
        1,
    ),
    "a factor before padding": ([lambda: L.Rescaling([2.0, 3.0, 0.5]), lambda: L.Conv2D(4, 3, padding="same")], 1),
    # What cannot be folded.
    "before padding": ([L.BatchNormalization, lambda: L.Conv2D(4, 3, padding="same")], 0),
    "before a transposed one": ([L.BatchNormalization, lambda: L.Conv2DTranspose(4, 3)], 0),
    "before groups": ([L.BatchNormalization, lambda: L.Conv2D(6, 3, groups=3)], 0),
    "after a rectifier": ([lambda: L.Conv2D(4, 3, activation="relu"), L.BatchNormalization], 0),
    "along another axis": ([lambda: L.Conv2D(4, 3), lambda: L.BatchNormalization(axis=1)], 0),
    "half precision": ([lambda: L.Conv2D(4, 3, dtype="mixed_bfloat16"), L.BatchNormalization], 0),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_of_layers(name):
    layers, count = ROWS[name]
    network = Network(sequence(*(layer() for layer in layers)))
    assert folded(network) == count
    assert error(network) <= TOLERANCE


@pytest.mark.parametrize("shape", [(33, 3), (7, 8, 9, 2)], ids=["signals", "volumes"])
def test_signals_and_volumes(shape):
    conv, kinds = (L.Conv1D, [L.DepthwiseConv1D, L.SeparableConv1D]) if len(shape) == 2 else (L.Conv3D, [])
    layers = [conv(4, 3, padding="same"), L.BatchNormalization(), L.Activation("tanh")]
    for number, kind in enumerate(kinds):
        layers += [kind(*([3] if number == 0 else [4, 3])), L.BatchNormalization(), L.Activation("tanh")]
    network = Network(sequence(*layers, shape=shape))
    assert folded(network) == 1 + len(kinds) and error(network) <= TOLERANCE


def test_a_causal_convolution_is_padded():
    network = Network(sequence(L.BatchNormalization(), L.Conv1D(4, 3, padding="causal"), shape=(33, 3)))
    assert folded(network) == 0 and error(network) == 0


def test_channels_first():
    layers = [L.Conv2D(4, 3, data_format="channels_first"), L.BatchNormalization(axis=1), L.ReLU()]
    network = Network(sequence(*layers, shape=(3, 9, 10)))
    assert folded(network) == 1 and error(network) <= TOLERANCE


def no_epsilon(monkeypatch):
    def numbers(layer):
        scale = np.asarray(layer.gamma) / np.sqrt(np.asarray(layer.moving_variance, np.float64))
        return scale, np.asarray(layer.beta) - np.asarray(layer.moving_mean) * scale

    monkeypatch.setitem(affine._NUMBERS, L.BatchNormalization, numbers)


def without_signs(monkeypatch):
    right = affine._batch_normalization
    monkeypatch.setitem(affine._NUMBERS, L.BatchNormalization, lambda layer: (np.abs(right(layer)[0]), right(layer)[1]))


def scale_off(monkeypatch):
    right = affine._batch_normalization
    monkeypatch.setitem(affine._NUMBERS, L.BatchNormalization, lambda layer: (right(layer)[0] * 1.001, right(layer)[1]))


def past_the_padding(monkeypatch):
    monkeypatch.setattr(passes, "takes_shift_before", lambda layer: True)


def bias_unscaled(monkeypatch):
    monkeypatch.setattr(folding, "_bias", lambda layer, right=folding._bias: 0.9 * right(layer))


@pytest.mark.parametrize("wrong", [no_epsilon, without_signs, scale_off, past_the_padding, bias_unscaled])
def test_a_wrong_folding_is_far_outside_the_tolerance(wrong, monkeypatch):
    monkeypatch.setattr(prepared, "agree", lambda *_: True)
    layers = lambda: [L.Conv2D(4, 3), L.BatchNormalization(), L.ReLU(), L.BatchNormalization()]  # noqa: E731
    make = lambda: Network(sequence(*layers(), L.Conv2D(5, 3, padding="same")))  # noqa: E731
    assert error(make()) <= TOLERANCE
    wrong(monkeypatch)
    assert error(make()) > 10 * TOLERANCE


@pytest.mark.parametrize("wrong", [without_signs, past_the_padding, bias_unscaled])
def test_a_wrong_folding_is_not_used(wrong, monkeypatch, caplog):
    layers = [L.Conv2D(4, 3), L.BatchNormalization(), L.ReLU(), L.BatchNormalization(), L.Conv2D(5, 3, padding="same")]
    network = Network(sequence(*layers))
    wrong(monkeypatch)
    assert folded(network) and error(network) == 0 and "computed as it is" in caplog.text


def test_what_does_nothing_at_inference_is_dropped():
    random = [kind for kind in passes.TRAINING_ONLY if kind.__name__.startswith("Random")]
    assert L.RandomFlip in random and L.RandomCrop not in random
    x = tf.constant(np.random.default_rng(0).uniform(0, 1, (2, 8, 8, 3)), tf.float32)
    for kind in random:
        required = [
            name
            for name, one in list(inspect.signature(kind.__init__).parameters.items())[1:]
            if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD
        ]
        value = 4 if kind.__name__ == "RandomPosterization" else 0.2
        layer = kind(**dict.fromkeys(required, value))
        np.testing.assert_array_equal(layer(x, training=False), x, kind.__name__)
    rest = [L.Dropout(0.5), L.GaussianNoise(1.0), L.SpatialDropout2D(0.5), L.ActivityRegularization(0.1), L.Identity()]
    network = Network(sequence(L.RandomFlip(), L.Conv2D(4, 3), *rest, L.Activation("linear")))
    assert len(network.prepared.changes(list(network.layers)[-1:]).dropped) == 7
    assert error(network) == 0


def branching() -> keras.Model:
    """A convolution that two layers read, one that is called twice, a normalization that is called twice, a nested model."""
    keras.utils.set_random_seed(0)
    image = keras.Input((9, 10, 3))
    x = L.Conv2D(4, 3, padding="same", name="read_twice")(image)
    x = L.Add(name="add")([L.BatchNormalization(name="bn_a")(x), x])
    twice, norm = L.Conv2D(4, 3, padding="same", name="twice"), L.BatchNormalization(name="bn_b")
    x = norm(twice(norm(twice(x))))
    inside = keras.Sequential(
        [keras.Input((9, 10, 4)), L.Conv2D(5, 3, name="conv"), L.BatchNormalization(name="bn"), L.ReLU(name="relu")],
        name="inner",
    )
    outside = L.BatchNormalization(name="bn_c")(L.Conv2D(4, 1, name="head")(inside(x)))
    return randomised(keras.Model(image, L.ReLU(name="end")(outside)))


def test_what_is_shared_stays_and_nested_models_are_opened():
    network = Network(branching())
    changes = network.prepared.changes(["end"])
    assert set(changes.folded) == {"bn", "bn_c"}
    assert set(changes.left) == {"bn_a", "bn_b"} and len(changes.left) == 3
    assert error(network) <= TOLERANCE


@pytest.mark.parametrize("layer", ["inner/conv", "inner/relu/pre", "inner/bn", "head", "bn_c", "end/pre", "twice"])
def test_every_layer_can_still_be_asked_for(layer):
    network = Network(branching())
    x = images(network)
    assert error(network, layer) <= TOLERANCE
    # Also together with a deeper one, whose layers would be folded into it.
    old, new = (cut([layer, "end"])(x) for cut in (network.cut, network.prepared.cut))
    for name in old:
        np.testing.assert_allclose(new[name], old[name], atol=TOLERANCE * np.abs(old[name]).max())


def test_the_model_stays_as_it_is_and_its_training_is_noticed():
    model = sequence(L.Conv2D(4, 3, name="conv"), L.BatchNormalization(name="bn"), L.ReLU(name="relu"))
    network, before = Network(model), [weight.numpy() for weight in model.weights]
    names, x = dict(network.layers), tf.constant(images(network))
    compiled = tf.function(network.prepared.cut(["relu"]), autograph=False)
    compiled(x)
    assert names == dict(network.layers) and len(model.weights) == len(before) == 6
    assert all(np.array_equal(weight, old) for weight, old in zip(model.weights, before, strict=True))
    model.get_layer("bn").gamma.assign([3.0, -1.0, 2.0, 0.5])
    model.get_layer("conv").kernel.assign(-model.get_layer("conv").kernel)
    want = network.cut(["relu"])(x)["relu"]
    np.testing.assert_allclose(network.prepared.cut(["relu"])(x)["relu"], want, rtol=1e-4, atol=1e-5)
    network.prepared.refresh()
    np.testing.assert_allclose(compiled(x)["relu"], want, rtol=1e-4, atol=1e-5)
    assert compiled.experimental_get_tracing_count() == 1


def test_optimize_sees_new_weights_without_a_trace():
    model = sequence(L.Conv2D(4, 3, name="conv"), L.BatchNormalization(name="bn"), shape=(None, None, 3))
    network = Network(model)

    def run(network: Network) -> np.ndarray:
        settings = dict(param=param.pixel(16), steps=4, transforms=None, progress=False)
        return samplevis.optimize(network, "bn:1", **settings).images

    first = run(network)
    traces = number_of_traces(network)
    model.get_layer("bn").gamma.assign(-model.get_layer("bn").gamma)
    np.testing.assert_array_equal(run(network), run(Network(model)))
    assert np.abs(run(network) - first).max() > 0.05, "the control: the old weights give another image"
    assert number_of_traces(network) == traces


def test_models_that_cannot_be_rewritten_are_used_as_they_are():
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = L.Conv2D(4, 3), L.BatchNormalization()

        def call(self, x):
            return self.bn(self.conv(x))

    model = Subclassed()
    model(np.zeros((1, 9, 10, 3), np.float32))
    network = Network(randomised(model))
    assert error(network) == 0 and folded(network) == 0


def test_a_network_without_anything_to_fold_has_the_same_bytes(tiny_network):
    assert error(tiny_network, "logits") == 0


def test_activations_and_smooth_networks_use_it():
    layers = [L.Conv2D(4, 3, name="conv"), L.BatchNormalization(name="bn"), L.ReLU(6.0, name="relu")]
    network = Network(sequence(*layers, shape=(None, None, 3)))
    soft = overrides.smooth(network)
    assert folded(soft) == 1 and error(soft) <= TOLERANCE
    activation = make_activation(soft, objectives.channel("relu", 1), param.fourier(16), None)

    @tf.function(autograph=False)
    def scores(z: tf.Tensor) -> tf.Tensor:
        return activation.paired(z, ())

    graph = scores.get_concrete_function(activation.param.prior(seeds.root(0), 2)).graph
    assert "Rsqrt" not in {op.type for op in graph.get_operations()}


# keras.applications -> (batch normalizations, those that are folded), without the head.
FAMILIES = {
    "VGG16": (0, 0),
    "ResNet50": (53, 53),
    "ResNet50V2": (49, 32),
    "Xception": (40, 40),
    "InceptionV3": (94, 94),
    "InceptionResNetV2": (204, 204),
    "MobileNet": (27, 27),
    "MobileNetV2": (52, 52),
    "MobileNetV3Small": (34, 34),
    "DenseNet121": (121, 59),
    "NASNetMobile": (192, 188),
    "EfficientNetB0": (49, 49),
    "EfficientNetV2B0": (59, 59),
    "ConvNeXtTiny": (0, 0),
}


@pytest.fixture
def float64():
    """Makes models in float64 while it is entered."""

    @contextlib.contextmanager
    def policy():
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("float64")
        yield
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")

    return policy


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_families_of_applications(name, float64):
    def make() -> keras.Model:
        return getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(96, 96, 3))

    keras.utils.set_random_seed(0)
    model = randomised(make())
    network = Network(model)
    normalizations = {layer.name for layer in model.layers if isinstance(layer, L.BatchNormalization)}
    changes = network.prepared.changes([list(network.layers)[-1]])
    assert (len(normalizations), len(normalizations & set(changes.folded))) == FAMILIES[name]
    if error(network) <= TOLERANCE:
        return
    # Some of these networks round by more than that themselves, and a rectifier whose input rounds to the other side of zero, in
    # either network, drops its path from the gradient of that image. Then the rewritten one must be as near to float64; in its
    # gradient, on one of the images, since a wrong folding is wrong on all.
    with float64():
        exact = make()
        exact.set_weights([np.asarray(weight, np.float64) for weight in model.get_weights()])
    layer, x = list(network.layers)[-1], images(network)
    truth = value_and_gradient(lambda _: lambda x: {layer: exact(x, training=False)}, layer, x.astype(np.float64))
    as_is, prepared = (
        [np.abs(got - want).max((1, 2, 3)) / np.abs(want).max() for got, want in zip(found, truth, strict=True)]
        for found in (value_and_gradient(cut, layer, x) for cut in (network.cut, network.prepared.cut))
    )
    assert prepared[0].max() <= max(TOLERANCE, 2 * as_is[0].max())
    assert prepared[1].min() <= max(TOLERANCE, 2 * as_is[1].max())


@pytest.mark.slow
def test_efficientnet_lite():
    network = modelzoo.EfficientNetLite0(weights=None)
    randomised(network.model)
    assert folded(network, "logits") == 49 and error(network, "logits") <= TOLERANCE
