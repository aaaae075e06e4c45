"""Joint units and interpolations: each image is of the mixture that its place says, and ways are symmetric."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from samplevis import Network, export, objectives, optimize, param, recipes
from samplevis.optimizers.keras_stepper import number_of_traces
from samplevis.recipes import interactions
from samplevis.results.sweep_result import Sweep
from samplevis.runtime import seeds

SMALL = dict(param=param.fourier(16), transforms=None, steps=8, progress=False)
UNITS = ["conv2:1", objectives.direction("conv1", [1.0, -1.0, 0.5, 0.0]), lambda T: T("logits")[:, 2]]


@pytest.fixture(scope="module")
def square(tiny_network):
    return recipes.interaction_grid(tiny_network, UNITS, batch_size=6, **SMALL)


@pytest.mark.parametrize("weights", [(0.3, 0.7, 0.0), (0.0, 0.5, 0.5), (0.0, 1.0, 0.0)])
def test_a_mixture_is_the_weighted_sum_of_its_units_values(tiny_network, images, weights):
    units, _ = interactions._units("units", UNITS, 1)
    mixture = interactions._mixture(units, np.array(weights)).resolve(tiny_network, (16, 12))
    values = tiny_network.activations(images, ["conv1", "conv2", "logits"])
    a = values["conv2"].numpy()[..., 1].mean((1, 2))
    b = (values["conv1"].numpy() @ [1.0, -1.0, 0.5, 0.0]).mean((1, 2))
    c = values["logits"].numpy()[:, 2]
    np.testing.assert_allclose(mixture(values.__getitem__), weights @ np.stack([a, b, c]), atol=1e-5)


def test_the_grid_is_of_each_pair_and_its_diagonal_of_units_alone(tiny_network, square):
    units = [objectives.as_objective(unit) for unit in UNITS]
    for m, n in [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]:
        obj = units[m] if m == n else 0.5 * units[m] + 0.5 * units[n]
        alone = optimize(tiny_network, obj, **SMALL)
        np.testing.assert_allclose(square.images[m, n], alone.images[0], atol=1e-4)
        np.testing.assert_allclose(square.activation[m, n], alone.history[-1, 0], atol=1e-4)
        np.testing.assert_array_equal(square.images[m, n], square.images[n, m])
    assert square.rows == square.columns and square.rows[0] == "conv2:1"
    # The control: different pairs, different images.
    assert np.abs(square.images[0, 0] - square.images[1, 1]).max() > 0.01


def test_two_lists_in_small_batches_through_one_trace(tiny_network):
    tiny_network.compiled.clear()
    made = recipes.interaction_grid(
        tiny_network, ["conv2:0", "conv2:1", "conv2:2"], ["conv2:4", "conv2:1"], batch_size=4, **SMALL
    )
    assert number_of_traces(tiny_network) == 1
    assert made.images.shape == (3, 2, 16, 16, 3) and np.isfinite(made.activation).all()
    # An image does not depend on the others of its batch, nor on its place there.
    alone = optimize(tiny_network, "conv2:1", **SMALL)
    np.testing.assert_allclose(made.images[1, 1], alone.images[0], atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(units=st.integers(2, 6), points=st.integers(2, 6))
def test_every_way_is_the_way_back_reversed(units, points):
    ways, weights = interactions._ways(units, points)
    for m in range(units):
        for n in range(units):
            np.testing.assert_array_equal(ways[m, n], ways[n, m][::-1])
            expected = [(1 - t) * np.eye(units)[m] + t * np.eye(units)[n] for t in np.linspace(0, 1, points)]
            np.testing.assert_allclose(weights[ways[m, n]], expected, atol=1e-12)
    # Nothing is optimised twice, and the first way is in the batch's order.
    assert len(weights) == units + units * (units - 1) // 2 * (points - 2) == len(np.unique(weights, axis=0))
    assert ways[0, 1].tolist() == list(range(points))


def test_interpolations_end_in_their_units_and_pass_through_their_mixtures(tiny_network):
    made = recipes.multi_interpolation(tiny_network, UNITS, 4, aligned=False, **SMALL)
    assert made.images.shape == (3, 3, 4, 16, 16, 3) and made.activation.shape == (3, 3, 4)
    for m in range(3):
        for n in range(3):
            np.testing.assert_array_equal(made.images[m, n], made.images[n, m][::-1])
            np.testing.assert_array_equal(made.images[m, n, 0], made.images[m, m, 2])
    a, b = (objectives.as_objective(unit) for unit in UNITS[:2])
    third = optimize(tiny_network, 2 / 3 * a + 1 / 3 * b, batch=9, **SMALL)
    np.testing.assert_allclose(made.images[0, 1, 1], third.images[1], atol=1e-4)
    np.testing.assert_allclose(made.activation[0, 1, 1], third.history[-1, 1], atol=1e-4)


def test_aligned_images_change_less_on_the_way(tiny_network):
    def change(**options):
        way = recipes.interpolation(tiny_network, "conv2:0", "conv2:1", 5, **SMALL | dict(steps=30) | options).images[
            0, 1
        ]
        return np.abs(np.diff(way, axis=0)).mean()

    def uneven(T):
        x = T("input")
        return -tf.reduce_mean((x - tf.roll(x, 1, 0)) ** 2, (1, 2, 3))

    apart = change(aligned=False)
    assert change() < 0.9 * apart
    # A term of one's own reaches every image: neighbours in the batch are neighbours on the way.
    assert change(aligned=False, also=1000.0 * objectives.as_objective(uneven)) < 0.7 * apart


def test_shared_latents_keep_the_prior_and_correlate_as_they_say():
    weights = np.array([[1, 0], [0.5, 0.5], [0, 1], [-1, 0]])
    shared = interactions._aligned(param.pixel(8), weights)
    mixing = np.array(shared.mixing)
    cosines = [[1, 2**-0.5, 0, -1], [2**-0.5, 1, 2**-0.5, -(2**-0.5)], [0, 2**-0.5, 1, 0], [-1, -(2**-0.5), 0, 1]]
    np.testing.assert_allclose(mixing @ mixing.T, (np.array(cosines) + np.eye(4)) / 2, atol=1e-12)
    np.testing.assert_allclose(np.diag(mixing @ mixing.T), 1, atol=1e-12)
    z = shared.prior(seeds.root(0), 4)
    expected = param.pixel(8).image(tf.constant(np.einsum("ij,jhwc->ihwc", mixing, z), tf.float32))
    np.testing.assert_allclose(shared.image(z), expected, atol=1e-6)
    np.testing.assert_allclose(shared.latent(shared.image(z)), z, atol=1e-3)
    assert shared.couples_images
    assert shared == interactions._aligned(param.pixel(8), weights) and hash(shared)


def test_ctrl_c_leaves_white_paper(tiny_network, monkeypatch):
    images = (np.zeros((4, 4, 3)), np.zeros((4, 4, 3)))
    half = Sweep(("a", "b"), np.array([0, 1]), np.ones(2, np.float32), False, images)
    monkeypatch.setattr(interactions, "sweep", lambda *_, **__: half)
    made = recipes.interaction_grid(tiny_network, ["conv2:0", "conv2:1"], **SMALL)
    np.testing.assert_array_equal(made.images.mean((2, 3, 4)), [[0, 0], [0, 1]])
    np.testing.assert_array_equal(made.activation, [[1, 1], [1, np.nan]])


def small_network(size: int | None, channels: int) -> Network:
    """A network of one size, or of any, with some number of channels."""
    keras.utils.set_random_seed(1)
    image = keras.Input((size, size, channels))
    x = keras.layers.Conv2D(3, 3, activation="tanh", name="conv")(image)
    return Network(keras.Model(image, keras.layers.GlobalAveragePooling2D(name="logits")(x)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "channels", "shape"),
    [(24, 3, (24, 24, 3)), (None, 1, (128, 128, 1))],
)
def test_the_default_parameterization_is_of_the_network(size, channels, shape):
    network = small_network(size, channels)
    quick = dict(transforms=None, steps=2, progress=False)
    for aligned in (False, True):
        joint = recipes.interaction_grid(network, ["conv:0", "conv:1"], aligned=aligned, **quick)
        assert joint.images.shape == (2, 2, *shape) and np.isfinite(joint.activation).all()
        way = recipes.interpolation(network, "conv:0", "conv:1", 3, aligned=aligned, **quick)
        assert way.images.shape == (2, 2, 3, *shape) and np.isfinite(way.activation).all()
    sampler = dict(num_results=2, num_burnin_steps=2, num_leapfrog_steps=2, num_chains=2, num_transforms=2)
    both = recipes.compare(network, "logits:1", {}, sampler, optimize_steps=4, anneal_steps=10, progress=False)
    assert {name: images.shape[1:] for name, images in both.panels.items()} == dict.fromkeys(both.panels, shape)


def test_figures_show_their_own_pixels(tiny_network, square, tmp_path):
    expected = export.grid(square.images, row_labels=square.rows, column_labels=square.columns, scale=2)
    np.testing.assert_array_equal(square.grid(scale=2), expected)
    made = recipes.multi_interpolation(tiny_network, ["conv2:0", "conv2:1", "conv2:2"], 3, **SMALL)
    rows = np.stack([made.images[0, 1], made.images[0, 2], made.images[1, 2]])
    names = ["conv2:0 - conv2:1", "conv2:0 - conv2:2", "conv2:1 - conv2:2"]
    np.testing.assert_array_equal(
        made.grid(), export.grid(rows, row_labels=names, column_labels=["0.00", "0.50", "1.00"])
    )
    square.save_grid(tmp_path / "grid.png")
    made.save_grid(tmp_path / "ways.png")
    assert repr(square) == "<InteractionGrid of 3 x 3 units>"
    assert repr(made) == "<Interpolation between 3 units at 3 points>"


def test_a_plain_keras_model_is_traced_once():
    image = keras.Input((16, 16, 3))
    model = keras.Model(image, keras.layers.Conv2D(3, 3, name="conv")(image))
    made = recipes.interaction_grid(model, ["conv:0", "conv:1"], ["conv:2"], batch_size=1, **SMALL)
    assert made.images.shape == (2, 1, 16, 16, 3)
    assert isinstance(Network(model), Network)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda n: recipes.interaction_grid(n, [], **SMALL), ValueError, "units: expected a list of at least 1"),
        (lambda n: recipes.interaction_grid(n, "conv2:1", **SMALL), ValueError, "units: expected a list.*'conv2:1'"),
        (lambda n: recipes.interaction_grid(n, ["conv2:1"], [], **SMALL), ValueError, "others: expected a list"),
        (lambda n: recipes.interaction_grid(n, ["conv2:9"], **SMALL), ValueError, "channel: .*0 to 4.*9"),
        (lambda n: recipes.interaction_grid(n, [3], **SMALL), TypeError, "obj: expected an objective"),
        (lambda n: recipes.multi_interpolation(n, ["conv2:1"], **SMALL), ValueError, "units: .*at least 2"),
        (lambda n: recipes.interpolation(n, "conv2:1", "conv2:2", 1, **SMALL), ValueError, "points: .*>= 2.*1"),
        (lambda n: recipes.interpolation(n, "conv2:1", "nowhere:2", **SMALL), ValueError, "no layer 'nowhere'"),
        (lambda n: recipes.interpolation(n, "conv2:1", "conv2:2", point=3), TypeError, "point: .* mean 'points'"),
        (lambda n: recipes.interpolation(n, "conv2:1", "conv2:2", batch_size=3), TypeError, "batch_size: no argument"),
        (lambda n: recipes.interaction_grid(n, ["conv2:1"], batch=3), TypeError, "batch: .* mean 'batch_size'"),
    ],
)  # fmt: skip
def test_bad_arguments(tiny_network, call, error, words):
    with pytest.raises(error, match=words):
        call(tiny_network)
