"""L-BFGS, CMA-ES and the genetic search: known optima, fair shares of what gradients reach, seeds, plain functions."""

from __future__ import annotations

import builtins
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from samplevis import Network, objectives, optimize, optimizers, overrides, param, render_vis, transform

SMALL = param.pixel((5, 4), channels=1)
QUIET = dict(param=SMALL, transforms=None, progress=False)
ZERO_ORDER = {"cma": optimizers.CMA(), "cma separable": optimizers.CMA(separable=True), "genetic": optimizers.Genetic()}
EVERY = {"lbfgs": optimizers.LBFGS(), **ZERO_ORDER}
WEIGHTS = np.random.default_rng(0).normal(size=(5, 4, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def linear() -> Network:
    image = keras.Input((5, 4, 1))
    flat = keras.layers.Flatten()(image)
    return Network(keras.Model(image, keras.layers.Dense(1, name="out", use_bias=False)(flat)))


@pytest.fixture(scope="module")
def curved() -> Network:
    """Two layers of tanh: smooth, bounded, and not convex."""
    keras.utils.set_random_seed(1)
    image = keras.Input((5, 4, 1))
    hidden = keras.layers.Dense(16, activation="tanh", kernel_initializer="he_normal")(keras.layers.Flatten()(image))
    dense = keras.layers.Dense(3, name="out", kernel_initializer="he_normal")(hidden)
    return Network(keras.Model(image, dense), value_range=(-2, 2))


def penalised(T):
    """w x - (x - 1/2)^2 / (2 * .2), whose maximum is 1/2 + .2 w."""
    x = T("input") - 0.5
    return tf.reduce_sum(WEIGHTS * x, (1, 2, 3)) - tf.reduce_sum(x**2, (1, 2, 3)) / 0.4 + 0 * T("out")[:, 0]


def test_lbfgs_finds_the_optimum_of_a_penalised_linear_network(linear):
    optimum = np.clip(0.5 + 0.2 * WEIGHTS, 0, 1)
    assert 0 < optimum.min() and optimum.max() < 1
    found = optimize(linear, penalised, optimizer="lbfgs", steps=60, batch=2, **QUIET)
    np.testing.assert_allclose(found.images, np.repeat(optimum[None], 2, 0), atol=1e-3)
    assert len(found.history) < 60, "it ends when it has converged"
    # The control: as many steps of Adam are not there yet.
    slow = optimize(linear, penalised, steps=len(found.history), batch=2, **QUIET)
    assert np.abs(slow.images - optimum).max() > 1e-2


def test_lbfgs_batches_by_image(curved):
    """What an image becomes does not depend on the others in its batch."""
    starts = np.random.default_rng(0).uniform(0.2, 0.8, (2, 5, 4, 1)).astype(np.float32)
    settings = QUIET | dict(optimizer="lbfgs", steps=4)
    together = optimize(curved, "out:1", batch=2, init=starts, **settings)
    alone = [optimize(curved, "out:1", batch=1, init=start[None], **settings).images for start in starts]
    np.testing.assert_allclose(together.images, np.concatenate(alone), atol=1e-3)
    assert (together.history[-1] > together.history[0]).all()


@pytest.mark.parametrize("name", ZERO_ORDER)
def test_searches_reach_most_of_what_gradients_reach(curved, name):
    climbed = optimize(curved, "out:0", batch=4, steps=300, **QUIET)
    found = optimize(curved, "out:0", batch=2, steps=160, optimizer=ZERO_ORDER[name], **QUIET)
    start, top = climbed.history[0].mean(), climbed.history[-1].max()
    assert (found.history[-1] - start > 0.9 * (top - start)).all(), (found.history[-1], start, top)
    # The control: candidates that are not learnt from.
    noise = SMALL.image(0.5 * tf.random.stateless_normal((64 * 160, 5, 4, 1), [0, 0]))
    blind = curved.activations(noise.numpy(), "out")["out"].numpy()[:, 0].max()
    assert blind - start < 0.9 * (top - start)


@pytest.mark.parametrize("name", EVERY)
def test_the_returned_image_is_the_scored_image(curved, name):
    found = optimize(curved, "out:2", batch=2, steps=24, optimizer=EVERY[name], thresholds=(3, 24), **QUIET)
    score = curved.activations(found.images, "out")["out"].numpy()[:, 2]
    tolerance = dict(atol=1e-5) if name in ZERO_ORDER else dict(atol=0.05)
    np.testing.assert_allclose(score, found.history[-1], **tolerance)
    assert (np.diff(found.history, axis=0) >= -1e-6).all() and (found.history[-1] > found.history[0]).all()
    np.testing.assert_array_equal(SMALL.image(tf.constant(found.latents)), found.images)
    np.testing.assert_array_equal(found.snapshots[24], found.images)
    assert found.snapshots[3].tobytes() != found.images.tobytes()


@pytest.mark.parametrize("name", EVERY)
def test_seeds_and_settings_serve_many_calls(curved, name):
    settings = QUIET | dict(steps=5, optimizer=EVERY[name], transforms=transform.noise(0.1))
    one, two, other = (optimize(curved, "out:0", seed=seed, **settings) for seed in (3, 3, 4))
    assert one.images.tobytes() == two.images.tobytes() != other.images.tobytes()
    assert one.history.tobytes() == two.history.tobytes()


@pytest.mark.parametrize("name", EVERY)
def test_a_run_in_parts_is_a_run(curved, name):
    """Thresholds cut the loop; nothing else may change."""
    settings = QUIET | dict(steps=6, optimizer=EVERY[name])
    whole, parts = (optimize(curved, "out:0", thresholds=t, **settings) for t in ((), (1, 4)))
    np.testing.assert_allclose(whole.history, parts.history, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["lbfgs", "genetic"])
def test_transforms_are_one_bank(curved, optimizer):
    """The score is a fixed function: the mean over a bank that is sampled once."""
    found = optimize(curved, "out:0", optimizer=optimizer, steps=8, **QUIET | dict(transforms=transform.noise(0.3)))
    assert (np.diff(found.history[:, 0]) >= -1e-6).all()


def test_render_vis_takes_them_and_keeps_converged_images(linear):
    images = render_vis(linear, penalised, SMALL, "lbfgs", None, thresholds=(2, 400), verbose=False)
    assert len(images) == 2 and np.abs(images[1][0] - 0.5 - 0.2 * WEIGHTS).max() < 1e-3


def test_lbfgs_refuses_what_is_no_gradient(curved):
    with pytest.raises(ValueError, match="transforms: L-BFGS needs the true gradient"):
        optimize(curved, "out:0", optimizer="lbfgs", **QUIET | dict(transforms=transform.normalize_gradient()))
    with pytest.raises(ValueError, match="model: L-BFGS needs the true gradient"):
        optimize(overrides.linearize(curved), "out:0", optimizer="lbfgs", **QUIET)


def distance(images):
    """A score that TensorFlow knows nothing of."""
    return -np.square(images - 0.5 - 0.2 * WEIGHTS).sum((1, 2, 3))


@pytest.mark.parametrize("name", ["cma", "genetic"])
def test_a_plain_function_is_model_enough(name):
    found = optimize(distance, optimizer=name, steps=150, batch=2, **QUIET)
    assert found.history[-1].min() > -0.02 and found.history[0].max() < -0.3
    np.testing.assert_allclose(distance(found.images), found.history[-1], atol=1e-5)


def test_scores_that_are_not_finite_lose(curved):
    def cliff(images):
        scores = distance(images)
        return np.where(images.mean((1, 2, 3)) > 0.5, np.nan, scores)

    for name in ("cma", "genetic"):
        found = optimize(cliff, optimizer=name, steps=40, **QUIET)
        assert np.isfinite(found.history[-1]).all() and found.images.mean() <= 0.5
    with pytest.raises(FloatingPointError, match="not finite"):
        optimize(lambda images: np.full(len(images), np.nan), optimizer="genetic", steps=3, **QUIET)


@pytest.mark.parametrize("optimizer", ["lbfgs", "cma", "genetic"])
def test_what_couples_images_is_refused(curved, optimizer):
    coupled = objectives.each(["out:0", "out:1"])
    with pytest.raises(ValueError, match=f"obj: (?i:the optimizer {optimizer}).* scores it by its batch"):
        optimize(curved, coupled, batch=2, optimizer=optimizer, **QUIET)
    shared = param.shared(SMALL, (1,))
    with pytest.raises(ValueError, match=f"param: (?i:the optimizer {optimizer}).* share latents"):
        optimize(curved, "out:0", batch=2, optimizer=optimizer, **QUIET | {"param": shared})


def test_an_objective_without_a_gradient_says_so(curved):
    def stepwise(T):
        return tf.math.sign(tf.stop_gradient(T("out")[:, 0]))

    with pytest.raises(ValueError, match="obj: it has no gradient. Use optimizer='cma'"):
        optimize(curved, stepwise, steps=2, **QUIET)
    assert optimize(curved, stepwise, steps=2, optimizer="genetic", **QUIET).history.shape == (2, 1)


@pytest.mark.parametrize(
    ("call", "error", "word"),
    [
        (lambda n: optimize(distance, steps=1, **QUIET), ValueError, "optimizer: a function as model has no gradient"),
        (lambda n: optimize(distance, optimizer="lbfgs", **QUIET), ValueError, "optimizer: a function as model"),
        (
            lambda n: optimize(distance, "out:0", optimizer="cma", **QUIET),
            ValueError,
            "model: 'distance' cannot be traced",
        ),
        (lambda n: optimize(np.mean, optimizer="cma", **QUIET), ValueError, r"model: .*2 images, shape \(2,\)"),
        (lambda n: optimize(n, **QUIET), TypeError, "obj: expected an objective"),
        (
            lambda n: optimize(n, "out:0", optimizer="cmaes", **QUIET),
            ValueError,
            "optimizer: .*'cma'.*Received: 'cmaes'",
        ),
        (lambda n: optimizers.LBFGS(memory=0), ValueError, "memory"),
        (lambda n: optimizers.LBFGS(line_search=0), ValueError, "line_search"),
        (lambda n: optimizers.LBFGS(bank=0), ValueError, "bank"),
        (lambda n: optimizers.CMA(sigma=0), ValueError, "sigma"),
        (lambda n: optimizers.CMA(population=1), ValueError, "population"),
        (lambda n: optimizers.CMA(bank=1.5), ValueError, "bank"),
        (lambda n: optimizers.Genetic(population=3), ValueError, "population"),
        (lambda n: optimizers.Genetic(mutation=-1), ValueError, "mutation"),
        (lambda n: optimizers.Genetic(bank=0), ValueError, "bank"),
    ],
)
def test_bad_arguments(linear, call, error, word):
    with pytest.raises(error, match=word):
        call(linear)


def test_without_the_package_the_error_names_the_extra(linear, monkeypatch):
    real = builtins.__import__

    def no_cmaes(name, *rest, **named):
        if name == "cmaes":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", no_cmaes)
    monkeypatch.delitem(sys.modules, "cmaes", raising=False)
    with pytest.raises(ImportError, match=r"pip install samplevis\[optimizers\]"):
        optimize(linear, "out:0", optimizer="cma", **QUIET)
