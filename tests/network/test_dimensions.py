"""Signals and volumes: the same parameterizations, transforms, objectives and sampling as for pictures."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import samplevis
from samplevis import Network, Samples, export, objectives, overrides, param, recipes, transform
from samplevis.overrides import pooling
from samplevis.results.film import film
from samplevis.runtime import seeds
from samplevis.sampling import diagnostics
from samplevis.transform import warp

SIZES = {1: (13,), 2: (9, 12), 3: (6, 7, 9)}
CONVOLUTION = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D, 3: keras.layers.Conv3D}
FEW = dict(num_results=3, num_burnin_steps=4, num_leapfrog_steps=3, num_chains=2, num_transforms=2)
QUICK = dict(optimize_steps=32, anneal_steps=8, progress=False)

few = settings(max_examples=12, deadline=None)
sizes = st.integers(1, 3).flatmap(lambda n: st.tuples(*[st.integers(4, 11)] * n))


def small(size: tuple, channels: int = 1) -> Network:
    """Layers conv (4 channels), pool, units (5), logits (3) for images of any number of directions, values from -1 to 1."""
    keras.utils.set_random_seed(0)
    directions = len(size)
    image = keras.Input((*size, channels))
    x = CONVOLUTION[directions](4, 3, padding="same", activation="relu", name="conv")(image)
    x = pooling.WINDOWED[directions - 1](2, padding="same", name="pool")(x)
    x = CONVOLUTION[directions](5, 2, name="units")(x)
    x = pooling.GLOBAL[directions - 1](name="features")(x)
    model = keras.Model(image, keras.layers.Dense(3, name="logits")(x), name="small")
    return Network(model, value_range=(-1, 1), labels=("a", "b", "c"))


@functools.cache
def network(directions: int) -> Network:
    return small(SIZES[directions])


# Parameterizations.


@few
@given(sizes, st.sampled_from([0.0, 1.0, 1.7]), st.integers(1, 4), st.integers(0, 9))
def test_fourier_is_numpys_filter_and_its_own_inverse(size, alpha, channels, seed):
    p = param.fourier(size, channels=channels, alpha=alpha, contrast=0.7, decorrelate=False)
    z = p.prior(seeds.root(seed), 2).numpy()
    assert p.image_shape == (*size, channels) == p.latent_shape and z.shape == (2, *size, channels)
    frequency = np.sqrt(sum(f**2 for f in np.meshgrid(*map(np.fft.fftfreq, size), indexing="ij")))
    whole = np.maximum(frequency, 1 / max(size)) ** -alpha
    whole /= np.sqrt(np.mean(whole**2))
    axes = tuple(range(1, 1 + len(size)))
    filtered = np.fft.ifftn(np.fft.fftn(z.astype(np.float64), axes=axes) * whole[..., None], axes=axes)
    assert np.abs(filtered.imag).max() < 1e-9
    np.testing.assert_allclose(p.pre_image(z), 0.7 * filtered.real, atol=2e-5)
    np.testing.assert_allclose(p.image(z), 1 / (1 + np.exp(-0.7 * filtered.real)), atol=1e-5)
    np.testing.assert_allclose(p.latent(p.image(z)), z, atol=5e-3)


@few
@given(sizes, st.integers(0, 9))
def test_rotation_is_orthonormal_and_sorts_frequencies(size, seed):
    p = param.fourier(size, channels=2)
    z = p.prior(seeds.root(seed), 2)
    turned = p.rotate(z)
    np.testing.assert_allclose(tf.norm(turned), tf.norm(z), rtol=1e-5)
    np.testing.assert_allclose(p.rotate(turned), z, atol=1e-5)
    axes = tuple(range(1, 1 + len(size)))
    whole = np.fft.fftn(z, axes=axes, norm="ortho")
    np.testing.assert_allclose(turned, whole.real - whole.imag, atol=1e-5)
    cycles = np.sqrt(sum(f**2 for f in np.meshgrid(*map(np.fft.fftfreq, size), indexing="ij"))) * min(size)
    octave = np.floor(np.log2(np.maximum(cycles, 0.75) / 0.75) + 1e-9).astype(int)
    np.testing.assert_array_equal(p.scales(), np.repeat(octave[..., None], 2, -1))
    np.testing.assert_array_equal(p.bands(), 2 * p.scales() + np.arange(2))


@pytest.mark.parametrize("directions", [1, 2, 3])
def test_prior_has_the_stated_contrast_and_a_gradient(directions):
    p = param.fourier(SIZES[directions], channels=2, contrast=0.4)
    z = p.prior(seeds.root(0), 512)
    assert np.std(p.pre_image(z)) == pytest.approx(0.4, rel=0.05)
    direction = tf.random.stateless_normal(z.shape, [1, 2])
    upstream = tf.random.stateless_normal(z.shape, [3, 4])
    with tf.GradientTape() as tape:
        tape.watch(z)
        inner = tf.reduce_sum(p.pre_image(z) * upstream)
    adjoint = tf.reduce_sum(tape.gradient(inner, z) * direction)
    np.testing.assert_allclose(adjoint, tf.reduce_sum(p.pre_image(direction) * upstream), rtol=1e-4)


def test_pixels_and_sizes_by_number():
    assert param.fourier(16).image_shape == (16, 16, 3)
    for make in (param.fourier, param.pixel, param.uniform):
        assert make(16, channels=1, dimensions=1).image_shape == (16, 1)
        assert make(8, channels=2, dimensions=3).image_shape == (8, 8, 8, 2)
        assert make((8, 6, 5), channels=1).image_shape == (8, 6, 5, 1)
        p = make((9,), channels=2)
        z = p.prior(seeds.root(0), 3)
        np.testing.assert_allclose(p.latent(p.image(z)), z, atol=5e-3)
    # Three channels are colours of a picture or a film, not of a signal.
    assert [param.fourier(size).correlated for size in ((16,), (16, 16), (8, 8, 8))] == [False, True, True]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(size=16, dimensions=4), "dimensions: expected 1 .a signal., 2 .a picture. or 3 .a volume.. Received: 4"),
        (dict(size=(8, 8), dimensions=3), r"size: expected 3 sides. Received: \(8, 8\)"),
        (dict(size=(8, 8, 8, 8)), "size: expected 1, 2 or 3 sides"),
        (dict(size=(3,)), "size: expected a whole number >= 4. Received: 3"),
    ],
)
def test_sizes_that_are_none(arguments, message):
    with pytest.raises(ValueError, match=message):
        param.fourier(**arguments)


def test_only_pictures_where_a_parameterization_knows_no_more():
    with pytest.raises(ValueError, match="size: expected 2 sides"):
        param.pyramid((8, 8, 8))


@pytest.mark.parametrize("directions", [1, 2, 3])
def test_symmetries_leave_the_prior_alone(directions):
    p = param.pixel(SIZES[directions], channels=2)
    z = p.prior(seeds.root(0), 2)
    moves = {name: move(z, seeds.root(3)).numpy() for name, move in p.symmetries().items()}
    np.testing.assert_array_equal(moves["mirror"], np.flip(z, directions))
    np.testing.assert_array_equal(np.sort(moves["shift"].ravel()), np.sort(z.numpy().ravel()))
    assert not np.array_equal(moves["shift"], z)


# Transforms.

KINDS = {
    "pad": transform.pad(2),
    "grey border": transform.pad(2, "uniform"),
    "jitter": transform.jitter(2),
    "shift": transform.shift(3),
    "stretch": transform.affine(shift=2, scale=0.3, rotate=0),
    "zoom": transform.random_scale([0.8, 1.2], edges="zero"),
    "resize": transform.random_resize([0.8, 1.2]),
    "blur": transform.blur(0.6),
    "mirror": transform.mirror(),
    "gain": transform.gain(6.0),
    "noise": transform.noise(0.1),
}
TURNS = {"affine": transform.affine(2, 0.2, 30), "rotate": transform.random_rotate([-20, 20], edges="zero")}


@pytest.mark.parametrize("directions", [1, 2, 3])
@pytest.mark.parametrize("name", [*KINDS, *TURNS, "standard", "robust"])
def test_gradient_is_the_adjoint(name, directions):
    if name in TURNS and directions == 1:
        with pytest.raises(ValueError, match=r"a signal \(13, 2\) cannot be rotated.*'robust' and 'standard'"):
            TURNS[name].output_shape((13, 2))
        return
    kind = (
        (KINDS | TURNS)[name] if name in KINDS | TURNS else transform.as_transform(transform.as_named(name, directions))
    )
    size = SIZES[directions]
    draw = kind.sample_params(seeds.root(1), 3, (*size, 2))
    x = tf.random.stateless_normal([3, *size, 2], [1, 2])
    rest = kind.apply(draw, tf.zeros_like(x))
    assert rest.shape[1:] == kind.output_shape((*size, 2))
    upstream = tf.random.stateless_normal(rest.shape, [3, 4])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = kind.apply(draw, x)
    pulled = tf.reduce_sum(tape.gradient(y, x, upstream) * x)
    np.testing.assert_allclose(tf.reduce_sum((y - rest) * upstream), pulled, rtol=1e-4, atol=1e-4)
    assert float(tf.reduce_max(tf.abs(y - rest))) > 0


def test_stretch_of_a_signal_is_numpys_interpolation():
    x = np.random.default_rng(0).normal(size=(2, 21, 1)).astype(np.float32)
    shift, scale = np.float32([[1.25], [-2.5]]), np.float32([1.3, 0.8])
    matrix = warp.inverse_similarity(tf.constant(shift), tf.constant(scale), tf.zeros(2))
    got = warp.affine_warp(tf.constant(x), matrix, "zero").numpy()
    for signal, s, m, result in zip(x[..., 0], shift[:, 0], scale, got[..., 0], strict=True):
        places = (np.arange(21) - 10 - s) / m + 10
        expected = np.interp(places, np.arange(-1, 22), np.pad(signal, 1), left=0, right=0)
        np.testing.assert_allclose(result, expected, atol=1e-5)


def test_a_volume_turns_slice_by_slice_about_its_depth_and_anywhere_against_scipy():
    from scipy import ndimage

    x = np.random.default_rng(0).normal(size=(2, 5, 8, 9, 1)).astype(np.float32)
    shift, scale, angle = tf.constant([[0.0, 1, -0.5], [0.0, 0, 0]]), tf.ones(2), tf.constant([0.4, -0.3])
    turned = warp.affine_warp(tf.constant(x), warp.inverse_similarity(shift, scale, angle), "zero").numpy()
    flat = warp.inverse_similarity(tf.repeat(shift[:, 1:], 5, axis=0), tf.ones(10), tf.repeat(angle, 5))
    slices = warp.affine_warp(tf.reshape(x, [10, 8, 9, 1]), flat, "zero").numpy()
    np.testing.assert_allclose(turned, slices.reshape(x.shape), atol=1e-5)
    axis = tf.constant([[0.6, 0.0, 0.8], [0.0, 1.0, 0.0]])
    matrix = warp.inverse_similarity(shift, tf.constant([1.2, 0.9]), angle, axis)
    got = warp.affine_warp(tf.constant(x), matrix, "reflect").numpy()
    rotation = matrix.numpy()[:, :, :3] * [[[1.2]], [[0.9]]]
    np.testing.assert_allclose(rotation @ rotation.swapaxes(1, 2), np.tile(np.eye(3), (2, 1, 1)), atol=1e-6)
    np.testing.assert_allclose(np.einsum("bij,bj->bi", rotation, axis), axis, atol=1e-6)
    centre = (np.array(x.shape[1:4]) - 1) / 2
    for volume, m, result in zip(x[..., 0], matrix.numpy().astype(np.float64), got[..., 0], strict=True):
        offset = m[:, 3] + centre - m[:, :3] @ centre
        expected = ndimage.affine_transform(volume, m[:, :3], offset, order=1, mode="mirror")
        np.testing.assert_allclose(result, expected, atol=1e-4)


def test_crop_gain_and_their_errors():
    x = tf.random.stateless_normal([2, 9, 12, 3], [0, 1])
    for size in ((6, 17), (9, 12), (12, 7)):
        expected = tf.image.resize_with_crop_or_pad(x, *size)
        np.testing.assert_array_equal(transform.crop_or_pad_to(*size)(x, seeds.root(0)), expected)
    np.testing.assert_array_equal(transform.crop_or_pad_to(5)(x[:, :, 0], seeds.root(0)), x[:, 2:7, 0])
    kind = transform.gain(20.0, silence=0.25)
    factor = kind.sample_params(seeds.root(0), 2, (9, 3))["factor"]
    assert (factor >= 0.1).numpy().all() and (factor <= 10).numpy().all() and factor[0] != factor[1]
    got = kind.apply({"factor": factor}, x[:, :, 0])
    np.testing.assert_allclose(got, 0.25 + factor[:, None, None] * (x[:, :, 0] - 0.25), rtol=1e-5)
    with pytest.raises(ValueError, match="decibels"):
        transform.gain(-1)
    with pytest.raises(ValueError, match="silence"):
        transform.gain(1, silence=2)
    with pytest.raises(ValueError, match="expected 1, 2 or 3 sides"):
        transform.crop_or_pad_to()
    with pytest.raises(ValueError, match="expected 1 sides for images"):
        transform.crop_or_pad_to(5, 5).output_shape((9, 3))
    with pytest.raises(ValueError, match="the name 'standard' or 'robust'. Received: 'strong'"):
        transform.as_named("strong", 1)


# Networks and objectives.


@pytest.mark.parametrize("directions, words", [(1, "length"), (3, "depth, height, width")])
def test_network_takes_signals_and_volumes_and_says_so(directions, words):
    size, known = SIZES[directions], network(directions)
    assert known.dimensions == directions and known.image_shape == (*size, 1)
    images = np.random.default_rng(0).uniform(size=(2, *size, 1)).astype(np.float32)
    found = known.activations(images, "conv")["conv"]
    np.testing.assert_allclose(found, known.cut(("conv",))(tf.constant(images))["conv"])
    assert found.shape == (2, *size, 4) and "conv/pre" in known.source.names
    np.testing.assert_allclose(known.preprocess(images), 2 * images - 1, atol=1e-6)
    with pytest.raises(ValueError, match=rf"takes \[batch, {words}, 1\].*add a batch axis"):
        known.activations(images[0], "conv")
    with pytest.raises(ValueError, match=rf"takes images of .*\({words}; None is any\)"):
        known.check_size([side + 1 for side in size])
    with pytest.raises(ValueError, match=rf"takes \({words}, channels\).*dimensions={directions}"):
        samplevis.optimize(known, "conv:1", param=param.fourier(16, channels=1), steps=1, progress=False)
    graph = Network(lambda x: known.model(x, training=False), image_shape=(*size, 1), value_range=(-1, 1))
    layer = list(graph.layers)[-1]
    np.testing.assert_allclose(
        graph.activations(images, layer)[layer], known.activations(images, "logits")["logits"], atol=1e-5
    )
    with pytest.raises(ValueError, match="length, channels"):
        Network(lambda x: x, image_shape=(3,))


@pytest.mark.parametrize("directions", [1, 3])
def test_objectives_of_signals_and_volumes(directions):
    known, size = network(directions), SIZES[directions]
    images = np.random.default_rng(1).uniform(size=(2, *size, 1)).astype(np.float32)
    values = known.activations(images, ("conv", "logits"))
    conv, logits = values["conv"].numpy(), values["logits"].numpy()
    middle = tuple(side // 2 for side in size)
    place = dict(zip("xyz", range(1, 1 + directions), strict=False))
    for objective, expected in (
        (objectives.neuron("conv", 2), conv[(slice(None), *middle, 2)]),
        (objectives.neuron("conv", 2, **place), conv[(slice(None), *place.values(), 2)]),
        (objectives.channel("conv", 3), conv[..., 3].reshape(2, -1).mean(1)),
        (objectives.class_logit("logits", "b"), logits[:, 1]),
        (
            objectives.total_variation("conv"),
            sum(np.abs(np.diff(conv, axis=axis)).reshape(2, -1).sum(1) for axis in range(1, 1 + directions)),
        ),
        (objectives.direction_neuron("conv", np.eye(4)[1], **place), conv[(slice(None), *place.values(), 1)]),
    ):
        np.testing.assert_allclose(objective.resolve(known)(values.__getitem__), expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="a blur of the image is for pictures"):
        objectives.blur_input_each_step().resolve(known)
    name, wrong = ("x .time.", dict(x=13)) if directions == 1 else ("z .column.", dict(z=9))
    with pytest.raises(ValueError, match=f"{name}: expected a whole number from 0 to"):
        objectives.neuron("conv", 0, **wrong).resolve(known)
    if directions == 1:
        with pytest.raises(ValueError, match="1 directions. Received: x=None, y=3"):
            objectives.neuron("conv", 0, y=3).resolve(known)


@pytest.mark.parametrize("directions", [1, 3])
@pytest.mark.parametrize("kind", ["softmax", "power", "average"])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_smooth_pooling_lies_where_it_should(directions, kind, padding):
    x = tf.random.stateless_uniform([2, *SIZES[directions], 3], [1, 2])
    windowed, whole = pooling.WINDOWED[directions - 1], pooling.GLOBAL[directions - 1]
    for maximum, layer, count in (
        (windowed(2, padding=padding), pooling.POOLINGS[windowed][kind](2, padding=padding), 2**directions),
        (whole(keepdims=True), pooling.POOLINGS[whole][kind](keepdims=True), np.prod(SIZES[directions])),
    ):
        layer.width = 1e-3
        got, most = layer(x).numpy(), maximum(x).numpy()
        assert got.shape == most.shape
        if kind == "softmax":
            np.testing.assert_allclose(got, most, atol=2e-3)
        elif kind == "power":
            # A sum of fourth powers: the maximum's at least, as many times that as there are values at most.
            assert (got >= most - 1e-3).all() and (got <= count**0.25 * (most + 1e-3)).all()
        else:
            assert (got <= most + 1e-6).all() and np.mean(most - got) > 0.05


@pytest.mark.parametrize("directions", [1, 3])
def test_smoothed_networks_have_no_maximum_left(directions):
    smooth = overrides.smooth(network(directions))
    kinds = {type(layer).__name__ for layer in smooth.operations.values()}
    assert not kinds & {"MaxPooling1D", "MaxPooling3D", "GlobalMaxPooling1D", "GlobalMaxPooling3D"}
    assert any(kind.startswith("Power") or kind.startswith("Softmax") for kind in kinds)


# Sampling, files and pictures.


@functools.cache
def drawn(directions: int) -> Samples:
    return samplevis.render(network(directions), "logits:a", FEW, **QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("directions", [1, 3])
def test_samples_of_signals_and_volumes(directions, tmp_path):
    samples, size = drawn(directions), SIZES[directions]
    assert samples.images.shape == (2, 3, *size, 1) and samples.dimensions == directions
    assert samples[0].shape == (*size, 1) and samples.images.min() >= 0 and samples.images.max() <= 1
    assert " x ".join(map(str, size)) in repr(samples) and "power slope" in str(samples.summary())
    samples.save(tmp_path / "samples.npz")
    again = Samples.load(tmp_path / "samples.npz")
    assert again.images.tobytes() == samples.images.tobytes() and again.latents.shape == samples.latents.shape
    samples.save_grid(tmp_path / "grid.png")
    np.testing.assert_array_equal(export.load_image(tmp_path / "grid.png"), samples.grid() / np.float32(255))
    two, one = (recipes.sample_sheet([samples] * count, draws=2) for count in (2, 1))
    assert two.size > one.size
    samples.save_gif(tmp_path / "a.gif")
    frames = film(samples, "chains", captions=False, scale=1)
    if directions == 3:
        # A film through the slices, draw after draw.
        assert len(frames) == 3 * size[0] and len(film(samples, "sweep", captions=False)) == 6 * size[0]
        assert len(film(samples)) == 4 * size[0], "and through those of the means"
        np.testing.assert_allclose(
            frames[size[0] + 2, :, : size[2], :1] / 255, samples.images[0, 1, 2], atol=0.5 / 255 + 1e-6
        )
    else:
        assert len(frames) == 3
    with pytest.raises(ValueError, match="chain, draw, length, C"):
        Samples(**vars(samples) | {"images": samples.images[0, 0, ..., 0]})


@pytest.mark.slow
@pytest.mark.parametrize("directions", [1, 3])
def test_dataset_examples_of_signals_and_volumes(directions, tmp_path):
    known, images = network(directions), np.random.default_rng(3).uniform(size=(9, *SIZES[directions], 1))
    images = images.astype(np.float32)
    found = samplevis.collect(known, "logits:a", images, top=3, bottom=2, batch_size=4)
    expected = known.activations(images, "logits")["logits"].numpy()[:, 0]
    order = np.argsort(expected)
    np.testing.assert_allclose(found.activations, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found.top_images, images[order[::-1][:3]])
    assert found.bottom_names == tuple(map(str, order[:2]))
    per_device = samplevis.collect(known, "logits:a", tf.data.Dataset.from_tensor_slices(images), top=3, bottom=2)
    assert per_device.top_names == found.top_names
    # A picture of the strongest is in the grid.
    shown = np.round(
        255 * np.broadcast_to(drawing := export.as_pictures(images[order[-1]], directions), (*drawing.shape[:2], 3))
    )
    windows = np.lib.stride_tricks.sliding_window_view(found.grid(), shown.shape)[..., 0, :, :, :]
    assert (windows == shown).all((-3, -2, -1)).any()
    samples = drawn(directions)
    percentiles = found.percentile(samples)
    assert percentiles.shape == (2, 3) and samplevis.beside(samples, found).shape[-1] == 3
    export.save_image(np.zeros((8, 8, 1)), tmp_path / "a.png")
    with pytest.raises(ValueError, match="files are pictures. The network takes .*give arrays"):
        samplevis.collect(known, "logits:a", tmp_path)
    with pytest.raises(ValueError, match="images: expected .*channels. or .batch, "):
        samplevis.collect(known, "logits:a", [images[0, ..., 0]])


@pytest.mark.slow
@pytest.mark.parametrize("directions", [1, 3])
def test_defaults_follow_the_network(directions):
    result = samplevis.optimize(network(directions), "logits:b", steps=2, batch=2, progress=False)
    assert result.images.shape == (2, *SIZES[directions], 1)
    free = small((None,) * directions, channels=2)
    found = samplevis.optimize(free, "units:1", steps=1, transforms=None, progress=False)
    assert found.images.shape == (1, *({1: (1024,), 3: (32, 32, 32)}[directions]), 2)
    old = samplevis.render(network(directions), "logits:b", FEW, density="activation", **QUICK)
    assert old.images.shape[2:] == (*SIZES[directions], 1)


def test_describe_looks_at_signals():
    described = str(samplevis.describe(network(1), count=4))
    assert "input   13 x 1" in described and "13 pixels" in described


def test_scores_without_a_network_of_signals():
    result = samplevis.optimize(
        lambda images: images[:, 3, 0], param=param.pixel((9,), channels=1), optimizer="genetic", steps=3,
        transforms=None, progress=False,
    )  # fmt: skip
    assert result.images.shape == (1, 9, 1)


@pytest.mark.parametrize("directions", [1, 3])
def test_slope_of_a_field_of_any_directions(directions):
    size = {1: (256,), 3: (32, 32, 32)}[directions]
    slopes = []
    for alpha in (0.0, 1.0):
        p = param.fourier(size, channels=1, alpha=alpha)
        slopes.append(diagnostics.power_slope(p.pre_image(p.prior(seeds.root(0), 24)).numpy(), directions))
    np.testing.assert_allclose(slopes, [0, -2], atol=0.3)
    with pytest.raises(ValueError, match="N, length, C" if directions == 1 else "N, depth, H, W, C"):
        diagnostics.power_slope(np.zeros((4, 32)), directions)
    images = np.random.default_rng(0).uniform(size=(2, 3, *SIZES[directions], 1))
    assert diagnostics.pixel_correlation(np.repeat(images[:1], 2, 0)[:, :1]) == pytest.approx(1)
    assert abs(diagnostics.pixel_correlation(images)) < 0.4


def test_waveforms_and_slices_show_the_values():
    ramp = np.linspace(0, 1, 64)[:, None]
    picture = export.waveforms(ramp, width=64, height=33)
    assert picture.shape == (33, 64, 3)
    for column in range(1, 63):
        dark = np.flatnonzero(picture[:, column, 0] == 0)
        assert abs(dark.mean() - 32 * (1 - ramp[column, 0])) < 1.5, column
    two = export.waveforms(np.concatenate([ramp, 1 - ramp], 1))
    assert len({tuple(color) for color in two.reshape(-1, 3).tolist()}) == 4, "paper, middle and two channels"
    spike = np.full((1000, 1), 0.5)
    spike[500] = 1
    assert (export.waveforms(spike)[0] == 0).any(), "a single value is never lost"
    volume = np.arange(5 * 2 * 3).reshape(5, 2, 3, 1) / 30
    laid = export.slices(volume)
    assert laid.shape == (2 * 3 - 1, 3 * 4 - 1, 1)
    np.testing.assert_allclose(laid[3:5, 4:7], volume[4], atol=1e-6)
    assert (laid[2] == 1).all()
    np.testing.assert_allclose(export.slices(volume, most=2)[:, 4:7], volume[4], atol=1e-6)
    np.testing.assert_array_equal(export.as_pictures(volume[0], 2), volume[0])
    for make, bad in ((export.waveforms, ramp + 1), (export.slices, volume * np.nan), (export.slices, ramp)):
        with pytest.raises(ValueError, match="images: "):
            make(bad)


# Sampled and judged. The judges are closed forms that know nothing of the networks: they whiten an image by the spectrum of the
# prior and look for the power of each class where it would be.

LENGTH, SIDE = 96, 12
SOUNDS, SOLIDS = ("low", "high", "up", "down"), ("blob", "shell", "rod")
AUDIO = param.fourier((LENGTH,), channels=1, alpha=0.5)
VOLUME = param.fourier((SIDE,) * 3, channels=1)


def sound(kind: str, rng: np.random.Generator) -> np.ndarray:
    """A sine of 4 to 7 or 16 to 22 cycles, or a chirp from one to the other, [LENGTH, 1]."""
    low, high = rng.uniform(4, 7), rng.uniform(16, 22)
    first, last = {"low": (low, low), "high": (high, high), "up": (low, high), "down": (high, low)}[kind]
    time = np.arange(LENGTH) / LENGTH
    return np.sin(2 * np.pi * (first * time + (last - first) * time**2 / 2 + rng.uniform()))[:, None]


def solid(kind: str, rng: np.random.Generator) -> np.ndarray:
    """A ball, a hollow sphere or a thin rod somewhere near the middle, soft-edged, [SIDE, SIDE, SIDE, 1]."""
    places = (
        np.stack(np.meshgrid(*[np.arange(SIDE)] * 3, indexing="ij"), -1) - (SIDE - 1) / 2 - rng.uniform(-1.5, 1.5, 3)
    )
    distance = np.linalg.norm(places, axis=-1)
    if kind == "rod":
        axis = rng.normal(size=3)
        along = places @ (axis / np.linalg.norm(axis))
        distance = np.sqrt(np.maximum(distance**2 - along**2, 0))
    inside = {
        "blob": distance - rng.uniform(2.3, 3),
        "shell": abs(distance - rng.uniform(3.6, 4.4)) - 0.7,
        "rod": distance - 0.8,
    }
    return 1 / (1 + np.exp(np.clip(4 * inside[kind], -30, 30)))[..., None]


def examples(draw, kinds: tuple, prior, strength: tuple, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of classes drawn on noise of the prior, and nothing but noise as the last class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(kinds) + 1, count)
    shape = count, *[1] * len(prior.image_shape)
    x = rng.uniform(0.5, 2.0, shape) * prior.pre_image(prior.prior(seeds.root(seed), count)).numpy()
    if len(prior.image_shape) == 2:
        # Slow drifts, which say nothing: without them the network would take any swell for a sound.
        slow = param.fourier(prior.image_shape[:-1], channels=1, alpha=2, contrast=2.0)
        x += rng.uniform(0, 1, shape) * slow.pre_image(slow.prior(seeds.root(seed + 100), count)).numpy()
    for image, label in zip(x, labels, strict=True):
        if label < len(kinds):
            image += rng.uniform(*strength) * draw(kinds[label], rng)
    return (1 / (1 + np.exp(-x))).astype(np.float32), labels


def trained(draw, kinds: tuple, prior, strength: tuple, count: int, epochs: int) -> Network:
    """A small network that tells the classes apart; asserts that it does."""
    directions = len(prior.image_shape) - 1
    keras.utils.set_random_seed(1)
    image = keras.Input(prior.image_shape)
    convolution = CONVOLUTION[directions]
    width = {1: 9, 3: 5}[directions]
    x = convolution(12, width, 2, padding="same", activation="relu", name="first")(image)
    x = convolution(24, {1: 7, 3: 3}[directions], 2, padding="same", activation="relu", name="second")(x)
    x = keras.layers.Dense(32, activation="relu", name="hidden")(keras.layers.Flatten()(x))
    model = keras.Model(image, keras.layers.Dense(len(kinds) + 1, name="logits")(x), name="judged")
    model.compile(keras.optimizers.Adam(3e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images, labels = examples(draw, kinds, prior, strength, count, 0)
    model.fit(2 * images - 1, labels, batch_size=64, epochs=epochs, verbose=0)
    unseen, right = examples(draw, kinds, prior, strength, 400, 1)
    accuracy = np.mean(model.predict(2 * unseen - 1, verbose=0).argmax(1) == right)
    assert accuracy > 0.85, accuracy
    return Network(model, value_range=(-1, 1), labels=(*kinds, "nothing"))


def whitened(images: np.ndarray, prior) -> np.ndarray:
    """What the prior would have made of white noise, [N, *size]."""
    return prior.latent(tf.constant(images)).numpy()[..., 0]


def judge_sounds(signals: np.ndarray) -> np.ndarray:
    """The path through a spectrogram on which most power lies all the time: two flat, one rising, one falling; [N] classes."""
    window, hop = 24, 6
    x = whitened(signals, AUDIO)
    frames = np.stack([x[:, i : i + window] for i in range(0, LENGTH - window + 1, hop)], 1) * np.hanning(window)
    power = np.abs(np.fft.rfft(frames, 2 * window)) ** 2
    middles = (np.arange(power.shape[1]) * hop + window / 2) / LENGTH
    cycles = np.arange(power.shape[2]) * LENGTH / (2 * window)
    scores = []
    for kind in SOUNDS:
        paths = []
        for low in (4, 5.5, 7):
            for high in (16, 19, 22):
                ends = {"low": (low, low), "high": (high, high), "up": (low, high), "down": (high, low)}[kind]
                path = ends[0] + (ends[1] - ends[0]) * middles
                bins = np.abs(cycles - path[:, None]).argmin(1)
                paths.append(np.log(power[:, np.arange(len(bins)), bins]).mean(1))
        scores.append(np.max(paths, 0))
    return np.argmax(scores, 0)


def judge_solids(volumes: np.ndarray) -> np.ndarray:
    """The class whose matched filters answer most, measured by what they answer to noise; [N] classes."""
    noise = solid_answers(VOLUME.image(VOLUME.prior(seeds.root(77), 64)).numpy())
    mean, deviation = noise.mean(1, keepdims=True), noise.std(1, keepdims=True)
    return np.argmax((solid_answers(volumes) - mean) / deviation, 0)


def solid_answers(volumes: np.ndarray) -> np.ndarray:
    """The largest answer of the matched filters of many drawn solids of each class, near their places; [class, N]."""
    rng = np.random.default_rng(9)
    weight = 1 / VOLUME.amplitude() ** 2
    axes = (1, 2, 3)
    x = np.log(volumes[..., 0] / (1 - volumes[..., 0]))
    spectrum = np.fft.rfftn(x - x.mean(axes, keepdims=True), axes=axes)
    scores = []
    for kind in SOLIDS:
        answers = []
        for _ in range(40):
            template = np.fft.rfftn(solid(kind, rng)[..., 0])
            template[0, 0, 0] = 0
            norm = np.sqrt(np.sum(np.fft.irfftn(template * np.sqrt(weight), (SIDE,) * 3) ** 2))
            found = np.fft.irfftn(spectrum * np.conj(template) * weight, (SIDE,) * 3, axes=axes)
            near = found[:, [-2, -1, 0, 1, 2]][:, :, [-2, -1, 0, 1, 2]][..., [-2, -1, 0, 1, 2]]
            answers.append(near.reshape(len(x), -1).max(1) / norm)
        scores.append(np.max(answers, 0))
    return np.array(scores)


def right(known: Network, kinds: tuple, prior, judge, asked: tuple, **settings) -> dict[str, float]:
    """For each class asked for, the share of 8 draws that the judge calls by that name."""
    options = dict(num_results=2, num_chains=4, num_burnin_steps=8, num_leapfrog_steps=6, num_transforms=4)
    found = {}
    for kind in asked:
        samples = samplevis.render(
            known,
            f"logits:{kind}",
            options,
            param=prior,
            seed=1,
            optimize_steps=64,
            anneal_steps=80,
            progress=False,
            **settings,
        )
        found[kind] = float(np.mean(judge(samples[:]) == kinds.index(kind)))
    return found


def check(known: Network, kinds: tuple, prior, judge, asked: tuple) -> None:
    """Samples are what was asked for, and at strength 0 what the prior happens to hold."""
    named = right(known, kinds, prior, judge, asked)
    control = right(known, kinds, prior, judge, asked[-1:], beta=0.0, init="prior")
    assert np.mean(list(named.values())) >= 0.8, named
    assert max(control.values()) <= 0.6, control


def check_judge(draw, kinds: tuple, prior, strength: tuple, judge) -> None:
    """The judge knows clean drawings, and prefers none of them in noise."""
    images, labels = examples(draw, kinds, prior, strength, 300, 2)
    drawn_on = labels < len(kinds)
    assert np.mean(judge(images[drawn_on]) == labels[drawn_on]) > 0.9
    noise = judge(prior.image(prior.prior(seeds.root(5), 64)).numpy())
    assert np.bincount(noise, minlength=len(kinds)).max() < 45


@pytest.fixture(scope="module")
def ears() -> Network:
    return trained(sound, SOUNDS, AUDIO, (0.5, 1.2), 3000, 8)


def test_the_judge_of_sounds_knows_them():
    check_judge(sound, SOUNDS, AUDIO, (0.5, 1.2), judge_sounds)


def test_the_judge_of_solids_knows_them():
    check_judge(solid, SOLIDS, VOLUME, (1.0, 2.0), judge_solids)


@pytest.mark.slow
def test_chirps_are_sampled_and_judged_right(ears):
    # The two have the same spectrum: only their order in time tells them apart.
    check(ears, SOUNDS, AUDIO, judge_sounds, ("up", "down"))


@pytest.mark.long
def test_all_sounds_are_sampled_and_judged_right(ears):
    check(ears, SOUNDS, AUDIO, judge_sounds, SOUNDS)


@pytest.mark.long
def test_solids_are_sampled_and_judged_right():
    # What the network takes for a rod is none to the judge: it excites that unit far more than drawn rods do, and the network
    # itself calls it nothing. A rod reaches the border of the volume, and is known by less than its shape.
    known = trained(solid, SOLIDS, VOLUME, (1.0, 2.0), 3000, 8)
    check(known, SOLIDS, VOLUME, judge_solids, ("blob", "shell"))
