"""Draws that descend from a few draws of the prior are worth few, whatever the figures of shuffled relatives are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from conftest import made_samples, with_slow

from samplevis.results.both_ends import TwoEnded
from samplevis.results.families import by_population, most_independent
from samplevis.results.shares import disagreement, effective_draws, shares
from samplevis.results.verdicts import AVERAGES_TEXTS

NUM_POPULATIONS, DRAWS = 4, 64


def population_samples(families, log_z=(0.0, 0.0, 0.0, 0.0), shift=0.0):
    """Draws of four populations, alike as noise is, each of so many families; one of the populations lies apart."""
    random = np.random.default_rng(families + int(100 * shift))
    ancestor = np.stack([np.sort(random.integers(families, size=DRAWS)) + 1000 * i for i in range(NUM_POPULATIONS)])
    if families >= DRAWS:
        ancestor = np.arange(NUM_POPULATIONS * DRAWS).reshape(NUM_POPULATIONS, DRAWS)
    population = np.repeat(np.arange(NUM_POPULATIONS)[:, None], DRAWS, 1)
    made = made_samples(NUM_POPULATIONS, DRAWS, kernel="smc")
    stats = made.stats | {"ancestor": ancestor, "population": population, "log_z": np.array(log_z)[population]}
    activation = made.activation + np.float32(shift) * (population == 0)
    return dataclasses.replace(made, stats=stats, activation=activation)


def averages(samples):
    return samples.summary().averages.verdict


@pytest.mark.parametrize("families", with_slow(range(1, 14), lambda families: families not in (1, 13)))
def test_few_families_make_no_averages(families):
    samples = population_samples(families)
    assert most_independent(samples) <= NUM_POPULATIONS * families
    assert averages(samples) == "not usable" or most_independent(samples) >= 50
    assert samples.summary().figures["ess_bulk"] <= NUM_POPULATIONS * families
    # The control: the same draws without ancestors.
    stats = {name: values for name, values in samples.stats.items() if name not in ("ancestor", "population", "log_z")}
    assert averages(dataclasses.replace(samples, stats=stats)) == "usable"


def test_populations_that_agree_make_averages():
    summary = population_samples(DRAWS).summary()
    assert summary.averages.verdict == "usable" and "all populations found" in summary.lines[2]
    assert summary.pictures.verdict == "valid"


@pytest.mark.parametrize("seed", with_slow(range(7), lambda seed: seed > 1))
def test_populations_that_disagree_make_none(seed):
    random = np.random.default_rng(seed)
    log_z = random.permutation([0.0, 0.0, 0.0, random.uniform(1, 5)])
    rarer = population_samples(DRAWS, log_z)
    assert averages(rarer) == "not usable" and "how rare" in " ".join(rarer.summary().warnings)
    with pytest.raises(ValueError, match="populations disagree by"):
        shares(rarer, lambda images: ["x"] * len(images))
    apart = population_samples(DRAWS, shift=random.uniform(0.5, 3))
    assert averages(apart) == "not usable" and "populations disagree" in " ".join(apart.summary().warnings)


def test_one_population_has_no_other_to_agree_with():
    samples = population_samples(DRAWS)
    alone = dataclasses.replace(samples, stats=samples.stats | {"population": np.zeros((NUM_POPULATIONS, DRAWS), int)})
    assert averages(alone) == "not usable" and "no other to agree with" in " ".join(alone.summary().warnings)


def test_relatives_are_arranged_side_by_side():
    samples = population_samples(5)
    order = np.random.default_rng(0).permutation(NUM_POPULATIONS * DRAWS)
    mixed = {
        name: values.reshape(-1)[order].reshape(NUM_POPULATIONS, DRAWS)
        for name, values in samples.stats.items()
        if name in ("ancestor", "population", "log_z")
    }
    found = by_population(dataclasses.replace(samples, stats=samples.stats | mixed), mixed["ancestor"])
    assert (np.diff(found, axis=1) >= 0).all() and (found // 1000 == np.arange(NUM_POPULATIONS)[:, None]).all()


def test_shares_of_populations_that_disagree_are_refused():
    samples = population_samples(DRAWS)
    label = np.where(np.arange(NUM_POPULATIONS * DRAWS) < DRAWS, "a", "b")
    with pytest.raises(ValueError, match="populations disagree: their shares differ"):
        shares(samples, lambda images: label)
    mixed = np.random.default_rng(0).permutation(label)
    assert 0.2 < shares(samples, lambda images: mixed)["a"] < 0.3


def test_labels_of_relatives_are_worth_between_their_families_and_their_number():
    random, ancestors = np.random.default_rng(0), np.repeat(np.arange(30), 10)
    alike = np.repeat(random.integers(2, size=30), 10)
    apart = random.integers(2, size=300)
    np.testing.assert_allclose(effective_draws(alike, ancestors), [30, 30])
    assert (effective_draws(apart, ancestors) > 150).all()
    assert (effective_draws(apart, np.arange(300)) == 300).all() and (effective_draws(apart, np.zeros(300)) == 1).all()
    np.testing.assert_allclose(effective_draws(np.zeros(300), ancestors), [30])
    # One label is in three large families, the other in many small ones: its share is that of three.
    large = np.repeat(np.arange(63), [20] * 3 + [4] * 60)
    few = effective_draws((large >= 3).astype(int), large)
    assert (few < 300**2 / (3 * 20**2 + 60 * 4**2) * 0.8).all()


def test_disagreement_of_populations_that_agree_is_one_on_average():
    random, populations = np.random.default_rng(0), np.repeat(np.arange(4), 50)
    found = [disagreement(random.integers(3, size=200), populations, np.full(3, 200)) for _ in range(400)]
    assert 0.9 < np.mean(found) < 1.1 and np.mean(np.array(found) > 5.4) < 0.01


def test_agreement_claims_what_the_chains_found_and_no_more():
    good = made_samples()
    for kernel in ("split_hmc", "langevin", "rejection"):
        summary = dataclasses.replace(good, kernel=kernel).summary()
        text = f"{' '.join(summary.lines)} {summary.verdict}"
        assert "all images" not in text and "all pictures of" not in text
    assert all("chains found" in AVERAGES_TEXTS[grade] for grade in ("usable", "approximate"))
    text = str(TwoEnded(good, dataclasses.replace(good, init="prior")))
    assert "have met, in the composition that all chains found" in text
