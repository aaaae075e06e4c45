"""Populations of SMC against quadrature, and at the level of the network that the user has."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from test_independent import SD, SIZE, White, plane_model

from samplevis.activation import make_activation
from samplevis.results.families import family_sizes, num_independent
from samplevis.results.shares import MAX_DISAGREEMENT, MIN_INDEPENDENT, disagreement, effective_draws, wilson
from samplevis.runtime import seeds
from samplevis.sampling import populations
from samplevis.sampling.density import Conditioned
from samplevis.sampling.level_scale import Gauge, LevelScale
from samplevis.sampling.populations import PopulationProblem, run_populations
from samplevis.sampling.sampler import sample

WIDTH = 0.02


class Peaks:
    """Two hills in the plane; the density asks for the height of either. The truth is a sum over a grid.

    Args:
      seed: of the places, widths and heights of the hills.
    """

    def __init__(self, seed):
        random = np.random.default_rng(seed)
        while True:
            self.centres = np.array([[1.0], [-1.0]]) * np.abs(random.normal(0, 1.5, (2, 2)))
            self.widths, self.heights = random.uniform(0.25, 1, 2), random.uniform(4, 8, 2)
            self.density = Conditioned(3.5, WIDTH, 4 / WIDTH)
            self.share, self.log_z = self._truth()
            if 0.03 < self.share < 0.97 and self.log_z > -7:
                return

    def hills(self, x):
        squares = tf.reduce_sum(tf.square(x[:, None] - self.centres.astype(np.float32)), -1)
        return self.heights.astype(np.float32) * tf.exp(-squares / (2 * self.widths.astype(np.float32) ** 2))

    def activation(self, x):
        return tf.reduce_max(self.hills(x), 1)

    def labels(self, x):
        return np.argmax(self.hills(tf.constant(x)).numpy(), 1)

    def _truth(self):
        axis = np.linspace(-6, 6, 1201, dtype=np.float32)
        grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
        tilt = self.density.tilt(self.activation(tf.constant(grid))).numpy()
        mass = np.exp(tilt.astype(np.float64) - np.square(grid, dtype=np.float64).sum(-1) / 2)
        total = mass.sum()
        return mass[self.labels(grid) == 1].sum() / total, np.log(total * (axis[1] - axis[0]) ** 2 / (2 * np.pi))

    def run(self, seed, count=256):
        def prior(seed, number):
            return tf.random.stateless_normal((number, 2), seed)

        return run_populations(PopulationProblem(self.activation, prior, self.density), count, 6, seeds.root(seed))

    def interval(self, run):
        """The interval of the share; None if it is refused."""
        labels = self.labels(run.state)
        worth = [num_independent(family_sizes(run.ancestor[run.population == i])) for i in range(4)]
        independent = effective_draws(labels, run.ancestor)
        ratio = disagreement(labels, run.population, independent)
        spread = np.std(run.log_z, ddof=1) / np.sqrt(np.mean(1 / np.array(worth)))
        independent = independent.min() / max(ratio, 1)
        fewest = min(num_independent(family_sizes(run.ancestor)), independent)
        if fewest < MIN_INDEPENDENT or ratio > MAX_DISAGREEMENT or spread > 3:
            return None
        return wilson(np.mean(labels == 1), independent, 0.9)


@pytest.mark.parametrize("seed", [1, 3])
def test_shares_and_normalisers_are_those_of_quadrature(seed):
    problem = Peaks(seed)
    run = problem.run(0)
    share, independent = np.mean(problem.labels(run.state) == 1), num_independent(family_sizes(run.ancestor))
    error = np.sqrt(problem.share * (1 - problem.share) / independent)
    assert abs(share - problem.share) < 4 * error < 0.5
    assert abs(run.log_z.mean() - problem.log_z) < 4 / np.sqrt(independent)
    # Each population has ancestors of its own.
    assert len(run.log_z) == 4 and len(run.state) == len(run.ancestor) == 256
    assert len({(run.ancestor[i] % 256) // 64 - run.population[i] for i in range(256)}) == 1


def test_a_mode_that_few_draws_of_the_prior_lead_to_needs_many_of_them(monkeypatch):
    problem = Peaks(1)
    problem.centres, problem.widths = np.array([[-1.0, 0.0], [2.6, 1.0]]), np.array([0.2, 0.25])
    problem.heights = np.array([3.6, 8.0])
    problem.share, problem.log_z = problem._truth()
    found = problem.run(0)
    interval = problem.interval(found)
    assert interval is None or interval[0] < problem.share < interval[1]
    assert abs(np.mean(problem.labels(found.state) == 1) - problem.share) < 0.2
    monkeypatch.setattr(populations, "NUM_PRIOR_DRAWS", 1)
    monkeypatch.setattr(populations, "FIRST_WORTH", 0.5)
    few = problem.run(0)
    assert problem.interval(few) is None, "the control: populations that start from one draw for each are refused"


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_intervals_cover_or_are_refused(seed):
    problem = Peaks(seed)
    found = [problem.interval(problem.run(number)) for number in range(200)]
    covered = np.array([low <= problem.share <= high for low, high in (each for each in found if each is not None)])
    print(f"share {problem.share:.3f}, {problem.log_z:.1f} nats: {len(covered)} of 200, {covered.mean():.3f} cover")
    # Two standard errors beyond 85 to 97 %; few answers say nothing.
    below, above = (2 * np.sqrt(share * (1 - share) / len(covered)) for share in (0.85, 0.97))
    assert len(covered) < 20 or 0.85 - below < covered.mean() < 0.97 + above


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_the_level_is_the_level_on_the_network_itself(factor):
    activation = make_activation(plane_model(), "mean:0", White(), None)
    scale = LevelScale(0.5, 0.5 + 4 * SD)
    itself = Gauge(activation, LevelScale(0.5, 0.5 + 4 * SD / factor))

    def level(gauge):
        drawn = sample(
            activation, tf.zeros((4, SIZE, SIZE, 1)), scale, dict(kernel="smc", num_results=16), level=0.5, gauge=gauge
        )
        return float(np.median(itself.scale.levels(drawn.activation)))

    # Draws reach the level and are a little above it.
    assert 0.5 - 0.02 < level(itself) < 0.5 + 0.15
    uncalibrated = level(None)
    assert not 0.5 - 0.02 < uncalibrated < 0.5 + 0.15 or abs(uncalibrated - level(itself)) > 0.06, "the control"
