"""Files that samplevis 0.1.0 wrote: samples load, and stopped runs are left alone.

`tests/data/version_0_1/make.py` wrote them.
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


def test_samples_load_under_the_names_of_today(stored):
    assert set(stored.stats) == set(TransitionStats._fields)
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
def test_a_run_that_was_stopped_is_refused_and_left_alone(storage, folder, model):
    """Its chains saw a bank that today's sampler does not draw: it would go on with another density."""
    stopped = folder / f"stopped-{storage}"
    before = {path.name: path.read_bytes() for path in stopped.iterdir() if path.name != "lock"}
    with pytest.raises(ValueError, match="belongs to another run.*sampler: stored None, received"):
        samplevis.render(model, "conv1:1", make.OPTIONS, **make.SETTINGS, storage=storage, checkpoint=stopped)
    assert {name: (stopped / name).read_bytes() for name in before} == before


def test_the_files_are_those_of_0_1():
    """The control: files of today would prove nothing."""
    with np.load(FILES / "samples.npz") as archive:
        assert "stats.accept" in archive.files and json.loads(str(archive["metadata"]))["version"] == 1
    with np.load(FILES / "stopped-memory" / "checkpoint-a.npz") as archive:
        assert "sample/step.accept" in archive.files and archive["sample/done"] == 1
