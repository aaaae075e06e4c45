"""Geweke's joint test and simulation-based calibration, through a real network, images and transforms.

The model: z ~ N(0, I) and y = A(z) + NOISE * N(0, 1), with A the activation of a unit on a bank. Whoever alternates between
y given z and a correct kernel for z given y stays in the joint law, where z has its prior.
"""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from conftest import with_slow

from samplevis import param
from samplevis.activation import make_activation
from samplevis.runtime import seeds
from samplevis.sampling import diagnostics
from samplevis.sampling.kernels.base import choose
from samplevis.sampling.kernels.integrator import IntegratorState, integrate
from samplevis.sampling.kernels.registry import KERNELS
from samplevis.sampling.kernels.split_hmc import SplitHMC
from samplevis.transform import robust_transforms

SIZE, MEMBERS, CHAINS = 16, 2, 48
# The unit's standard deviation under the prior is .045. Steps are so long that a third of the proposals are rejected: errors of the
# accept step must show.
UNIT, NOISE = "conv1:3", 0.02
STEP_SIZE, STEPS = 0.7, 3


class Model:
    """The joint model on one network."""

    def __init__(self, network):
        self.activation = make_activation(network, UNIT, param.fourier(SIZE), robust_transforms)
        self.bank = self.activation.sample_transforms(seeds.root(1), MEMBERS)
        self.shape = (SIZE, SIZE, 3)

    def score(self, z, bank=None):
        return tf.reduce_mean(self.activation.scores(z, self.bank if bank is None else bank), 1)

    def tilt(self, z, y, bank=None):
        return -tf.square((y - self.score(z, bank)) / NOISE) / 2

    def target(self, y, fresh=False):
        if not fresh:
            return lambda z: self.tilt(z, y)

        def unstable(z):
            seed = tf.random.uniform((2,), maxval=2**30, dtype=tf.int32)
            return self.tilt(z, y, self.activation.sample_transforms(seed, MEMBERS))

        return unstable


@pytest.fixture(scope="module")
def model(tiny_network):
    return Model(tiny_network)


def split(target):
    return SplitHMC(target, STEP_SIZE, STEPS)


def by_name(name):
    def make(target):
        size = 0.3 if name == "hmc" else STEP_SIZE
        return KERNELS[name].make(target, None, size, STEPS, tf.ones(()))

    return make


class WrongSign(SplitHMC):
    """Accepts by the inverse of the ratio."""

    def one_step(self, state, previous, seed=None):
        there, results = super().one_step(state, previous, seed)
        uniform = tf.random.stateless_uniform(results.is_accepted.shape, seeds.fold(seed, "wrong"))
        velocity = tf.random.stateless_normal(state.shape, seeds.fold(seed, "v"))
        start = IntegratorState.start(state, velocity, previous.tilt, previous.gradient)
        end = integrate(self.parameters["target_fn"], start, previous.step_size, STEPS)
        ratio = tf.cast(tf.cast(end.tilt - previous.tilt, tf.float64) - end.work, tf.float32)
        accepted = tf.math.log(uniform) < -ratio
        return choose(accepted, end.state, state), results._replace(
            tilt=tf.where(accepted, end.tilt, previous.tilt),
            gradient=choose(accepted, end.gradient, previous.gradient),
        )


def scalars(model, z):
    a = model.score(z)
    flat = tf.reshape(z, [z.shape[0], -1])
    projections = [flat[:, 7 * i] for i in range(4)]
    values = [a, tf.square(a), tf.reduce_mean(tf.square(flat), 1), *projections, *(tf.square(p) for p in projections)]
    return tf.stack(values, 1)


def joint_scalars(model, z, y):
    """Those of z, and three of how y sits about A(z)."""
    found = scalars(model, z)
    residual = (y - found[:, 0]) / NOISE
    about = tf.stack([residual, tf.square(residual), residual * found[:, 0]], 1)
    return tf.concat([found, about], 1)


def data(model, z, seed):
    return model.score(z) + NOISE * tf.random.stateless_normal(z.shape[:1], seed)


def direct(model, count=2048):
    found = []
    for i in range(count // 256):
        z = param.fourier(SIZE).prior(seeds.fold(seeds.root(7), i), 256)
        found.append(joint_scalars(model, z, data(model, z, seeds.fold(seeds.root(8), i))))
    return np.concatenate(found).astype(np.float64)


def geweke(model, make, steps=300, stale=False, fresh=False):
    """Largest deviation between the alternating chain and direct draws, in standard errors."""

    @tf.function(autograph=False)
    def step(z, results, seed):
        y = data(model, z, seeds.fold(seed, "y"))
        kernel = make(model.target(y, fresh))
        bootstrap = kernel.bootstrap_results(z)
        z, results = kernel.one_step(z, results if stale else bootstrap, seeds.fold(seed, "z"))
        return z, results, joint_scalars(model, z, y)

    z = param.fourier(SIZE).prior(seeds.root(3), CHAINS)
    kernel = make(model.target(model.score(z)))
    results, found = kernel.bootstrap_results(z), []
    for i in range(steps):
        z, results, values = step(z, results, seeds.fold(seeds.root(4), i))
        found.append(values.numpy().astype(np.float64))
    found, truth = np.stack(found, 1), direct(model)
    errors = [
        np.hypot(diagnostics.mcse_mean(found[:, :, i]), truth[:, i].std() / np.sqrt(len(truth)))
        for i in range(truth.shape[1])
    ]
    return np.abs((found.mean((0, 1)) - truth.mean(0)) / errors).max()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["split_hmc", "malt", "hmc", "pcn"])
def test_geweke(model, name):
    assert geweke(model, by_name(name)) < 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "how"),
    [
        pytest.param(lambda target: WrongSign(target, STEP_SIZE, STEPS), {}, id="wrong sign"),
        pytest.param(split, {"stale": True}, id="stale tilt and gradient"),
        pytest.param(split, {"fresh": True}, id="fresh transforms inside the accept step"),
    ],
)
def test_geweke_rejects_broken_kernels(model, make, how):
    assert geweke(model, make, steps=450, **how) > 4


def ranks(model, make, replicates=256, thinned=15, every=2):
    """Ranks of the truth among draws that start from it, forwards and backwards: uniform for a reversible kernel.

    Starting from exact draws makes the test exact for chains of any length (Gandy and Scott 2020, "Unit testing for MCMC").
    """
    z = param.fourier(SIZE).prior(seeds.root(11), replicates)
    truth = scalars(model, z)
    y = data(model, z, seeds.root(12))
    kernel = make(model.target(y))

    @tf.function(autograph=False)
    def step(z, results, seed):
        return kernel.one_step(z, results, seed)

    draws = []
    backwards = np.random.default_rng(0).integers(0, thinned + 1)
    for direction, count in (("back", backwards), ("forth", thinned - backwards)):
        now, results = z, kernel.bootstrap_results(z)
        for i in range(count * every):
            now, results = step(now, results, seeds.fold(seeds.root(13), direction, i))
            if (i + 1) % every == 0:
                draws.append(scalars(model, now).numpy())
    return (np.stack(draws) < truth.numpy()).sum(0)


def chi_squares(found, thinned=15, bins=8):
    counts = [np.bincount(found[:, i] * bins // (thinned + 1), minlength=bins) for i in range(found.shape[1])]
    expected = len(found) / bins
    return [((count - expected) ** 2 / expected).sum() for count in counts]


# Chi-square with 7 degrees of freedom: the .1 % point, shared out over 11 scalars (Bonferroni).
LIMIT = 30.4


@pytest.mark.parametrize("name", with_slow(["split_hmc", "malt"], ["malt"]))
def test_simulation_based_calibration(model, name):
    assert max(chi_squares(ranks(model, by_name(name)))) < LIMIT


@pytest.mark.slow
def test_calibration_rejects_a_broken_kernel(model):
    broken = ranks(model, lambda target: WrongSign(target, STEP_SIZE, STEPS), replicates=512, every=3)
    assert max(chi_squares(broken)) > LIMIT


@pytest.mark.long
@pytest.mark.parametrize("name", ["split_hmc", "malt", "hmc"])
def test_geweke_and_calibration_at_length(model, name):
    worst = geweke(model, by_name(name), steps=4000)
    chi = max(chi_squares(ranks(model, by_name(name), replicates=2048, every=8)))
    print(name, "Geweke", worst, "chi-square", chi)
    assert worst < 4 and chi < LIMIT
