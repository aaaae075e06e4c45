"""Checkpoints: a run that is ended anywhere goes on to the same bytes; damage, a full disk and other runs are told."""

from __future__ import annotations

import dataclasses
import logging
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import samplevis
from samplevis import seeds
from samplevis.checkpoint import NAMES, Checkpoint
from samplevis.progress import Progress
from samplevis.sampling import named
from samplevis.sampling.chains import Watched, run_chains
from samplevis.sampling.options import HMCOptions

SETTINGS = dict(im_size=16, optimize_steps=32, anneal_steps=50, smooth=None, progress=False)
OPTIONS = dict(num_results=4, num_burnin_steps=4, num_leapfrog_steps=2, num_chains=2, num_transforms=2)


def render(network, folder=None, draws=4, objective="conv2:1", **settings):
    return samplevis.render(
        network,
        objective,
        OPTIONS | dict(num_results=draws),
        checkpoint=folder,
        checkpoint_interval=0,
        **SETTINGS | settings,
    )


def content(samples):
    """All of some samples but the wall time, as bytes by name."""
    found = {name: value for name, value in vars(samples).items() if name not in ("seconds", "stats", "scalars")}
    found |= {f"stats.{name}": value for name, value in samples.stats.items()}
    found |= {f"scalars.{name}": value for name, value in samples.scalars.items()}
    return {
        name: value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
        for name, value in found.items()
    }


@pytest.fixture(scope="module")
def uninterrupted(tiny_network):
    return render(tiny_network)


class Crash(BaseException):
    """Stands for a power cut: nothing catches it."""


def crash_in_save(monkeypatch, number):
    """The save of that number, from 0, ends the process halfway."""
    write, count = Checkpoint._write, []

    def crashing(self):
        count.append(None)
        if len(count) > number:
            raise Crash
        write(self)

    monkeypatch.setattr(Checkpoint, "_write", crashing)


def run_with_crashes(network, folder, monkeypatch, saves):
    """Starts the run again after each crash; returns its samples and the number of crashes."""
    crashes = 0
    while True:
        with monkeypatch.context() as patch:
            crash_in_save(patch, saves())
            try:
                return render(network, folder), crashes
            except Crash:
                crashes += 1


def test_a_run_that_crashes_again_and_again_ends_in_the_same_bytes(tiny_network, uninterrupted, tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    samples, crashes = run_with_crashes(tiny_network, tmp_path, monkeypatch, lambda: int(random.integers(2, 6)))
    assert crashes >= 3
    assert content(samples) == content(uninterrupted)
    assert list(samples.seconds) == list(uninterrupted.seconds)


@pytest.mark.long
def test_a_crash_after_every_single_save(tiny_network, uninterrupted, tmp_path, monkeypatch):
    samples, crashes = run_with_crashes(tiny_network, tmp_path, monkeypatch, lambda: 1)
    assert crashes > 12 and content(samples) == content(uninterrupted)
