"""Chains that keep fine details are seen, and chains that mix are not called so; short chains are worth what their means say."""

from __future__ import annotations

import numpy as np
import pytest

from samplevis.sampling import diagnostics
from samplevis.sampling.agreement import persistence_limit, persistence_rhat
from samplevis.sampling.effective_size import effective_bulk, effective_tail, error_of_mean

SIDE = 32


def walks(seed: int, chains: int, draws: int, size: int, memory: float) -> np.ndarray:
    """Stationary autoregressive chains of unit variance, [chain, draw, size]."""
    random = np.random.default_rng(seed)
    x, found = random.normal(size=(chains, size)), []
    for _ in range(draws):
        x = memory * x + np.sqrt(1 - memory**2) * random.normal(size=(chains, size))
        found.append(x)
    return np.stack(found, 1)


def stripes(direction: int) -> np.ndarray:
    """Eight cycles of stripes, of unit length, [value]."""
    wave = np.cos(2 * np.pi * 8 * np.arange(SIDE) / SIDE)
    image = np.broadcast_to(wave[:, None] if direction else wave[None], (SIDE, SIDE)).ravel()
    return image / np.linalg.norm(image)


def test_chains_that_keep_fine_stripes_are_seen():
    """Twenty runs of chains that are stuck in either of two modes, and as many that change between them."""
    patterns = np.stack([stripes(0), stripes(1)])
    for seed in range(20):
        random, draws = np.random.default_rng(seed), 40
        grain = walks(seed, 4, draws, SIDE * SIDE, 0.3)
        limit = persistence_limit(4, 1.2)
        stuck = grain + 7 * patterns[[0, 1, seed % 2, 1]][:, None]
        assert persistence_rhat(stuck) > limit, seed
        mixing = grain + 7 * patterns[random.integers(0, 2, (4, draws))]
        assert persistence_rhat(mixing) < limit, seed


@pytest.mark.parametrize("chains, draws", [(2, 60), (4, 60), (8, 30)])
def test_chains_that_mix_keep_nothing(chains, draws):
    limit = persistence_limit(chains, 1.2)
    red = [seed for seed in range(40) if persistence_rhat(walks(seed, chains, draws, 100, 0.4)) > limit]
    assert len(red) <= 1, red


def test_what_chains_keep_cannot_be_told_of_few_draws():
    assert np.isnan(persistence_rhat(np.zeros((4, 11, 5)))) and np.isnan(persistence_rhat(np.zeros((1, 60, 5))))
    assert np.isnan(persistence_rhat(np.full((4, 30, 5), np.nan))) and np.isnan(persistence_rhat(np.zeros((4, 30, 5))))


@pytest.mark.parametrize("memory", [0.5, 0.9, 0.98])
@pytest.mark.parametrize("chains, draws", [(12, 4), (12, 8), (8, 16), (4, 60)])
def test_effective_sizes_are_what_the_draws_are_worth(chains, draws, memory):
    lags = np.arange(1, draws)
    worth = chains * draws / (1 + 2 * np.sum((1 - lags / draws) * memory**lags))
    runs = [walks(seed, chains, draws, 1, memory)[..., 0] for seed in range(40)]
    sizes = [effective_bulk(x) for x in runs]
    assert max(sizes) <= chains * draws and np.median(sizes) < 1.4 * worth
    # The control: by autocorrelation alone, short chains are worth all their draws.
    if draws <= 8:
        assert np.median([diagnostics.ess_bulk(x) for x in runs]) > 1.5 * worth
    covered = np.mean([abs(x.mean()) < 1.645 * error_of_mean(x) for x in runs])
    assert covered > 0.6
    assert max(effective_tail(x) for x in runs) <= chains * draws


def test_long_chains_are_worth_what_arviz_says():
    x = walks(0, 4, 400, 1, 0.5)[..., 0]
    assert effective_bulk(x) == diagnostics.ess_bulk(x) and effective_tail(x) == diagnostics.ess_tail(x)
    assert error_of_mean(x) == diagnostics.mcse_mean(x)


@pytest.mark.parametrize("shape", [(4, 3), (1, 20), (4, 0)])
def test_too_few_draws_are_worth_nan(shape):
    assert np.isnan(effective_bulk(np.random.default_rng(0).normal(size=shape)))
