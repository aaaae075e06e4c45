"""Deep dream: octaves, schedules, bands of the gradient, and tiles."""

from __future__ import annotations

import os
import signal

import keras
import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from samplevis import Network, objectives
from samplevis.network.images import ImageInput
from samplevis.recipes import deep_dream, octave_sizes
from samplevis.recipes.laplacian import merge, normalize_bands, split
from samplevis.recipes.picture import resize
from samplevis.recipes.tiles import tiled_gradient

QUIET = dict(progress=False, steps=2)


def brightness(T):
    return tf.reduce_mean(T("input"), (1, 2, 3))


def picture(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0.3, 0.6, shape).astype(np.float32)


def rms(x):
    return np.sqrt(np.mean(np.square(x)))


@pytest.fixture(scope="module")
def reach_two() -> Network:
    """Two 3 x 3 convolutions of stride 1: an activation sees 2 pixels to each side, so a gradient reaches 4."""
    keras.utils.set_random_seed(1)
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="tanh")(image)
    return Network(keras.Model(image, keras.layers.Conv2D(4, 3, padding="same", name="out")(x)))


@pytest.fixture(scope="module")
def gradient(reach_two):
    """Score and gradient of one picture under the DeepDream objective."""

    @tf.function(autograph=False)
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = objectives.deepdream("out")(reach_two.cut(("out",))(x).__getitem__)
        return score[0], tape.gradient(score, x)[0]

    return lambda tile: tuple(value.numpy() for value in run(tf.constant(tile[None])))


def test_a_constant_gradient_adds_the_schedule_to_the_picture(tiny_network):
    start = picture(12, 16, 3)
    # With bands, float32 leaves some grain of its own.
    for levels, tolerance in ((0, 2e-5), (2, 5e-4)):
        dream = deep_dream(
            tiny_network, brightness, start, octaves=[(6, 8), (12, 16)], steps=4, laplacian_levels=levels,
            learning_rate=[(0.04, 0.02), (0.01, 0.0001)], progress=False,
        )  # fmt: skip
        added = sum(0.04 - 0.02 * i / 4 for i in range(4)) + sum(0.01 - 0.0099 * i / 4 for i in range(4))
        # All of the picture's detail is back, and the change of the first octave is carried over.
        np.testing.assert_allclose(dream.image, start + added, atol=tolerance)
        assert [octave.shape for octave in dream.octaves] == [(6, 8, 3), (12, 16, 3)]
        assert dream.history.shape == (8,) and (np.diff(dream.history[:4]) > 0).all()
    # The control: the first octave alone, enlarged, has lost the detail.
    assert np.abs(resize(dream.octaves[0], (12, 16)) - (start + added)).max() > 0.05


def test_a_change_is_enlarged_between_octaves(tiny_network):
    start = picture(16, 16, 3)
    dream = deep_dream(
        tiny_network, "conv1", start, octaves=[8, 16], learning_rate=[(0.02, 0.02), (1e-9, 1e-9)], **QUIET
    )
    change = dream.octaves[0] - resize(start, (8, 8))
    assert rms(change) > 0.01
    np.testing.assert_allclose(dream.image, start + resize(change, (16, 16)), atol=1e-6)


def test_blur_follows_its_schedule(tiny_network):
    start = picture(24, 24, 3)
    dream = deep_dream(
        tiny_network, brightness, start, octaves=[24], steps=2, learning_rate=0.01, blur_sigma=(1.5, 0.5),
        laplacian_levels=0, progress=False,
    )  # fmt: skip
    expected = start
    for sigma in (1.5, 1.0):
        expected = scipy.ndimage.gaussian_filter(expected + 0.01, (sigma, sigma, 0), mode="mirror")
    np.testing.assert_allclose(dream.image, expected, atol=1e-5)


def test_a_dream_raises_its_score_and_stays_a_picture(tiny_network):
    start = picture(20, 28, 3)
    dream = deep_dream(tiny_network, "conv2", start, progress=False, laplacian_levels=2)
    assert dream.image.shape == (20, 28, 3) and dream.image.dtype == np.float32
    assert 0 <= dream.image.min() and dream.image.max() <= 1
    assert dream.history.shape == (40,) and dream.history[-1] > 1.2 * dream.history[0]
    # A layer's name stands for the DeepDream objective, and the score is that of the picture before the update.
    first = tiny_network.activations(resize(start, octave_sizes((20, 28))[0])[None], "conv2")["conv2"].numpy()
    whole = deep_dream(tiny_network, objectives.deepdream("conv2"), start, progress=False, laplacian_levels=2)
    assert whole.image.tobytes() == dream.image.tobytes()
    np.testing.assert_allclose(dream.history[0], np.mean(first**2), rtol=0.2)


def test_seeds_decide_noise_and_rolls(tiny_network):
    one, two, other = (deep_dream(tiny_network, "conv2:1", octaves=(12, 16), seed=s, **QUIET) for s in (3, 3, 4))
    assert one.image.tobytes() == two.image.tobytes() != other.image.tobytes()
    assert one.image.shape == (16, 16, 3)


def test_octave_sizes():
    assert octave_sizes((300, 400), 3, 1.5) == ((133, 178), (200, 267), (300, 400))
    assert octave_sizes(512, 1) == ((512, 512),)
    with pytest.raises(ValueError, match="count: 9 octaves of scale 2 from .32, 32. begin with .0, 0."):
        octave_sizes(32, 9, 2)
    with pytest.raises(ValueError, match="scale: expected a finite number > 1. Received: 1"):
        octave_sizes(32, 2, 1)
    with pytest.raises(ValueError, match="count: expected a whole number >= 1"):
        octave_sizes(32, 0)


@settings(deadline=None, max_examples=15)
@given(st.integers(8, 33), st.integers(8, 33), st.integers(0, 3))
def test_bands_sum_to_the_picture(height, width, levels):
    x = np.random.default_rng(height * width).normal(size=(height, width, 2)).astype(np.float32)
    bands = split(x, levels)
    assert len(bands) == levels + 1
    np.testing.assert_allclose(merge(bands), x, atol=1e-5)


def test_a_band_is_what_halving_loses():
    """Against loops: halved with weights 1 3 3 1 over 8, doubled linearly."""
    x = np.random.default_rng(0).normal(size=16).astype(np.float32)
    half = np.empty(8)
    for i in range(8):
        taps = [(w, x[j]) for w, j in zip((1, 3, 3, 1), range(2 * i - 1, 2 * i + 3), strict=True) if 0 <= j < 16]
        half[i] = sum(w * value for w, value in taps) / sum(w for w, _ in taps)
    double = np.interp((np.arange(16) + 0.5) / 2 - 0.5, np.arange(8), half)
    fine, coarse = split(np.broadcast_to(x[:, None, None], (16, 16, 1)), 1)
    np.testing.assert_allclose(coarse[:, 0, 0], half, atol=1e-5)
    np.testing.assert_allclose(fine[:, 5, 0], x - double, atol=1e-5)


def test_bands_get_the_same_strength():
    rng = np.random.default_rng(0)
    coarse = resize(rng.normal(size=(4, 4, 3)).astype(np.float32), (32, 32))
    fine = rng.normal(size=(32, 32, 3)).astype(np.float32)
    gradient = 1e-6 * (100 * coarse + fine)
    ratios = []
    for levels in (0, 3):
        normal = normalize_bands(gradient, levels)
        np.testing.assert_allclose(rms(normal), 1, rtol=1e-5)
        first, *_, last = split(normal, 3)
        ratios.append(rms(last) / rms(first))
        bands = [band / rms(band) for band in split(gradient, levels)]
        np.testing.assert_allclose(normal, merge(bands) / rms(merge(bands)), atol=1e-5)
    # The control is the gradient that is only scaled as a whole; bands of this kind leak into each other.
    assert ratios[0] > 8 and ratios[1] < 3
    assert not normalize_bands(np.zeros((8, 8, 3), np.float32), 2).any()
    # Rounding errors of a flat gradient are not made loud.
    np.testing.assert_allclose(normalize_bands(np.full((8, 8, 3), -0.1, np.float32), 2), -1, atol=0.05)


def test_tiles_give_the_gradient_of_the_whole_away_from_seams(gradient):
    x = picture(40, 48, 3)
    whole = gradient(x)[1]
    tiled_score, tiled = tiled_gradient(gradient, x, (20, 24))
    # Seams at row 20 and column 24; the gradient reaches 4 pixels.
    rows, columns = np.abs(np.arange(40) - 19.5), np.abs(np.arange(48) - 23.5)
    away = (rows > 4)[:, None] & (columns > 4)
    np.testing.assert_allclose(tiled[away], whole[away], rtol=1e-5, atol=1e-8)
    # The control: at the seams it is another.
    assert np.abs(tiled - whole)[~away].max() > 0.05 * np.abs(whole).max()
    scores = [gradient(x[top : top + 20, left : left + 24])[0] for top in (0, 20) for left in (0, 24)]
    np.testing.assert_allclose(tiled_score, np.mean(scores), rtol=1e-5)
    # One tile as large as the picture has no seams at all, and rolling moves only the picture's edge inside.
    np.testing.assert_allclose(tiled_gradient(gradient, x, (40, 48))[1], whole, rtol=1e-5, atol=1e-8)
    rolled = tiled_gradient(gradient, x, (40, 48), (7, 9))[1]
    np.testing.assert_allclose(rolled[8:29, 8:35], whole[8:29, 8:35], rtol=1e-5, atol=1e-8)


def test_overlapping_tiles_share_by_their_distance_to_their_edges():
    """Each tile's gradient is its first pixel's value, so the shares can be read off: 5 = tiles of 4 at 0 and 1."""
    x = np.zeros((4, 5, 1), np.float32)
    x[0] = np.arange(5)[:, None]
    seen = []

    def gradient(tile):
        seen.append(tile.shape)
        return 0.0, np.full_like(tile, tile[0, 0, 0])

    _, tiled = tiled_gradient(gradient, x, (4, 4))
    assert seen == [(4, 4, 1)] * 2
    # Hats 1 2 2 1 and, one to the right, 1 2 2 1.
    shares = np.array([0 / 1, 1 / 3, 2 / 4, 2 / 3, 1 / 1])
    np.testing.assert_allclose(tiled[..., 0], np.broadcast_to(shares * 16 / 20, (4, 5)), rtol=1e-5)


def test_seams_do_not_show_when_they_move(gradient):
    """The picture is periodic, so the mean over rolls of a gradient is even; without rolls the seams stand out."""
    x = np.full((32, 32, 3), 0.4, np.float32)
    rolls = [(int(a), int(b)) for a, b in np.random.default_rng(0).integers(0, 16, (64, 2))]
    still = tiled_gradient(gradient, x, (16, 16))[1]
    moved = np.mean([tiled_gradient(gradient, x, (16, 16), roll)[1] for roll in rolls], 0)
    unevenness = [g.std((0, 1)).mean() for g in (still, moved)]
    assert unevenness[1] < 0.35 * unevenness[0]


def test_a_large_dream_shows_the_network_one_tile_at_a_time(monkeypatch, reach_two):
    """2048 x 2048: the largest tensor that enters the network is a tile, and a shape of tile is traced once."""
    seen = []
    plain = ImageInput.preprocess

    def spy(image_input, images):
        seen.append(tuple(images.shape))
        return plain(image_input, images)

    monkeypatch.setattr(ImageInput, "preprocess", spy)
    reach_two.compiled.clear()
    x = resize(picture(64, 64, 3), (2048, 2048))
    deep_dream(reach_two, "out", x, octaves=[128, 2048], tile=256, steps=1, progress=False)
    assert set(seen) - {(2, 128, 128, 3), (2, 256, 256, 3)} == {(1, 128, 128, 3), (1, 256, 256, 3)}
    traces = [function.experimental_get_tracing_count() for function in reach_two.compiled.values()]
    assert traces == [1, 1]
    # Another objective of the kind, other octaves: the same tiles, nothing new.
    deep_dream(reach_two, "out", octaves=[128, 300, 400], tile=256, **QUIET)
    assert [function.experimental_get_tracing_count() for function in reach_two.compiled.values()] == [1, 1]


def test_a_sweep_over_channels_compiles_once(tiny_network):
    tiny_network.compiled.clear()
    images = [deep_dream(tiny_network, f"conv2:{n}", octaves=[16], **QUIET).image for n in range(3)]
    assert len(tiny_network.compiled) == 1 and len({image.tobytes() for image in images}) == 3


def test_a_network_of_fixed_size_dreams_at_any_larger_size():
    image = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3, activation="tanh", name="conv")(image)
    network = Network(
        keras.Model(image, keras.layers.Dense(2, name="logits")(keras.layers.Flatten()(x))), value_range=(-1, 1)
    )
    dream = deep_dream(network, "logits:1", octaves=[16, 23, 40], **QUIET)
    assert dream.image.shape == (40, 40, 3) and dream.history[1] > dream.history[0]
    with pytest.raises(ValueError, match=r"octaves\[0\]: expected at least 16 x 16.*Received: 12 x 12"):
        deep_dream(network, "logits:1", octaves=[12, 40], **QUIET)


def test_ctrl_c_keeps_what_there_is_at_the_last_size(tiny_network):
    calls = []

    def interrupting(T):
        def press(x):
            calls.append(1)
            if len(calls) == 3:
                os.kill(os.getpid(), signal.SIGINT)
            return x

        return tf.reduce_mean(tf.numpy_function(press, [tf.stop_gradient(T("input"))], tf.float32)) + brightness(T)

    start = picture(16, 16, 3)
    dream = deep_dream(tiny_network, interrupting, start, octaves=[8, 16], steps=50, progress=False)
    assert dream.history.shape == (3,) and dream.image.shape == (16, 16, 3)
    np.testing.assert_allclose(dream.image, start + 0.03, atol=1e-4)


def test_a_score_that_is_not_finite_is_named(tiny_network):
    with pytest.raises(FloatingPointError, match="not finite in octave 0, step 0"):
        deep_dream(tiny_network, lambda T: tf.math.log(-brightness(T)), octaves=[8], **QUIET)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(image=np.zeros((8, 8))), r"image: expected \[height, width, 3\]. Received shape: \(8, 8\)"),
        (dict(image=np.zeros((8, 8, 3), np.uint8)), "image: expected floats in .* Received: uint8"),
        (dict(image=np.full((8, 8, 3), 2.0)), "image: expected finite values in .* Received: 2 to 2"),
        (dict(image=np.full((8, 8, 3), np.nan)), "image: expected finite values"),
        (dict(octaves=[]), "octaves: expected sizes, see recipes.octave_sizes"),
        (dict(octaves=16), "octaves: expected sizes"),
        (dict(octaves=[16, 3]), r"octaves\[1\]: expected a whole number >= 4. Received: 3"),
        (dict(octaves=[(16, 3, 4)]), r"octaves\[0\]: expected one whole number or \(height, width\)"),
        (dict(steps=0), "steps: expected a whole number >= 1"),
        (dict(learning_rate=0), "learning_rate: expected a finite number > 0"),
        (dict(learning_rate=[(0.1, 0.2)] * 3), "learning_rate: expected a number, .first, last., or .* 2 octaves"),
        (dict(learning_rate=(0.1, 0.2, 0.3)), "learning_rate: expected a number, .first, last."),
        (dict(blur_sigma=-1), "blur_sigma: expected a finite number >= 0"),
        (dict(blur_sigma=5), "blur sigma: its reach"),
        (dict(laplacian_levels=4), "laplacian_levels: expected at most 3 for octaves of 8 pixels. Received: 4"),
        (dict(tile=2), "tile: expected a whole number >= 4"),
        (dict(seed=-1), "seed: expected an integer"),
        (dict(obj="conv2:9"), "channel: expected a whole number from 0 to 4"),
    ],
)
def test_errors_teach(tiny_network, wrong, message):
    with pytest.raises((ValueError, TypeError), match=message):
        deep_dream(tiny_network, **dict(obj="conv2", octaves=[8, 16], **QUIET) | wrong)
