"""Values of objectives against NumPy loops, on a network whose activations are the image itself."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from samplevis import Network, objectives, optimize, param
from samplevis.activation import make_activation
from samplevis.objectives import as_objective
from samplevis.optimizers.keras_stepper import number_of_traces
from samplevis.runtime import seeds

SHAPE = (7, 6, 3)
RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(4, *SHAPE)).astype(np.float32)
PHOTO = RNG.uniform(size=SHAPE).astype(np.float32)
VECTOR = np.float32([1, -2, 0.5])
TENSOR = RNG.normal(size=(3, 2, 3)).astype(np.float32)
MASK = RNG.uniform(size=SHAPE[:2]) < 0.4


@pytest.fixture(scope="module")
def identity() -> Network:
    """Layers same, whose activations are the image, and logits, a linear map of its mean colour."""
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3))
    same = keras.layers.Activation("linear", name="same")(image)
    features = keras.layers.GlobalAveragePooling2D(name="features")(same)
    return Network(keras.Model(image, keras.layers.Dense(4, name="logits")(features)), labels=tuple("abcd"))


def rgb(images: tf.Tensor) -> tf.Tensor:
    return images[..., :3]


def score(network, objective, images=IMAGES):
    """Scores through the same path as optimisers and samplers."""
    shape = images.shape[1:]
    transforms = rgb if shape[-1] == 4 else None
    activation = make_activation(network, objective, param.pixel(shape[:2], channels=shape[-1]), transforms)
    return activation.of_images(tf.constant(images), activation.sample_transforms(seeds.root(0), len(images))).numpy()


def cossim(x, v, power):
    """One position."""
    dot, norms = x @ v, (1e-4 + np.linalg.norm(x)) * (1e-4 + np.linalg.norm(v))
    return dot * max(0.1, dot / norms) ** power


def cosine(a, b):
    return (a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b)


def tensor_cossim(image, power):
    return np.mean([cossim(image[2 + i, 2 + j], TENSOR[i, j], power) for i in range(3) for j in range(2)])


def blur(image, size):
    """Weights 1 inside and 1/2 on the rim of a box, over what lies in the image."""
    half, result = size // 2, np.zeros_like(image)
    for r, c in np.ndindex(*image.shape[:2]):
        weights = values = 0
        for i, j in np.ndindex(size, size):
            y, x = r + i - half, c + j - half
            if 0 <= y < image.shape[0] and 0 <= x < image.shape[1]:
                weight = 0.5 if {i, j} & {0, size - 1} else 1.0
                weights, values = weights + weight, values + weight * image[y, x]
        result[r, c] = values / weights
    return result


def boundary(image, mask, constant):
    terms = (blur(image, 5) - image) ** 2 + 0.8 * (image - constant) ** 2
    return -sum(mask[r, c] * terms[r, c].sum() for r, c in np.ndindex(*mask.shape))


def border(width):
    return np.array([[min(r, 6 - r, c, 5 - c) < width for c in range(6)] for r in range(7)])


def reading_order(image, n):
    """Two rectangles: the full rows, and the beginning of the last one."""
    row, column = divmod(n, 6)
    return (image[:row, :, 1].sum() + image[row : row + 1, :column, 1].sum()) / n


def gram(image):
    flat = image.reshape(-1, 3)
    return flat.T @ flat / len(flat)


CASES = {
    "direction_neuron": (objectives.direction_neuron("same", VECTOR), lambda x: x[3, 3] @ VECTOR),
    "direction_neuron at": (
        objectives.direction_neuron("same", VECTOR, x=6, y=1, cossim_pow=2),
        lambda x: cossim(x[6, 1], VECTOR, 2),
    ),
    "direction_neuron of logits": (objectives.direction_neuron("features", VECTOR), lambda x: x.mean((0, 1)) @ VECTOR),
    "direction": (
        objectives.direction("same", VECTOR, 1),
        lambda x: np.mean([cossim(p, VECTOR, 1) for p in x.reshape(-1, 3)]),
    ),
    "tensor_direction": (objectives.tensor_direction("same", TENSOR), lambda x: tensor_cossim(x, 0)),
    "tensor_direction power": (objectives.tensor_direction("same", TENSOR[None], 3), lambda x: tensor_cossim(x, 3)),
    "row": (objectives.positions("same", 1, np.s_[2]), lambda x: x[2, :, 1].mean()),
    "column": (objectives.positions("same", 1, np.s_[:, 5]), lambda x: x[:, 5, 1].mean()),
    "rectangle": (objectives.positions("same", 1, np.s_[2:4, 1:3]), lambda x: x[2:4, 1:3, 1].mean()),
    "mask": (objectives.positions("same", 2, MASK), lambda x: x[MASK][:, 2].mean()),
    "one position": (objectives.positions("same", 2, (4, 0)), lambda x: x[4, 0, 2]),
    "all positions": (objectives.positions("same", 2), lambda x: x[..., 2].mean()),
    "first 4": (objectives.first_positions("same", 1, 4), lambda x: reading_order(x, 4)),
    "first 20": (objectives.first_positions("same", 1, 20), lambda x: reading_order(x, 20)),
    "first 42": (objectives.first_positions("same", 1, 42), lambda x: x[..., 1].mean()),
    "distance": (objectives.distance_to_constant("same", 0, 0.5), lambda x: np.abs(0.5 - x[..., 0]).sum()),
    "distance at": (
        objectives.distance_to_constant("same", 0, 200, np.s_[:2, 1]),
        lambda x: 200 - x[0, 1, 0] + 200 - x[1, 1, 0],
    ),
    "input_diff": (objectives.input_diff(PHOTO), lambda x: np.sqrt(np.mean((x - PHOTO) ** 2))),
    "blur": (objectives.blur_input_each_step(), lambda x: 0.5 * ((x - blur(x, 3)) ** 2).sum()),
    "boundary": (objectives.penalize_boundary_complexity(2), lambda x: boundary(x, border(2), 0.5)),
    "wide boundary": (objectives.penalize_boundary_complexity(20), lambda x: boundary(x, np.ones((7, 6)), 0.5)),
    "mask boundary": (
        objectives.penalize_boundary_complexity(mask=MASK, constant=0.2),
        lambda x: boundary(x, MASK, 0.2),
    ),
    "dot_compare": (objectives.dot_compare("same", PHOTO), lambda x: (x * PHOTO).sum()),
    "dot_compare power": (
        objectives.dot_compare("same", PHOTO, 2),
        lambda x: (x * PHOTO).sum() * max(0.1, cosine(x, PHOTO)) ** 2,
    ),
    "dot_compare crop": (
        objectives.dot_compare("same", PHOTO[:5, :4]),
        lambda x: (x[1:6, 1:5] * PHOTO[:5, :4]).sum(),
    ),
    "dot_compare crops the picture": (
        objectives.dot_compare("same", np.tile(PHOTO, (3, 3, 1))),
        lambda x: (x * np.tile(PHOTO, (3, 3, 1))[7:14, 6:12]).sum(),
    ),
    "content": (
        objectives.activation_difference(["same", "features"], PHOTO),
        lambda x: np.abs(x - PHOTO).mean() + np.abs(x.mean((0, 1)) - PHOTO.mean((0, 1))).mean(),
    ),
    "style": (
        objectives.activation_difference("same", PHOTO[:5], objectives.gram),
        lambda x: np.abs(gram(x) - gram(PHOTO[:5])).mean(),
    ),
    "a channel of the image": (objectives.channel("input", 1), lambda x: x[..., 1].mean()),
}


@pytest.mark.parametrize("case", CASES)
def test_values(identity, case):
    objective, expected = CASES[case]
    values = [expected(image.astype(np.float64)) for image in IMAGES]
    np.testing.assert_allclose(score(identity, objective), values, rtol=1e-5, atol=1e-5)
    # Each image by itself: the others change nothing.
    np.testing.assert_allclose(score(identity, objective, IMAGES[1:2]), values[1:2], rtol=1e-5, atol=1e-5)
    assert len(np.unique(np.round(values, 4))) > 1 and not objective.coupled


def test_alpha(identity):
    images = RNG.uniform(size=(2, 7, 6, 4)).astype(np.float32)
    expected = [0.5 * ((x[..., 3:] - blur(x[..., 3:], 3)) ** 2).sum() for x in images.astype(np.float64)]
    np.testing.assert_allclose(score(identity, objectives.blur_alpha_each_step(), images), expected, rtol=1e-5)
    np.testing.assert_allclose(score(identity, "input:3", images), images[..., 3].mean((1, 2)), rtol=1e-5)
    with pytest.raises(ValueError, match="0 to 2"):
        score(identity, "input:3")


def gradient(network, objective, images=IMAGES):
    activation = make_activation(network, objective, param.pixel(SHAPE[:2]), None)
    x = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = activation.of_images(x, activation.sample_transforms(seeds.root(0), len(images)))
    return tape.gradient(value, x).numpy()


def test_the_blur_is_a_step_towards_the_blurred_image(identity):
    moved = IMAGES + gradient(identity, -0.3 * objectives.blur_input_each_step())
    expected = [0.7 * x + 0.3 * blur(x, 3) for x in IMAGES]
    np.testing.assert_allclose(moved, expected, atol=1e-5)


def test_a_far_constant_pulls_like_the_sum_of_the_channel(identity):
    pulled = gradient(identity, -objectives.distance_to_constant("same", 2, 200, np.s_[1:3]))
    expected = np.zeros_like(IMAGES)
    expected[:, 1:3, :, 2] = 1
    np.testing.assert_allclose(pulled, expected, atol=1e-6)
    assert not np.allclose(gradient(identity, -objectives.distance_to_constant("same", 2, 0.5, np.s_[1:3])), expected)


def test_gradients_are_finite_where_activations_are_silent_or_equal(identity):
    silent = np.zeros_like(IMAGES)
    for objective in (
        objectives.direction_neuron("same", VECTOR, cossim_pow=2),
        objectives.tensor_direction("same", TENSOR, cossim_pow=2),
        objectives.input_diff(np.zeros(SHAPE)),
        objectives.dot_compare("same", np.zeros(SHAPE), cossim_pow=2),
        objectives.L2("same", epsilon=1e-6),
    ):
        assert np.isfinite(gradient(identity, objective, silent)).all(), objective


def test_random_directions(identity):
    first, again, other = (
        objectives.random_direction("same", seed).resolve(identity, SHAPE[:2]).parameters[0] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose([np.linalg.norm(first), np.linalg.norm(other)], 1, rtol=1e-6)
    assert abs(first @ other) < 0.99
    for power in (0, 2):
        np.testing.assert_allclose(
            score(identity, objectives.random_direction("same", 1, power)),
            score(identity, objectives.direction("same", first, power)),
        )


def test_random_directions_point_everywhere(identity):
    from samplevis.objectives import random_direction

    vectors = np.array([random_direction("same", s).resolve(identity, (4, 4)).parameters[0] for s in range(100)])
    # Uniform on the sphere: mean 0 and second moments 1/3, each with a standard error of 0.06 and 0.03.
    assert np.abs(vectors.mean(0)).max() < 0.25 and np.abs((vectors**2).mean(0) - 1 / 3).max() < 0.12
    assert np.abs(np.abs(vectors).mean(0)).max() > 0.25, "the control must fail"


def test_class_probability(identity):
    logits = identity.activations(IMAGES, "logits")["logits"].numpy()
    for label, n in (("c", 2), (0, 0)):
        objective = objectives.class_probability("logits", label)
        np.testing.assert_allclose(score(identity, objective), softmax(logits, axis=1)[:, n], rtol=1e-5)
    large = {"logits": tf.constant([[1e4, -1e4, 0.0], [-1e30, 0.0, 1e30]])}
    values = [objectives.class_probability("logits", n)(large.__getitem__).numpy() for n in range(3)]
    np.testing.assert_array_equal(np.stack(values, 1), [[1, 0, 0], [0, 0, 1]])


def test_references_do_not_depend_on_how_often_they_are_resolved(identity):
    known = objectives.dot_compare("same", PHOTO).resolve(identity, SHAPE[:2])
    again = known.resolve(identity, SHAPE[:2])
    np.testing.assert_array_equal(known.parameters[0], again.parameters[0])


def test_the_weight_of_a_channel_does_not_depend_on_how_many_there_are():
    """Xplique takes the mean over a mask of all channels."""
    for channels in (2, 64):
        values = {"conv": tf.ones((1, 3, 3, channels))}
        assert as_objective("conv:1")(values.__getitem__).numpy() == 1


def test_half_precision_networks():
    """In Xplique a float16 model fails in the objective."""
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, dtype="mixed_float16", name="conv")(image)
    network = Network(keras.Model(image, x))
    photo = np.full((8, 8, 3), 0.5, np.float32)
    for objective in (
        "conv:1",
        objectives.direction("conv", np.ones(4), 2),
        objectives.activation_difference("conv", photo, objectives.gram),
        objectives.tensor_direction("conv", np.ones((2, 2, 4))),
        objectives.diversity("conv"),
        objectives.positions("conv", 1, np.s_[0]),
    ):
        result = optimize(network, objective, param=param.pixel(8), transforms=None, steps=2, batch=2, progress=False)
        assert result.history.dtype == np.float32 and np.isfinite(result.history).all()


SWEEPS = {
    "channels and weights": lambda n: (n + 1) * objectives.channel("same", n) - 0.1 * n,
    "positions": lambda n: objectives.positions("same", n, np.s_[n]),
    "first positions": lambda n: objectives.first_positions("same", n, n + 1),
    "directions": lambda n: objectives.random_direction("same", n),
    "tensors": lambda n: objectives.tensor_direction("same", n * TENSOR, 1),
    "classes": lambda n: objectives.class_probability("logits", n),
    "boundaries": lambda n: (
        objectives.channel("same", 0) + objectives.penalize_boundary_complexity(n + 1, None, 0.1 * n)
    ),
    "pictures": lambda n: objectives.dot_compare("same", IMAGES[n]),
    "interpolations": lambda n: objectives.channel_interpolate("same", n, "features", 2 - n),
    "one of a batch": lambda n: objectives.only_image(n % 2) * objectives.channel("same", n),
    "alignment": lambda n: objectives.alignment("same", n + 1),
    "schedules": lambda n: objectives.decay(n + 2) * objectives.channel("same", n) + objectives.ramp(n, n + 2) * 0.1,
}


@pytest.mark.parametrize("case", SWEEPS)
def test_a_sweep_traces_once(identity, case):
    identity.compiled.clear()
    settings = dict(param=param.pixel(SHAPE[:2]), transforms=None, steps=3, batch=2, progress=False)
    results = [optimize(identity, SWEEPS[case](n), **settings) for n in range(3)]
    assert number_of_traces(identity) == 1
    # The numbers are not frozen into the trace.
    assert len({result.history.tobytes() + result.latents.tobytes() for result in results}) == 3
