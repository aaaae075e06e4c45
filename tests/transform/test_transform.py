"""Transforms: adjoints, independent resampling oracles, distributions of the parameters, seeds, shapes, errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats

from samplevis import transform
from samplevis.runtime import seeds
from samplevis.transform import warp

SCIPY_MODE = {"reflect": "mirror", "zero": "grid-constant"}
EVERY = {
    "pad reflect": transform.pad(3),
    "pad constant": transform.pad(2, "constant", 0.3),
    "pad uniform": transform.pad(4, "uniform"),
    "jitter": transform.jitter(5),
    "shift": transform.shift(9),
    "scale": transform.random_scale([0.7, 1.0, 1.4]),
    "resize": transform.random_resize([0.6, 1.0, 1.3]),
    "rotate": transform.random_rotate([-30, 10, 75]),
    "rotate nearest": transform.random_rotate([-30, 10, 75], edges="zero", interpolation="nearest"),
    "affine": transform.affine(),
    "affine zero": transform.affine(edges="zero"),
    "affine far": transform.affine(shift=90, scale=1.0, rotate=180),
    "crop": transform.crop_or_pad_to(7, 30),
    "blur": transform.blur(1.3),
    "noise": transform.noise(0.1),
    "mirror": transform.mirror(),
    "compose": transform.compose([transform.mirror(), transform.affine(), transform.jitter(3)]),
    "identity": transform.identity,
    "standard": transform.as_transform(transform.standard_transforms),
    "lucid": transform.as_transform(transform.lucid_transforms),
    "robust": transform.as_transform(transform.robust_transforms),
}
# Relative to |x| |y|. The promise is 1e-5; rounding in float32 stays below 1e-7, and an adjoint that is
# wrong by a fraction r shows as about r / sqrt(number of values), r / 60 here.
TOLERANCE = 1e-6
SHAPE = (2, 17, 30, 3)  # shared by most tests, so that XLA compiles a warp once


def random_images(*shape: int, seed: int = 0, dtype: type = np.float32) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def adjoint_error(function, shape: tuple[int, ...], seed: int = 0) -> float:
    """The largest |<Wx, y> - <x, W'y>| / (|x| |y|) of the batch; W is the linear part of `function`."""
    images = tf.constant(random_images(*shape, seed=seed))
    with tf.GradientTape() as tape:
        tape.watch(images)
        result = function(images)
    probe = random_images(*result.shape, seed=seed + 1)
    gradient = tape.gradient(result, images, tf.constant(probe)).numpy().astype(np.float64)
    linear = result.numpy().astype(np.float64) - function(tf.zeros_like(images)).numpy()

    def inner(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a.astype(np.float64) * b).sum((1, 2, 3))

    x = images.numpy()
    size = np.sqrt(inner(x, x) * inner(probe, probe))
    return float(np.max(np.abs(inner(linear, probe) - inner(x, gradient)) / size))


@pytest.mark.parametrize("shape", [(3, 24, 24, 3), SHAPE])
@pytest.mark.parametrize("name", EVERY)
def test_gradient_is_the_adjoint(name, shape):
    params = EVERY[name].sample_params(seeds.root(4), shape[0], shape[1:])
    assert adjoint_error(lambda images: EVERY[name].apply(params, images), shape) < TOLERANCE


def test_adjoint_check_rejects_the_projective_operation():
    """The control: TensorFlow's own warp has a gradient that is not its adjoint."""
    cosine, sine = math.cos(0.14) / 1.1, math.sin(0.14) / 1.1
    row = tf.constant([[cosine, -sine, 2.0, sine, cosine, -1.0, 0.0, 0.0]])

    def warped(images):
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=images,
            transforms=row,
            output_shape=images.shape[1:3],
            fill_value=0.0,
            interpolation="BILINEAR",
        )

    assert adjoint_error(warped, (16, 24, 24, 3)) > 1e-3


@settings(max_examples=5, deadline=None, derandomize=True)
@given(
    height=st.integers(2, 20),
    width=st.integers(2, 20),
    edges=st.sampled_from(warp.EDGES),
    down=st.floats(-60, 60),
    scale=st.floats(0.2, 5),
    angle=st.floats(-4, 4),
    seed=st.integers(0, 99),
)
def test_warp_adjoint_and_values_for_any_shape_and_draw(height, width, edges, down, scale, angle, seed):
    """Against scipy, and the gradient against the matrix of the map, built column by column."""
    params = [tf.constant(v, tf.float64) for v in ([[down, 1.7]], [scale], [angle])]
    matrix = warp.inverse_similarity(*params)
    basis = np.eye(height * width).reshape(-1, height, width)
    every = warp.affine_warp(tf.constant(np.moveaxis(basis, 0, -1)[None]), matrix, edges).numpy()[0]

    turn, offset = matrix.numpy()[0, :, :2], matrix.numpy()[0, :, 2]
    centre = (np.array([height, width]) - 1) / 2
    picture = random_images(height, width, seed=seed, dtype=np.float64)
    expected = ndimage.affine_transform(
        picture, turn, offset + centre - turn @ centre, order=1, mode=SCIPY_MODE[edges], output=np.float64
    )
    np.testing.assert_allclose(every @ picture.ravel(), expected, atol=1e-9)

    images = tf.constant(picture[None, :, :, None])
    with tf.GradientTape() as tape:
        tape.watch(images)
        result = warp.affine_warp(images, matrix, edges)
    probe = random_images(height, width, seed=seed + 1, dtype=np.float64)
    gradient = tape.gradient(result, images, tf.constant(probe[None, :, :, None])).numpy()[0, :, :, 0]
    np.testing.assert_allclose(gradient, np.einsum("hwn,hw->n", every, probe).reshape(height, width), atol=1e-9)


@settings(max_examples=5, deadline=None, derandomize=True)
@given(
    height=st.integers(10, 24),
    width=st.integers(10, 24),
    channels=st.integers(1, 4),
    seed=st.integers(0, 999),
    name=st.sampled_from([n for n in EVERY if "scale" not in n and "affine" not in n]),
)
def test_adjoint_and_shape_for_any_size(height, width, channels, seed, name):
    shape = (height, width, channels)
    params = EVERY[name].sample_params(seeds.root(seed), 2, shape)
    result = EVERY[name].apply(params, tf.zeros([2, *shape]))
    assert tuple(result.shape[1:]) == EVERY[name].output_shape(shape)
    assert adjoint_error(lambda images: EVERY[name].apply(params, images), (2, *shape), seed) < TOLERANCE


def scipy_affine(picture: np.ndarray, down: float, right: float, scale: float, angle: float, mode: str) -> np.ndarray:
    """The warp written out from the geometry, one output position at a time, by another interpolator."""
    height, width = picture.shape
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    # Complex plane with x to the right and y up: undo the shift, the turn and the zoom.
    position = (columns - (width - 1) / 2 - right) - 1j * (rows - (height - 1) / 2 - down)
    source = position * np.exp(-1j * angle) / scale
    places = [(height - 1) / 2 - source.imag, (width - 1) / 2 + source.real]
    return ndimage.map_coordinates(picture, places, order=1, mode=mode, output=np.float64)


@pytest.mark.parametrize("edges", warp.EDGES)
def test_affine_against_scipy(edges):
    kind = transform.affine(shift=20, scale=0.5, rotate=90, edges=edges)
    images = random_images(6, 21, 34, 2)
    params = kind.sample_params(seeds.root(0), 6, images.shape[1:])
    result = kind.apply(params, tf.constant(images)).numpy()
    for i in range(6):
        parameters = (*params["shift"][i].numpy(), float(params["scale"][i]), float(params["angle"][i]))
        for channel in range(2):
            expected = scipy_affine(images[i, ..., channel], *parameters, SCIPY_MODE[edges])
            # float32 positions of up to 60 pixels, slopes of up to 8 a pixel
            np.testing.assert_allclose(result[i, ..., channel], expected, atol=2e-4)


@pytest.mark.parametrize("edges", warp.EDGES)
def test_scale_and_rotate_against_scipy(edges):
    images = random_images(1, 20, 27, 1)
    for scale in (0.5, 0.9, 1.0, 2.3):
        result = transform.random_scale([scale], edges)(tf.constant(images), seeds.root(0))
        expected = scipy_affine(images[0, ..., 0], 0, 0, scale, 0, SCIPY_MODE[edges])
        np.testing.assert_allclose(result[0, ..., 0], expected, atol=1e-4)
    for angle in (-100, 10, 90):
        result = transform.random_rotate([angle], edges=edges)(tf.constant(images), seeds.root(0))
        expected = scipy_affine(images[0, ..., 0], 0, 0, 1, math.radians(angle), SCIPY_MODE[edges])
        np.testing.assert_allclose(result[0, ..., 0], expected, atol=1e-4)


def test_rotate_a_quarter_is_exact_and_units_agree():
    images = random_images(2, 15, 15, 3)
    quarter = transform.random_rotate([90])(tf.constant(images), seeds.root(0))
    np.testing.assert_allclose(quarter, np.rot90(images, axes=(1, 2)), atol=1e-5)
    radians = transform.random_rotate([math.pi / 2], units="radians")
    assert radians == transform.random_rotate([90])


def test_shift_moves_down_and_right():
    images = np.zeros([1, 9, 9, 1], np.float32)
    images[0, 4, 4] = 1
    params = {"shift": tf.constant([[2.0, 3.0]]), "scale": tf.ones([1]), "angle": tf.zeros([1])}
    moved = transform.affine().apply(params, tf.constant(images)).numpy()
    assert moved[0, 6, 7, 0] == 1 and moved.sum() == 1
    rolled = transform.shift(5).apply({"shift": tf.constant([[2, -5]])}, tf.constant(images))
    np.testing.assert_array_equal(rolled, np.roll(images, (2, -5), (1, 2)))


@pytest.mark.parametrize(
    "kind",
    [
        transform.affine(0, 0, 0),
        transform.affine(0, 0, 0, "zero"),
        transform.random_scale([1.0]),
        transform.random_rotate([0]),
        transform.jitter(0),
        transform.shift(0),
        transform.pad(0),
        transform.noise(0),
        transform.crop_or_pad_to(13, 18),
        transform.blur(1e-3),
        transform.identity,
    ],
    ids=repr,
)
def test_still_draw_returns_the_image(kind):
    images = random_images(3, 13, 18, 3)
    np.testing.assert_array_equal(kind(tf.constant(images), seeds.root(3)), images)


def test_jitter_is_a_slice():
    images = random_images(4, 12, 15, 3)
    offset = np.array([[0, 0], [5, 5], [2, 4], [3, 1]])
    result = transform.jitter(5).apply({"offset": tf.constant(offset, tf.int32)}, tf.constant(images))
    for i, (top, left) in enumerate(offset):
        np.testing.assert_array_equal(result[i], images[i, top : top + 7, left : left + 10])


def test_pads_against_numpy():
    images = random_images(3, 8, 11, 2)
    margins = [(0, 0), (5, 5), (5, 5), (0, 0)]
    seed = seeds.root(1)
    np.testing.assert_array_equal(transform.pad(5)(tf.constant(images), seed), np.pad(images, margins, "reflect"))
    np.testing.assert_array_equal(
        transform.pad(5, "constant", 0.25)(tf.constant(images), seed),
        np.pad(images, margins, constant_values=0.25),
    )
    result = transform.pad(5, "UNIFORM")(tf.constant(images), seed).numpy()
    np.testing.assert_array_equal(result[:, 5:-5, 5:-5], images)
    greys = result[:, 0, 0, 0]
    assert len(set(greys)) == 3 and (greys >= 0).all() and (greys < 1).all()
    for image, grey, original in zip(result, greys, images, strict=True):
        np.testing.assert_array_equal(image, np.pad(original, margins[1:], constant_values=grey))


def test_crop_or_pad_is_central():
    images = random_images(2, 9, 6, 3)
    result = transform.crop_or_pad_to(5, 10)(tf.constant(images), seeds.root(0))
    np.testing.assert_array_equal(result, np.pad(images[:, 2:7], [(0, 0), (0, 0), (2, 2), (0, 0)]))


def test_blur_against_scipy():
    images = random_images(2, 14, 23, 3)
    expected = ndimage.gaussian_filter(images.astype(np.float64), (0, 1.4, 1.4, 0), mode="mirror")
    np.testing.assert_allclose(transform.blur(1.4)(tf.constant(images), seeds.root(0)), expected, atol=1e-6)


def test_mirror_exchanges_left_and_right_half_the_time():
    images = random_images(400, 2, 3, 1)
    result = transform.mirror()(tf.constant(images), seeds.root(5)).numpy()
    flipped = (result == images[:, :, ::-1]).all((1, 2, 3))
    np.testing.assert_array_equal(result[~flipped], images[~flipped])
    assert abs(flipped.mean() - 0.5) < 4 * 0.5 / math.sqrt(400)


def test_noise_statistics():
    images = tf.constant(random_images(4, 50, 50, 2))
    values = transform.noise(0.3)(images, seeds.root(0)).numpy().astype(np.float64) - images.numpy()
    count = values.size
    assert abs(values.mean()) < 4 * 0.3 / math.sqrt(count)
    assert abs(values.std() - 0.3) < 4 * 0.3 / math.sqrt(2 * count)
    between = np.corrcoef(values.reshape(4, -1))[np.triu_indices(4, 1)]
    assert np.abs(between).max() < 4 / math.sqrt(values[0].size)


def test_choices_are_as_likely_as_they_are_frequent():
    count = 4000
    angles = transform.random_rotate([-10, 0, 0, 20]).sample_params(seeds.root(2), count, (8, 8, 3))["angle"].numpy()
    for angle, probability in ((-10, 0.25), (0, 0.5), (20, 0.25)):
        seen = np.isclose(angles, math.radians(angle)).mean()
        assert abs(seen - probability) < 4 * math.sqrt(probability * (1 - probability) / count)
    scales = transform.random_scale([0.9, 1, 1.1]).sample_params(seeds.root(2), 300, (8, 8, 3))["scale"].numpy()
    assert set(np.unique(scales)) == set(np.float32([0.9, 1, 1.1]))


def test_integers_reach_both_ends_equally_often():
    count = 6000
    for kind, name, values in (
        (transform.jitter(4), "offset", range(5)),
        (transform.shift(2), "shift", range(-2, 3)),
    ):
        offsets = kind.sample_params(seeds.root(1), count, (20, 20, 3))[name].numpy()
        for axis in (0, 1):
            seen, frequency = np.unique(offsets[:, axis], return_counts=True)
            assert list(seen) == list(values)
            assert np.abs(frequency / count - 0.2).max() < 4 * math.sqrt(0.2 * 0.8 / count)
        assert abs(np.corrcoef(offsets.T)[0, 1]) < 4 / math.sqrt(count)


def test_affine_draws_follow_the_stated_laws():
    """Kolmogorov-Smirnov at p = 6e-5, as 4 standard errors, against the uniform laws in the docstring."""
    params = transform.affine(shift=8, scale=0.1, rotate=8).sample_params(seeds.root(9), 2000, (96, 96, 3))
    columns = {
        "down": params["shift"][:, 0] / 8,
        "right": params["shift"][:, 1] / 8,
        "scale": tf.math.log(params["scale"]) / 0.1,
        "angle": params["angle"] / math.radians(8),
    }
    for column in columns.values():
        assert np.abs(column).max() <= 1 + 1e-5
        assert stats.kstest(column.numpy(), stats.uniform(-1, 2).cdf).pvalue > 6e-5
    between = np.corrcoef(np.stack(list(columns.values())))[np.triu_indices(4, 1)]
    assert np.abs(between).max() < 4 / math.sqrt(2000)


RANDOM = [name for name in EVERY if name not in ("pad reflect", "pad constant", "crop", "blur", "identity")]


@pytest.mark.parametrize("name", RANDOM)
def test_every_image_has_a_draw_and_seeds_decide(name):
    kind = EVERY[name]
    images = tf.constant(np.repeat(random_images(1, *SHAPE[1:]), 16, axis=0))
    first, again, other = (kind(images, seeds.root(s)).numpy() for s in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()
    assert len({image.tobytes() for image in first}) >= 2
    for leaf in tf.nest.flatten(kind.sample_params(seeds.root(1), 16, SHAPE[1:])):
        assert leaf.shape[0] == 16


def test_gradient_gives_the_same_bytes_twice():
    kind = transform.as_transform(transform.standard_transforms)
    images, params = tf.constant(random_images(16, *SHAPE[1:])), kind.sample_params(seeds.root(0), 16, SHAPE[1:])

    @tf.function
    def gradient():
        with tf.GradientTape() as tape:
            tape.watch(images)
            score = tf.reduce_sum(kind.apply(params, images) ** 2)
        return tape.gradient(score, images)

    assert len({gradient().numpy().tobytes() for _ in range(5)}) == 1


def test_second_derivatives_of_a_quadratic():
    """The Hessian of |Wx|^2 / 2 is W'W: differentiating the gradient once more stays exact."""
    kind = transform.affine()
    x, v = tf.constant(random_images(*SHAPE)), tf.constant(random_images(*SHAPE, seed=1))
    params = kind.sample_params(seeds.root(0), 2, SHAPE[1:])
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            score = tf.reduce_sum(kind.apply(params, x) ** 2) / 2
        along = tf.reduce_sum(inner.gradient(score, x) * v)
    with tf.GradientTape() as tape:
        tape.watch(x)
        result = kind.apply(params, x)
    expected = tape.gradient(result, x, kind.apply(params, v))
    np.testing.assert_allclose(outer.gradient(along, x), expected, atol=1e-5)


def test_draws_get_no_gradient():
    kind = transform.affine()
    params = kind.sample_params(seeds.root(0), 2, (9, 9, 1))
    with tf.GradientTape() as tape:
        tape.watch(params)
        result = kind.apply(params, tf.constant(random_images(2, 9, 9, 1)))
    assert tape.gradient(result, params) == {"shift": None, "scale": None, "angle": None}


def test_compose_goes_left_to_right():
    images = tf.constant(random_images(2, 10, 12, 1))

    def double(x):
        return 2 * x

    def increase(x):
        return x + 1

    np.testing.assert_allclose(transform.compose([double, increase])(images, seeds.root(0)), 2 * images + 1)
    np.testing.assert_allclose(transform.compose([increase, double])(images, seeds.root(0)), 2 * images + 2, rtol=1e-6)
    parts = [transform.pad(2), transform.jitter(1), transform.affine()]
    whole = transform.compose(parts)
    params = whole.sample_params(seeds.root(0), 2, (10, 12, 1))
    expected = images
    for part, part_params in zip(parts, params, strict=True):
        expected = part.apply(part_params, expected)
    np.testing.assert_array_equal(whole.apply(params, images), expected)


def test_compose_gives_equal_parts_different_draws():
    first, second = transform.compose([transform.affine(), transform.affine()]).sample_params(
        seeds.root(0), 3, (9, 9, 3)
    )
    assert np.abs(first["shift"] - second["shift"]).min() > 0


@pytest.mark.parametrize("name", EVERY)
def test_static_shape_and_equal_values_inside_tf_function(name):
    kind, images, seed = EVERY[name], tf.constant(random_images(*SHAPE)), seeds.root(6)
    traced = []

    @tf.function
    def step(x):
        result = kind(x, seed)
        traced.append(tuple(result.shape))
        return result

    result = step(images)
    assert traced[0] == (2, *kind.output_shape(SHAPE[1:]))
    np.testing.assert_allclose(result, kind(images, seed), atol=1e-5)


@pytest.mark.parametrize("name", ["pad reflect", "jitter", "shift", "blur", "compose", "affine zero"])
def test_apply_under_xla(name):
    """The parameters are sampled outside: under XLA the same seed gives other random numbers."""
    kind, images = EVERY[name], tf.constant(random_images(*SHAPE))
    params = kind.sample_params(seeds.root(6), 2, SHAPE[1:])
    # Positions in float32 may round differently in another compilation: 1e-5 pixel, slopes of up to 8 a
    # pixel.
    np.testing.assert_allclose(
        tf.function(kind.apply, jit_compile=True)(params, images), kind.apply(params, images), atol=3e-4
    )


def test_gradient_inside_a_loop():
    """As samplers use it: the gradient is taken in the body of a tf.while_loop."""
    kind = transform.affine()
    images, params = tf.constant(random_images(*SHAPE)), kind.sample_params(seeds.root(0), 2, SHAPE[1:])

    def ascend(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = tf.reduce_sum(kind.apply(params, x))
        return x + tape.gradient(score, x)

    looped = tf.function(lambda x: tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, ascend(x)), (0, x))[1])
    np.testing.assert_allclose(looped(images), ascend(ascend(ascend(images))), atol=1e-4)


def test_bank_tiles_over_chains():
    kind = transform.as_transform(transform.standard_transforms)
    bank = kind.sample_params(seeds.root(0), 8, SHAPE[1:])
    images = tf.constant(random_images(8, *SHAPE[1:]))
    tiled = tf.nest.map_structure(lambda leaf: tf.repeat(leaf, 2, axis=0), bank)
    result = kind.apply(tiled, tf.repeat(images, 2, axis=0))
    np.testing.assert_allclose(result[1::2], kind.apply(bank, images), atol=1e-4)


def test_standard_transforms_are_lucids():
    kind = transform.as_transform(transform.standard_transforms)
    assert isinstance(transform.standard_transforms, tuple)
    assert kind.output_shape((128, 128, 3)) == (140, 140, 3)
    params = kind.sample_params(seeds.root(0), 2000, (128, 128, 3))
    assert np.unique(params[2]["scale"]).size == 11 and np.unique(params[3]["angle"]).size == 21
    assert np.isclose(params[2]["scale"], np.clip(params[2]["scale"], 0.9, 1.1)).all()
    assert math.isclose(np.max(params[3]["angle"]), 10 * math.pi / 180, rel_tol=1e-6)
    upright = np.mean(params[3]["angle"] == 0)
    assert abs(upright - 6 / 26) < 4 * math.sqrt(6 / 26 * 20 / 26 / 2000)


def test_equal_transforms_are_equal_keys():
    assert hash(transform.compose([transform.affine(), transform.jitter(2)])) == hash(
        transform.as_transform((transform.affine(), transform.jitter(2)))
    )
    assert len({transform.pad(2), transform.pad(2), transform.pad(3), transform.jitter(2), transform.shift(2)}) == 4
    assert hash(transform.random_scale(np.linspace(0.9, 1.1, 3))) == hash(transform.random_scale([0.9, 1.0, 1.1]))


def test_as_transform():
    assert transform.as_transform(None) == transform.identity == transform.as_transform([])
    assert transform.as_transform(transform.jitter(1)) == transform.jitter(1)

    def halve(images):
        return images[:, ::2]

    assert transform.as_transform(halve).output_shape((9, 6, 3)) == (5, 6, 3)
    with pytest.raises(TypeError, match="transforms.*Received: 7"):
        transform.as_transform([transform.jitter(1), 7])


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: transform.pad(-1), ValueError, "width.*>= 0.*-1"),
        (lambda: transform.pad(1.5), ValueError, "width.*whole number.*1.5"),
        (lambda: transform.pad(True), ValueError, "width.*True"),
        (lambda: transform.pad(1, "reflct"), ValueError, "mode: expected one of 'reflect', .*'reflct'"),
        (lambda: transform.pad(1, "unifrom"), ValueError, "mode: expected one of 'uniform', .*'unifrom'"),
        (lambda: transform.pad(1, None), ValueError, "mode"),
        (lambda: transform.pad(1, "constant", math.nan), ValueError, "value.*finite"),
        (lambda: transform.jitter(-2), ValueError, "d: .*-2"),
        (lambda: transform.shift(0.5), ValueError, "d: .*0.5"),
        (lambda: transform.random_scale([]), ValueError, "scales.*at least one"),
        (lambda: transform.random_scale([1, 0]), ValueError, r"scales\[1\].*> 0"),
        (lambda: transform.random_scale(1.1), TypeError, "scales.*list.*1.1"),
        (lambda: transform.random_rotate([]), ValueError, "angles.*at least one"),
        (lambda: transform.random_rotate([1, "x"]), TypeError, r"angles\[1\]"),
        (lambda: transform.random_rotate([1], "degree"), ValueError, "units: expected one of 'degrees'"),
        (
            lambda: transform.random_rotate([1], edges="reflekt"),
            ValueError,
            "edges: expected one of 'reflect'",
        ),
        (
            lambda: transform.random_rotate([1], interpolation="linear"),
            ValueError,
            "interpolation: expected.*'bilinear'",
        ),
        (lambda: transform.random_resize([]), ValueError, "scales.*at least one"),
        (lambda: transform.normalize_gradient(0), ValueError, "scales.*> 0"),
        (lambda: transform.normalize_gradient("x"), TypeError, "scales"),
        (lambda: transform.collapse_alpha_random(0), ValueError, "sd.*> 0"),
        (lambda: transform.collapse_alpha_random().output_shape((8, 8, 3)), ValueError, "4 channels.*Received: 3"),
        (lambda: transform.affine(shift=-1), ValueError, "shift.*>= 0"),
        (lambda: transform.affine(scale=math.inf), ValueError, "scale.*finite"),
        (lambda: transform.affine(rotate="8"), TypeError, "rotate.*'8'"),
        (lambda: transform.affine(edges="zeros"), ValueError, "edges: expected one of 'zero'"),
        (lambda: transform.crop_or_pad_to(0, 5), ValueError, "height.*>= 1"),
        (lambda: transform.blur(0), ValueError, "sigma.*> 0"),
        (lambda: transform.noise(-0.1), ValueError, "standard_deviation.*>= 0"),
        (lambda: transform.jitter(8).output_shape((8, 9, 3)), ValueError, "jitter d.*less than.*8"),
        (lambda: transform.pad(9)(tf.zeros([1, 9, 12, 3]), seeds.root(0)), ValueError, "pad width.*9"),
        (lambda: transform.blur(3)(tf.zeros([1, 9, 12, 3]), seeds.root(0)), ValueError, "sigma.*reach 12"),
        (
            lambda: transform.affine()(tf.zeros([1, 1, 12, 3]), seeds.root(0)),
            ValueError,
            "at least 2 x 2.*1 x 12",
        ),
        (
            lambda: transform.affine().apply(
                transform.affine().sample_params(seeds.root(0), 3, (9, 9, 3)), tf.zeros([2, 9, 9, 3])
            ),
            ValueError,
            "images: expected as many as matrices, 3. Received: 2",
        ),
    ],
)
def test_errors_name_argument_and_range(make, error, message):
    with pytest.raises(error, match=message):
        make()
