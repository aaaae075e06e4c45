"""Objectives that couple the images of a batch, and weights that change with the step."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from samplevis import Network, objectives, optimize, param, render, transform
from samplevis.activation import make_activation
from samplevis.objectives import Objective
from samplevis.optimizers.keras_stepper import number_of_traces
from samplevis.runtime import seeds

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(6, 5, 4, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def identity() -> Network:
    """Layers same and double, whose activations are the image and twice the image."""
    same = keras.layers.Activation("linear", name="same")(image := keras.Input((None, None, 3)))
    return Network(keras.Model(image, keras.layers.Rescaling(2.0, name="double")(same)))


def interpolation(images):
    """One number for the batch, as Lucid has it."""
    count, result = len(images), 0.0
    for n in range(count):
        weight = n / (count - 1)
        result += (1 - weight) * images[n, ..., 0].mean() + weight * 2 * images[n, ..., 2].mean()
    return result


def misalignment(images, ratio):
    result = 0.0
    for distance in (1, 2, 3, 4):
        for i in range(len(images) - distance):
            result += np.mean((images[i] - images[i + distance]) ** 2) / ratio**distance
    return result


def likeness(images):
    flat = images.reshape(len(images), -1, 3)
    styles = [x.T @ x / np.linalg.norm(x.T @ x) for x in flat]
    return sum(np.sum(a * b) for i, a in enumerate(styles) for j, b in enumerate(styles) if i != j) / len(styles)


COUPLED = {
    "channel_interpolate": (
        objectives.channel_interpolate("same", 0, "double", 2), lambda x: interpolation(x) / len(x)
    ),
    "alignment": (objectives.alignment("same"), lambda x: -misalignment(x, 2) / len(x)),
    "alignment 3": (objectives.alignment("same", 3), lambda x: -misalignment(x, 3) / len(x)),
    "diversity": (objectives.diversity("same"), likeness),
    "each": (
        objectives.each(["same:0", -objectives.channel("double", 2)]),
        lambda x: np.mean([-2 * y[..., 2].mean() if n % 2 else y[..., 0].mean() for n, y in enumerate(x)]),
    ),
    "only_image": (
        objectives.only_image(1) * objectives.channel("same", 0), lambda x: x[1, ..., 0].mean() / len(x)
    ),
}  # fmt: skip


def score(network, objective, images, num_transforms=1, transforms=None):
    """Scores [image, transform], and what the network sees, [transform, image, H, W, C]."""
    activation = make_activation(network, objective, param.pixel(images.shape[1:3]), transforms)
    bank = activation.sample_transforms(seeds.root(0), num_transforms)
    transform_params = tf.nest.map_structure(lambda t: tf.concat([t] * len(images), 0), bank)
    scores = (
        activation.of_images(tf.constant(images), transform_params, num_transforms)
        .numpy()
        .reshape(len(images), num_transforms)
    )
    seen = activation.transform.apply(transform_params, tf.repeat(tf.constant(images), num_transforms, axis=0)).numpy()
    return scores, seen.reshape(len(images), num_transforms, *images.shape[1:]).swapaxes(0, 1)


@pytest.mark.parametrize("count", [2, 3, 6])
@pytest.mark.parametrize("case", COUPLED)
def test_the_mean_over_the_batch_is_what_lucid_computes(identity, case, count):
    """But for the factor N that it has for sums over the batch."""
    objective, expected = COUPLED[case]
    images = IMAGES[:count]
    scores, _ = score(identity, objective, images)
    np.testing.assert_allclose(scores.mean(), expected(images.astype(np.float64)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", COUPLED)
def test_only_images_under_the_same_transform_are_compared(identity, case):
    objective, expected = COUPLED[case]
    scores, seen = score(identity, objective, IMAGES, 3, transform.affine(shift=1, scale=0.3, rotate=30))
    values = [expected(images.astype(np.float64)) for images in seen]
    np.testing.assert_allclose(scores.mean(0), values, rtol=1e-5, atol=1e-6)
    assert len(set(np.round(values, 5))) == 3, "transforms that change nothing would test nothing"
    # Rows in the wrong order: the first third for the first transform, and so on.
    wrong = seen.swapaxes(0, 1).reshape(3, 6, *IMAGES.shape[1:])
    control = [expected(images.astype(np.float64)) for images in wrong]
    assert not np.allclose(control, values, rtol=1e-3), "the control must fail"


def test_scores_belong_to_their_image(identity):
    images = np.stack([IMAGES[0], IMAGES[0], IMAGES[5]])
    likes, _ = score(identity, objectives.diversity("same"), images)
    assert likes[0] == likes[1] > likes[2]
    apart, _ = score(identity, objectives.alignment("same"), images)
    # Images 0 and 1 are alike: of the distances d to image 2, image 0 bears half of the one at 2, image 1 at 1.
    d = np.mean((IMAGES[0] - IMAGES[5]) ** 2)
    np.testing.assert_allclose(apart[:, 0], [-d / 8, -d / 4, -d / 8 - d / 4], rtol=1e-5)
    ends, _ = score(identity, objectives.channel_interpolate("same", 0, "double", 2), IMAGES)
    np.testing.assert_allclose(ends[[0, -1], 0], [IMAGES[0, ..., 0].mean(), 2 * IMAGES[-1, ..., 2].mean()], rtol=1e-5)


def test_the_number_of_transforms_has_an_old_name(identity):
    def with_old_name(T):
        assert T("members") == T("num_transforms")
        return tf.cast(tf.range(T("same").shape[0]) // T("members"), tf.float32)

    for objective in (with_old_name, objectives.each([with_old_name, with_old_name])):
        scores, _ = score(identity, objectives.as_objective(objective), IMAGES[:2], 3, transform.affine(shift=1))
        expected = [[0] * 3, [1] * 3] if objective is with_old_name else np.zeros((2, 3))
        np.testing.assert_array_equal(scores, expected)
    assert objectives.as_objective(with_old_name).resolve(identity, (8, 8)).layers == ("same",)


def test_diversity_is_one_computation_for_any_batch(identity):
    """In Lucid a loop over all pairs is unrolled into the graph."""

    def operations(count):
        images = tf.TensorSpec((count, 5, 4, 3))
        values = {"num_transforms": 1}
        traced = tf.function(lambda x: objectives.diversity("same")((values | {"same": x}).__getitem__))
        return len(traced.get_concrete_function(images).graph.get_operations())

    assert operations(2) == operations(32)


def test_diversity_makes_a_batch_differ(tiny_network):
    settings = dict(param=param.fourier(16), transforms=None, steps=40, batch=3, progress=False)
    plain = optimize(tiny_network, "conv2:1", **settings)
    varied = optimize(tiny_network, objectives.channel("conv2", 1) - 3 * objectives.diversity("conv1"), **settings)

    def likes(result):
        activations = tiny_network.activations(result.images, "conv1")["conv1"]
        return objectives.diversity("conv1")({"conv1": activations, "num_transforms": 1}.__getitem__).numpy().mean()

    assert likes(varied) < likes(plain) - 0.01


def test_a_unit_and_its_opposite_in_one_batch(tiny_network):
    unit = objectives.channel("conv2", 1)
    both = objectives.only_image(0) * unit - objectives.only_image(1) * unit
    result = optimize(
        tiny_network, both, param=param.fourier(16), transforms=None, steps=30, batch=2, progress=False
    )  # fmt: skip
    values = tiny_network.activations(result.images, "conv2")["conv2"].numpy()[..., 1].mean((1, 2))
    np.testing.assert_allclose(result.history[-1], [values[0], -values[1]], atol=0.02)
    assert values[0] > values[1] + 0.05


def test_each_image_has_its_own_objective(tiny_network):
    """A sheet of units in one batch equals the units one by one, and another sheet needs no new trace."""
    settings = dict(param=param.fourier(16), transforms=None, steps=3, progress=False)
    start = RNG.uniform(0.3, 0.7, (6, 16, 16, 3)).astype(np.float32)
    units = [objectives.channel("conv2", n) - 0.01 * n * objectives.L1() for n in range(5)]
    tiny_network.compiled.clear()
    sheet = optimize(tiny_network, objectives.each(units), batch=6, init=start, **settings)
    assert number_of_traces(tiny_network) == 1
    for n, image in enumerate(start):
        alone = optimize(tiny_network, units[n % 5], init=image[None], **settings)
        np.testing.assert_allclose(sheet.images[n], alone.images[0], atol=1e-4)
    assert number_of_traces(tiny_network) == 2
    optimize(tiny_network, objectives.each(units[::-1]), batch=6, init=start, **settings)
    assert number_of_traces(tiny_network) == 2


def test_each_takes_strings_functions_layers_and_schedules(tiny_network):
    parts = ["conv1:3", lambda T: T("logits")[:, 0], objectives.decay(2) * objectives.L2("conv2")]
    objective = objectives.each(parts).resolve(tiny_network, (16, 16))
    assert set(objective.layers) == {"input", "conv1", "logits", "conv2"} and objective.images == 3
    images = RNG.uniform(size=(3, 16, 16, 3)).astype(np.float32)
    values = tiny_network.activations(images, ["conv1", "logits", "conv2"]) | {
        "input": images,
        "num_transforms": 1,
        "step": tf.constant(1),
    }
    expected = [
        values["conv1"][0, ..., 3].numpy().mean(),
        values["logits"][1, 0],
        0.5 * np.sqrt(1e-6 + (values["conv2"][2].numpy() ** 2).sum()),
    ]
    np.testing.assert_allclose(objective(values.__getitem__), expected, rtol=1e-5)
    assert str(objectives.each(["a:1", "b:2"])) == "each(channel(a, 1), channel(b, 2))"
    assert str(objectives.each(f"a:{n}" for n in range(9))) == "each(channel(a, 0), ..., channel(a, 8))"


def test_each_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match="each: expected at least one"):
        objectives.each([])
    with pytest.raises(ValueError, match="single images.*diversity"):
        objectives.each(["conv:1", objectives.diversity("conv")])
    with pytest.raises(TypeError, match="obj"):
        objectives.each([1, 2])


@pytest.mark.parametrize("case", COUPLED)
def test_what_couples_images_is_known_through_the_algebra(case):
    objective, unit = COUPLED[case][0], objectives.channel("same", 0)
    for combined in (-objective, 2 * objective, unit + 0.1 * objective, Objective.sum([unit, unit - objective])):
        assert combined.coupled and combined.images == objective.images
    assert not (unit + 2 * objectives.decay(3)).coupled


def test_batches_that_are_too_small(tiny_network):
    settings = dict(param=param.fourier(16), transforms=None, steps=1, progress=False)
    unit = objectives.channel("conv2", 0)
    # Lucid divides by zero for a batch of one.
    for objective, count in (
        (objectives.channel_interpolate("conv1", 0, "conv2", 0), 2),
        (unit - objectives.diversity("conv1"), 2),
        (objectives.only_image(3) * unit, 4),
    ):
        with pytest.raises(ValueError, match=f"batch: expected at least {count} images"):
            optimize(tiny_network, objective, batch=count - 1, **settings)
        assert optimize(tiny_network, objective, batch=count, **settings).history.shape == (1, count)


@pytest.mark.parametrize("case", COUPLED)
def test_chains_refuse_coupled_objectives_before_work(identity, case):
    identity.compiled.clear()
    with pytest.raises(ValueError, match="other images.*samplevis.optimize"):
        render(identity, 1 * objectives.channel("same", 0) + COUPLED[case][0], im_size=16, progress=False)
    assert not identity.compiled
    make_activation(identity, "same:0", param.fourier(16), None).check_independent("a sampler")


WEIGHTS = {
    "decay": (objectives.decay(4), [1, 0.75, 0.5, 0.25, 0, 0, 0, 0], 0),
    "decay in part": (objectives.decay(1.5), [1, 1 / 3, 0, 0, 0, 0, 0, 0], 0),
    "only_after": (objectives.only_after(3), [0, 0, 0, 1, 1, 1, 1, 1], 1),
    "ramp": (objectives.ramp(2, 6), [0, 0, 0, 0.25, 0.5, 0.75, 1, 1], 1),
    "a product": (2 * objectives.decay(8) * objectives.only_after(6), [0, 0, 0, 0, 0, 0, 0.5, 0.25], 0),
    "a difference": (1 - objectives.decay(4), [0, 0.25, 0.5, 0.75, 1, 1, 1, 1], 1),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_follow_the_steps(tiny_network, case):
    weight, expected, end = WEIGHTS[case]
    unit = objectives.channel("conv1", 0)
    settings = dict(param=param.pixel(16), transforms=None, steps=8, batch=2, progress=False)
    # The images rest, so that only the weight changes.
    rest = dict(optimizer=keras.optimizers.SGD(0.0))
    plain = optimize(tiny_network, unit, **settings, **rest).history
    history = optimize(tiny_network, weight * unit, **settings, **rest).history
    np.testing.assert_allclose(history, np.array(expected)[:, None] * plain, rtol=1e-5, atol=1e-6)

    z = tf.zeros((1, 16, 16, 3))
    sampled = make_activation(tiny_network, weight * unit, param.pixel(16), None)
    np.testing.assert_allclose(_scores(sampled, z), end * plain[:1, :1], rtol=1e-2)


def _scores(activation, z):
    return activation.scores(z, activation.sample_transforms(seeds.root(0), 1)).numpy()


def test_a_schedule_changes_the_picture(tiny_network):
    unit, penalty = objectives.channel("conv2", 1), 0.05 * objectives.total_variation()
    settings = dict(param=param.fourier(16), transforms=None, steps=20, progress=False)
    never, always, late, over = (
        optimize(tiny_network, unit - weight * penalty, **settings).latents
        for weight in (
            objectives.only_after(20),
            objectives.only_after(0),
            objectives.only_after(10),
            objectives.decay(1e9),
        )
    )
    assert np.abs(never - optimize(tiny_network, unit, **settings).latents).max() < 1e-5
    np.testing.assert_allclose(over, always, atol=1e-3)
    assert np.abs(late - never).max() > 0.01 and np.abs(late - always).max() > 0.01


def test_steps_count_on_across_compiled_calls(tiny_network):
    settings = dict(param=param.pixel(16), transforms=None, steps=40, progress=False)
    counter = objectives.as_objective(lambda T: tf.cast(T("step"), tf.float32) + 0 * T("logits")[:, 0])
    history = optimize(tiny_network, counter, thresholds=(7, 33), **settings).history
    np.testing.assert_array_equal(history[:, 0], np.arange(40))
