"""Values against the formulas of Lucid's files in NumPy: odd and non-square sizes, several images, alpha, any channels."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from samplevis.lucid.core import variables
from samplevis.lucid.core.variables import Latents
from samplevis.lucid.optvis import objectives, param, style, transform

SIZES = [(16, 16), (15, 16), (16, 15), (9, 13)]
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
COLORS = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
COLORS = COLORS / np.linalg.norm(COLORS, axis=0).max()


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def spectrum(h: int, w: int, decay: float = 1) -> np.ndarray:
    """lucid/optvis/param/spatial.py: rfft2d_freqs and the scale of fft_image."""
    fx = np.fft.fftfreq(w)[: w // 2 + (2 if w % 2 else 1)]
    freqs = np.sqrt(fx**2 + np.fft.fftfreq(h)[:, None] ** 2)
    return 1 / np.maximum(freqs, 1 / max(w, h)) ** decay * np.sqrt(w * h)


def fft_image(values: np.ndarray, h: int, w: int, decay: float = 1) -> np.ndarray:
    """lucid/optvis/param/spatial.py: fft_image of the variable's values [2, batch, channels, h, half]."""
    full = np.fft.irfft2((values[0] + 1j * values[1]) * spectrum(h, w, decay))
    return full.transpose(0, 2, 3, 1)[:, :h, :w] / 4


def latents(function) -> Latents:
    with variables.fixed_initial_values(0):
        return Latents(function)


@pytest.mark.parametrize("h, w", SIZES)
@pytest.mark.parametrize("fft", [True, False])
@pytest.mark.parametrize("settings", [{}, {"alpha": True}, {"channels": 7}, {"decorrelate": False}])
def test_images(h, w, fft, settings):
    made = latents(lambda: param.image(w, h, batch=2, fft=fft, sd=0.5, **settings))
    (shape,) = made.shapes
    values = made.initial.reshape(shape).astype(np.float64)
    raw = fft_image(values, h, w) if fft else values
    if settings.get("channels"):
        expected = sigmoid(raw)
    else:
        rgb = raw[..., :3] if settings.get("decorrelate") is False else raw[..., :3] @ COLORS.T
        expected = sigmoid(np.concatenate([rgb, raw[..., 3:]], -1))
    assert made.result.shape == (2, h, w, settings.get("channels") or (4 if settings.get("alpha") else 3))
    np.testing.assert_allclose(made.result, expected, **CLOSE)
    np.testing.assert_allclose(made.read(tf.constant(made.initial)), expected, **CLOSE)


def test_the_first_values_are_those_of_numpy_random():
    np.random.seed(7)
    made = Latents(lambda: param.image(8, batch=3))
    np.random.seed(7)
    expected = np.random.normal(size=(2, 3, 3, 8, 5), scale=0.01).astype(np.float32)
    np.testing.assert_array_equal(made.initial.reshape(expected.shape), expected)


@pytest.mark.parametrize("size, sd", [(64, 0.017), (128, 0.019), (224, 0.020)])
def test_the_standard_deviation_of_the_first_image(size, sd):
    with variables.fixed_initial_values(1):
        assert abs(float(tf.math.reduce_std(param.fft_image([4, size, size, 3]))) - sd) < 0.0015


def test_several_variables_are_read_in_order():
    def images() -> tf.Tensor:
        shared = [param.lowres_tensor((3, 8, 8, 3), (1, 8 // k, 8 // k, 3)) for k in (1, 2)]
        return param.to_valid_rgb(param.fft_image((3, 8, 8, 3)) + sum(shared), decorrelate=True)

    made = latents(images)
    assert len(made.shapes) == 3
    np.testing.assert_allclose(made.read(tf.constant(made.initial)), made.result, atol=1e-6)
    other = tf.constant(made.initial + 1)
    assert float(tf.reduce_max(tf.abs(made.read(other) - made.result))) > 0.1


@pytest.mark.parametrize("sigmoid_", [True, False])
@pytest.mark.parametrize("decorrelate", [True, False])
def test_colours(decorrelate, sigmoid_):
    x = np.random.default_rng(0).normal(size=(2, 5, 7, 3))
    expected = x @ COLORS.T if decorrelate else x
    if sigmoid_:
        expected = sigmoid(expected)
    else:
        expected = expected + [0.48, 0.46, 0.41] if decorrelate else expected
        expected = np.clip(expected, 0, 1)
    found = param.to_valid_rgb(tf.constant(x, tf.float32), decorrelate=decorrelate, sigmoid=sigmoid_)
    np.testing.assert_allclose(found, expected, **CLOSE)


def test_bilinear_samples_of_a_texture():
    """OpenGL's rules on a texture of 2 x 2 texels: centres are at 1/4 and 3/4, and it repeats."""
    texture = tf.constant([[[0.0], [1.0]], [[2.0], [3.0]]])
    at = tf.constant([[[0.25, 0.75], [0.75, 0.75], [0.5, 0.75], [0.0, 0.25], [1.25, -0.25]]])
    found = param.bilinearly_sampled_image(texture, at)[0, :, 0]
    np.testing.assert_allclose(found, [0, 1, 0.5, 2.5, 0], atol=1e-6)


def test_the_cppn_has_lucids_number_of_parameters_and_begins_grey():
    made = latents(lambda: param.cppn(8, batch=2))
    assert made.initial.shape == (1, 8451) and made.result.shape == (2, 8, 8, 3)
    # The biases of the last layer are N(0, 0.1).
    assert np.abs(made.result - 0.5).max() < 0.1


# --- Objectives -------------------------------------------------------------------------------------------------------

RANDOM = np.random.default_rng(3)
ACTS = RANDOM.normal(size=(3, 5, 6, 4)).astype(np.float32)
IMAGES = RANDOM.uniform(size=(3, 11, 8, 4)).astype(np.float32)
VEC = RANDOM.normal(size=4)
LOGITS = RANDOM.normal(size=(3, 9)).astype(np.float32)


def T(name: str):  # noqa: N802
    if name == "labels":
        return [f"class {number}" for number in range(9)]
    return tf.constant({"acts": ACTS, "input": IMAGES, "logits": LOGITS}[name])


def dot_cossim(x: np.ndarray, y: np.ndarray, power: float) -> float:
    dot = (x * y).sum(-1)
    if power == 0:
        return dot.mean()
    cosine = dot / (1e-4 + np.sqrt((x**2).sum(-1))) / (1e-4 + np.sqrt((y**2).sum(-1)))
    return (dot * np.maximum(0.1, cosine) ** power).mean()


def blur(x: np.ndarray, w: int) -> np.ndarray:
    kernel = np.full((w, w), 0.5)
    kernel[1:-1, 1:-1] = 1
    r = w // 2

    def convolve(y: np.ndarray) -> np.ndarray:
        padded = np.pad(y, [(0, 0), (r, r), (r, r), (0, 0)])
        h, v = y.shape[1:3]
        return sum(kernel[i, j] * padded[:, i : i + h, j : j + v] for i in range(w) for j in range(w))

    return convolve(x) / convolve(np.ones_like(x))


def diversity(a: np.ndarray) -> float:
    grams = [x.reshape(-1, x.shape[-1]).T @ x.reshape(-1, x.shape[-1]) for x in a]
    grams = [g / np.sqrt(max((g**2).sum(), 1e-10)) for g in grams]
    count = len(grams)
    return sum((grams[i] * grams[j]).sum() for i in range(count) for j in range(count) if i != j) / count


def interpolate(a: np.ndarray) -> float:
    weights = np.arange(3) / 2
    return sum((1 - weights[n]) * a[n, ..., 1].mean() + weights[n] * a[n, ..., 2].mean() for n in range(3))


def alignment(a: np.ndarray) -> float:
    pairs = [(i, i + d, d) for d in (1, 2, 3, 4) for i in range(len(a) - d)]
    return -sum(((a[i] - a[j]) ** 2).mean() / 2.0**d for i, j, d in pairs)


MASK = np.ones((3, 11, 8, 4))
MASK[:, 2:-2, 2:-2] = 0
BOUNDARY = -(((blur(IMAGES, 5) - IMAGES) ** 2 + 0.8 * (IMAGES - 0.5) ** 2) * MASK).sum()
TV = np.abs(np.diff(IMAGES, axis=1)).sum((1, 2, 3)) + np.abs(np.diff(IMAGES, axis=2)).sum((1, 2, 3))
CASES = {
    "neuron": (lambda o: o.neuron("acts", 2), ACTS[:, 2, 3, 2].mean()),
    "neuron at": (lambda o: o.neuron("acts", 2, 4, 1), ACTS[:, 4, 1, 2].mean()),
    "neuron of one": (lambda o: o.neuron("acts", 2, batch=np.int64(1)), ACTS[1, 2, 3, 2]),
    "neuron dense": (lambda o: o.neuron("logits", 2), LOGITS[:, 2].mean()),
    "channel": (lambda o: o.channel("acts", 3), ACTS[..., 3].mean()),
    "channel of one": (lambda o: o.channel("acts", 3, batch=2), ACTS[2, ..., 3].mean()),
    "direction": (lambda o: o.direction("acts", VEC), dot_cossim(ACTS, VEC, 0)),
    "direction squared": (lambda o: o.direction("acts", VEC, 2), dot_cossim(ACTS, VEC, 2)),
    "direction_neuron": (
        lambda o: o.direction_neuron("acts", VEC, cossim_pow=1, batch=0),
        dot_cossim(ACTS[:1, 2, 3], VEC, 1),
    ),
    "tensor_direction": (
        lambda o: o.tensor_direction("acts", ACTS[0, :3, :3], 1),
        dot_cossim(ACTS[:, 1:4, 1:4], ACTS[0, :3, :3], 1),
    ),
    "deepdream": (lambda o: o.deepdream("acts"), (ACTS**2).mean()),
    "total_variation": (lambda o: o.total_variation(), TV),
    "L1": (lambda o: o.L1(constant=0.5), np.abs(IMAGES - 0.5).sum()),
    "L2": (lambda o: o.L2("acts", 0.5, 0.1), np.sqrt(0.1 + ((ACTS - 0.5) ** 2).sum())),
    "blur_input": (lambda o: o.blur_input_each_step(), 0.5 * ((IMAGES - blur(IMAGES, 3)) ** 2).sum()),
    "blur_alpha": (lambda o: o.blur_alpha_each_step(), 0.5 * ((IMAGES - blur(IMAGES, 3))[..., 3] ** 2).sum()),
    "channel_interpolate": (lambda o: o.channel_interpolate("acts", 1, "acts", 2), interpolate(ACTS)),
    "boundary": (lambda o: o.penalize_boundary_complexity([3, 11, 8, 4], w=2), BOUNDARY),
    "alignment": (lambda o: o.alignment("acts"), alignment(ACTS)),
    "diversity": (lambda o: o.diversity("acts"), diversity(ACTS)),
    "input_diff": (lambda o: o.input_diff(IMAGES[0]), np.sqrt(((IMAGES - IMAGES[0]) ** 2).mean())),
    "class_logit": (lambda o: o.class_logit("logits", 4), LOGITS[:, 4].sum()),
    "class_logit by name": (lambda o: o.class_logit("logits", "class 4", batch=1), LOGITS[1, 4]),
    "algebra": (
        lambda o: 1 - np.float32(2) * o.channel("acts", 0) * o.channel("acts", 1) - 3 + o.L1() / 4,
        -2 - 2 * ACTS[..., 0].mean() * ACTS[..., 1].mean() + np.abs(IMAGES).sum() / 4,
    ),
    "sum": (lambda o: sum([o.channel("acts", n) for n in range(3)]), sum(ACTS[..., n].mean() for n in range(3))),
    "Objective.sum": (
        lambda o: o.Objective.sum([o.channel("acts", n) for n in range(3)]),
        sum(ACTS[..., n].mean() for n in range(3)),
    ),
}


@pytest.mark.parametrize("make, expected", CASES.values(), ids=CASES)
def test_objectives(make, expected):
    np.testing.assert_allclose(make(objectives)(T), expected, **CLOSE)


def test_strings_and_descriptions():
    assert objectives.as_objective("acts:3").description == "Channel [acts, 3]"
    np.testing.assert_allclose(objectives.as_objective("acts:3")(T), ACTS[..., 3].mean(), **CLOSE)
    both = objectives.channel("acts", 1) + objectives.deepdream("acts")
    assert both.description == "Sum(Channel [acts, 1] +\nDeepdream [acts])" and both.name == "channel, deepdream"
    with pytest.raises(TypeError, match="objective_f"):
        objectives.as_objective(3)
    with pytest.raises(ValueError, match="mixed4a:476"):
        objectives.as_objective("acts")


def test_the_decorator_with_and_without_parentheses():
    def brightness(weight, layer="input"):
        return lambda T: weight * tf.reduce_mean(T(layer))

    for decorate in (objectives.wrap_objective, objectives.wrap_objective()):
        made = decorate(brightness)(2)
        assert made.description == "Brightness [2]"
        np.testing.assert_allclose(made(T), 2 * IMAGES.mean(), **CLOSE)


def test_style():
    flat = ACTS.reshape(-1, 4)
    np.testing.assert_allclose(style.gram_style(tf.constant(ACTS)), flat.T @ flat / len(flat), **CLOSE)
    np.testing.assert_allclose(style.mean_l1_loss(flat, 0 * flat), np.abs(flat).mean(), **CLOSE)
    np.testing.assert_allclose(style.mean_l2_loss(flat, 0 * flat), np.sqrt((flat**2).mean()), **CLOSE)


# --- Transforms -------------------------------------------------------------------------------------------------------


def resized(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """TensorFlow 1's grid: output pixel i lies at i * before / after."""
    for axis, after in ((1, height), (2, width)):
        before = x.shape[axis]
        at = np.arange(after) * before / after
        low = np.floor(at).astype(int)
        part = (at - low).reshape([-1 if each == axis else 1 for each in range(4)])
        x = (1 - part) * x.take(low, axis) + part * x.take(np.minimum(low + 1, before - 1), axis)
    return x


@pytest.mark.parametrize("scale", [0.9, 1.0, 1.1, 1.37])
def test_random_scale(scale):
    height, width = (int(np.float32(scale) * np.float32(side)) for side in (11, 8))
    found = transform.random_scale([scale])(IMAGES)
    assert found.shape == (3, height, width, 4)
    np.testing.assert_allclose(found, resized(IMAGES.astype(np.float64), height, width), **CLOSE)


@pytest.mark.parametrize("degrees", [-10, 7, 45])
def test_random_rotate(degrees):
    """tensorflow/contrib/image: the map from output to input, the nearest pixel there, zeros outside."""
    angle = 3.14 * degrees / 180
    cos, sin = np.cos(angle), np.sin(angle)
    y, x = np.mgrid[:11, :8].astype(np.float64)
    right, down = (7 - (cos * 7 - sin * 10)) / 2, (10 - (sin * 7 + cos * 10)) / 2
    column, row = cos * x - sin * y + right, sin * x + cos * y + down
    # Positions half-way between two pixels depend on the last bit.
    sure = np.minimum(np.abs(column % 1 - 0.5), np.abs(row % 1 - 0.5)) > 1e-4
    column, row = np.rint(column).astype(int), np.rint(row).astype(int)
    inside = (column >= 0) & (column < 8) & (row >= 0) & (row < 11)
    expected = np.where(inside[None, ..., None], IMAGES[:, row.clip(0, 10), column.clip(0, 7)], 0)
    found = transform.random_rotate([degrees])(IMAGES).numpy()
    np.testing.assert_allclose(found[:, sure], expected[:, sure], **CLOSE)
    assert sure.mean() > 0.9


def test_jitter_crops_all_images_at_one_place():
    offsets = set()
    for seed in range(40):
        tf.random.set_seed(seed)
        found = transform.jitter(2)(IMAGES).numpy()
        places = [(i, j) for i in range(3) for j in range(3) if np.array_equal(found, IMAGES[:, i : i + 9, j : j + 6])]
        assert len(places) == 1
        offsets |= set(places)
    assert len(offsets) == 9


def test_pad():
    found = transform.pad(3, mode="constant", constant_value=0.5)(IMAGES)
    np.testing.assert_array_equal(found, np.pad(IMAGES, [(0, 0), (3, 3), (3, 3), (0, 0)], constant_values=0.5))
    np.testing.assert_array_equal(transform.pad(3)(IMAGES), np.pad(IMAGES, [(0, 0), (3, 3), (3, 3), (0, 0)], "reflect"))
    border = transform.pad(1, "constant", "uniform")(IMAGES).numpy()[:, 0]
    assert np.ptp(border) == 0 and 0 < border.flat[0] < 1


def test_collapse_alpha_random():
    opaque = np.concatenate([IMAGES[..., :3], np.ones((3, 11, 8, 1))], -1).astype(np.float32)
    np.testing.assert_allclose(transform.collapse_alpha_random()(opaque), opaque[..., :3], **CLOSE)
    clear = np.concatenate([IMAGES[..., :3], np.zeros((3, 11, 8, 1))], -1).astype(np.float32)
    found = transform.collapse_alpha_random()(clear).numpy()
    assert 0 < found.min() and found.max() < 1 and np.abs(found - IMAGES[..., :3]).max() > 0.1


def test_collapse_alpha_random_behind_a_change_of_size_says_where_to_put_it():
    collapse = tf.function(transform.collapse_alpha_random(), autograph=False)
    with pytest.raises(ValueError, match="Put it first"):
        collapse.get_concrete_function(tf.TensorSpec([1, None, None, 4]))


def test_normalize_gradient():
    x = tf.constant(IMAGES)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(transform.normalize_gradient([1, 2, 3])(x) ** 2)
    norms = np.sqrt((2 * IMAGES) ** 2).reshape(3, -1)
    expected = [n * g / np.linalg.norm(v) for n, g, v in zip((1, 2, 3), 2 * IMAGES, norms, strict=True)]
    np.testing.assert_allclose(tape.gradient(y, x), expected, **CLOSE)


def test_standard_transforms_are_a_list_of_lucids():
    assert isinstance(transform.standard_transforms, list) and len(transform.standard_transforms) == 5
    sizes = {transform.compose(transform.standard_transforms)(np.zeros((1, 128, 128, 3))).shape[1] for _ in range(60)}
    assert sizes <= {int(np.float32(1 + (i - 5) / 50) * np.float32(144)) - 4 for i in range(11)} and len(sizes) > 5
    assert transform.jitter(8) == transform.jitter(8) != transform.jitter(d=8)
