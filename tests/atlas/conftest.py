"""Shared: a small atlas of the bundled network."""

from __future__ import annotations

import numpy as np
import pytest

# Loud where the extra is missing, so that nobody takes a skipped room for a tested one.
for needed in ("pyarrow", "fsspec", "pandas"):
    pytest.importorskip(needed, reason=f"ATLAS NOT TESTED, no {needed}: pip install samplevis[atlas]")

SETTINGS = {
    "methods": ("optimize", "draft", "examples"),
    "size": 32,
    "num_chains": 2,
    "batch_size": 4,
    "units_per_part": 2,
    "optimize_steps": 4,
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
    """A finished atlas of four classes and two directions."""
    from samplevis import atlas, modelzoo

    folder = tmp_path_factory.mktemp("atlas") / "shapes"
    directions = {"mixed": ("logits", np.random.default_rng(1).normal(size=(2, 18)))}
    atlas.build(
        modelzoo.Shapes(),
        folder,
        ["logits:2-5"],
        directions=directions,
        images=pictures,
        settings=SETTINGS,
        progress=False,
    )
    return folder


@pytest.fixture
def no_compute(monkeypatch):
    """Tasks that compute nothing: rows with pictures that are a function of the unit's name. Counts the tasks."""
    from samplevis.atlas import building, rows, tasks
    from samplevis.atlas.pictures import to_webp
    from samplevis.atlas.store import Store

    done = []

    def run_task(network, task, folder):
        done.append(task)
        records = []
        for unit, name in zip(task.units, task.names, strict=True):
            image = np.random.default_rng(len(task.group) + unit).uniform(size=(8, 8, 3))
            record = rows.empty(task.group, task.layer, unit, name)
            records.append(record | {"status": "optimized", "optimized": to_webp(image, 90)})
        num_bytes = Store(folder).write_table(task.path, rows.table(records))
        return tasks.Outcome(task.digest, ("optimized",) * len(records), (), 0, num_bytes, 0.0)

    monkeypatch.setattr(building, "run_task", run_task)
    return done
