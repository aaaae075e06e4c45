"""render(): the whole way on a tiny network, its promises and its errors."""

from __future__ import annotations

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import with_slow

import samplevis
from samplevis import objectives, param
from samplevis.sampling import Tilted

FAST = dict(im_size=16, optimize_steps=24, anneal_steps=50, progress=False)
OPTIONS = dict(num_results=4, num_burnin_steps=4, num_leapfrog_steps=3, num_chains=3, num_transforms=2)


def render(network, objective="conv2:1", options=OPTIONS, **settings):
    return samplevis.render(network, objective, options, **FAST | settings)


@pytest.fixture(scope="module")
def samples(tiny_network):
    return render(tiny_network)


def test_shapes_and_ranges(samples):
    assert samples.images.shape == (3, 4, 16, 16, 3) and samples.images.dtype == np.float32
    assert samples.images.min() >= 0 and samples.images.max() <= 1
    assert samples.latents.shape == (3, 4, 16, 16, 3) and samples.activation.shape == (3, 4)
    assert [image.shape for image in samples] == [(16, 16, 3)] * 12
    assert samples.stats["acceptance_rate"].shape == (3, 4) and samples.stats["step_size"].shape == (4,)


def test_figures_are_those_of_the_pictures(samples, tiny_network):
    images = param.fourier(16).image(tf.constant(samples.latents.reshape(12, 16, 16, 3))).numpy()
    np.testing.assert_array_equal(images, samples[:])
    plain = render(tiny_network, transforms=None)
    activations = tiny_network.activations(plain[:], "conv2")["conv2"].numpy()[..., 1].mean((1, 2))
    np.testing.assert_allclose(plain.activation.ravel(), activations, atol=1e-5)
    np.testing.assert_allclose(plain.fresh_activation, plain.activation, atol=1e-5)


def test_same_seed_same_bytes_other_seed_other_pictures(samples, tiny_network):
    again, other = render(tiny_network), render(tiny_network, seed=1)
    assert again.images.tobytes() == samples.images.tobytes()
    assert again.summary().figures["level_fresh"] == samples.summary().figures["level_fresh"]
    assert other.images.tobytes() != samples.images.tobytes()


@pytest.fixture(scope="module")
def kinked():
    """A small network with ReLU and max pooling."""
    keras.utils.set_random_seed(1)
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.Conv2D(6, 3, padding="same", activation="relu", name="conv1")(image)
    x = keras.layers.Conv2D(5, 3, padding="same", name="conv2")(keras.layers.MaxPooling2D()(x))
    return samplevis.Network(keras.Model(image, x, name="kinked"))


@pytest.mark.slow
def test_kinks_are_smoothed_and_the_network_itself_is_reported(kinked):
    settings = dict(transforms=None, init="prior", anneal_steps=150)
    smooth, plain = render(kinked, **settings), render(kinked, smooth=None, **settings)
    assert smooth.model == "smooth kinked" and plain.model == "kinked"
    assert smooth.options["smooth"] == 0.3 and plain.options["smooth"] is None

    # On the network itself: the same scale by hand.
    def values(images):
        return kinked.activations(images, "conv2")["conv2"].numpy()[..., 1].mean((1, 2))

    np.testing.assert_array_equal(plain.network_levels, plain.sampled_levels)
    zero = plain.prior_activation
    one = values(smooth.optimized).max()
    by_hand = (values(smooth[:]) - zero) / (one - zero)
    np.testing.assert_allclose(smooth.network_levels.ravel(), by_hand, atol=1e-3)
    # The control: it is not the smoothed network's level.
    assert np.abs(smooth.network_levels - smooth.sampled_levels).max() > 1e-3
    text = " ".join(str(smooth.summary()).split())
    assert f"reached on the network itself 0.70; {smooth.levels.mean():.2f}" in text
    assert f"level on the copy that is sampled {smooth.sampled_levels.mean():.2f}" in text
    assert "network" in smooth.summary().rows and "network" not in plain.summary().rows


def test_the_smoothed_network_is_made_once_and_follows_the_weights(kinked):
    from samplevis.overrides.smooth import smoothed

    first = smoothed(kinked, 0.3)
    assert smoothed(kinked, 0.3) is first and smoothed(kinked, 0.1) is not first
    weights = kinked.model.get_weights()
    kinked.model.set_weights([2 * w for w in weights])
    assert smoothed(kinked, 0.3) is not first
    kinked.model.set_weights(weights)


def test_a_smooth_network_is_taken_as_it_is(tiny_network, samples):
    assert samples.model == "tiny"
    np.testing.assert_array_equal(samples.network_levels, samples.sampled_levels)


def test_softness_is_checked_even_where_there_is_nothing_to_smooth(tiny_network):
    with pytest.raises(ValueError, match="smooth: expected a finite number > 0. Received: -1"):
        render(tiny_network, smooth=-1)


def test_chains_can_start_at_images(tiny_network, images):
    starts = np.random.default_rng(1).uniform(0.2, 0.8, (3, 16, 16, 3)).astype(np.float32)
    settings = dict(OPTIONS, num_results=1, num_burnin_steps=0, step_size=1e-4, adapt_mass=False)
    found = render(tiny_network, options=settings, init=starts, anneal_steps=1)
    assert found.init == "images"
    correlation = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(found[:], starts, strict=True)]
    other = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(found[:], starts[::-1], strict=True)]
    assert min(correlation) > 0.5 > max(other[0], other[2])
    with pytest.raises(ValueError, match=r"init: expected images of shape \(3, 16, 16, 3\)"):
        render(tiny_network, init=images)


@pytest.mark.parametrize("init", ["optimize", "prior"])
def test_the_level_is_reached_and_no_strength_is_the_prior(tiny_network, init):
    settings = dict(init=init, anneal_steps=150, transforms=None)
    figures = render(tiny_network, level=0.5, **settings).summary().figures
    # The density's edge is 0.02 wide and chains sit about a width above it.
    assert abs(figures["level_fresh"] - 0.5) < 0.08
    higher = render(tiny_network, level=0.8, **settings).summary().figures
    assert abs(higher["level_fresh"] - 0.8) < 0.08
    # Nothing holds the chains: long steps bring them to the prior at once.
    free = render(tiny_network, options=dict(OPTIONS, step_size=0.5), beta=0.0, **settings)
    assert abs(free.summary().figures["level_fresh"]) < 0.25


@pytest.mark.parametrize("density", ["tilted", "activation"])
@pytest.mark.parametrize("kernel", with_slow(["split_hmc", "hmc"], ["hmc"]))
def test_other_densities_and_kernels(tiny_network, density, kernel):
    samples = render(tiny_network, "conv1:1", OPTIONS | dict(kernel=kernel), density=density)
    assert np.isfinite(samples.images).all() and samples.kernel == kernel and samples.density == density
    assert np.ptp(samples.images, axis=1).max() > 0.01, "the chains move"


@pytest.mark.parametrize(
    ("kernel", "fewest", "most"),
    with_slow(
        [("malt", 2, 4), ("nuts", 1, 63), ("pcn", 1, 1), ("redrawn_hmc", 3, 5), ("langevin", 3, 3)],
        lambda case: case[0] in ("nuts", "redrawn_hmc"),
    ),
)
def test_every_kernel_samples_the_default_density(tiny_network, kernel, fewest, most):
    samples = render(tiny_network, "conv1:1", OPTIONS | dict(kernel=kernel))
    assert samples.kernel == kernel and np.ptp(samples.images, axis=1).max() > 0.01
    spent = samples.stats["num_gradient_evals"]
    assert spent.shape == (4,) and spent.min() >= fewest and spent.max() <= most
    approximate = any("approximate" in warning for warning in samples.summary().warnings)
    assert approximate == (kernel in ("redrawn_hmc", "langevin"))


def test_no_strength_is_the_prior(tiny_network):
    samples = render(tiny_network, "conv1:1", OPTIONS | dict(num_results=8, num_burnin_steps=40), beta=0.0)
    # 4 standard errors of the mean square of the latents' coordinates, each draw by itself.
    size = samples.latents[0, 0].size
    assert np.abs((samples.latents[:, -4:] ** 2).mean((2, 3, 4)) - 1).max() < 4 * np.sqrt(2 / size)
    assert samples.levels[:, -4:].mean() < 0.3


def test_the_density_of_2018_gives_noise(tiny_network):
    options = OPTIONS | dict(num_results=30, num_leapfrog_steps=8)
    images = render(tiny_network, "conv1:1", options, density="activation").images[:, -1]
    neighbours = np.corrcoef(images[:, :, 1:].ravel(), images[:, :, :-1].ravel())[0, 1]
    # Uniform pixels: standard deviation 0.2887, no correlation; the optimised start has neither.
    assert abs(images.std() - 12**-0.5) < 0.03 and abs(neighbours) < 0.15
    kept = render(tiny_network, "conv1:1").images[:, -1]
    assert np.corrcoef(kept[:, :, 1:].ravel(), kept[:, :, :-1].ravel())[0, 1] > 0.3, "the control must fail"


@pytest.mark.slow
def test_rectangles_strings_labels_and_callables(tiny_network):
    for objective in (objectives.class_logit("logits", "c"), lambda T: T("logits")[:, 2]):
        samples = render(tiny_network, objective, im_size=(16, 20))
        assert samples.images.shape[2:] == (16, 20, 3)


def test_keras_model_without_a_network(tiny_network):
    assert len(render(tiny_network.model)) == 12


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (dict(options=dict(num_result=3)), ["num_result", "num_results"]),
        (dict(options=dict(num_results=0)), ["num_results", ">= 1", "0"]),
        (dict(options=dict(step_size=-1.0)), ["step_size", "-1.0"]),
        (dict(options=dict(step_size=float("nan"))), ["step_size", "nan"]),
        (dict(options=dict(num_leapfrog_steps=2.5)), ["num_leapfrog_steps", "2.5"]),
        (dict(options=dict(num_transforms=0)), ["num_transforms", "0"]),
        (dict(options=dict(target_accept_prob=1.0)), ["target_accept_prob", "1.0"]),
        (dict(options=dict(kernel="split")), ["kernel", "split_hmc"]),
        (dict(density="conditionned"), ["density", "Did you mean 'conditioned'"]),
        (dict(level=1.5), ["level", "1.5"]),
        (dict(level=float("nan")), ["level", "nan"]),
        (dict(beta=-1), ["beta", "-1"]),
        (dict(init="noise"), ["init", "'noise'"]),
        (dict(optimize_steps=0), ["optimize_steps", "0"]),
        (dict(anneal_steps=1.5), ["anneal_steps", "1.5"]),
        (dict(seed="x"), ["seed", "'x'"]),
        (dict(im_size=2), ["size", "2"]),
        (dict(transforms="robus"), ["transforms", "robus"]),
        (dict(objective="conv3:1"), ["conv3", "conv2"]),
        (dict(objective="conv2:5"), ["channel", "0 to 4"]),
    ],
)
def test_bad_arguments_are_named_before_any_work(tiny_network, monkeypatch, arguments, words):
    # The function hides its module in the package.
    monkeypatch.setattr(sys.modules["samplevis.runs.batches"], "ascend", lambda *_: pytest.fail("work began"))
    with pytest.raises(ValueError) as error:
        render(tiny_network, **arguments)
    for word in words:
        assert word in str(error.value)


def test_options_must_be_a_mapping(tiny_network):
    with pytest.raises(TypeError, match="hmc_opts"):
        samplevis.render(tiny_network, "conv2:1", [10])


def test_a_unit_without_gradient_is_refused(tiny_network):
    with pytest.raises(ValueError, match="does not raise it"):
        render(tiny_network, lambda T: 0 * T("logits")[:, 0])


def test_a_law_can_be_sampled_again(tiny_network):
    first = render(tiny_network)
    again = render(tiny_network, density=first.target_density, init="prior")
    assert again.density_params == first.density_params and again.density == "conditioned" and again.init == "prior"
    # The same law has the same value on the same activation.
    np.testing.assert_array_equal(
        first.target_density.tilt(first.activation), again.target_density.tilt(first.activation)
    )
    assert first.target_density.target > first.prior_activation


def test_two_ends_meet_on_a_smooth_network(tiny_network):
    options = OPTIONS | dict(num_results=12, num_burnin_steps=8)
    ends = samplevis.two_ended(tiny_network, "conv2:1", options, level=0.5, **FAST | dict(anneal_steps=100))
    assert (ends.optimized.init, ends.prior.init) == ("optimize", "prior")
    assert ends.optimized.density_params == ends.prior.density_params and ends.optimized.seed == ends.prior.seed
    assert abs(ends.gap) < 0.15, str(ends)
    assert ends.gap == pytest.approx(ends.optimized.levels.mean() - ends.prior.levels.mean())
    assert f"{ends.gap:+.3f}" in str(ends)
    with pytest.raises(TypeError, match="init: two_ended runs both"):
        samplevis.two_ended(tiny_network, "conv2:1", init="prior")


def test_two_ends_that_have_not_met_show_it(tiny_network):
    """The control: chains from the prior that are not annealed at all stay far below."""
    options = OPTIONS | dict(num_burnin_steps=0, num_results=4, step_size=1e-3)
    ends = samplevis.two_ended(tiny_network, "conv2:1", options, **FAST | dict(anneal_steps=1))
    assert abs(ends.gap) > 0.15, str(ends)


def test_a_decoder_is_a_prior(tiny_network):
    keras.utils.set_random_seed(1)
    layers = [keras.Input((6,)), keras.layers.Dense(768, activation="sigmoid"), keras.layers.Reshape((16, 16, 3))]
    prior = param.decoder(keras.Sequential(layers))
    samples = render(tiny_network, param=prior, init="prior", level=0.5, transforms=None)
    assert samples.latents.shape == (3, 4, 6) and samples.images.shape == (3, 4, 16, 16, 3)
    np.testing.assert_allclose(prior.image(tf.constant(samples.latents[0])), samples.images[0], atol=1e-6)
    # Six coordinates: the chains fluctuate widely.
    assert abs(samples.levels.mean() - 0.5) < 0.3


@pytest.mark.slow
def test_a_chain_that_is_lost_is_named_and_the_others_go_on(tiny_network):
    def nonfinite_chains(T):
        score = tf.reduce_mean(T("conv1")[..., 1], (1, 2))
        # The second of three chains, on every transform of it.
        chain = tf.range(tf.shape(score)[0]) * 3 // tf.shape(score)[0]
        return tf.where(chain == 1, float("nan"), score)

    samples = render(tiny_network, nonfinite_chains, OPTIONS | dict(num_burnin_steps=8))
    good = render(tiny_network, "conv1:1", OPTIONS | dict(num_burnin_steps=8))
    others = samples.latents[[0, 2]]
    assert np.ptp(others, axis=1).max() > 0.1 and np.isfinite(samples.activation[[0, 2]]).all()
    assert np.abs(samples.levels[[0, 2]] - good.levels[[0, 2]]).max() < 0.3
    np.testing.assert_array_equal(samples.latents[1], samples.latents[1, :1].repeat(4, 0))
    warnings = " ".join(samples.summary().warnings)
    assert "in chain 1." in warnings and samples.summary().bad_chains == [1]
    # It is left out of the figures.
    assert (
        samples.nonfinite_chains.tolist() == [False, True, False] and "activation of chain 1 is not finite" in warnings
    )
    figures = samples.summary().figures
    assert figures["level_fresh"] == pytest.approx(samples.levels[[0, 2]].mean()) and figures["acceptance_worst"] > 0


def test_all_chains_lost_is_an_error(tiny_network):
    with pytest.raises(FloatingPointError, match="not finite"):
        render(tiny_network, lambda T: float("nan") * tf.reduce_mean(T("conv1"), (1, 2, 3)))


def test_a_strength_that_float32_cannot_carry_is_refused(tiny_network):
    with pytest.raises(ValueError, match="beta: expected at most .* Received: 1e\\+20"):
        render(tiny_network, beta=1e20)


def test_no_level_is_asked_of_a_density_that_is_given(tiny_network):
    """A run at level .4 is repeated by its density, which says nothing of the default level."""
    first = render(tiny_network, level=0.4, transforms=None)
    again = render(tiny_network, density=first.target_density, transforms=None)
    assert first.level == 0.4 and again.level is None
    assert abs(again.levels.mean() - 0.4) < 0.1
    assert not any(issue.row == "level" for issue in again.summary().issues), again.summary()
    assert render(tiny_network, density=Tilted(2.0), transforms=None).level is None
    # The control: the name of a density is a density at the level.
    assert render(tiny_network, density="tilted", transforms=None).level == 0.7
