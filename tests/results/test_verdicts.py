"""Verdicts that cannot be fooled: no bad run is green, and good runs are not red.

Runs are those of the real sampler on networks with known answers, and real runs in which something was replaced. The quick
selection takes two seeds of each; forty of each are a study, `pytest -m long tests/results/test_verdicts.py`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import keras
import numpy as np
import pytest

import samplevis
from samplevis import Samples
from samplevis.results.sample_checks import SHARED, present_arrays

SIZE = 16
SEEDS = [0, 1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 40))]
# Runs of the study that may be red although nothing is wrong.
MAX_FALSE_RED = 1
QUICK = dict(optimize_steps=64, anneal_steps=200, progress=False, smooth=None, transforms=None)
# A default run in small: many chains, few draws.
SHORT = dict(num_chains=16, num_results=4, num_burnin_steps=8, num_leapfrog_steps=8, num_transforms=1)


def _pattern() -> np.ndarray:
    """One cosine pattern of two periods."""
    x = np.cos(2 * np.pi * 2 * np.arange(SIZE) / SIZE)
    return np.broadcast_to(x[None, :, None], (SIZE, SIZE, 3)) / np.sqrt(SIZE * SIZE * 1.5)


@functools.cache
def network(kind: str) -> samplevis.Network:
    """The inner product of the image with one pattern ("linear"), or its absolute value ("modes")."""
    image = keras.Input((SIZE, SIZE, 3))
    score = keras.layers.Dense(1, use_bias=False, name="product")(keras.layers.Flatten()(image))
    if kind == "modes":
        score = keras.ops.abs(score)
    model = keras.Model(image, keras.layers.Identity(name="score")(score))
    model.get_layer("product").set_weights([_pattern().reshape(-1, 1).astype(np.float32)])
    return samplevis.Network(model, name=kind)


@functools.cache
def run(kind: str, seed: int, chains: int = 16, draws: int = 4, thin: int = 0, warmup: int = 8, **changes) -> Samples:
    hmc = SHORT | {"num_chains": chains, "num_results": draws, "num_steps_between_results": thin}
    hmc |= {"num_burnin_steps": warmup}
    return samplevis.render(network(kind), "score:0", hmc, im_size=SIZE, seed=seed, **QUICK | changes)


def prior_run(seed: int, draws: int = 4) -> Samples:
    """Draws of the prior, as a run at strength 0. Its virials are known in closed form: U = |z|^2 / 2."""
    # Annealing brings the chains to a level that nothing holds: it takes a while to come back from there.
    samples = run("linear", seed, draws=draws, beta=0.0, warmup=40)
    powers = {"virial": "radius"} | {f"virial_{band}": f"power_{band}" for band in ("low", "middle", "high")}
    scalars = samples.scalars | {name: samples.scalars[power] for name, power in powers.items()}
    return dataclasses.replace(samples, scalars=scalars, options=samples.options)


def joined(runs: list[Samples]) -> Samples:
    """The chains of several runs as one run."""
    first = runs[0]
    changes = {name: np.concatenate([getattr(one, name) for one in runs]) for name in present_arrays(first)}
    for group in ("stats", "scalars", "kernel_checks"):
        changes[group] = {
            name: values if name in SHARED else np.concatenate([getattr(one, group)[name] for one in runs])
            for name, values in getattr(first, group).items()
        }
    return dataclasses.replace(first, **changes, rerun=None)


def with_noise_chain(samples: Samples, chain: int, seed: int) -> Samples:
    """The run with a chain of the prior in the place of one of its own. The rest of the table stays as it is."""
    noise = run("linear", seed, beta=0.0)
    changes = {}
    for name in present_arrays(samples):
        changes[name] = np.array(getattr(samples, name))
        changes[name][chain] = getattr(noise, name)[0] if name != "anneal_images" else 0
    return dataclasses.replace(samples, **changes, rerun=None)


def with_frozen(samples: Samples, chains: list[int]) -> Samples:
    """The run with the first draw of some chains repeated, the statistics of its transitions untouched."""
    changes = {}
    for name in ("images", "latents", "activation", "fresh_activation", "network_levels", "features"):
        changes[name] = np.array(getattr(samples, name))
        changes[name][chains] = changes[name][chains][:, :1]
    return dataclasses.replace(samples, **changes, rerun=None)


def with_hot_band(samples: Samples, band: str, factor: float) -> Samples:
    """The run with the variance of a band scaled, as its virial shows."""
    names = (f"virial_{band}", f"power_{band}")
    scaled = {name: factor * samples.scalars[name] for name in names}
    return dataclasses.replace(samples, scalars=samples.scalars | scaled, rerun=None)


def with_drift(samples: Samples, chains: list[int] | slice) -> Samples:
    """The run with chains that come down to the density while they are sampled: their energy is twice d/2 at first."""
    log_density = np.array(samples.stats["log_density"])
    transitions, size = log_density.shape[1], samples.latents[0, 0].size
    log_density[chains] += np.linspace(-0.5, 0.5, transitions) * size / 2
    return dataclasses.replace(samples, stats=dict(samples.stats) | {"log_density": log_density}, rerun=None)


def overfitted(samples: Samples) -> Samples:
    span = samples.optimum_activation - samples.prior_activation
    fresh = samples.prior_activation + 0.8 * (samples.activation - samples.prior_activation)
    level = float((fresh.mean() - samples.prior_activation) / span)
    return dataclasses.replace(samples, fresh_activation=fresh.astype(np.float32), level=level, rerun=None)


BAD_PICTURES: dict[str, Callable[[int], Samples]] = {
    "one noise chain of 16": lambda seed: with_noise_chain(run("linear", seed), seed % 16, seed + 1),
    "one noise chain of 64": lambda seed: with_noise_chain(
        joined([run("linear", (seed + i) % 40) for i in range(4)]), (7 * seed) % 64, seed + 1
    ),
    "one frozen chain": lambda seed: with_frozen(run("linear", seed), [seed % 16]),
    "all chains frozen": lambda seed: with_frozen(run("linear", seed), list(range(16))),
    "a band 10 % hot": lambda seed: with_hot_band(prior_run(seed), "high", 1.1),
    "a band 30 % hot": lambda seed: with_hot_band(prior_run(seed), "middle", 1.3),
    "one drifting chain": lambda seed: with_drift(run("linear", seed), [seed % 16]),
    "all chains drifting": lambda seed: with_drift(run("linear", seed), slice(None)),
    "density of 2018": lambda seed: run("modes", seed, density="activation"),
    "overfitted bank": lambda seed: overfitted(run("linear", seed)),
}
# The calls of `render` that the bad runs were made of, as they are.
GOOD: dict[str, Callable[[int], Samples]] = {
    "linear target": lambda seed: run("linear", seed),
    "draws of the prior": prior_run,
    "opposite modes, as pictures": lambda seed: run("modes", seed),
    "long run": lambda seed: run("linear", seed, chains=4, draws=60, thin=3),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", BAD_PICTURES)
def test_a_bad_run_is_never_green(name, seed):
    summary = BAD_PICTURES[name](seed).summary()
    assert summary.pictures.verdict != "valid", summary
    assert summary.averages.verdict == "not usable" and summary.worst >= 2


@pytest.mark.parametrize("seed", SEEDS)
def test_opposite_modes_have_no_averages(seed):
    samples = run("modes", seed, chains=8, draws=40)
    summary = samples.summary()
    signs = np.sign(np.sum((samples.images - 0.5) * _pattern(), axis=(2, 3, 4)).mean(1))
    if abs(signs.sum()) == 8:
        pytest.skip("all chains are in one mode")
    assert summary.averages.verdict == "not usable" and summary.figures["compositions"] == 2, summary
    # The control: chains of one mode hold one composition.
    one = samples.of_chains(signs == signs[0])
    if len(one.images) > 1:
        assert one.summary().figures["compositions"] == 1


@pytest.mark.parametrize("name", GOOD)
def test_good_runs_are_green(name):
    """Two runs of each, all of them green."""
    for seed in (0, 1):
        summary = GOOD[name](seed).summary()
        assert summary.pictures.verdict == "valid", summary


@pytest.mark.long
@pytest.mark.parametrize("name", GOOD)
def test_at_most_one_of_forty_good_runs_is_red(name):
    red = [seed for seed in range(40) if GOOD[name](seed).summary().pictures.verdict != "valid"]
    assert len(red) <= MAX_FALSE_RED, red


def test_a_bad_chain_is_named():
    summary = with_noise_chain(run("linear", 0), 3, 1).summary()
    assert summary.pictures.verdict == "look again" and summary.bad_chains == [3]
    assert "chain 3 is at" in str(summary) and "    chain 3: level" in str(summary)
    # The control, and what the figures of the whole run would say: their mean is fine.
    assert run("linear", 0).summary().bad_chains == []
    assert abs(summary.figures["level_fresh"] - summary.figures["level_asked"]) < 0.1


def test_a_long_run_has_averages():
    summary = run("linear", 0, chains=4, draws=60, thin=3).summary()
    assert summary.averages.verdict == "usable" and summary.averages.issues == [], summary


def test_features_are_those_of_the_draws(tmp_path):
    samples = run("linear", 0)
    assert samples.features.shape[:2] == samples.images.shape[:2] and samples.features.dtype == np.float32
    samples.save(tmp_path / "a.npz")
    np.testing.assert_array_equal(Samples.load(tmp_path / "a.npz").features, samples.features)
    without = dataclasses.replace(samples, features=None, rerun=None)
    without.save(tmp_path / "b.npz")
    assert Samples.load(tmp_path / "b.npz").features is None and np.isnan(without.summary().figures["vendi_features"])
    with pytest.raises(ValueError, match="features: expected shape"):
        dataclasses.replace(samples, features=samples.features[:, 1:])
