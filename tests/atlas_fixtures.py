"""Shared by the tests of atlases: a small atlas of the bundled network. A plugin of pytest (`conftest.py`)."""

from __future__ import annotations

import numpy as np
import pytest

SETTINGS = {
    "methods": ("optimize", "draft", "examples"),
    "size": 32,
    "num_chains": 2,
    "batch_size": 4,
    "units_per_part": 2,
    "optimize_steps": 32,
    "anneal_steps": 25,
    "num_transitions": 1,
    "exact_share": 0.0,
    "top": 3,
}


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(24, 32, 32, 3)).astype(np.float32)


@pytest.fixture(scope="session")
def small_atlas(tmp_path_factory, pictures):
    """A finished atlas of four classes and two directions. It takes a quarter of a minute: for slow tests."""
    from samplevis import atlas, modelzoo

    return _built(tmp_path_factory.mktemp("atlas") / "shapes", pictures, atlas, modelzoo)


def _built(folder, pictures, atlas, modelzoo):
    directions = {"mixed": ("logits", np.random.default_rng(1).normal(size=(2, 18)))}
    options = dict(directions=directions, images=pictures, settings=SETTINGS, progress=False)
    atlas.build(modelzoo.Shapes(), folder, ["logits:2-5"], **options)
    return folder


def fake_task(done):
    """A task that computes nothing: rows with pictures that are a function of the unit's name. Notes the tasks in a list."""
    from samplevis.atlas import rows, tasks
    from samplevis.atlas.pictures import to_webp
    from samplevis.atlas.store import Store

    def run_task(network, task, folder, progress=None):
        done.append(task)
        records = []
        for unit, name in zip(task.units, task.names, strict=True):
            images = np.random.default_rng(len(task.group) + unit).uniform(size=(5, 8, 8, 3))
            first, *others = (to_webp(image, 90) for image in images)
            record = rows.empty(task.group, task.layer, unit, name) | {"status": "reached", "optimized": first}
            figures = {"level": 0.7, "levels": [0.6, 0.8], "sample_activations": [0.5, 1.0]}
            records.append(record | figures | {"samples": others[:2], "means": others[2:]})
        num_bytes = Store(folder).write_table(task.path, rows.table(records))
        return tasks.Outcome(task.digest, ("reached",) * len(records), (), 0, num_bytes, 0.0)

    return run_task


@pytest.fixture
def no_compute(monkeypatch):
    """Tasks that compute nothing; the list of those that were done."""
    from samplevis.atlas import building

    done = []
    monkeypatch.setattr(building, "run_task", fake_task(done))
    return done


@pytest.fixture(scope="session")
def plain_atlas(tmp_path_factory, pictures):
    """An atlas of made-up pictures and true dataset examples."""
    from samplevis import atlas, modelzoo
    from samplevis.atlas import building

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "run_task", fake_task([]))
        return _built(tmp_path_factory.mktemp("plain") / "shapes", pictures, atlas, modelzoo)
