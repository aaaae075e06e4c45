"""Files that samplevis 0.1.0 wrote: samples load, checkpoints resume, and a sweep's folder is complete.

`tests/data/version_0_1/make.py` wrote them. Numbers are compared, and no bytes: another processor rounds otherwise.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from runs import content

import samplevis
from samplevis.runs import sweeping
from samplevis.sampling.kernels.stats import TransitionStats

FILES = Path(__file__).parents[1] / "data" / "version_0_1"


def load_make():
    spec = importlib.util.spec_from_file_location("make_version_0_1", FILES / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make = load_make()


@pytest.fixture(scope="module")
def model():
    return make.network()


@pytest.fixture(scope="module")
def stored():
    return samplevis.Samples.load(FILES / "samples.npz")


@pytest.fixture
def folder(tmp_path):
    """A copy of the files: runs go on in their folders."""
    shutil.copytree(FILES, tmp_path / "files")
    return tmp_path / "files"


def assert_same_run(found, stored):
    """Compares with the run that 0.1.0 made without a stop. All that today's code does otherwise is in the checkpoint."""
    for name in ("images", "latents", "activation", "fresh_activation", "mean_images", "sd_images", "optimized"):
        np.testing.assert_allclose(getattr(found, name), getattr(stored, name), rtol=1e-3, atol=1e-3)


def test_samples_load_under_the_names_of_today(stored):
    assert set(stored.stats) == set(TransitionStats._fields)
    assert stored.images.shape == (2, 2, 8, 8, 3) and np.isfinite(stored.latents).all()
    assert stored.target_density.beta == stored.beta
    assert stored.summary().figures["acceptance"] == stored.stats["acceptance_rate"].mean()


@pytest.mark.parametrize(
    ("old", "new"),
    [("accept", "acceptance_rate"), ("move_accept", "move_acceptance_rate"), ("gradients", "num_gradient_evals")],
)
def test_old_names_of_statistics_still_work(stored, old, new):
    with pytest.warns(DeprecationWarning, match=f"'{old}'.* is now '{new}'"):
        assert stored.stats[old] is stored.stats[new]
    with pytest.raises(KeyError, match="'acceptance'"):
        stored.stats["acceptance"]


def test_samples_are_saved_under_the_names_of_today(stored, tmp_path):
    stored.save(tmp_path / "samples.npz")
    with np.load(tmp_path / "samples.npz") as archive:
        assert {f"stats.{name}" for name in TransitionStats._fields} <= set(archive.files)
        assert "stats.accept" not in archive.files
    assert content(samplevis.Samples.load(tmp_path / "samples.npz")) == content(stored)


@pytest.mark.parametrize("storage", ["memory", "disk"])
def test_a_run_that_was_stopped_goes_on(storage, folder, model, stored):
    steps = Steps()
    found = samplevis.render(
        model,
        "conv1:1",
        make.OPTIONS,
        **make.SETTINGS,
        storage=storage,
        checkpoint=folder / f"stopped-{storage}",
        callbacks=[steps],
    )
    assert steps.heard == [("sample", 2)], "only the draw that was missing is made"
    assert_same_run(found, stored)
    # The draw that was there is the stored one, on any machine.
    np.testing.assert_array_equal(found.latents[:, 0], stored.latents[:, 0])


class Steps(samplevis.Callback):
    """Which steps are run."""

    def __init__(self):
        self.heard = []

    def on_step(self, stage, done, total, figures):
        self.heard.append((stage, done))


def test_a_sweep_that_is_complete_makes_nothing_again(folder, model, monkeypatch):
    monkeypatch.setattr(sweeping, "ascend", lambda *given, **named: pytest.fail("a unit is optimised again"))
    sweep = folder / "sweep"
    before = {path.name: path.read_bytes() for path in sweep.glob("*.npz") if path.name[0].isdigit()}
    found = samplevis.sweep(
        model, ["conv1:0", "conv1:2"], param=samplevis.param.fourier(8), steps=2, progress=False, folder=sweep
    )
    assert found.complete and len(found) == len(before) == 2
    assert {name: (sweep / name).read_bytes() for name in before} == before


def test_the_files_are_those_of_0_1():
    """The control: files of today would prove nothing."""
    with np.load(FILES / "samples.npz") as archive:
        assert "stats.accept" in archive.files and json.loads(str(archive["metadata"]))["version"] == 1
    with np.load(FILES / "stopped-memory" / "checkpoint-a.npz") as archive:
        assert "sample/step.accept" in archive.files and archive["sample/done"] == 1
