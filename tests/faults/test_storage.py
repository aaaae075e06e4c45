"""Draws that stream to disk: the same bytes in the memory of one draw, whatever ends the run."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from runs import Crash, Full, content, kill_at_random, reloaded, render, run_with_crashes

import samplevis
from samplevis import cli
from samplevis.runtime import draw_store
from samplevis.runtime.draw_store import STATES, InMemory, OnDisk, chosen
from samplevis.sampling import diagnostics


@pytest.fixture(scope="module")
def uninterrupted(tiny_network):
    return render(tiny_network)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def on_disk(tiny_network, folder):
    return render(tiny_network, folder, storage="disk")


def test_draws_on_disk_are_those_in_memory(on_disk, uninterrupted, folder):
    assert content(on_disk) == content(uninterrupted)
    for name in ("images", "latents"):
        array = getattr(on_disk, name)
        assert isinstance(array, np.memmap) and not array.flags.writeable
        assert array.filename == str(folder / f"{name}.npy")
        np.testing.assert_array_equal(np.load(folder / f"{name}.npy"), getattr(uninterrupted, name))
    assert sorted(os.listdir(folder)) == [
        "checkpoint-a.npz",
        "checkpoint-b.npz",
        "images.npy",
        "latents.npy",
        "lock",
        STATES,
    ]
    with np.load(folder / "checkpoint-a.npz") as archive:
        # Of the states it holds the last one, and the checksum of all.
        assert "sample/states" not in archive.files and archive["sample/checksum"].shape == (32,)


def test_crashes_end_in_the_same_bytes_and_more_draws_add_to_them(tiny_network, uninterrupted, tmp_path, monkeypatch):
    random, resume, counted = np.random.default_rng(1), OnDisk.resume, []

    def resumed(self, saved):
        counted.append((os.path.getsize(self._path), 4 * int(saved["done"]) * saved["state"].size))
        resume(self, saved)

    monkeypatch.setattr(OnDisk, "resume", resumed)
    saves = lambda: int(random.integers(2, 7))  # noqa: E731
    samples, crashes = run_with_crashes(tiny_network, tmp_path, monkeypatch, saves, draws=2, storage="disk")
    assert crashes >= 2 and samples.images.tobytes() == uninterrupted.images[:, :2].tobytes()
    more, crashes = run_with_crashes(tiny_network, tmp_path, monkeypatch, lambda: 1, storage="disk")
    assert crashes >= 1 and content(more) == content(uninterrupted)
    # A crash left states that no checkpoint counts, and they were cut off.
    assert any(there > size for there, size in counted)
    # The samples from before still are what they were.
    assert samples.images.tobytes() == uninterrupted.images[:, :2].tobytes()
    with pytest.raises(ValueError, match="the checkpoint has 4 draws of each chain already. Received: 3"):
        render(tiny_network, tmp_path, draws=3, storage="disk")
    with pytest.raises(ValueError, match="belongs to another run. storage: stored 'disk', received 'memory'"):
        render(tiny_network, tmp_path)


STATE = np.arange(6, dtype=np.float32).reshape(2, 3)


def kept(draws, count):
    """What a checkpoint holds of that many states."""
    return draws.state_dict() | {"done": np.array(count), "state": STATE}


def test_what_a_checkpoint_does_not_count_is_cut_off(tmp_path):
    first = OnDisk(tmp_path)
    for number in range(3):
        first.append(STATE + number)
        if number == 1:
            saved = kept(first, 2)
    again, memory = OnDisk(tmp_path), InMemory()
    again.resume(saved)
    memory.resume({"states": np.stack([STATE, STATE + 1])})
    for one in (again, memory):
        one.append(STATE + 7)
        np.testing.assert_array_equal(one.states, np.stack([STATE, STATE + 1, STATE + 7]))
    once_more = OnDisk(tmp_path)
    once_more.resume(kept(again, 3))
    np.testing.assert_array_equal(once_more.states, again.states)
    # A run that no checkpoint counted anything of begins the file anew.
    anew = OnDisk(tmp_path)
    anew.append(STATE)
    np.testing.assert_array_equal(anew.states, STATE[None])


@pytest.mark.parametrize("seed", range(6))
def test_damaged_states_are_refused(tmp_path, seed, monkeypatch):
    monkeypatch.setattr(draw_store, "BLOCK", 16)
    there = OnDisk(tmp_path)
    for number in range(3):
        there.append(STATE + number)
    saved, path, random = kept(there, 3), tmp_path / STATES, np.random.default_rng(seed)
    OnDisk(tmp_path).resume(saved)
    data = bytearray(path.read_bytes())
    if seed % 2:
        data[random.integers(len(data))] ^= 1 << random.integers(8)
    else:
        data = data[: random.integers(len(data))]
    path.write_bytes(data)
    what = "damaged" if seed % 2 else "cut short"
    with pytest.raises(ValueError, match=f"checkpoint: '.*{STATES}' is {what}. Remove '.*' to start again"):
        OnDisk(tmp_path).resume(saved)
    assert path.read_bytes() == data
    path.unlink()
    with pytest.raises(ValueError, match=f"checkpoint: '.*{STATES}' is missing"):
        OnDisk(tmp_path).resume(saved)


def test_gathered_draws(tmp_path):
    parts = [np.full((2, 3), i, np.float32) + np.arange(2, dtype=np.float32)[:, None] / 10 for i in range(4)]
    gathered = OnDisk(tmp_path).gather("latents", 4, iter(parts))
    np.testing.assert_array_equal(gathered, InMemory().gather("latents", 4, iter(parts)))
    np.testing.assert_array_equal(gathered, np.load(tmp_path / "latents.npy"))
    assert gathered.shape == (2, 4, 3) and gathered.flags.c_contiguous


@pytest.mark.parametrize("what", ["states", "images"])
def test_a_full_disk_ends_the_run_with_what_was_saved(tiny_network, uninterrupted, tmp_path, monkeypatch, what):
    append, gather = OnDisk.append, OnDisk.gather

    def appended(self, state):
        if not self._count:
            return append(self, state)
        with Full():
            append(self, np.repeat(state, 9, 0))

    def gathered(self, name, count, parts):
        with Full():
            return gather(self, name, count, parts)

    with monkeypatch.context() as patch:
        if what == "states":
            patch.setattr(OnDisk, "append", appended)
        else:
            patch.setattr(OnDisk, "gather", gathered)
        expected = (
            f"cannot write '.*{STATES}': File too large. What was saved" if what == "states" else "cannot write '.*npy'"
        )
        with pytest.raises(OSError, match=expected):
            render(tiny_network, tmp_path, storage="disk")
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".partial")]
    assert content(render(tiny_network, tmp_path, storage="disk")) == content(uninterrupted)


def test_a_disk_without_room_is_told_before_the_work(tiny_network, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9, 10_000))
    monkeypatch.setattr(
        importlib.import_module("samplevis.runs.batches"), "ascend", lambda *_, **__: (_ for _ in ()).throw(Crash)
    )
    with pytest.raises(
        OSError, match=r"checkpoint: 4 draws of 2 chains take 7.*e-05 GB in '.*', where 1e-05 GB are free"
    ):
        render(tiny_network, tmp_path, storage="disk")
    with pytest.raises(Crash):
        render(tiny_network, tmp_path / "memory")


def test_disk_needs_a_folder(tiny_network):
    with pytest.raises(
        ValueError, match="storage: 'disk' needs checkpoint, the folder that the draws go to. Received: "
    ):
        render(tiny_network, storage="disk")
    with pytest.raises(ValueError, match="storage: expected one of 'disk', 'memory'. Received: 'disc'"):
        render(tiny_network, storage="disc")


@pytest.mark.slow
def test_the_command_asks_for_it(tmp_path, monkeypatch):
    asked = {}

    def stopped(*arguments, **settings):
        asked.update(settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module("samplevis.runs.rendering"), "render", stopped)
    words = ["demo", "--out", str(tmp_path / "out"), "--checkpoint", str(tmp_path / "run")]
    assert cli.main([*words, "--keep", "disk"]) == 130 and asked["run_opts"].storage == "disk"
    assert cli.main(words) == 130 and asked["run_opts"].storage == "memory"


def test_everything_of_samples_works_on_disk(on_disk, uninterrupted, tmp_path):
    def files_of(samples, name):
        folder = tmp_path / name
        folder.mkdir()
        samples.save(folder / "samples.npz")
        samples.save_gif(folder / "samples.gif")
        samples.save_animation(folder / "sweep.webp", layout="sweep")
        samples.save_grid(folder / "samples.png")
        return [path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix != ".npz"]

    assert files_of(on_disk, "disk") == files_of(uninterrupted, "memory")
    loaded, expected = (content(each) for each in (samplevis.Samples.load(tmp_path / "disk" / "samples.npz"), on_disk))
    assert {name for name in expected if loaded[name] != expected[name]} <= {"options"}  # Tuples come back as lists.
    figures, expected = (each.summary().figures for each in (on_disk, uninterrupted))
    assert {name for name in figures if figures[name] != expected[name] == expected[name]} == {"seconds"}
    on_disk.report(tmp_path / "report.html", draws=2)
    one = on_disk.of_chains(np.array([False, True]))
    assert content(one) == content(uninterrupted.of_chains(np.array([False, True])))


def test_chosen_chains_stay_on_disk(on_disk, folder):
    before = sorted(os.listdir(folder))
    for chains in ([True, False], [False, True], [True, True]):
        found = chosen(on_disk.images, np.array(chains))
        assert isinstance(found, np.memmap) and not found.flags.writeable
        np.testing.assert_array_equal(found, np.asarray(on_disk.images)[chains])
    again = chosen(chosen(on_disk.images, np.array([False, True])), np.array([True]))
    np.testing.assert_array_equal(again, on_disk.images[1:])
    assert sorted(os.listdir(folder)) == before
    assert not isinstance(chosen(np.zeros((2, 3)), np.array([True, False])), np.memmap)


def test_figures_of_blocks_are_those_of_the_whole(monkeypatch):
    images = np.random.default_rng(0).uniform(size=(3, 7, 16, 20, 3)).astype(np.float32)
    images += np.linspace(0, 1, 20, dtype=np.float32)[:, None]

    def figures():
        _, power = diagnostics.power_spectrum(images.reshape(-1, 16, 20, 3))
        return [*power, diagnostics.pixel_correlation(images)]

    whole = figures()
    monkeypatch.setattr(diagnostics, "BLOCK", 2 * 8 * images[0, 0].size)
    assert len(list(diagnostics.blocks(images[0]))) == 4
    np.testing.assert_allclose(figures(), whole, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the system does not tell")
def test_memory_is_flat_while_draws_stream(tmp_path):
    script = os.path.join(os.path.dirname(__file__), "grower.py")
    told = subprocess.run([sys.executable, script, tmp_path], check=True, stdout=subprocess.PIPE, text=True).stdout
    found = json.loads(told.splitlines()[-1])
    # Of 120 draws, 100 were made between the two looks: in memory at least these are added, on disk a tenth would be too much.
    streamed = found["images"] * 100 / 120
    assert found["memory"] > 0.9 * streamed and found["disk"] < 0.1 * streamed
    used = found["used"]
    assert used.pop("control") > 0.9 * found["images"]
    assert {name for name, most in used.items() if most > 0.5 * found["images"]} == set(), used


@pytest.mark.long
def test_kills_at_random_moments(tiny_network, uninterrupted, tmp_path):
    ends = list(kill_at_random(tiny_network.model, tmp_path, 20, 2, "disk"))
    whole = content(reloaded(uninterrupted, tmp_path))
    assert len(ends) > 1 and all(end == whole for end in ends)
