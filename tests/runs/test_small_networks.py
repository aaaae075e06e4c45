"""Networks for small images with all defaults: transforms that fit, levels that are reached, pictures that others recognise."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import keras
import numpy as np
import pytest

import samplevis
from benchmarks import small_networks
from benchmarks.small_networks import KINDS, Kind
from samplevis import Network, activation, param, transform
from samplevis.optimizers.ascent import AscentOptions, ascend
from samplevis.runs.options import RenderOptions, RunOptions
from samplevis.runs.render_plan import plan_render
from samplevis.runs.tolerance import MAX_HALVINGS, MIN_RETAINED, REFERENCE_STEPS, retained, tolerated, weakened
from samplevis.runtime import seeds
from samplevis.runtime.context import RunContext
from samplevis.sampling import HMCOptions
from samplevis.sampling.level_scale import LevelScale, measure_scale

SIZE = 24
QUICK = dict(num_results=2, num_burnin_steps=2, num_chains=2)


class Optimum(NamedTuple):
    activation: activation.Activation
    latents: np.ndarray
    scale: LevelScale


def linear(smoothness: int) -> Network:
    """A flattened, dense network of one unit: noise averaged over this many pixels, and again; for 1, on waves."""
    weights = np.random.default_rng(0).normal(size=(SIZE, SIZE))
    for axis in (0, 1, 0, 1):
        weights = np.mean([np.roll(weights, step, axis) for step in range(max(smoothness, 4))], 0)
    if smoothness == 1:
        wave = np.cos(np.pi / 2 * np.arange(SIZE))
        weights *= np.add.outer(wave, wave)
    inputs = keras.Input((SIZE, SIZE, 1))
    outputs = keras.layers.Dense(1, use_bias=False, name="unit")(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, outputs, name=f"linear{smoothness}")
    model.get_layer("unit").set_weights([(weights / weights.std()).reshape(-1, 1).astype(np.float32)])
    return Network(model)


def optimised(network: Network, amplitude: float = 1) -> Optimum:
    """Two images under default transforms of an amplitude."""
    default = activation.make_activation(network, "unit:0", param.fourier(SIZE, channels=1), "robust")
    maximised, seed = weakened(default, amplitude), seeds.root(0)
    latents = ascend(maximised, maximised.param.start(seed, 2), AscentOptions(64), seed).latents
    return Optimum(maximised, latents, measure_scale(maximised, latents, seed))


@pytest.mark.parametrize(
    ("size", "asked", "steps"), [(47, None, 512), (48, None, 128), ((12, 200), None, 128), (8, 9, 9)]
)
def test_small_images_are_optimised_longer(tiny_network, size, asked, steps):
    options = RenderOptions(optimize_steps=asked, smooth=None)
    plan = plan_render(
        tiny_network, "conv2:1", HMCOptions(**QUICK), options, RunOptions(), param.fourier(size), "robust"
    )
    assert plan.options.optimize_steps == plan.config()["optimize_steps"] == steps


def test_what_is_retained_tells_tolerant_units_from_others():
    """Waves of four pixels are lost by a shift of two; weights of large shapes are not."""
    fine, coarse = (retained(optimised(linear(smoothness)), seeds.root(0)) for smoothness in (1, 12))
    assert fine < MIN_RETAINED and coarse > 0.5


def test_the_reference_is_an_optimum_without_transforms():
    """Not what the picture that was optimised under them happens to come to: that is an upper bound of the share."""
    optimum, seed = optimised(linear(1)), seeds.root(0)
    plain = dataclasses.replace(optimum.activation, transform=transform.identity)
    prior, under = optimum.scale

    def share(latents):
        return (under - prior) / (plain.mean(latents, ()).numpy().max() - prior)

    def alone(steps):
        return share(ascend(plain, plain.param.start(seed, 2), AscentOptions(steps), seed).latents)

    assert share(optimum.latents) > retained(optimum, seed) + 0.1
    assert alone(4 * REFERENCE_STEPS) < retained(optimum, seed) < alone(REFERENCE_STEPS)


def test_transforms_are_halved_until_the_unit_tolerates_them():
    network, context = linear(1), RunContext(seeds.root(0))
    found = tolerated(lambda amplitude: optimised(network, amplitude), context)
    *lower, last = found.retained
    assert lower and max(lower) < MIN_RETAINED <= last
    amplitude = 0.5 ** len(lower)
    (affine,) = found.optimum.activation.transform.transforms
    assert (affine.shift, affine.scale, affine.rotate) == pytest.approx((2 * amplitude, 0.1 * amplitude, 8 * amplitude))


def test_halving_ends(monkeypatch):
    monkeypatch.setattr("samplevis.runs.tolerance.retained", lambda optimum, seed: 0.1)
    amplitudes = []
    found = tolerated(amplitudes.append, RunContext(seeds.root(0)))
    assert amplitudes == [0.5**n for n in range(MAX_HALVINGS + 1)] and found.retained == (0.1,) * len(amplitudes)


def test_nothing_is_weakened_for_an_activation_that_is_not_finite(monkeypatch):
    monkeypatch.setattr("samplevis.runs.tolerance.retained", lambda optimum, seed: float("nan"))
    assert len(tolerated(lambda amplitude: None, RunContext(seeds.root(0))).retained) == 1


@pytest.mark.slow
def test_a_run_weakens_the_default_set_and_no_other():
    network, settings = linear(1), dict(progress=False, optimize_steps=64, anneal_steps=25)
    samples = samplevis.render(network, "unit:0", QUICK, **settings)
    halvings = len(samples.options["retained"]) - 1
    assert halvings >= 1 and samples.options["retained"][-1] >= MIN_RETAINED
    assert samples.options["transforms"] == repr(
        transform.compose([transform.affine(*np.multiply((2, 0.1, 8), 0.5**halvings).tolist())])
    )
    explicit = samplevis.render(network, "unit:0", QUICK, transforms=[transform.affine(2, 0.1, 8)], **settings)
    assert "retained" not in explicit.options
    assert explicit.options["transforms"] == repr(transform.compose([transform.affine(2, 0.1, 8)]))


def test_a_tolerant_unit_keeps_the_default_set():
    samples = samplevis.render(linear(12), "unit:0", QUICK, progress=False, optimize_steps=64, anneal_steps=25)
    (share,) = samples.options["retained"]
    assert share >= MIN_RETAINED and "shift=2.0" in samples.options["transforms"]


@pytest.mark.slow
def test_a_run_that_weakened_its_transforms_resumes_from_its_checkpoint(tmp_path):
    network, settings = linear(1), dict(progress=False, optimize_steps=32, anneal_steps=25, checkpoint=tmp_path / "run")
    first = samplevis.render(network, "unit:0", QUICK, **settings)
    again = samplevis.render(network, "unit:0", QUICK | dict(num_results=3), **settings)
    assert again.options["retained"] == first.options["retained"] and len(first.options["retained"]) > 1
    np.testing.assert_array_equal(again.images[:, :2], first.images)


def check(kind: Kind, labels: tuple[int, ...]) -> None:
    """Every chain at the level, and the samples named by a second network."""
    network, judge = small_networks.trained(kind)
    for label in labels:
        samples = samplevis.render(network, f"logits:{label}", progress=False)
        found = small_networks.figures(samples, judge, label)
        assert np.abs(np.subtract(found["levels"], 0.7)).max() <= 0.05, (kind, label, found)
        assert found["right"] >= 0.95, (kind, label, found)


@pytest.mark.slow
@pytest.mark.parametrize("kind, label", [(Kind(8, 1, "dense"), 3), (Kind(28, 1, "pooled"), 3)], ids=str)
def test_digits_with_all_defaults(kind, label):
    check(kind, (label,))


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_all_digits_with_all_defaults(kind):
    check(kind, tuple(range(10)))
