"""Objectives that saturate, are bounded, have plateaus, or rise and fall: at the level, or not "valid"; never valid on noise."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from benchmarks import saturating
from benchmarks.saturating import SHAPES, SIZES, tutorial_cnn
from samplevis import Network, param, render

QUICK = dict(hmc_opts=dict(num_chains=2, num_results=4, num_burnin_steps=20), anneal_steps=100, optimize_steps=60)


@functools.cache
def network(size: int, channels: int, count: int = saturating.COUNT) -> Network:
    return Network(tutorial_cnn(size, channels, count), labels=saturating.CONCEPTS[: saturating.NUM_CLASSES])


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["default", "softmax", "hard sigmoid", "plateau"])
def test_no_quick_run_is_valid_and_wrong(shape):
    small = network(16, 1, 3000)
    for label in (1, 4):
        found = saturating.row(small, label, shape, **QUICK)
        assert not found["wrong"], found


@pytest.mark.slow
def test_noise_is_never_valid():
    """The control: draws of the prior, of which the run says that they are at the level asked for."""
    small = network(16, 1, 3000)
    noise = render(small, "predictions/post:1", param=param.fourier(16, channels=1), beta=0.0, progress=False, **QUICK)
    assert noise.level is None
    assert abs(np.median(noise.levels)) < 0.6 and noise.summary().pictures.verdict != "valid"


@pytest.mark.long
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", saturating.CHANNELS)
@pytest.mark.parametrize("size", SIZES)
def test_no_run_with_all_defaults_is_valid_and_wrong(size, channels, shape):
    """All classes: about five minutes each."""
    rows = [saturating.row(network(size, channels), label, shape) for label in range(saturating.NUM_CLASSES)]
    assert not any(each["wrong"] for each in rows), rows
    if shape == "default":
        assert sum(each["verdict"] == "valid" for each in rows) >= len(rows) / 2, rows
