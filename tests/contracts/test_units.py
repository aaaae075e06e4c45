"""Multiplying an objective by a positive constant changes nothing but the labels: from 1e-6 to 1e6, in every stage.

A power of two changes no rounding, so that there bytes are compared; elsewhere pictures agree to 1e-3.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import with_slow

import samplevis
from samplevis import objectives, param
from samplevis.optimizers import keras_stepper
from samplevis.optimizers.gradient_unit import GradientUnit, root_mean_square
from samplevis.sampling.kernels.registry import KERNELS

SIZE = 8
UNIT = objectives.channel("conv2", 1)
FACTORS = (1e-6, 3e-4, 1e6)
TWO_TO_THE = (-20, 20)
HMC = dict(num_results=2, num_burnin_steps=4, num_leapfrog_steps=2, num_chains=2, num_transforms=2)
STARTED = dict(step_size=0.01)


@pytest.fixture(scope="module")
def network(tiny_network):
    return tiny_network


def optimized(network, obj, factor, **settings):
    settings = dict(param=param.fourier(SIZE), transforms=None, steps=40, batch=2, progress=False) | settings
    return samplevis.optimize(network, factor * obj, **settings)


def rendered(network, obj, factor, **settings):
    hmc = HMC | {name: settings.pop(name) for name in list(settings) if name in (*HMC, "kernel", "step_size")}
    settings = dict(im_size=SIZE, optimize_steps=20, anneal_steps=50, progress=False, seed=3) | settings
    return samplevis.render(network, factor * obj, hmc, **settings)


def levels(samples):
    return (samples.fresh_activation - samples.prior_activation) / (
        samples.optimum_activation - samples.prior_activation
    )


def assert_same_samples(found, expected, atol=1e-3):
    for name in ("images", "optimized", "chain_means", "network_levels"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=atol, err_msg=name)
    np.testing.assert_allclose(levels(found), levels(expected), atol=1e-3)
    np.testing.assert_array_equal(found.reached, expected.reached)
    np.testing.assert_array_equal(found.stats["is_accepted"], expected.stats["is_accepted"])


# Optimisation


@pytest.mark.parametrize("obj", [UNIT, objectives.class_probability("logits", 1)], ids=str)
def test_optimised_pictures_do_not_depend_on_the_unit(network, obj):
    one = optimized(network, obj, 1.0)
    for factor in FACTORS:
        found = optimized(network, obj, factor)
        np.testing.assert_allclose(found.images, one.images, atol=1e-3)
        np.testing.assert_allclose(found.history / factor, one.history, rtol=1e-3, atol=1e-6)
    for power in TWO_TO_THE:
        assert optimized(network, obj, 2.0**power).images.tobytes() == one.images.tobytes()


def test_an_optimizer_of_the_users_keeps_its_units(network):
    """The control, too: an absolute epsilon, or a learning rate in units of the gradient, is seen."""
    for optimizer in (keras.optimizers.Adam(0.05), keras.optimizers.SGD(3000.0)):
        one, other = (optimized(network, UNIT, factor, optimizer=optimizer).images for factor in (1.0, 1e-5))
        assert np.abs(one - other).max() > 0.1


def test_the_control_without_a_unit_fails(network, monkeypatch):
    monkeypatch.setattr(GradientUnit, "divide", lambda unit, gradient: gradient)
    network.compiled.clear()
    one, other = (optimized(network, UNIT, factor).images for factor in (1.0, 1e-6))
    network.compiled.clear()
    assert np.abs(one - other).max() > 0.1


def test_each_image_has_a_unit_of_its_own(network):
    """Units as different as these share a batch, and neither sees the other."""
    start = np.random.default_rng(0).uniform(0.3, 0.7, (2, SIZE, SIZE, 3)).astype(np.float32)
    both = optimized(network, objectives.each([1e-6 * UNIT, 1e6 * UNIT]), 1.0, init=start).images
    for image, first, factor in zip(both, start, (1e-6, 1e6), strict=True):
        alone = optimized(network, UNIT, factor, init=first[None], batch=1).images[0]
        np.testing.assert_allclose(image, alone, atol=1e-3)


def test_a_gradient_that_begins_late_finds_its_unit(network):
    """Of a unit that is silent at first, the first gradient that is not zero counts."""
    late = objectives.only_after(5) * UNIT
    one, other = (optimized(network, late, factor).images for factor in (1.0, 1e-6))
    with pytest.warns(UserWarning, match="had no gradient in any step"):
        silent = optimized(network, late, 1.0, steps=5).images
    assert np.abs(one - silent).max() > 0.1
    np.testing.assert_allclose(one, other, atol=1e-3)


def test_a_unit_is_exact_where_squares_are_not():
    x = tf.constant([[3.0, -4.0], [0.0, 0.0], [3.0, -4.0]]) * tf.constant([[1e-30], [1.0], [1e30]])
    np.testing.assert_allclose(root_mean_square(x)[:, 0], [np.sqrt(12.5) * 1e-30, 0, np.sqrt(12.5) * 1e30], rtol=1e-6)
    unit = GradientUnit(3, 2)
    np.testing.assert_allclose(root_mean_square(unit.divide(x))[:, 0], [1, 0, 1], rtol=1e-6)
    # Measured once, image by image.
    again = unit.divide(tf.constant([[6e-30, -8e-30], [5.0, 5.0], [3e30, 4e30]]))
    np.testing.assert_allclose(root_mean_square(again)[:, 0], [2, 1, 1], rtol=1e-6)


@pytest.mark.parametrize("name", ["lbfgs", "genetic", "cma"])
def test_other_optimisers_do_not_depend_on_the_unit(network, name):
    settings = dict(optimizer=name, steps=6, batch=1)
    one = optimized(network, UNIT, 1.0, **settings)
    for power in TWO_TO_THE:
        assert optimized(network, UNIT, 2.0**power, **settings).images.tobytes() == one.images.tobytes()
    for factor in FACTORS:
        found = optimized(network, UNIT, factor, **settings)
        if name == "lbfgs":
            np.testing.assert_allclose(found.images, one.images, atol=1e-3)
        # Searches by rank settle ties of scores, which rounding makes and breaks, either way.
        np.testing.assert_allclose(found.history[-1] / factor, one.history[-1], rtol=2e-2)


def test_sweeps_do_not_depend_on_the_unit(network):
    settings = dict(param=param.fourier(SIZE), transforms=None, steps=20, progress=False)
    one = samplevis.sweep(network, [UNIT * 1.0, objectives.channel("conv2", 2) * 1.0], **settings)
    other = samplevis.sweep(network, [UNIT * 1e-6, objectives.channel("conv2", 2) * 1e6], **settings)
    np.testing.assert_allclose(other.images, one.images, atol=1e-3)
    np.testing.assert_allclose(other.scores / [1e-6, 1e6], one.scores, rtol=1e-3)


# Checkpoints


@pytest.mark.slow
def test_a_run_resumes_with_its_units(network, tmp_path):
    """Stopped among the steps of the optimiser: bit-identical to an uninterrupted run."""

    class Stop(samplevis.Callback):
        def on_step(self, stage, done, total, figures):
            if stage == "optimise" and done >= 16:
                raise KeyboardInterrupt

    settings = dict(optimize_steps=40)
    with pytest.raises(KeyboardInterrupt):
        rendered(network, UNIT, 1e-4, checkpoint=tmp_path, callbacks=[Stop()], checkpoint_interval=0, **settings)
    resumed = rendered(network, UNIT, 1e-4, checkpoint=tmp_path, **settings)
    assert resumed.latents.tobytes() == rendered(network, UNIT, 1e-4, **settings).latents.tobytes()


# Sampling


@pytest.mark.parametrize("kernel", with_slow(list(KERNELS), ["malt", "hmc", "nuts", "pcn", "redrawn_hmc"]))
def test_samples_do_not_depend_on_the_unit(network, kernel):
    settings = dict(kernel=kernel) | (STARTED if kernel in ("hmc", "nuts") else {})
    one = rendered(network, UNIT, 1.0, **settings)
    for factor in FACTORS:
        assert_same_samples(rendered(network, UNIT, factor, **settings), one)
    for power in TWO_TO_THE:
        assert rendered(network, UNIT, 2.0**power, **settings).latents.tobytes() == one.latents.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        dict(init="prior", anneal_steps=200),
        dict(density="tilted"),
        dict(smooth=None, transforms=None),
        dict(level=0.4),
        dict(param=param.pyramid(SIZE)),
    ],
    ids=str,
)
def test_samples_of_other_runs_do_not_depend_on_the_unit(network, settings):
    # Powers of two alone: dynamics of 200 steps, or on a pyramid, amplify the rounding of other factors beyond 1e-3.
    one = rendered(network, UNIT, 1.0, **settings)
    for power in TWO_TO_THE:
        assert rendered(network, UNIT, 2.0**power, **settings).latents.tobytes() == one.latents.tobytes()


@pytest.mark.slow
def test_samples_of_a_probability_do_not_depend_on_the_unit(network):
    obj = objectives.class_probability("logits", 1)
    one = rendered(network, obj, 1.0)
    for factor in FACTORS:
        assert_same_samples(rendered(network, obj, factor), one)


def test_the_default_is_adam():
    config = keras_stepper.fresh_copy(None).get_config()
    assert config["name"].startswith("adam") and config["learning_rate"] == pytest.approx(0.05)
    assert isinstance(keras_stepper.fresh_copy(keras.optimizers.SGD(2.0)), keras.optimizers.SGD)
