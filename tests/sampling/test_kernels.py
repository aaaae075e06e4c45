"""Kernels against targets with known answers, each statistical check beside a broken kernel that it must reject."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from conftest import with_slow
from scipy import stats

from samplevis.runtime import seeds
from samplevis.runtime.context import RunContext
from samplevis.sampling import diagnostics
from samplevis.sampling.chains import MAX_STEP_SIZE, ChainProblem, run_chains
from samplevis.sampling.kernels import adaptation, hmc, split_hmc
from samplevis.sampling.kernels.base import half_square, value_and_gradient
from samplevis.sampling.kernels.integrator import IntegratorState, integrate
from samplevis.sampling.kernels.registry import KERNELS
from samplevis.sampling.kernels.stats import log_acceptance
from samplevis.sampling.options import HMCOptions

SHAPE = (4, 3, 2)
DIRECTION = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)


def flat(x):
    return tf.reduce_sum(tf.zeros_like(x), (1, 2, 3))


def linear(x):
    """Tilts N(0, I) to N(DIRECTION, I)."""
    return tf.reduce_sum(x * DIRECTION, (1, 2, 3))


def quadratic(x):
    """-(x - 2)^2 / (2 * 0.5) on every coordinate: the posterior is N(4/3, 1/3)."""
    return -tf.reduce_sum(tf.square(x - 2.0), (1, 2, 3))


def draws(target, kernel, chains=16, results=200, step_size=0.4, scale=1.0, warmup=40, seed=0, between=0):
    state = tf.random.stateless_normal((chains, *SHAPE), [7, seed])
    options = HMCOptions(
        num_results=results,
        step_size=step_size,
        num_leapfrog_steps=4,
        num_burnin_steps=warmup,
        kernel=kernel,
        num_steps_between_results=between,
    )
    return run_chains(ChainProblem(target, scale), state, options, RunContext(seeds.root(seed)))


def start_at(target, state, velocity):
    return IntegratorState.start(state, velocity, *value_and_gradient(target, state))


def z_scores(values, truth):
    """Deviations of the means of [draw, chain, coordinate...] from the truth, in Monte Carlo standard errors."""
    flattened = values.reshape(*values.shape[:2], -1)
    truth = np.broadcast_to(np.reshape(truth, -1), flattened.shape[-1:])
    errors = [diagnostics.mcse_mean(flattened[:, :, i].T) for i in range(flattened.shape[-1])]
    return (flattened.mean((0, 1)) - truth) / errors


@pytest.mark.parametrize("kernel", with_slow([name for name in KERNELS if name != "langevin"], ["pcn"]))
@pytest.mark.parametrize(
    ("target", "mean", "variance"),
    with_slow([(flat, 0, 1), (linear, DIRECTION, 1), (quadratic, 4 / 3, 1 / 3)], lambda case: case[0] is not linear),
)
def test_known_gaussians(kernel, target, mean, variance):
    # A step of pCN is a small part of a trajectory.
    states = draws(
        target, kernel, results=8000 if kernel == "pcn" else 400, warmup=400 if kernel == "pcn" else 40
    ).states
    # 24 coordinates, two moments: 4 standard errors.
    assert np.abs(z_scores(states, mean)).max() < 4
    assert np.abs(z_scores((states - mean) ** 2, variance)).max() < 4


@pytest.mark.parametrize("kernel", [name for name in KERNELS if name not in ("pcn", "langevin")])
def test_unequal_scales_leave_the_density_alone(kernel):
    scale = np.linspace(0.2, 1, 24).reshape(SHAPE).astype(np.float32)
    states = draws(quadratic, kernel, scale=scale, results=300).states
    assert np.abs(z_scores(states, 4 / 3)).max() < 4
    assert np.abs(z_scores((states - 4 / 3) ** 2, 1 / 3)).max() < 4


SPLIT = split_hmc.SplitHMC


class NoWork(split_hmc.SplitHMC):
    """Broken: judges a trajectory by the tilt alone and forgets the work of the kicks."""

    def one_step(self, state, previous, seed=None):
        def ignored(*arguments, **named):
            return original(*arguments, **named)._replace(work=tf.zeros(state.shape[:1], tf.float64))

        original = split_hmc.integrate
        split_hmc.integrate = ignored
        try:
            return super().one_step(state, previous, seed)
        finally:
            split_hmc.integrate = original


class WrongSign(split_hmc.SplitHMC):
    """Broken: the kicks go downhill in the Metropolis ratio, as if the tilt had the other sign."""

    def one_step(self, state, previous, seed=None):
        target = self.parameters["target_fn"]
        flipped = SPLIT(lambda x: -target(x), previous.step_size, 4)
        negated = previous._replace(tilt=-previous.tilt, gradient=-previous.gradient)
        state, results = flipped.one_step(state, negated, seed)
        return state, results._replace(tilt=-results.tilt, gradient=-results.gradient)


class NoHalfStep(split_hmc.SplitHMC):
    """Broken: leaves the first half of the kick out, so that trajectories do not reverse."""

    def one_step(self, state, previous, seed=None):
        return super().one_step(state, previous._replace(gradient=tf.zeros_like(previous.gradient)), seed)


@pytest.mark.parametrize("broken", [NoWork, WrongSign, NoHalfStep])
def test_broken_kernels_are_rejected(broken, monkeypatch):
    monkeypatch.setattr(split_hmc, "SplitHMC", broken)
    states = draws(quadratic, "split_hmc", warmup=0, step_size=0.5, results=800).states
    scores = np.stack([z_scores(states, 4 / 3), z_scores((states - 4 / 3) ** 2, 1 / 3)])
    # All coordinates have the same law: their mean score is N(0, 1 / 24) for a correct kernel.
    pooled = np.abs(np.nansum(scores, 1)) / np.sqrt(24)
    assert max(pooled.max(), np.nanmax(np.abs(scores))) > 4


def test_the_correct_kernel_passes_what_rejects_the_broken_ones():
    states = draws(quadratic, "split_hmc", warmup=0, step_size=0.5, results=800).states
    scores = np.stack([z_scores(states, 4 / 3), z_scores((states - 4 / 3) ** 2, 1 / 3)])
    assert np.abs(scores.sum(1)).max() / np.sqrt(24) < 4 and np.abs(scores).max() < 4


class CountsFriction(split_hmc.SplitHMC):
    """Broken as MALT: takes the kinetic energy that the refreshments bring for an error of the leapfrog."""

    def one_step(self, state, previous, seed=None):
        def total(x, v):
            return tf.reduce_sum(tf.cast(x, tf.float64) ** 2 + tf.cast(v, tf.float64) ** 2, (1, 2, 3)) / 2

        def counted(target_fn, start, *arguments):
            end = original(target_fn, start, *arguments)
            return end._replace(work=total(end.state, end.velocity) - total(start.state, start.velocity))

        original = split_hmc.integrate
        split_hmc.integrate = counted
        try:
            return super().one_step(state, previous, seed)
        finally:
            split_hmc.integrate = original


def test_malt_leaves_the_energy_of_its_refreshments_out(monkeypatch):
    monkeypatch.setattr(split_hmc, "SplitHMC", CountsFriction)
    for kernel, right in (("split_hmc", True), ("malt", False)):
        states = draws(quadratic, kernel, warmup=0, step_size=0.3).states
        assert (np.nanmax(np.abs(z_scores((states - 4 / 3) ** 2, 1 / 3))) < 4) == right, kernel


def test_no_friction_is_hmc_and_much_of_it_forgets_the_velocity():
    x, v = tf.random.stateless_normal((2, 8, *SHAPE), [1, 2])
    ends = [integrate(flat, start_at(flat, x, v), 0.1, 3, 1.0, rate, seeds.root(0)) for rate in (0.0, 1e3)]
    np.testing.assert_allclose(ends[0].velocity, np.cos(0.3) * v - np.sin(0.3) * x, atol=1e-5)
    # 192 pairs: a correlation of independent values has a standard error of .07.
    assert abs(np.corrcoef(ends[1].velocity.numpy().ravel(), v.numpy().ravel())[0, 1]) < 4 * 192**-0.5
    assert all(np.all(end.work == 0) for end in ends), "refreshing does no work"


@pytest.mark.parametrize(
    ("kernel", "fewest", "most"),
    [
        ("split_hmc", 2, 6),
        ("malt", 2, 6),
        ("hmc", 4, 4),
        ("pcn", 1, 1),
        ("redrawn_hmc", 3, 7),
        ("langevin", 4, 4),
    ],
)
def test_gradients_are_counted(kernel, fewest, most):
    spent = draws(linear, kernel, results=40, warmup=2).stats.num_gradient_evals
    assert (spent.min(), spent.max()) == (fewest, most)
    # The standard deviation of a length between 2 and 6 is the root of 2.
    assert abs(spent.mean() - (fewest + most) / 2) < 4 * np.sqrt(2 / 40)


def test_jitter_escapes_the_resonance(monkeypatch):
    """Steps of a quarter turn, four of them: a fixed trajectory brings every coordinate back to where it was."""

    def correlation(states):
        before, after = states[:-1].ravel(), states[1:].ravel()
        return np.corrcoef(before, after)[0, 1]

    assert correlation(draws(flat, "split_hmc", warmup=0, step_size=np.pi / 2, results=50).states) < 0.5
    state = tf.random.stateless_normal((16, *SHAPE), [7, 0])
    velocity = tf.random.stateless_normal((16, *SHAPE), [7, 1])
    end = integrate(flat, start_at(flat, state, velocity), np.pi / 2, 4)
    np.testing.assert_allclose(end.state, state, atol=1e-5)


def noisy(seed):
    """`quadratic` with a centre that is drawn anew: its mean over the draws is `quadratic` and a constant."""
    centre = 2.0 + 0.5 * tf.random.stateless_normal(SHAPE, seed)
    return lambda x: -tf.reduce_sum(tf.square(x - centre), (1, 2, 3))


def redraw_run(kernel, redraw, step_size, results=300, between=0, warmup=40):
    state = tf.random.stateless_normal((16, *SHAPE), [7, 0])
    options = HMCOptions(
        num_results=results, step_size=step_size, num_leapfrog_steps=4, num_burnin_steps=warmup, kernel=kernel,
        num_steps_between_results=between,
    )  # fmt: skip
    return run_chains(ChainProblem(quadratic, redraw=redraw), state, options, RunContext(seeds.root(0)))


def test_redrawn_targets_have_the_bias_of_theory():
    """Trajectories turn about centres of their own, of variance (2/3)^2 / 4: x' = c + cos (x - c) + sin v / sqrt(3)."""
    states = redraw_run("redrawn_hmc", noisy, 0.1, results=2000, warmup=0).states
    angles = np.sqrt(3) * 0.1 * np.arange(2, 7)
    excess = np.mean((1 - np.cos(angles)) ** 2) / np.mean(np.sin(angles) ** 2) / 9
    # The chains share their centres; coordinates are independent of each other.
    squares = ((states - 4 / 3) ** 2).mean((0, 1)).ravel()
    error = squares.std(ddof=1) / np.sqrt(24)
    assert abs(squares.mean() - 1 / 3 - excess) < 4 * error < excess
    assert abs((states.mean((0, 1)) - 4 / 3).mean()) < 4 * states.mean((0, 1)).std(ddof=1) / np.sqrt(24)


def test_langevin_samples_a_smooth_density():
    chains = redraw_run("langevin", None, 0.1, results=400, between=3)
    assert np.abs(z_scores(chains.states, 4 / 3)).max() < 4
    # A step of .1 costs a bias of the second order; the thermostat shares its fluctuations out over only 24 coordinates.
    assert abs(chains.states.var() * 3 - 1) < 0.03
    assert abs(chains.stats.temperature.mean() - 1) < 0.03


def test_thermostat_carries_the_heat_of_a_stochastic_force_off(monkeypatch):
    def shaky(seed):
        push = 20 * tf.random.stateless_normal((16, *SHAPE), seed)
        return lambda x: quadratic(x) + tf.reduce_sum(push * x, (1, 2, 3))

    def run():
        chains = redraw_run("langevin", shaky, 0.05, results=400, between=3)
        return chains.stats.temperature.mean(), 3 * chains.states.var()

    temperature, spread = run()
    assert abs(temperature - 1) < 0.03 and abs(spread - 1) < 0.05
    # The control: a thermostat too heavy to move. The heat is step * noise^2 / (2 * friction) = 5.
    monkeypatch.setattr("samplevis.sampling.kernels.langevin.THERMAL_MASS", 1e9)
    temperature, spread = run()
    assert temperature > 3 and spread > 3


def test_nuts_doubles_its_trajectory():
    steps = draws(linear, "nuts", results=20, warmup=0, step_size=0.1).stats.num_gradient_evals
    assert steps.min() >= 1 and steps.max() <= 63 and len(np.unique(steps)) > 1


def test_constant_tilt_is_always_accepted_in_any_dimension():
    for pixels in (8, 64):
        state = tf.random.stateless_normal((2, pixels, pixels, 3), [0, 1])
        options = HMCOptions(num_results=5, step_size=0.5, num_leapfrog_steps=3, num_burnin_steps=0)
        chains = run_chains(ChainProblem(flat), state, options, RunContext(seeds.root(0)))
        np.testing.assert_allclose(chains.stats.acceptance_rate, 1)
    # TFP's leapfrog cannot do that: the reason for the split.
    plain = HMCOptions(num_results=5, step_size=0.5, num_leapfrog_steps=3, num_burnin_steps=0, kernel="hmc")
    assert run_chains(ChainProblem(flat), state, plain, RunContext(seeds.root(0))).stats.acceptance_rate.mean() < 0.9


def smooth(x):
    return tf.reduce_sum(tf.sin(3 * x) * tf.roll(x, 1, 1), (1, 2, 3))


def run_trajectory(x, v, step_size=0.1, steps=6, scale=1.0):
    return integrate(smooth, start_at(smooth, x, v), step_size, steps, scale)


def test_trajectory_is_reversible():
    x, v = tf.random.stateless_normal((2, 3, *SHAPE), [1, 2])
    there = run_trajectory(x, v)
    back = run_trajectory(there.state, -there.velocity)
    np.testing.assert_allclose(back.state, x, atol=1e-4)
    np.testing.assert_allclose(back.velocity, -v, atol=1e-4)
    assert np.abs(there.state - x).max() > 0.1
    np.testing.assert_allclose(there.work, -back.work, atol=1e-4)


def test_jacobian_has_determinant_one_and_is_symplectic():
    def step(flat_state):
        x, v = tf.reshape(flat_state, (2, 1, 1, 2, 1))
        end = run_trajectory(x, v, 0.4, 2, tf.constant([0.5, 1.0])[None, :, None])
        return tf.concat([tf.reshape(end.state, [-1]), tf.reshape(end.velocity, [-1])], 0)

    at = tf.constant([0.3, -0.7, 0.5, 1.1])
    columns = [(step(at + h) - step(at - h)) / 2e-3 for h in 1e-3 * np.eye(4, dtype=np.float32)]
    jacobian = np.stack(columns, 1)
    assert abs(np.linalg.det(jacobian) - 1) < 2e-3
    # In scaled momenta the symplectic form carries the scales.
    form = np.block([[np.zeros((2, 2)), np.diag([2.0, 1.0])], [-np.diag([2.0, 1.0]), np.zeros((2, 2))]])
    np.testing.assert_allclose(jacobian.T @ form @ jacobian, form, atol=5e-3)


def test_metropolis_ratio_equals_the_energy_difference():
    x, v = tf.random.stateless_normal((2, 3, *SHAPE), [3, 4])
    end = run_trajectory(x, v, 0.3)

    def energy(x, v):
        x, v = np.float64(x), np.float64(v)
        tilt = (np.sin(3 * x) * np.roll(x, 1, 1)).sum((1, 2, 3))
        return (x**2 + v**2).sum((1, 2, 3)) / 2 - tilt

    expected = energy(x, v) - energy(end.state, end.velocity)
    np.testing.assert_allclose(np.float64(end.tilt) - np.float64(smooth(x)) - end.work, expected, atol=2e-4)


def test_energy_error_is_of_second_order():
    x, v = tf.random.stateless_normal((2, 64, *SHAPE), [5, 6])
    errors = []
    for step_size, steps in ((0.08, 5), (0.04, 10), (0.02, 20)):
        end = run_trajectory(x, v, step_size, steps)
        errors.append(np.std(np.float64(end.tilt) - np.float64(smooth(x)) - end.work.numpy()))
    slope = np.polyfit(np.log([0.08, 0.04, 0.02]), np.log(errors), 1)[0]
    assert abs(slope - 2) < 0.15, (slope, errors)


def test_target_that_is_not_finite_is_rejected_and_counted():
    def broken(x):
        value = tf.reduce_sum(x, (1, 2, 3))
        return value + tf.where(tf.range(tf.shape(x)[0]) == 1, float("nan"), 0.0)

    state = tf.random.stateless_normal((3, *SHAPE), [1, 1])
    chains = run_chains(
        ChainProblem(broken), state, HMCOptions(num_results=4, num_burnin_steps=0), RunContext(seeds.root(0))
    )
    errors = chains.stats.energy_error
    assert not np.isfinite(errors[:, 1]).any() and np.isfinite(errors[:, [0, 2]]).all()
    np.testing.assert_array_equal(chains.states[:, 1], np.repeat(state[None, 1], 4, 0))
    assert np.abs(chains.states[-1, 0] - state[0]).max() > 0


def test_step_size_adapts_in_warmup_only():
    chains = draws(lambda x: 200 * quadratic(x), "split_hmc", results=30, warmup=60)
    assert len(np.unique(chains.stats.step_size)) == 1
    assert len(np.unique(chains.warmup.step_size)) > 10
    assert 0.5 < chains.stats.acceptance_rate.mean() < 0.99


def adapted_while_falling():
    """Step size after a few short trajectories that start far above a stiff target, in radians."""
    far = tf.fill((2, 5000), 30.0)
    options = HMCOptions(num_results=1, num_burnin_steps=6, num_leapfrog_steps=1)
    chains = run_chains(ChainProblem(stiff), far, options, RunContext(seeds.root(0)))
    assert chains.warmup.energy_error.max() < -adaptation.FALL, "they have arrived: the test says nothing"
    return float(chains.stats.step_size[0])


def stiff(x):
    """N(0, 1/4) on every coordinate, less the prior."""
    return -1.5 * tf.reduce_sum(tf.square(x), 1)


def accepted_at_rest(step_size):
    rest = tf.random.stateless_normal((8, 5000), [3, 3]) / 2
    options = HMCOptions(num_results=20, num_burnin_steps=0, num_leapfrog_steps=3, step_size=step_size)
    return run_chains(ChainProblem(stiff), rest, options, RunContext(seeds.root(1))).stats.acceptance_rate.mean()


def test_falling_chains_do_not_lengthen_the_step(monkeypatch):
    kept = adapted_while_falling()
    assert kept == pytest.approx(HMCOptions().step_size) and accepted_at_rest(kept) > 0.6
    # The control: Metropolis accepts whatever falls, and the step that is left is good for nothing.
    monkeypatch.setattr(
        adaptation, "adaptation_log_accept", lambda results, target: log_acceptance(results.log_accept_ratio)
    )
    assert accepted_at_rest(adapted_while_falling()) < 0.3


def test_chains_at_rest_are_rarely_taken_for_falling():
    spread = np.linspace(0.01, 10, 1000)
    assert stats.norm.cdf(-(adaptation.FALL + spread**2 / 2) / spread).max() < 1 / 12


@pytest.mark.parametrize("kernel", ["split_hmc", "malt"])
def test_step_size_stays_below_a_quarter_turn_where_all_is_accepted(kernel):
    chains = draws(flat, kernel, results=4, warmup=60)
    assert chains.stats.step_size[0] == MAX_STEP_SIZE and chains.warmup.step_size.max() <= MAX_STEP_SIZE


def test_same_seed_same_bytes():
    one, two, other = (draws(linear, "split_hmc", results=3, warmup=3, seed=s).states for s in (1, 1, 2))
    assert one.tobytes() == two.tobytes() != other.tobytes()


TRACE = hmc.trace


def energy_of_the_proposal(num_leapfrog_steps, state, results):
    """What `hmc` traced in 0.1.0."""
    proposed = results.proposed_results
    kinetic = tf.reduce_sum(tf.square(proposed.final_momentum[0]), (1, 2, 3)) / 2
    energy = tf.cast(kinetic - proposed.target_log_prob, tf.float64)
    return TRACE(num_leapfrog_steps, state, results)._replace(energy=energy)


def test_hmc_traces_the_energy_at_the_start():
    state = 4 / 3 + tf.random.stateless_normal((64, *SHAPE), [1, 2]) / np.sqrt(3)
    kernel = KERNELS["hmc"].make(quadratic, None, 0.7, 3, tf.ones(SHAPE))
    results = kernel.bootstrap_results(state)
    for number in range(3):
        potential = half_square(state, tf.float64) - tf.cast(quadratic(state), tf.float64)
        after, results = kernel.one_step(state, results, seed=seeds.fold(seeds.root(0), number))
        kinetic = half_square(results.proposed_results.initial_momentum[0], tf.float64)
        energy = KERNELS["hmc"].trace(3, after, results).energy
        assert 0 < results.is_accepted.numpy().mean() < 1
        np.testing.assert_allclose(energy, potential + kinetic, rtol=1e-5)
        assert np.abs(energy_of_the_proposal(3, after, results).energy - energy).max() > 1, "the control"
        state = after


def energy_fraction(energy):
    """E-BFMI of energies [transition, chain]: mean over the chains, and its standard error."""
    found = (np.diff(energy, axis=0) ** 2).mean(0) / energy.var(0)
    return found.mean(), found.std(ddof=1) / np.sqrt(len(found))


def leapfrog_energies(step_size, transitions=1500, chains=32):
    """Energies at the start of one leapfrog step on `quadratic` about its mean, in NumPy."""
    rng = np.random.default_rng(0)
    x, found = rng.normal(size=(chains, 24)) / np.sqrt(3), []
    for _ in range(transitions):
        p = rng.normal(size=x.shape)
        y = x + step_size * (p - step_size * 3 * x / 2)
        q = p - step_size * 3 * (x + y) / 2
        before, after = ((3 * a**2 + b**2).sum(1) / 2 for a, b in ((x, p), (y, q)))
        found.append(before)
        x = np.where((np.log(rng.uniform(size=chains)) < before - after)[:, None], y, x)
    return np.stack(found)


def test_energies_of_hmc_have_the_fraction_of_an_independent_chain(monkeypatch):
    # Seven in ten proposals are rejected, so that the energies of proposals differ from those of starts.
    step_size = 1.2 / np.sqrt(3)
    expected, error = energy_fraction(leapfrog_energies(step_size))

    def of_kernel():
        options = HMCOptions(
            num_results=1500, step_size=step_size, num_leapfrog_steps=1, num_burnin_steps=0, kernel="hmc"
        )
        state = 4 / 3 + tf.random.stateless_normal((32, *SHAPE), [7, 0]) / np.sqrt(3)
        return energy_fraction(
            run_chains(ChainProblem(quadratic), state, options, RunContext(seeds.root(0))).stats.energy
        )

    found, other = of_kernel()
    assert abs(found - expected) < 4 * np.hypot(error, other) < 0.1
    monkeypatch.setattr(hmc, "trace", energy_of_the_proposal)
    assert of_kernel()[0] > expected + 0.3, "the control"
