"""Every parameterization under the optimiser, a handful under the sampler, and the importance map."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import with_slow

import samplevis
from samplevis import Network, objectives, param, transform
from samplevis.runtime import seeds

SIZE = (16, 13)
PICTURE = np.random.default_rng(0).uniform(0.3, 0.7, (*SIZE, 3)).astype(np.float32)
UV = np.stack(np.meshgrid(np.linspace(0, 1.5, 13), np.linspace(0, 1.5, 16)), -1)
PARAMS = {
    "laplacian_pyramid": lambda: param.laplacian_pyramid(SIZE),
    "cppn": lambda: param.cppn(SIZE, hidden=6, layers=3),
    "greyscale": lambda: param.greyscale(param.fourier(SIZE, channels=1)),
    "shared": lambda: param.shared(param.fourier(SIZE), (1, 1)),
    "maco": lambda: param.maco(param.fourier(SIZE, contrast=1.0)),
    "ball_l2": lambda: param.ball(PICTURE, 4.0),
    "ball_linf": lambda: param.ball(PICTURE, 0.2, "linf"),
    "textured": lambda: param.textured(param.fourier((10, 8)), UV),
    "own_colours": lambda: param.fourier(SIZE, decorrelate=np.eye(3) + 0.5),
}


@dataclasses.dataclass(frozen=True)
class OverRandomGrey(transform.Transform):
    """Lays images with an alpha channel over a grey of their own."""

    def sample_params(self, seed, batch, image_shape):
        return {"grey": tf.random.stateless_uniform([batch, 1, 1, 1], seed)}

    def apply(self, params, images):
        return images[..., 3:] * images[..., :3] + (1 - images[..., 3:]) * params["grey"]

    def output_shape(self, image_shape):
        return *image_shape[:2], 3


@pytest.mark.parametrize("name", sorted(PARAMS))
def test_the_activation_rises(tiny_network, name):
    p = PARAMS[name]()
    result = samplevis.optimize(tiny_network, "conv2:1", param=p, transforms=None, steps=40, batch=3, progress=False)
    rise = result.history[-1] - result.history[0]
    assert rise.min() > 0.02, rise
    np.testing.assert_allclose(p.image(tf.constant(result.latents)), result.images, atol=1e-6)
    assert 0 <= result.images.min() <= result.images.max() <= 1


@pytest.mark.parametrize("name", [*sorted(PARAMS), "pixel", "pyramid", "uniform"])
def test_latents_may_be_of_any_float(name):
    p = PARAMS[name]() if name in PARAMS else getattr(param, name)(SIZE)
    z = np.random.default_rng(1).normal(size=(2, *p.latent_shape))
    images = p.image(z.astype(np.float32)).numpy()
    for latents in (z, tf.constant(z)):
        found = p.image(latents)
        assert found.dtype == tf.float32
        np.testing.assert_allclose(found, images, atol=1e-6)


def test_alpha_needs_a_transform_that_lays_it_over_something(tiny_network):
    p = param.with_alpha(param.fourier(16))
    settings = dict(param=p, steps=40, batch=2, progress=False)
    with pytest.raises(ValueError, match="takes images of 3 channels. Received: 4 channels"):
        samplevis.optimize(tiny_network, "conv2:1", transforms=None, **settings)
    result = samplevis.optimize(tiny_network, "conv2:1", transforms=OverRandomGrey(), **settings)
    assert result.images.shape == (2, 16, 16, 4) and result.history[-1].mean() > result.history[0].mean() + 0.02


def test_a_ball_finds_an_adversary(tiny_network):
    logits = tiny_network.activations(PICTURE[None], "logits")["logits"].numpy()[0]
    result = samplevis.optimize(
        tiny_network,
        objectives.class_logit("logits", int(np.argsort(logits)[-2])),
        param=param.ball(PICTURE, 0.1, "linf"),
        transforms=None,
        steps=60,
        progress=False,
    )
    assert np.abs(result.images[0] - PICTURE).max() <= 0.1 + 1e-6
    after = tiny_network.activations(result.images, "logits")["logits"].numpy()[0]
    assert after[np.argsort(logits)[-2]] > logits[np.argsort(logits)[-2]] + 0.02


def test_shared_images_stay_aligned(tiny_network):
    def own_channel(T):
        return tf.linalg.diag_part(tf.reduce_mean(T("conv2"), (1, 2)))

    def spread(p):
        settings = dict(param=p, transforms=None, steps=40, batch=3, progress=False)
        result = samplevis.optimize(tiny_network, own_channel, **settings)
        assert (result.history[-1] > result.history[0] + 0.02).all()
        return tf.image.resize(result.images, (4, 4), antialias=True).numpy().std(0).mean()

    assert spread(param.shared(param.fourier(16), (1, 1))) < 0.5 * spread(param.fourier(16))


@pytest.mark.parametrize("name", with_slow(["cppn", "maco", "with_alpha"], ["cppn", "with_alpha"]))
def test_chains_draw_from_it(tiny_network, name):
    alpha = name == "with_alpha"
    p = param.with_alpha(param.fourier(SIZE)) if alpha else PARAMS[name]()
    samples = samplevis.render(
        tiny_network,
        "conv2:1",
        dict(num_results=3, num_burnin_steps=6, num_leapfrog_steps=3, num_chains=3, num_transforms=1),
        param=p,
        transforms=OverRandomGrey() if alpha else None,
        level=0.5,
        optimize_steps=30,
        anneal_steps=80,
        progress=False,
    )
    assert samples.images.shape == (3, 3, *p.image_shape) and samples.latents.shape == (3, 3, *p.latent_shape)
    assert np.ptp(samples.images, axis=1).max() > 0.01, "the chains move"
    assert abs(samples.levels.mean() - 0.5) < 0.3
    np.testing.assert_allclose(p.image(tf.constant(samples.latents[0])), samples.images[0], atol=1e-6)


def test_no_strength_is_the_prior(tiny_network):
    p = PARAMS["laplacian_pyramid"]()
    samples = samplevis.render(
        tiny_network,
        "conv2:1",
        dict(num_results=6, num_burnin_steps=30, num_leapfrog_steps=4, num_chains=3, num_transforms=1),
        param=p,
        transforms=None,
        beta=0.0,
        optimize_steps=10,
        anneal_steps=30,
        progress=False,
    )
    squares = (samples.latents[:, -3:].reshape(9, -1) ** 2).mean(1)
    assert np.abs(squares - 1).max() < 4 * np.sqrt(2 / p.latent_shape[0])
    started = (p.latent(samples.optimized).numpy() ** 2).mean()
    assert abs(started - 1) > 0.1, "the control: where the chains came from"


# Importance


@pytest.fixture(scope="module")
def left_eye():
    """A network that sees only the left half of the image."""
    image = keras.Input((8, 8, 3))
    half = keras.layers.Cropping2D(((0, 0), (0, 4)))(image)
    return Network(keras.Model(image, keras.layers.Flatten(name="out")(half), name="left_eye"))


def test_importance_is_the_mean_absolute_gradient(left_eye):
    def objective(T):
        return tf.reduce_sum(tf.square(T("out")), 1)

    settings = dict(param=param.maco(param.fourier(8, contrast=1.0)), transforms=None)
    result = samplevis.optimize(left_eye, objective, steps=4, batch=2, thresholds=(1, 2), progress=False, **settings)
    found = samplevis.importance(left_eye, objective, result, transforms=None, num_transforms=2)
    steps = np.stack([result.snapshots[1], result.snapshots[2], result.images])
    expected = (2 * steps).mean((0, 4))
    expected[:, :, 4:] = 0
    np.testing.assert_allclose(found.map, expected, rtol=1e-5)
    np.testing.assert_array_equal(found.pictures[..., :3], result.images)
    alpha = found.pictures[..., 3]
    limit = np.percentile(expected, 80, axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(alpha, np.minimum(expected / limit, 1), rtol=1e-5)
    assert (alpha == 1).mean() == pytest.approx(0.2, abs=0.05)


def test_importance_sees_through_transforms_and_repeats(left_eye):
    result = samplevis.optimize(
        left_eye, lambda T: T("out")[:, 0], param=param.pixel(8), transforms=None, steps=1, progress=False
    )
    maps = [
        samplevis.importance(
            left_eye, lambda T: T("out")[:, 0], result, transforms=transform.shift(2), num_transforms=8, seed=seed
        ).map
        for seed in (0, 0, 1)
    ]
    # The one pixel that counts is at another place for each transform.
    assert 1 < np.count_nonzero(maps[0]) <= 8 and maps[0].sum() == pytest.approx(1 / 3)
    np.testing.assert_array_equal(maps[0], maps[1])
    assert np.any(maps[0] != maps[2])


def test_importance_of_nothing_is_opaque(left_eye):
    result = samplevis.optimize(
        left_eye, lambda T: T("out")[:, 0], param=param.pixel(8), transforms=None, steps=1, progress=False
    )
    found = samplevis.importance(left_eye, lambda T: 0 * T("out")[:, 0], result, transforms=None)
    np.testing.assert_array_equal(found.pictures[..., 3], 1)
    # One pixel of 64 is less than lies above the 80th percentile: it alone is opaque.
    one = samplevis.importance(left_eye, lambda T: T("out")[:, 0], result, transforms=None)
    assert (one.pictures[..., 3] > 0).sum() == 1 == one.pictures[..., 3].max()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(num_transforms=0), "num_transforms: expected a whole number >= 1. Received: 0"),
        (dict(percentile=0), "percentile: expected a number above 0, to 100. Received: 0"),
        (dict(percentile=float("nan")), "percentile"),
        (dict(seed=-1), "seed"),
    ],
)
def test_importance_refuses(left_eye, arguments, message):
    images = np.zeros((1, 8, 8, 3), np.float32)
    result = samplevis.Optimized(images, images, np.zeros((1, 1), np.float32), {})
    with pytest.raises(ValueError, match=message):
        samplevis.importance(left_eye, "out:0", result, **arguments)


def test_starts_are_faint_prior_draws_where_nothing_else_is_said():
    p = param.fourier(8)
    np.testing.assert_allclose(p.start(seeds.root(3), 2), 0.1 * p.prior(seeds.root(3), 2).numpy(), rtol=1e-6)
    np.testing.assert_array_equal(param.greyscale(param.cppn(8, channels=1)).start(seeds.root(0), 1)[0, -49:], 0)
