"""The virial by band: 1 for a kernel that samples its density, and something else where a band is too hot or too cold."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from conftest import with_slow

from samplevis import param
from samplevis.runtime import seeds
from samplevis.runtime.context import RunContext
from samplevis.sampling.chains import ChainProblem, Monitors, run_chains
from samplevis.sampling.kernels import langevin
from samplevis.sampling.kernels.base import value_and_gradient
from samplevis.sampling.kernels.registry import KERNELS
from samplevis.sampling.options import HMCOptions
from samplevis.sampling.scalars import virial_fn

# Six bands of 50 coordinates: thirds of 100.
SIZE = 300
BANDS = np.repeat(np.arange(6), 50)
CENTRE = np.random.default_rng(0).normal(size=SIZE).astype(np.float32)
NAMES = ("virial", "virial_low", "virial_middle", "virial_high")
EXACT = [name for name, spec in KERNELS.items() if spec.exact]


def centre(curvature):
    """Of the Gaussians: about a standard deviation from 0, so that the virial of stiff coordinates does not fluctuate too much."""
    return CENTRE / np.float32(np.sqrt(1 + curvature))


def conjugate(curvature):
    """The prior times Gaussians about `centre`: coordinate i is normal with variance 1 / (1 + curvature_i)."""
    return lambda x: -tf.reduce_sum(curvature * tf.square(x - centre(curvature)), 1) / 2


def run_kernel(kernel, curvature, redraw=None, chains=64, **options):
    """A run that starts in equilibrium, with the preconditioner that would be learned."""
    spread = 1 / np.sqrt(1 + curvature)
    state = centre(curvature) * curvature / (1 + curvature) + spread * tf.random.stateless_normal(
        (chains, SIZE), [1, 2]
    )
    monitors = Monitors(virial=virial_fn((SIZE,), BANDS))
    problem = ChainProblem(conjugate(curvature), spread, redraw=redraw, monitors=monitors)
    return run_chains(problem, state, HMCOptions(kernel=kernel, **options), RunContext(seeds.root(0)))


def mean_and_error(values):
    """Mean over [transition, chain] and its standard error, from the chains, which are independent."""
    of_chains = values.mean(0)
    return of_chains.mean(), of_chains.std(ddof=1) / np.sqrt(len(of_chains))


def test_means_are_those_of_thirds_of_the_bands():
    p = param.fourier(32)
    terms = tf.random.stateless_normal((3, *p.latent_shape), [0, 1])
    found = virial_fn(p.latent_shape, p.bands())(terms)
    third = 3 * p.bands() // (p.bands().max() + 1)
    assert set(found) == set(NAMES)
    np.testing.assert_allclose(found["virial"], terms.numpy().mean((1, 2, 3)), atol=1e-6)
    for number, name in enumerate(NAMES[1:]):
        np.testing.assert_allclose(found[name], terms.numpy()[:, third == number].mean(1), atol=1e-6)
    assert set(virial_fn((4,), np.array([0, 0, 1, 1]))(tf.ones((2, 4)))) == {"virial"}, "two bands have no thirds"


# Steps at which all proposals are accepted, and at which most are not.
STEPS = {"split_hmc": (0.8, 1.0), "malt": (0.7, 1.0), "hmc": (0.6, 0.9), "pcn": (0.03, 0.1)}


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_holds_the_gradient_at_its_state(kernel):
    """In its own coordinates, after steps that were accepted and steps that were not."""
    spec, scale = KERNELS[kernel], tf.linspace(0.3, 1.0, SIZE)
    target, unit = conjugate(np.float32(4.0)), scale if spec.unit_mass else 1.0
    state = tf.random.stateless_normal((12, SIZE), [3, 4]) / unit
    accepted = []
    for number, step_size in enumerate(STEPS.get(kernel, (0.5,))):
        step = spec.make(target, lambda seed: target, step_size, 3, scale)
        state, results = step.one_step(state, step.bootstrap_results(state), seed=seeds.root(number))
        accepted.append(spec.trace(3, state, results).is_accepted)
        latents = state * unit
        expected = (value_and_gradient(target, latents)[1] - latents) * unit
        np.testing.assert_allclose(spec.gradient(state, results), expected, atol=2e-3, rtol=1e-3)
    assert kernel not in STEPS or 0 < np.mean(accepted) < 1, "both cases"


@pytest.mark.parametrize("kernel", with_slow(EXACT, [name for name in EXACT if name != "split_hmc"]))
def test_exact_kernels_keep_the_virial_of_every_band(kernel):
    # pCN turns all coordinates by one angle, which a stiff one makes small.
    top, results = (1.0, 6000) if kernel == "pcn" else (100.0, 300)
    curvature = np.float32(np.geomspace(0.1, top, 6))[BANDS]
    found = run_kernel(kernel, curvature, num_results=results, num_burnin_steps=60).scalars
    for name in NAMES:
        mean, error = mean_and_error(found[name])
        assert abs(mean - 1) < 0.02 and abs(mean - 1) < 4 * error < 0.04, (name, mean, error)


def test_langevin_keeps_it_with_its_default_step(monkeypatch):
    curvature = np.float32(np.geomspace(0.1, 1000.0, 6))[BANDS]

    def virials():
        found = run_kernel("langevin", curvature, num_results=200, num_burnin_steps=20).scalars
        return {name: mean_and_error(found[name]) for name in NAMES}

    for name, (mean, error) in virials().items():
        assert abs(mean - 1) < 0.02 and abs(mean - 1) < 4 * error < 0.05, (name, mean, error)
    # The control: with the kick between two halves of the refreshment, stiff bands are too narrow.
    monkeypatch.setattr(langevin, "_step", kick_in_the_middle)
    mean, error = virials()["virial_high"]
    assert 1 - mean > 4 * error and mean < 0.98


def kick_in_the_middle(now, score_fn, strength_fn, seed, settings):
    """A step of 0.1.0: rotate, refresh, kick, refresh, rotate. The force is evaluated once more, at the end, for the virial."""
    step_size, friction, heat = settings
    cos, sin = tf.cos(step_size / 2), tf.sin(step_size / 2)
    rate = friction[:, None]
    decay = tf.exp(-rate * step_size / 2)
    spread = tf.sqrt((1 - decay**2) * heat / rate)

    def refresh(velocity, half):
        return decay * velocity + spread * tf.random.stateless_normal(velocity.shape, seeds.fold(seed, half))

    def force(x):
        return value_and_gradient(lambda x: score_fn(x, seeds.fold(seed, "transforms")), x)

    state, velocity = now.state * cos + now.velocity * sin, now.velocity * cos - now.state * sin
    velocity = refresh(refresh(velocity, "before") + step_size * force(state)[1], "after")
    state, velocity = state * cos + velocity * sin, velocity * cos - state * sin
    activation, gradient = force(state)
    return langevin.LangevinState(state, velocity, activation, now.strength), gradient, tf.reduce_mean(velocity**2, 1)


# Noise of the force in the two lower bands alone, as of transforms that move large shapes.
NOISE = np.where(BANDS < 2, 10.0, 0.0).astype(np.float32)


def test_the_virial_sees_uneven_heat_that_the_temperature_cannot():
    curvature = np.ones(SIZE, np.float32)

    def shaky(seed):
        push = NOISE * tf.random.stateless_normal((64, SIZE), seed)
        return lambda x: conjugate(curvature)(x) + tf.reduce_sum(push * x, 1)

    def run(redraw):
        chains = run_kernel("langevin", curvature, redraw, num_results=200, num_burnin_steps=20)
        temperature = chains.stats.temperature.mean()
        variances = 2 * ((chains.states - centre(curvature) / 2) ** 2).mean((0, 1)).reshape(6, 50).mean(1)
        return temperature, {name: mean_and_error(chains.scalars[name]) for name in NAMES}, variances

    # The heat of a band is step * noise^2 / 2 over a friction that carries their mean off.
    friction = langevin.HEAT + 0.03 * np.mean(NOISE**2) / 2
    hot, cold = ((langevin.HEAT + 0.03 * noise**2 / 2) / friction for noise in (10.0, 0.0))
    temperature, virial, variances = run(shaky)
    # The control: the thermostat says that all is well, while the variances are far from it.
    assert abs(temperature - 1) < 0.01
    assert variances[:2].min() > 1.2 and variances[2:].max() < 0.9
    # Linear in the heat, up to terms of the order of step * friction.
    assert abs(virial["virial_low"][0] - hot) < 0.05 and abs(virial["virial_high"][0] - cold) < 0.05
    assert all(abs(virial[name][0] - 1) > 10 * virial[name][1] for name in NAMES[1:])
    # Without noise, all of it is 1.
    temperature, virial, variances = run(None)
    assert all(abs(mean - 1) < 4 * error for mean, error in virial.values())


def test_redrawn_banks_are_judged_on_transforms_that_the_state_has_not_met():
    """Banks with centres of their own make states too wide (`test_redrawn_targets_have_the_bias_of_theory`)."""
    curvature = np.full(SIZE, 2, np.float32)

    def redraw(seed):
        drawn = centre(curvature) + 0.5 * tf.random.stateless_normal((SIZE,), seed)
        return lambda x: -tf.reduce_sum(tf.square(x - drawn), 1)

    chains = run_kernel("redrawn_hmc", curvature, redraw, num_results=300, num_burnin_steps=0)
    spread = 3 * ((chains.states - centre(curvature) * 2 / 3) ** 2).mean()
    mean = chains.scalars["virial"].mean()
    # On a bank that does not depend on x, E x dU/dx is three times the variance.
    assert spread > 1.05 and abs(mean - spread) < 0.02
