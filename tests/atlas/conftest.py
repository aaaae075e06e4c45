"""Shared: a small atlas of the bundled network."""

from __future__ import annotations

import numpy as np
import pytest

# Loud where the extra is missing, so that nobody takes a skipped room for a tested one.
for needed in ("pyarrow", "fsspec", "pandas"):
    pytest.importorskip(needed, reason=f"ATLAS NOT TESTED, no {needed}: pip install samplevis[atlas]")

SETTINGS = {
    "size": 32,
    "num_chains": 2,
    "batch_size": 8,
    "units_per_part": 4,
    "optimize_steps": 16,
    "anneal_steps": 50,
    "num_transitions": 2,
    "exact_share": 0.0,
    "top": 3,
}


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(24, 32, 32, 3)).astype(np.float32)


@pytest.fixture(scope="session")
def small_atlas(tmp_path_factory, pictures):
    """A finished atlas of six channels and a few directions."""
    from samplevis import atlas, modelzoo

    folder = tmp_path_factory.mktemp("atlas") / "shapes"
    directions = {"mixed": ("conv5", np.random.default_rng(1).normal(size=(2, modelzoo.Shapes().layers["conv5"][-1])))}
    atlas.build(
        modelzoo.Shapes(),
        folder,
        ["conv5:0-1", "logits:2-5"],
        directions=directions,
        images=pictures,
        settings=SETTINGS,
        progress=False,
    )
    return folder
