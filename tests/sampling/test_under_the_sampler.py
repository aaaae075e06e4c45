"""Every objective, parameterization and transform under the sampler: chains draw from it, or it is refused with a reason."""

from __future__ import annotations

import importlib
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import with_slow

import samplevis
from samplevis import objectives, param, transform
from samplevis.activation import make_activation
from samplevis.activation.image_scores import image_scores
from samplevis.activation.untransformed import untransformed

SIZE = 16
# Without warm-up, so that little is compiled: the step is small enough for all of them.
OPTIONS = dict(num_results=3, num_burnin_steps=0, num_leapfrog_steps=2, num_chains=2, num_transforms=2)
OPTIONS |= dict(step_size=0.01, adapt_mass=False)
FAST = dict(im_size=SIZE, transforms=None, init="prior", level=0.6, optimize_steps=16, anneal_steps=60, progress=False)
UNIT = objectives.channel("conv2", 1)
PICTURE = np.random.default_rng(0).uniform(0.3, 0.7, (SIZE, SIZE, 3)).astype(np.float32)
VECTOR = np.float32([1, -1, 0.5, 0, 0.2])
UV = np.stack(np.meshgrid(np.linspace(0, 1.5, SIZE), np.linspace(0, 1.5, SIZE)), -1)


def generator() -> keras.Model:
    keras.utils.set_random_seed(0)
    layers = [keras.Input((24,)), keras.layers.Dense(SIZE * SIZE * 3, activation="sigmoid")]
    return keras.Sequential([*layers, keras.layers.Reshape((SIZE, SIZE, 3))])


# Name -> a score. Those of the image itself are weighed against a unit where alone they would say nothing.
OBJECTIVES = {
    "L1": -objectives.L1("conv2"),
    "L2": objectives.L2("conv1"),
    "activation_difference": -objectives.activation_difference("conv2", PICTURE),
    "as_objective": objectives.as_objective("conv2:1 - conv1:0"),
    "blur_input_each_step": UNIT - 0.01 * objectives.blur_input_each_step(),
    "channel": UNIT,
    "class_logit": objectives.class_logit("logits", "b"),
    "class_probability": objectives.class_probability("logits", "b"),
    "decay": UNIT - objectives.decay(8) * objectives.L1(),
    "deepdream": objectives.deepdream("conv2"),
    "direction": objectives.direction("conv2", VECTOR, 1),
    "direction_neuron": objectives.direction_neuron("conv2", VECTOR),
    # Above what a tanh reaches. In sums of distances to 200, a last digit of float32 is 32 nats of this unit.
    "distance_to_constant": -objectives.distance_to_constant("conv2", 1, 2.0),
    "dot_compare": objectives.dot_compare("conv2", PICTURE, 1),
    "first_positions": objectives.first_positions("conv2", 1, 12),
    "gram": -objectives.activation_difference("conv2", PICTURE, objectives.gram),
    "input_diff": UNIT - 0.1 * objectives.input_diff(PICTURE),
    "neuron": objectives.neuron("conv2", 1),
    "only_after": objectives.only_after(8) * UNIT,
    "penalize_boundary_complexity": UNIT + 0.01 * objectives.penalize_boundary_complexity(2),
    "positions": objectives.positions("conv2", 1, np.s_[:, 2:5]),
    "ramp": objectives.ramp(2, 8) * UNIT,
    "random_direction": objectives.random_direction("conv2", 3),
    "tensor_direction": objectives.tensor_direction("conv2", np.tile(VECTOR, (4, 4, 1))),
    "total_variation": -objectives.total_variation(),
    "match_features": objectives.match_features("conv2", PICTURE[None]),
    "class_log_odds": objectives.class_log_odds("logits", "b"),
}
PARAMS = {
    "fourier": lambda: param.fourier(SIZE),
    "ball": lambda: param.ball(PICTURE, 4.0),
    "cppn": lambda: param.cppn(SIZE, hidden=6, layers=3),
    "decoder": lambda: param.decoder(generator()),
    "greyscale": lambda: param.greyscale(param.fourier(SIZE, channels=1)),
    "laplacian_pyramid": lambda: param.laplacian_pyramid(SIZE),
    "maco": lambda: param.maco(param.fourier(SIZE, contrast=1.0)),
    "measured": lambda: param.measured(SIZE, PICTURE[None]),
    "pixel": lambda: param.pixel(SIZE),
    "pyramid": lambda: param.pyramid(SIZE),
    "textured": lambda: param.textured(param.fourier((10, 8)), UV),
    "uniform": lambda: param.uniform(SIZE),
}
TRANSFORMS = {
    "affine": transform.affine(2, 0.1, 8),
    "as_named": transform.as_named("robust", 2),
    "as_transform": transform.as_transform(tf.square),
    "blur": transform.blur(0.8),
    "compose": transform.compose([transform.mirror(), transform.pad(2)]),
    "crop_or_pad_to": transform.crop_or_pad_to(12, 20),
    "gain": transform.gain(3),
    "identity": transform.identity,
    "jitter": transform.jitter(3),
    "lucid_transforms": transform.lucid_transforms,
    "mirror": transform.mirror(),
    "noise": transform.noise(0.05),
    "pad": transform.pad(3, "uniform"),
    "random_resize": transform.random_resize([0.9, 1.1]),
    "random_rotate": transform.random_rotate([-8, 8]),
    "random_scale": transform.random_scale([0.9, 1.1]),
    "resize_bilinear_nd": lambda images: param.resize_bilinear_nd(images, (images.shape[0], 20, 14, 3)),
    "robust_transforms": transform.robust_transforms,
    "sample_bilinear": lambda images: param.sample_bilinear(images, UV),
    "shift": transform.shift(3),
    "standard_transforms": transform.standard_transforms,
}
# One run for each objective, which takes a parameterization and a transform along.
RUNS = list(zip(OBJECTIVES, itertools.cycle(PARAMS), itertools.cycle(TRANSFORMS), strict=False))
# Parameterizations made of others, and of networks of noise and time: a run each.
PARAMS |= {
    "around": lambda: param.around(param.fourier(SIZE), PICTURE, 0.8),
    "flow": lambda: param.flow(lambda x, time: tf.tanh(0.5 * x), (SIZE, SIZE, 3), steps=2, predicts="image"),
}
RUNS += [("channel", "around", "affine"), ("channel", "flow", "affine")]
# What is drawn from by default, a few seconds each: a unit under three parameterizations, and objectives of many numbers.
FAST_OBJECTIVES = {"channel", "match_features", "class_log_odds"}
SETTINGS = {
    # White noise comes to the level slowly.
    "pixel": {"anneal_steps": 200},
    # The scale ends at the optimised image, which is hardly above noise after 16 updates of this one.
    "distance_to_constant": {"optimize_steps": 96},
}
# Images with opacity, over random backgrounds.
ALPHA = "blur_alpha_each_step", "with_alpha", "collapse_alpha_random"

BY_ITSELF = "obj: a sampler needs a score of each image by itself"
# Name -> what `render` is given, and what it says.
REFUSED = {
    "alignment": (lambda: dict(obj=UNIT + objectives.alignment("conv2")), BY_ITSELF),
    "channel_interpolate": (lambda: dict(obj=objectives.channel_interpolate("conv1", 1, "conv2", 1)), BY_ITSELF),
    "diversity": (lambda: dict(obj=UNIT - objectives.diversity("conv2")), BY_ITSELF),
    "each": (lambda: dict(obj=objectives.each([UNIT, "conv1:0"])), BY_ITSELF),
    "only_image": (lambda: dict(obj=objectives.only_image(0) * UNIT), BY_ITSELF),
    "shared": (
        lambda: dict(param=param.shared(param.fourier(SIZE), (1, 1))),
        "param: a sampler needs images that do not depend on each other",
    ),
    "normalize_gradient": (
        lambda: dict(transforms=transform.normalize_gradient()),
        "transforms: a sampler needs the true gradient",
    ),
}
# What the others are made of: nothing that could be sampled.
KINDS = {"Context", "Objective", "Parameterization", "Transform"}


def render(network, obj=UNIT, **settings):
    return samplevis.render(network, obj, OPTIONS, **FAST | settings)


def render_with_alpha(network, obj, **settings):
    background = transform.collapse_alpha_random()
    return render(network, obj, param=param.with_alpha(param.fourier(SIZE)), transforms=background, **settings)


def check(samples, channels=3):
    """Images are images, each chain moves, and the level is above the prior's: half of the way that was asked for."""
    assert samples.images.shape == (2, 3, SIZE, SIZE, channels)
    assert 0 <= samples.images.min() <= samples.images.max() <= 1
    for values in (samples.latents, samples.activation, samples.fresh_activation, samples.stats["energy_error"]):
        assert np.isfinite(values).all()
    assert np.ptp(samples.images, axis=1).max((1, 2, 3)).min() > 1e-3
    assert samples.levels.mean() > 0.3


def test_every_public_name_is_here():
    modules = (importlib.import_module(f"samplevis.{name}") for name in ("objectives", "param", "transform"))
    public = {name for module in modules for name in module.__all__}
    assert {*itertools.chain(*RUNS), *ALPHA, *REFUSED, *KINDS} == public


@pytest.mark.parametrize(
    ("objective", "parameterization", "distortion"), with_slow(RUNS, lambda run: run[0] not in FAST_OBJECTIVES)
)
def test_chains_draw_from_it(tiny_network, objective, parameterization, distortion):
    made = PARAMS[parameterization]()
    settings = SETTINGS.get(parameterization, {}) | SETTINGS.get(objective, {})
    check(render(tiny_network, OBJECTIVES[objective], param=made, transforms=TRANSFORMS[distortion], **settings))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_without_transforms_positions_are_those_of_the_images(tiny_network, name):
    """A run under transforms of another size ends with what the network says of the draws as they are."""
    made = param.fourier(SIZE)
    padded, plain = (make_activation(tiny_network, OBJECTIVES[name], made, t) for t in (transform.pad(6), None))
    found = untransformed(padded)
    image = image_scores(plain, PICTURE[None])
    np.testing.assert_array_equal(image_scores(found, PICTURE[None]), image)
    assert np.isfinite(image).all()


@pytest.mark.parametrize("name", REFUSED)
def test_or_the_reason_is_told(tiny_network, name):
    make, reason = REFUSED[name]
    with pytest.raises(ValueError, match=reason):
        render(tiny_network, **make())


def test_no_force_stays_at_the_level_of_the_prior(tiny_network):
    """The control of the level: nothing but annealing and the density's force brings chains up."""
    options = OPTIONS | {"num_burnin_steps": 8, "step_size": 0.7}
    free = samplevis.render(tiny_network, UNIT, options, **FAST | {"beta": 0.0, "anneal_steps": 1})
    assert free.levels.mean() < 0.3


def test_opacity_has_a_blur_of_its_own(tiny_network):
    check(render_with_alpha(tiny_network, UNIT - 0.01 * objectives.blur_alpha_each_step()), channels=4)


@pytest.mark.slow
def test_opacity_can_be_a_cost_of_what_is_sampled(tiny_network):
    """`T("input")[..., 3]` is the alpha channel of the images before transforms, for chains as for the optimiser."""

    def transparent(T):
        return tf.reduce_mean(T("conv2")[..., 1], (1, 2)) - 3 * tf.reduce_mean(T("input")[..., 3], (1, 2))

    samples = render_with_alpha(tiny_network, transparent)
    check(samples, channels=4)
    opacity = samples.images[..., 3]
    assert opacity.mean() < 0.45 and np.ptp(opacity, axis=1).max() > 1e-3, "the plane is drawn, too"
    # The control: without the cost, it stays grey, but for the noise of the means of two planes.
    assert render_with_alpha(tiny_network, UNIT).images[..., 3].mean() > 0.45
