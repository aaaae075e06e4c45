"""Levels are judged on the network itself: the run, each chain and each draw, from both sides."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from conftest import made_samples

from samplevis import Samples
from samplevis.results.chain_figures import chain_figures
from samplevis.results.figures import compute_figures
from samplevis.results.issues import Issue, Run
from samplevis.results.level_checks import MAX_SPREAD, allowed_spread, check_chain_levels, check_levels
from samplevis.results.verdicts import judge_pictures

CHAINS, DRAWS, ASKED = 12, 8, 0.7
WIDTH = 0.2


def levels_of(seed: int, chain: float = 0.015, draw: float = 0.02) -> np.ndarray:
    """Levels of a good run, [chain, draw]: chains and draws scatter as those of SqueezeNet do."""
    random = np.random.default_rng(seed)
    return ASKED + random.normal(0, chain, (CHAINS, 1)) + random.normal(0, draw, (CHAINS, DRAWS))


def run_at(levels: np.ndarray, **changes) -> Samples:
    """A good run, but for the levels of its draws on the network itself."""
    density = {"target": 5.0, "width": WIDTH, "beta": 40.0}
    strength = np.full(levels.shape, 10.0, np.float32)
    settings = {"density_params": density, "strength": strength, "network_levels": levels.astype(np.float32)}
    return made_samples(CHAINS, levels.shape[1], **settings | changes)


def level_issues(levels: np.ndarray) -> list[Issue]:
    """What the checks of levels find, without the other figures of a summary."""
    samples = run_at(levels)
    sampled = samples.sampled_levels.astype(float)
    chains = {
        "level": levels.mean(axis=1),
        "level_miss": np.sqrt(np.mean((levels - ASKED) ** 2, axis=1)),
        "level_sampled": sampled.mean(axis=1),
    }
    run = Run(samples, {"level_fresh": levels.mean(), "level_sampled": sampled.mean()}, chains, "")
    return [*check_chain_levels(run), *check_levels(run)]


def some_chains(levels: np.ndarray, seed: int, share: float) -> np.ndarray:
    """True for a share of the chains, at least one."""
    chosen = np.random.default_rng(seed + 100).permutation(len(levels))[: max(round(share * len(levels)), 1)]
    return np.isin(np.arange(len(levels)), chosen)[:, None]


# Levels of a good run and a seed -> those of a bad one.
BAD: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "every eighth draw at 0": lambda x, seed: np.where(np.arange(x.shape[1]) % 8 == seed % 8, 0.0, x),
    "a quarter of the draws at 0": lambda x, seed: np.where(np.arange(x.shape[1]) % 4 == seed % 4, 0.0, x),
    "draws half at .5, half at .9": lambda x, seed: x + np.where(np.arange(x.shape[1]) % 2, 0.2, -0.2),
    "chains half at .5, half at .9": lambda x, seed: x + np.where(some_chains(x, seed, 0.5), 0.2, -0.2),
    "all below": lambda x, seed: x - 0.08 - 0.02 * (seed % 5),
    "all above": lambda x, seed: x + 0.08 + 0.02 * (seed % 5),
    "one chain of noise": lambda x, seed: np.where(some_chains(x, seed, 0.0), x - ASKED, x),
    "one chain stuck above": lambda x, seed: np.where(some_chains(x, seed, 0.0), x + 0.3, x),
    "a quarter of the chains below": lambda x, seed: np.where(some_chains(x, seed, 0.25), x - 0.15, x),
    "no level": lambda x, seed: np.full_like(x, np.nan),
    "one draw without a level": lambda x, seed: np.where(np.arange(x.size).reshape(x.shape) == seed, np.nan, x),
    "a network that is silent": lambda x, seed: np.zeros_like(x),
    "the same value for all": lambda x, seed: np.full_like(x, ASKED),
    "the scatter of noise": lambda x, seed: ASKED + 0.3 * np.random.default_rng(seed).normal(size=x.shape),
}


@pytest.mark.parametrize("name", BAD)
def test_levels_that_are_off_are_never_green(name):
    for seed in range(20):
        assert judge_pictures(level_issues(BAD[name](levels_of(seed), seed))).verdict != "valid", seed
    summary = run_at(BAD[name](levels_of(0), 0)).summary()
    assert summary.pictures.verdict != "valid", summary
    assert any(issue.row in ("level", "network") for issue in summary.pictures.issues)


def test_levels_of_good_runs_are_green():
    verdicts = [judge_pictures(level_issues(levels_of(seed))).verdict for seed in range(40)]
    assert verdicts.count("valid") >= 39
    assert run_at(levels_of(0)).summary().pictures.verdict == "valid"


def test_the_tolerance_does_not_grow_with_the_scatter():
    """Chains that scatter about the level asked for have the right mean, whatever their number of draws."""
    for scale in (0.12, 0.3, 1.0):
        bad = ASKED + scale * np.tile([1.0, -1.0], (CHAINS, DRAWS // 2))
        assert len({chain for issue in level_issues(bad) for chain in issue.chains}) == CHAINS


def test_a_bad_chain_is_named_and_the_others_stay():
    levels = levels_of(0)
    levels[5] = 0.35
    summary = run_at(levels).summary()
    assert summary.bad_chains == [5] and summary.pictures.verdict == "look again"
    assert "chain 5 is at 0.35" in str(summary)


def test_levels_on_the_copy_alone_count_for_nothing():
    """The chains excite the copy that is sampled, and the user's network answers with less, or with more."""
    for level in (0.0, 0.2, 1.3):
        good = levels_of(0)
        summary = run_at(level + good - ASKED, level=None).summary()
        assert summary.pictures.verdict == "invalid" and any(issue.row == "network" for issue in summary.issues)
    # The control: the copy's target was moved, as for networks that it exaggerates.
    moved = made_samples(CHAINS, DRAWS, network_levels=levels_of(0).astype(np.float32))
    activation = moved.activation + np.float32(1.5)
    moved = dataclasses.replace(moved, activation=activation, fresh_activation=activation - np.float32(0.1))
    assert moved.summary().pictures.verdict == "valid", moved.summary()


def test_no_level_is_judged_that_nobody_asked_for():
    levels = levels_of(0) - 0.3
    close = {"activation": 10 * levels - 2, "fresh_activation": 10 * levels - 2}
    close = {name: values.astype(np.float32) for name, values in close.items()}
    assert run_at(levels, level=None, **close).summary().pictures.verdict == "valid"
    assert run_at(levels, **close).summary().pictures.verdict == "invalid"


@pytest.mark.parametrize("strength", [0.4, 3.0, 10.0, 40.0])
def test_what_a_density_allows_is_what_it_scatters(strength):
    """Against quadrature: the prior falls by exp(-strength A), and the density is four times as strong."""
    density = {"target": 5.0, "width": WIDTH, "beta": 4 * strength}
    activation = np.linspace(-15, 40, 200_001)
    log = -strength * activation - 4 * strength * WIDTH * np.logaddexp(0, (5 - activation) / WIDTH)
    weights = np.exp(log - log.max())
    mean = np.average(activation, weights=weights)
    deviation = np.sqrt(np.average((activation - mean) ** 2, weights=weights)) / 10
    felt = np.average(4 * strength / (1 + np.exp((activation - 5) / WIDTH)), weights=weights)
    np.testing.assert_allclose(felt, strength, rtol=1e-3)
    samples = made_samples(density_params=density, strength=np.full((4, 40), strength, np.float32))
    run = Run(samples, compute_figures(samples), chain_figures(samples), "")
    np.testing.assert_allclose(allowed_spread(run), min(deviation, MAX_SPREAD), rtol=1e-3)
