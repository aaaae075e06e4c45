"""Every notebook runs from top to bottom, at reduced size; the stored outputs are real ones."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from conftest import with_slow
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(path for path in FOLDER.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)

# By folder, relative to `FOLDER`.
REQUIRED = {
    ".": {
        "diagnostics",
        "from_lucid",
        "many_faces",
        "mixing",
        "modelzoo",
        "priors",
        "quickstart",
        "shapes",
        "why_hmc_gave_noise",
    },
    "activation-atlas": {"atlas", "collect"},
    "building-blocks": {
        "activation_grid",
        "attribution_channel",
        "attribution_spatial",
        "neuron_groups",
        "semantic_dictionary",
    },
    "differentiable-parameterizations": {
        "aligned_interpolation",
        "deep_dream",
        "style_transfer_2d",
        "texture_synth_3d",
        "transparency",
        "xy2rgb",
    },
    "feature-visualization": {
        "any_number_channels",
        "negative_neurons",
        "neuron_diversity",
        "neuron_interaction",
        "regularization",
    },
    "misc": {"alpha_feature_vis", "cossim_overlays", "feature_inversion_caricatures", "neuron_interaction_grids"},
}
# The others are slow tests.
QUICK = {"building-blocks/attribution_spatial"}


def name_of(path):
    """A notebook's name from `FOLDER` on: "misc/cossim_overlays"."""
    return path.relative_to(FOLDER).with_suffix("").as_posix()


@pytest.mark.parametrize("folder", REQUIRED)
def test_there_are_notebooks(folder):
    assert {path.stem for path in (FOLDER / folder).glob("*.ipynb")} >= REQUIRED[folder]


@pytest.mark.parametrize("path", with_slow(NOTEBOOKS, lambda path: name_of(path) not in QUICK), ids=name_of)
def test_runs(path, monkeypatch):
    monkeypatch.setenv("SAMPLEVIS_QUICK", "1")
    notebook = nbformat.read(path, as_version=4)
    # Relative paths in a notebook start at its own folder.
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_stored_outputs_are_there_and_name_no_machine(path):
    text = path.read_text()
    notebook = nbformat.reads(text, as_version=4)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2
    assert not any(output.output_type == "error" for output in outputs)
    for word in ("/home/", "/root/", "/tmp/", "/work/"):
        assert word not in text
