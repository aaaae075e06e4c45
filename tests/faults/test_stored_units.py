"""Folders of sweeps and atlases whose files were damaged or exchanged: no unit ever shows another picture without a word, and the
same call completes. Each kind stands beside the same damage without the seals, which shows other pictures."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="ATLAS NOT TESTED: pip install samplevis[atlas]")

import pyarrow.parquet as pq  # noqa: E402
from damage import damages, flipped, truncated  # noqa: E402

from samplevis import atlas, modelzoo, param, sweep  # noqa: E402
from samplevis.atlas.store import Store  # noqa: E402
from samplevis.results.sweep_store import UnitFile, unit_files  # noqa: E402

SMALL = dict(param=param.fourier(16), transforms=None, steps=2, redirect_steps=0, progress=False)
COUNTS = [32, pytest.param(800, marks=pytest.mark.long)]
QUICK = {"size": 32, "methods": ["optimize"], "optimize_steps": 2, "units_per_part": 4, "batch_size": 4}


@pytest.fixture
def without_seals(monkeypatch):
    """The control: files are believed."""
    for module in ("samplevis.results.sweep_store", "samplevis.atlas.store"):
        monkeypatch.setattr(f"{module}.check_seal", lambda data, identity: None)


# --- One file of a sweep ----------------------------------------------------------------------------------------------


def stored(folder: Path, seed: int = 0, names: tuple[str, ...] = ("a", "b")) -> list[UnitFile]:
    """Units of a made-up sweep with a picture of their own each."""
    found = unit_files(folder, names, {"seed": seed})
    for n, file in enumerate(found):
        rng = np.random.default_rng([seed, n])
        file.save(rng.uniform(size=(16, 16, 3)).astype(np.float32), rng.normal(size=(8,)).astype(np.float32), n)
    return found


def shown(file: UnitFile) -> np.ndarray | None:
    """The picture that a unit's file shows; None where it is missing."""
    return None if file.stored_score() is None else file.image()


def wrong_pictures(folder: Path, kinds: tuple, count: int) -> tuple[int, int]:
    """(damaged files that show another picture, damaged files that show nothing), of a sweep's file."""
    file, other = stored(folder)
    whole, expected, wrong, missing = Path(file.path).read_bytes(), file.image(), 0, 0
    for damaged in damages(whole, count, seed=1, kinds=kinds):
        Path(file.path).write_bytes(damaged)
        found = shown(file)
        missing += found is None
        wrong += found is not None and not np.array_equal(found, expected)
    assert other.stored_score() == 1.0, "the other unit is untouched"
    return wrong, missing


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kind", [flipped, truncated])
def test_a_damaged_file_of_a_sweep_is_missing(tmp_path, kind, count, caplog):
    assert wrong_pictures(tmp_path, (kind,), count) == (0, count)
    lines = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(lines) == count and all("0-a.npz" in line.getMessage() for line in lines)


@pytest.mark.parametrize("count", COUNTS)
def test_exchanged_and_foreign_files_of_a_sweep_are_missing(tmp_path, count, caplog):
    (tmp_path / "other").mkdir()
    for seed in range(count // 8):
        first, second = stored(tmp_path, seed)
        files = [Path(file.path).read_bytes() for file in (first, second)]
        for file, content in zip((first, second), reversed(files), strict=True):
            Path(file.path).write_bytes(content)
        assert [file.stored_score() for file in (first, second)] == [None, None]
        assert caplog.text.count("another unit or another run") == 2
        stored(tmp_path, seed)
        foreign = stored(tmp_path / "other", seed + 1)[0]
        shutil.copy(foreign.path, first.path)
        assert first.stored_score() is None
        caplog.clear()


def test_without_seals_exchanged_files_show_other_pictures(tmp_path, without_seals):
    first, second = stored(tmp_path)
    expected = first.image()
    shutil.copy(second.path, first.path)
    shutil.copy(second.picture, first.picture)
    found = shown(first)
    assert found is not None and not np.array_equal(found, expected)


def test_a_picture_that_was_deleted_or_changed_is_written_again(tmp_path, caplog):
    first, second = stored(tmp_path)
    before = Path(first.picture).read_bytes()
    for change in (lambda path: path.unlink(), lambda path: shutil.copy(second.picture, path)):
        change(Path(first.picture))
        assert first.stored_score() == 0.0 and Path(first.picture).read_bytes() == before
        assert "0-a.png" in caplog.text
        caplog.clear()
    assert first.stored_score() == 0.0 and not caplog.text, "what is sound is not written again"


# --- Whole sweeps -----------------------------------------------------------------------------------------------------


def damage_folder(folder: Path, foreign: Path, rng: np.random.Generator) -> str:
    """Damages one file of a folder, or exchanges two, in a way drawn at random; returns what was done."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    path, other = (paths[int(n)] for n in rng.choice(len(paths), 2, replace=False))
    kind = ("flipped", "truncated", "exchanged", "foreign", "deleted")[int(rng.integers(5))]
    if kind in ("flipped", "truncated"):
        path.write_bytes(damages(path.read_bytes(), 1, int(rng.integers(2**31)), (globals()[kind],))[0])
    elif kind == "exchanged":
        content = path.read_bytes(), other.read_bytes()
        path.write_bytes(content[1])
        other.write_bytes(content[0])
    elif kind == "foreign":
        theirs = sorted(each for each in foreign.rglob("*") if each.suffix == path.suffix)
        path.write_bytes(theirs[int(rng.integers(len(theirs)))].read_bytes())
    else:
        path.unlink()
    return f"{kind} {path.name}"


def damaged_sweeps(network, folder: Path, count: int) -> None:
    """Damages the folder of a sweep again and again; the same call makes the same pictures, or refuses the folder by name."""
    expected = sweep(network, "conv2", folder=folder / "here", **SMALL).images
    sweep(network, "conv2", folder=folder / "there", **SMALL | {"steps": 3})
    rng = np.random.default_rng(0)
    for _ in range(count):
        shutil.copytree(folder / "here", folder / "damaged")
        done = damage_folder(folder / "damaged", folder / "there", rng)
        try:
            found = sweep(network, "conv2", folder=folder / "damaged", **SMALL).images
        except ValueError as error:
            # The checkpoint of another sweep: nobody's pictures are overwritten.
            assert "foreign checkpoint" in done and "belongs to another run" in str(error), done
            found = expected
        np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=done)
        shutil.rmtree(folder / "damaged")


@pytest.mark.parametrize("count", COUNTS)
def test_the_same_sweep_completes_in_a_damaged_folder(tiny_network, tmp_path, count):
    damaged_sweeps(tiny_network, tmp_path, count // 4)


# --- Atlases ----------------------------------------------------------------------------------------------------------


def built(folder: Path, **changes) -> atlas.Atlas:
    return atlas.build(modelzoo.Shapes(), folder, ["logits:2-9"], settings=QUICK | changes, progress=False)


def units_of(folder: Path) -> dict[str, str]:
    """Unit -> all that its row says, as text in which nan equals nan."""
    found = atlas.open(folder)
    return {unit.key: repr(unit.record) for unit in found.units(list(found))}


def parts_of(folder: Path) -> list[Path]:
    return sorted((folder / "parts").rglob("*.parquet"))


@pytest.fixture
def whole(tmp_path, no_compute):
    """The folder of an atlas of two parts, and what its units are."""
    built(tmp_path / "whole")
    return tmp_path / "whole", units_of(tmp_path / "whole")


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kind", [flipped, truncated])
def test_a_damaged_part_of_an_atlas_is_missing_and_made_again(whole, kind, count, no_compute, caplog):
    folder, expected = whole
    part, other = parts_of(folder)
    content = part.read_bytes()
    done = len(no_compute)
    for n, damaged in enumerate(damages(content, count, seed=2, kinds=(kind,))):
        part.write_bytes(damaged)
        caplog.clear()
        found = units_of(folder)
        assert len(found) == 4 and found.items() <= expected.items() and part.name in caplog.text
        if n % 8 == 0:
            built(folder)
            assert units_of(folder) == expected and part.read_bytes() == content
    assert len(no_compute) == done + count // 8, "the part that is sound is not made again"


def test_without_seals_flipped_bits_change_an_atlas_silently(whole, without_seals):
    folder, expected = whole
    part, silent = parts_of(folder)[0], 0
    for damaged in damages(part.read_bytes(), 100, seed=2, kinds=(flipped,)):
        part.write_bytes(damaged)
        try:
            silent += not units_of(folder).items() <= expected.items()
        except Exception:
            continue
    assert silent > 0


def test_exchanged_and_foreign_parts_are_missing_and_made_again(whole, caplog):
    folder, expected = whole
    first, second = parts_of(folder)
    shutil.copy(second, first)
    assert len(units_of(folder)) == 4 and "another unit or another run" in caplog.text
    built(folder)
    assert units_of(folder) == expected
    built(folder.parent / "foreign", seed=1)
    for theirs in parts_of(folder.parent / "foreign"):
        shutil.copy(theirs, first)
        shutil.copy(theirs, first.with_name(theirs.name))
        built(folder)
        assert units_of(folder) == expected


def test_an_atlas_of_an_earlier_version_is_made_again(whole, no_compute, caplog):
    folder, expected = whole
    for part in parts_of(folder):
        pq.write_table(pq.read_table(part).replace_schema_metadata(None), part)
    identity = Store(folder).identity() | {"format": 1}
    (folder / "atlas.json").write_text(json.dumps(identity))
    built(folder)
    assert units_of(folder) == expected and "earlier versions" in caplog.text
    (folder / "atlas.json").write_text(json.dumps(identity | {"model": {"name": "another", "sha256": "0"}}))
    with pytest.raises(ValueError, match="holds another atlas"):
        built(folder)


def damaged_atlases(folder: Path, expected: dict[str, str], count: int) -> None:
    """Damages an atlas again and again; the same call makes the same atlas, or refuses the folder by name."""
    built(folder.parent / "there", seed=1)
    rng, damaged = np.random.default_rng(1), folder.parent / "damaged"
    for _ in range(count):
        shutil.copytree(folder, damaged)
        done = damage_folder(damaged, folder.parent / "there", rng)
        try:
            built(damaged)
            assert units_of(damaged) == expected, done
        except ValueError as error:
            assert done == "foreign atlas.json" and "holds another atlas" in str(error), done
        shutil.rmtree(damaged)


@pytest.mark.parametrize("count", COUNTS)
def test_the_same_atlas_completes_in_a_damaged_folder(whole, count):
    damaged_atlases(*whole, count // 4)
