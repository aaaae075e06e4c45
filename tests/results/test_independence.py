"""Chains that are not independent of each other, and values that are not finite, are seen; good runs are not called so."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from conftest import made_samples

from samplevis.results.independence import check_independence
from samplevis.results.issues import Run


def issues(samples):
    """What the check says; it reads the draws and no figure, which cost more than the check."""
    return [issue.text for issue in check_independence(Run(samples, {}, {}, ""))]


def walks(seed, chains=4, draws=12, size=300, memory=0.9, shared=0.0):
    """Stationary chains of white latents; the random numbers of a draw are shared in part."""
    rng = np.random.default_rng(seed)
    z, found = rng.normal(size=(chains, size)), []
    for _ in range(draws):
        noise = np.sqrt(1 - shared) * rng.normal(size=(chains, size)) + np.sqrt(shared) * rng.normal(size=size)
        z = memory * z + np.sqrt(1 - memory**2) * noise
        found.append(z)
    return np.stack(found, 1).astype(np.float32)


def with_latents(latents):
    return dataclasses.replace(made_samples(*latents.shape[:2]), latents=latents)


@pytest.mark.parametrize("memory", [0.0, 0.9, 0.99])
@pytest.mark.parametrize("draws", [2, 12])
def test_a_momentum_that_chains_share_is_seen(memory, draws):
    for seed in range(2):
        found = issues(with_latents(walks(seed, draws=draws, memory=memory, shared=1.0)))
        assert len(found) == 1 and ("same direction" in found[0] or "same draws" in found[0])


@pytest.mark.parametrize("pair", [(0, 1), (1, 3), (0, 1, 2, 3)])
def test_copies_of_a_chain_are_seen(pair):
    latents = walks(0)
    latents[list(pair)] = latents[pair[0]]
    (found,) = issues(with_latents(latents))
    assert f"hains {', '.join(map(str, pair))} hold the same draws" in found
    assert with_latents(latents).summary().pictures.verdict == "invalid"


@pytest.mark.parametrize("size", [2, 10, 300])
def test_independent_chains_are_not_called_dependent(size):
    alarms = sum(
        bool(issues(with_latents(walks(seed, draws=draws, size=size, memory=memory))))
        for seed in range(10)
        for memory in (0.0, 0.95)
        for draws in (4, 24)
    )
    assert alarms <= 1


def test_chains_that_hold_one_composition_are_not_called_dependent():
    latents = walks(0, memory=0.5) + 3 * np.random.default_rng(1).normal(size=300).astype(np.float32)
    assert not issues(with_latents(latents))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_seen(value):
    samples = made_samples()
    assert samples.summary().pictures.verdict == "valid"
    latents = samples.latents.copy()
    latents.reshape(4, -1)[2, 17] = value
    stats = dict(samples.stats)
    stats["log_density"] = stats["log_density"].copy()
    stats["log_density"][1, 3] = value
    for changes, words in (
        (dict(latents=latents), "latents of chain 2 is"),
        (dict(stats=stats), "log density of chain 1 is"),
    ):
        summary = dataclasses.replace(samples, **changes).summary()
        assert summary.pictures.verdict != "valid" and any(words in warning for warning in summary.warnings)
