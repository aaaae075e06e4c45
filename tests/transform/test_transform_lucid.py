"""Lucid's transforms: its pixel grids against TensorFlow 1's operations, its gradient and alpha tricks, its fixed sizes."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from samplevis import Network, optimize, overrides, param, render, transform
from samplevis.activation import make_activation
from samplevis.runtime import seeds
from samplevis.transform.alpha import LUCID_CONTRAST
from samplevis.transform.resize import legacy_grid

IMAGES = np.random.default_rng(0).uniform(size=(3, 20, 26, 3)).astype(np.float32)


def resized_like_lucid(images: np.ndarray, scale: float) -> np.ndarray:
    """TensorFlow 1's resize, then the old canvas cut from it, or its edges continued."""
    sizes = images.shape[1:3]
    new = [int(np.float32(scale) * np.float32(size)) for size in sizes]
    result = tf.compat.v1.image.resize_bilinear(images, new).numpy()
    margins = [max(old - size, 0) for old, size in zip(sizes, new, strict=True)]
    result = np.pad(result, [(0, 0), *((m // 2, m - m // 2) for m in margins), (0, 0)], "edge")
    first = [max(size - old, 0) // 2 for old, size in zip(sizes, new, strict=True)]
    return result[:, first[0] : first[0] + sizes[0], first[1] : first[1] + sizes[1]]


@pytest.mark.parametrize("scale", [0.4, 0.9, 0.98, 1.0, 1.02, 1.1, 2.3])
def test_random_resize_is_the_old_resize(scale):
    kind = transform.random_resize([scale])
    got = kind.apply({"which": tf.zeros(3, tf.int32)}, tf.constant(IMAGES))
    np.testing.assert_allclose(got, resized_like_lucid(IMAGES, scale), atol=1e-5)


def test_the_old_grid_is_not_the_centred_one():
    # A ramp 0 ... 3 doubled: 0, .5, ... 3, 3 on the old grid; its middle four.
    np.testing.assert_allclose(legacy_grid(4, 2.0) @ np.arange(4), [1.0, 1.5, 2.0, 2.5])
    centred = transform.random_scale([1.1]).apply({"scale": tf.fill([3], 1.1)}, tf.constant(IMAGES))
    assert np.abs(centred - resized_like_lucid(IMAGES, 1.1)).max() > 0.1


@pytest.mark.parametrize("angle", [-1.3, -0.1, 0.0, 0.17, np.pi / 2])
def test_nearest_rotation_is_the_projective_operation_forwards(angle):
    images = IMAGES[:1, :, :20]
    kind = transform.random_rotate([angle], units="radians", edges="zero", interpolation="nearest")
    got = kind.apply({"angle": tf.constant([angle], tf.float32)}, tf.constant(images)).numpy()
    cosine, sine, middle = np.cos(angle), np.sin(angle), 19 / 2
    across, down = middle - (cosine * middle - sine * middle), middle - (sine * middle + cosine * middle)
    row = np.array([[cosine, -sine, across, sine, cosine, down, 0, 0]], np.float32)
    expected = tf.raw_ops.ImageProjectiveTransformV3(
        images=images, transforms=row, output_shape=[20, 20], fill_value=0.0, interpolation="NEAREST"
    ).numpy()
    # A position half way between two pixels may go either way.
    assert np.mean(np.any(np.abs(got - expected) > 1e-6, -1)) < 0.01
    assert set(np.unique(got)) <= {0.0, *np.unique(images)}


def test_lucid_transforms_at_a_fixed_draw():
    kind = transform.as_transform(transform.lucid_transforms)
    params = kind.sample_params(seeds.root(3), 3, (20, 26, 3))
    padded = np.pad(IMAGES, [(0, 0), (12, 12), (12, 12), (0, 0)], constant_values=0.5)
    for number in range(3):
        (top, left), (low, right) = (params[i]["offset"][number].numpy() for i in (1, 4))
        one = padded[number : number + 1, top : top + 36, left : left + 42]
        one = resized_like_lucid(one, 0.9 + 0.02 * int(params[2]["which"][number]))
        angle = float(params[3]["angle"][number])
        whole = angle * 180 / 3.14
        assert abs(whole - round(whole)) < 1e-4 and abs(whole) < 10.1
        turned = transform.random_rotate([angle], "radians", "zero", "nearest")
        one = turned.apply({"angle": tf.constant([angle])}, tf.constant(one))[:, low : low + 32, right : right + 38]
        np.testing.assert_allclose(kind.apply(params, tf.constant(IMAGES))[number], one[0], atol=1e-5)


def gradient_of(kind: transform.Transform, upstream: np.ndarray) -> np.ndarray:
    images = tf.constant(IMAGES)
    with tf.GradientTape() as tape:
        tape.watch(images)
        result = kind.apply((), images)
    np.testing.assert_array_equal(result, IMAGES)
    return tape.gradient(result, images, tf.constant(upstream, tf.float32)).numpy()


def test_normalized_gradient_has_the_norm_and_the_direction():
    upstream = np.random.default_rng(1).normal(size=IMAGES.shape) * np.array([1e-6, 1.0, 1e6])[:, None, None, None]
    for scales, expected in ((None, (1, 1, 1)), (3, (3, 3, 3)), ([1, 2, 5], (1, 2, 5))):
        got = gradient_of(transform.normalize_gradient(scales), upstream)
        np.testing.assert_allclose(np.linalg.norm(got.reshape(3, -1), axis=1), expected, rtol=1e-5)
        unit = upstream / np.linalg.norm(upstream.reshape(3, -1), axis=1)[:, None, None, None]
        np.testing.assert_allclose(got, unit * np.reshape(expected, (3, 1, 1, 1)), atol=1e-5)


def test_a_gradient_of_zero_stays_zero():
    upstream = np.zeros(IMAGES.shape)
    upstream[1] = 2.0
    got = gradient_of(transform.normalize_gradient(), upstream)
    assert np.isfinite(got).all() and not got[[0, 2]].any() and got[1].all()


def test_normalized_gradient_wants_a_scale_for_each_image():
    with pytest.raises(ValueError, match="scales: .*batch, 3. Received: 2"):
        gradient_of(transform.normalize_gradient([1, 2]), np.zeros(IMAGES.shape))


def test_samplers_refuse_what_is_no_gradient(tiny_network):
    normalised = [transform.jitter(2), transform.normalize_gradient()]
    with pytest.raises(ValueError, match="transforms: a sampler needs the true gradient"):
        render(tiny_network, "conv2:1", im_size=16, transforms=normalised, progress=False)
    with pytest.raises(ValueError, match="model: a sampler needs the true gradient"):
        render(overrides.redirect_relu(tiny_network), "conv2:1", im_size=16, progress=False)
    make_activation(overrides.smooth(tiny_network), "conv2:1", param.fourier(16), None).check_gradient("a sampler")


def test_normalized_gradient_optimizes(tiny_network):
    # Plain gradient ascent whose steps have the same length whatever the unit's scale is.
    settings = dict(param=param.pixel(16), transforms=transform.normalize_gradient(), steps=30, progress=False)
    optimizer = keras.optimizers.SGD(2.0)
    one, other = (
        optimize(tiny_network, lambda T, k=k: k * T("conv2")[:, 2, 2, 1], optimizer=optimizer, **settings)
        for k in (1.0, 1e-3)
    )
    assert one.history[-1, 0] > one.history[0, 0] + 0.1
    np.testing.assert_allclose(one.images, other.images, atol=1e-3)


def test_collapse_alpha_mixes_with_a_background():
    kind = transform.collapse_alpha_random(0.5)
    images = np.random.default_rng(2).uniform(size=(64, 16, 16, 4)).astype(np.float32)
    params = kind.sample_params(seeds.root(0), 64, (16, 16, 4))
    background = params["background"].numpy()
    assert kind.output_shape((16, 16, 4)) == (16, 16, 3) == background.shape[1:]
    expected = images[..., 3:] * images[..., :3] + (1 - images[..., 3:]) * background
    np.testing.assert_allclose(kind.apply(params, tf.constant(images)), expected, atol=1e-6)
    opaque, clear = (np.concatenate([images[..., :3], np.full((64, 16, 16, 1), a, np.float32)], -1) for a in (1, 0))
    np.testing.assert_allclose(kind.apply(params, tf.constant(opaque)), images[..., :3], atol=1e-6)
    np.testing.assert_array_equal(kind.apply(params, tf.constant(clear)), background)
    # Every image has its own background, of the stated strength.
    assert len({one.tobytes() for one in background}) == 64
    logits = np.log(background / (1 - background))
    assert abs(logits.std() / (LUCID_CONTRAST * 0.5) - 1) < 0.05


def test_the_contrast_of_backgrounds_is_lucids():
    """Lucid's noise, written out: 1/f spectrum, unit variance times sd, image / 4, its colour matrix."""
    rng, size = np.random.default_rng(0), 128
    colours = np.array([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]])
    colours /= np.linalg.norm(colours, axis=0).max()
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    scale = size / np.maximum(f, 1 / size)
    noise = rng.normal(size=(40, 3, *f.shape)) + 1j * rng.normal(size=(40, 3, *f.shape))
    images = np.einsum("ncyx,dc->ndyx", np.fft.irfft2(scale * noise) / 4, colours)
    assert abs(images.std() / LUCID_CONTRAST - 1) < 0.05


@pytest.fixture(scope="module")
def fixed_network() -> Network:
    image = keras.Input((16, 20, 3))
    x = keras.layers.Dense(2, name="out")(keras.layers.Flatten()(image))
    return Network(keras.Model(image, x), name="fixed")


def test_transforms_that_change_the_size_fit_a_network_of_fixed_size(fixed_network):
    image = param.fourier((16, 20))
    activation = make_activation(fixed_network, "out:0", image, transform.pad(4))
    images = tf.constant(IMAGES[:, :16, :20])
    # Padding and central cropping undo each other; a crop is framed in black.
    np.testing.assert_array_equal(activation.transform(images, seeds.root(0)), images)
    smaller = make_activation(fixed_network, "out:0", image, transform.jitter(4)).transform(images, seeds.root(0))
    assert smaller.shape == images.shape and not smaller[:, :2].numpy().any() and smaller[:, 2:-2, 2:-2].numpy().all()
    shaky = (transform.pad(4), transform.jitter(3))
    result = optimize(fixed_network, "out:0", param=image, transforms=shaky, steps=2, progress=False)
    assert result.images.shape == (1, 16, 20, 3)


def test_transforms_that_end_at_the_networks_size_are_left_alone(fixed_network):
    kind = make_activation(fixed_network, "out:0", param.fourier((20, 24)), transform.jitter(4)).transform
    assert kind == transform.jitter(4)


def test_any_size_is_left_alone(tiny_network):
    kind = make_activation(tiny_network, "conv2:1", param.fourier(16), transform.pad(4)).transform
    assert kind == transform.pad(4)


@pytest.mark.parametrize(
    ("transforms", "received"), [(None, r"\(12, 20\)\."), (transform.pad(1), r"\(12, 20\), \(14, 22\) after")]
)
def test_images_that_never_fitted_are_refused(fixed_network, transforms, received):
    with pytest.raises(ValueError, match=rf"param: 'fixed' takes images of \(16, 20\).*Received: {received}"):
        make_activation(fixed_network, "out:0", param.fourier((12, 20)), transforms)
