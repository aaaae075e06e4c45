"""Small runs, and what befalls them."""

from __future__ import annotations

import dataclasses
import resource

import numpy as np

import samplevis
from samplevis import transform
from samplevis.checkpoint import Checkpoint

JITTER = transform.jitter(2)
SETTINGS = dict(im_size=16, transforms=JITTER, optimize_steps=32, anneal_steps=50, smooth=None, progress=False)
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
    names = [field.name for field in dataclasses.fields(samples)]
    found = {name: getattr(samples, name) for name in names if name not in ("seconds", "stats", "scalars")}
    found |= {f"stats.{name}": value for name, value in samples.stats.items()}
    found |= {f"scalars.{name}": value for name, value in samples.scalars.items()}
    return {
        name: value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
        for name, value in found.items()
    }


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


def run_with_crashes(network, folder, monkeypatch, saves, draws=4, **settings):
    """Starts the run again after each crash; returns its samples and the number of crashes."""
    crashes = 0
    while True:
        with monkeypatch.context() as patch:
            crash_in_save(patch, saves())
            try:
                return render(network, folder, draws, **settings), crashes
            except Crash:
                crashes += 1


class Full:
    """A context in which no file can grow beyond 2 kB: the system itself refuses, as it does on a full disk."""

    def __enter__(self):
        self.limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, self.limits[1]))

    def __exit__(self, *error):
        resource.setrlimit(resource.RLIMIT_FSIZE, self.limits)
