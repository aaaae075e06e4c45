"""The pictures of the repository: each has its command, those of Lucid's recipes are all there, and none is too large."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

IMAGES = Path(__file__).parents[2] / "images"
KINDS = (".png", ".jpg", ".gif")
# Of a picture of Lucid's recipes, and of all of them, in bytes.
MAX_FILE_BYTES, ALL = 400_000, 4_000_000


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    """images/lucid.py, which belongs to no package."""
    spec = importlib.util.spec_from_file_location("lucid_pictures", IMAGES / "lucid.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def commands() -> dict[str, str]:
    """Picture -> the last cell of its row in images/README.md."""
    lines = (IMAGES / "README.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    return {name: cells[-1] for cells in rows for name in re.findall(r"`([^`]+)`", cells[0])}


def pictures(folder: Path) -> set[str]:
    return {path.relative_to(IMAGES).as_posix() for path in folder.rglob("*") if path.suffix in KINDS}


def test_every_picture_has_its_command(commands):
    assert set(commands) == pictures(IMAGES)
    assert all("`" in command for command in commands.values())


def test_every_name_of_the_script_has_its_picture(script, commands):
    found = pictures(IMAGES / "lucid")
    assert {Path(name).stem for name in found} == set(script.PICTURES) and len(found) == len(script.PICTURES)
    for name in found:
        assert f"python images/lucid.py {Path(name).stem}`" in commands[name]


def test_pictures_are_small_enough_and_can_be_read():
    paths = [IMAGES / name for name in pictures(IMAGES / "lucid")]
    for path in paths:
        with Image.open(path) as picture:
            picture.verify()
        assert path.stat().st_size <= MAX_FILE_BYTES, path.name
    assert sum(path.stat().st_size for path in paths) <= ALL


def test_the_script_refuses_an_unknown_name(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lucid.py", "deep_drem"])
    with pytest.raises(SystemExit):
        script.main()
    assert "deep_drem" in capsys.readouterr().err


def test_the_ring_is_closed(script):
    """Every edge has a face on either side, where corners at the texture's seams count as one."""
    mesh = script.ring(6, 8)
    _, corner = np.unique(mesh.positions.round(5), axis=0, return_inverse=True)
    faces = corner.reshape(-1)[mesh.faces]
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    assert len(np.unique(corner)) == 6 * 8
    assert set(np.unique(edges, axis=0, return_counts=True)[1]) == {2}


def test_a_lit_picture_is_itself_where_the_map_is_high_and_dark_where_it_is_not(script):
    found = np.zeros((4, 4))
    found[:, 2:], found[0, 0] = 1, -3
    lit = script.lit(np.full((8, 8, 3), 0.8), found)
    np.testing.assert_allclose(lit[:, -1], 0.8, atol=1e-6)
    np.testing.assert_allclose(lit[:, 0], 0.2, atol=1e-6)
