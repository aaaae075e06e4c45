"""Small runs, and what befalls them."""

from __future__ import annotations

import dataclasses
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

import samplevis
from samplevis import transform
from samplevis.runtime.checkpoint import Checkpoint

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
    groups = ("stats", "scalars", "kernel_checks")
    found = {name: getattr(samples, name) for name in names if name not in ("seconds", "rerun", *groups)}
    for group in groups:
        found |= {f"{group}.{name}": value for name, value in getattr(samples, group).items()}
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


def reloaded(samples: samplevis.Samples, folder: Path) -> samplevis.Samples:
    """The same after a file, in which tuples are lists."""
    samples.save(folder / "samples.npz")
    return samplevis.Samples.load(folder / "samples.npz")


def kill_at_random(model: keras.Model, folder: Path, kills: int, seed: int, *keep: str) -> Iterator[dict[str, bytes]]:
    """Runs in processes that are killed at random moments, where Python cannot tidy up: yields the content of each at its end."""
    model.save(folder / "tiny.keras")
    script = os.path.join(os.path.dirname(__file__), "victim.py")
    random, done, run = np.random.default_rng(seed), 0, 0
    while done < kills:
        out = folder / f"run{run}.npz"
        command = [sys.executable, script, folder / "tiny.keras", folder / f"run{run}", out, *keep]
        while not out.exists():
            number, part = int(random.integers(1, 4)), random.uniform(0, 0.3)
            with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
                # After that many saves, and a part of a second: also in the midst of the next one.
                for _ in range(number):
                    process.stdout.readline()
                try:
                    process.wait(part)
                except subprocess.TimeoutExpired:
                    process.kill()
                    done += 1
                    print(f"run {run}, kill {done}: after {number} saves and {part:.3f} s")
        yield content(samplevis.Samples.load(out))
        run += 1
