"""Checkpoints: interrupted runs resume to the same bytes; damage, a full disk and other runs are reported."""

from __future__ import annotations

import copy
import importlib
import itertools
import os
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from conftest import with_slow
from runs import Crash, Full, content, kill_at_random, reloaded, render, run_with_crashes

import samplevis
from samplevis import cli
from samplevis.runtime import seeds
from samplevis.runtime.checkpoint import NAMES, Checkpoint
from samplevis.runtime.context import RunContext
from samplevis.runtime.progress import Progress
from samplevis.sampling.chains import ChainProblem, Monitors, num_draws_in, run_chains
from samplevis.sampling.kernels.registry import KERNELS
from samplevis.sampling.options import HMCOptions


@pytest.fixture(scope="module")
def uninterrupted(tiny_network):
    return render(tiny_network)


def test_a_run_that_crashes_again_and_again_ends_in_the_same_bytes(tiny_network, uninterrupted, tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    saves = lambda: int(random.integers(2, 7))  # noqa: E731
    samples, crashes = run_with_crashes(tiny_network, tmp_path, monkeypatch, saves, draws=2)
    assert crashes >= 2
    assert samples.images.tobytes() == uninterrupted.images[:, :2].tobytes()
    # More draws later are those of a run that asked for them at once.
    more = render(tiny_network, tmp_path)
    assert content(more) == content(uninterrupted) != content(samples)
    assert list(more.seconds) == list(uninterrupted.seconds)
    with pytest.raises(
        ValueError, match=r"num_results'\]: the checkpoint has 4 draws of each chain already. Received: 3"
    ):
        render(tiny_network, tmp_path, draws=3)


@pytest.mark.long
def test_a_crash_after_every_single_save(tiny_network, uninterrupted, tmp_path, monkeypatch):
    samples, crashes = run_with_crashes(tiny_network, tmp_path, monkeypatch, lambda: 1)
    assert crashes > 12 and content(samples) == content(uninterrupted)


def signal_in(monkeypatch, stage, call, number):
    """The signal comes while that call of a stage's loop is under way, from 1."""
    update, count = Progress.update, []

    def signalled(self, *arguments, **figures):
        count.extend([stage] if self.stage == stage else [])
        if self.stage == stage and len(count) == call:
            os.kill(os.getpid(), number)
        update(self, *arguments, **figures)

    monkeypatch.setattr(Progress, "update", signalled)


def test_signals_end_the_run_after_the_step(tiny_network, uninterrupted, tmp_path, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        signal_in(patch, "anneal", 1, signal.SIGINT)
        with pytest.raises(KeyboardInterrupt, match="stopped in anneal; the same call with .* resumes"):
            render(tiny_network, tmp_path)
    with monkeypatch.context() as patch:
        # The first call is the rehearsal's.
        signal_in(patch, "sample", 2, signal.SIGTERM)
        samples = render(tiny_network, tmp_path)
    assert samples.images.tobytes() == uninterrupted.images[:, :1].tobytes()
    assert content(render(tiny_network, tmp_path)) == content(uninterrupted)
    assert signal.getsignal(signal.SIGTERM) == before


class Stages(samplevis.Callback):
    """Notes the stage of every step."""

    def __init__(self):
        self.steps = []

    def on_step(self, stage, done, total, figures):
        self.steps.append(stage)


@pytest.mark.parametrize("storage", ["memory", "disk"])
def test_samples_are_extended_to_those_of_one_long_run(tiny_network, uninterrupted, tmp_path, monkeypatch, storage):
    monkeypatch.chdir(tmp_path)
    watch = Stages()
    samples = render(tiny_network, "run", draws=1, callbacks=[watch], storage=storage)
    assert set(watch.steps) == {"optimise", "anneal", "calibrate", "warm-up", "sample"}
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    watch.steps.clear()
    more = samples.extend(1).extend(2)
    # What was done is not done again, and who watched the run watches on.
    assert watch.steps == ["sample"] * 3
    assert content(more) == content(uninterrupted) and samples.images.shape[1] == 1
    assert repr(more) == repr(uninterrupted)
    with pytest.raises(ValueError, match="the checkpoint has 4 draws of each chain already. Received: 2"):
        samples.extend(1)
    # What knows its call is in no file and no copy.
    more.save(tmp_path / "samples.npz")
    uninterrupted.save(tmp_path / "other.npz")
    assert (tmp_path / "samples.npz").stat().st_size == pytest.approx((tmp_path / "other.npz").stat().st_size, abs=64)
    copies = copy.deepcopy(more), pickle.loads(pickle.dumps(more)), samplevis.Samples.load(tmp_path / "samples.npz")
    for other in (*copies, uninterrupted, more.of_chains(np.array([True, False]))):
        with pytest.raises(
            ValueError, match=r"n: expected samples as render\(..., checkpoint.* num_results=6; a run with"
        ):
            other.extend(2)
    for wrong in (0, -1, 1.5, True, "2"):
        with pytest.raises(ValueError, match="n: expected a whole number >= 1. Received: "):
            more.extend(wrong)


def test_another_run_is_refused_and_the_difference_named(tiny_network, tmp_path, monkeypatch):
    monkeypatch.setattr(
        importlib.import_module("samplevis.runs.batches"), "ascend", lambda *_, **__: (_ for _ in ()).throw(Crash)
    )
    with pytest.raises(Crash):
        render(tiny_network, tmp_path)
    for settings, difference in [
        (dict(seed=1), "seed: stored 0, received 1"),
        (dict(level=0.5), "level: stored 0.7, received 0.5"),
        (dict(objective="conv2:2"), r"obj: stored 'channel\(conv2, 1\)', received 'channel\(conv2, 2\)'"),
        (dict(transforms=None), "transforms: stored '.*Jitter"),
        (dict(im_size=(16, 18)), r"param: stored .*\(16, 18, 3\)"),
        (dict(beta=2.0, level=0.5), "level: .*; beta: stored None, received 2.0|beta: .*; level: "),
    ]:
        with pytest.raises(ValueError, match=f"checkpoint: .* belongs to another run.*{difference}"):
            render(tiny_network, tmp_path, **settings)
    weight = tiny_network.source.variables[0]
    value = weight.numpy()
    weight.assign(1.1 * value)
    try:
        with pytest.raises(ValueError, match="another run. model: stored '[0-9a-f]+', received '[0-9a-f]+'"):
            render(tiny_network, tmp_path)
    finally:
        weight.assign(value)
    with pytest.raises(Crash):
        render(tiny_network, tmp_path)


def test_a_function_that_was_rewritten_is_noticed(tmp_path):
    with Checkpoint(tmp_path, 0) as checkpoint:
        checkpoint.check("activation of noise", np.array([0.5, np.nan]))
        checkpoint.stage("a").update(dict)
    with Checkpoint(tmp_path, 0) as checkpoint:
        checkpoint.check("activation of noise", np.array([0.5 + 1e-6, np.nan]))
        with pytest.raises(
            ValueError, match=r"another run. activation of noise: stored \[0.5, nan\], received \[0.6, nan\]"
        ):
            checkpoint.check("activation of noise", np.array([0.6, np.nan]))


def two_generations(folder):
    """Step 1 in one file, step 2 in the other, which is returned."""
    with Checkpoint(folder, 0, {"seed": 3}) as checkpoint:
        stage = checkpoint.stage("walk")
        for step in (1, 2):
            stage.update(lambda step=step: {"step": step, "x": np.full(50, step / 3)})
    return max((folder / name for name in NAMES), key=lambda path: path.stat().st_mtime_ns)


def step_in(folder):
    with Checkpoint(folder, 0, {"seed": 3}) as checkpoint:
        saved = checkpoint.stage("walk").saved
        assert saved["x"].tolist() == [saved["step"] / 3] * 50
        return int(saved["step"])


@pytest.mark.parametrize("seed", range(20))
def test_damage_falls_back_to_the_file_before(tmp_path, seed, caplog):
    newest = two_generations(tmp_path)
    assert step_in(tmp_path) == 2
    random, data = np.random.default_rng(seed), bytearray(newest.read_bytes())
    if seed % 2:
        data = data[: random.integers(len(data))]
    else:
        data[random.integers(len(data))] ^= 1 << random.integers(8)
    newest.write_bytes(data)
    assert step_in(tmp_path) == 1 and newest.name in caplog.text
    # What is written next replaces the damaged file, and leaves the good one.
    with Checkpoint(tmp_path, 0, {"seed": 3}) as checkpoint:
        checkpoint.stage("walk").update(lambda: {"step": 7, "x": np.full(50, 7 / 3)})
    assert step_in(tmp_path) == 7


def walk(folder, pipe):
    """Saves steps for ever, and tells of each."""
    with Checkpoint(folder, 0, {"seed": 3}) as checkpoint:
        stage = checkpoint.stage("walk")
        for step in itertools.count(int(stage.saved["step"]) + 1 if stage.saved else 1):
            stage.update(lambda step=step: {"step": step, "x": np.full(50, step / 3)})
            os.write(pipe, b".")


@pytest.mark.slow
def test_forty_kills_while_it_saves(tmp_path):
    """The process is killed in the midst of a save or between two: no save that it told of is lost, nor is any half done."""
    random, before = np.random.default_rng(0), 0
    for kill in range(40):
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            try:
                walk(tmp_path, writing)
            finally:
                os._exit(1)
        os.close(writing)
        told = sum(len(os.read(reading, 1)) for _ in range(random.integers(1, 4)))
        time.sleep(random.uniform(0, 0.01))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while rest := os.read(reading, 100):
            told += len(rest)
        os.close(reading)
        now = step_in(tmp_path)
        assert told >= 1 and now - before in (told, told + 1), f"kill {kill}"
        before = now
    assert sorted(os.listdir(tmp_path)) == [*NAMES, "lock"]


def test_damage_of_all_files_is_refused(tmp_path):
    two_generations(tmp_path)
    for name in NAMES:
        (tmp_path / name).write_bytes(b"x" * 100)
    with pytest.raises(ValueError, match="checkpoint-a.npz' cannot be used .*checksum.* Remove .* to start again"):
        Checkpoint(tmp_path)
    assert [(tmp_path / name).read_bytes() for name in NAMES] == [b"x" * 100] * 2


@pytest.fixture
def full_disk():
    return Full()


def test_a_full_disk_does_not_end_a_run_and_spoils_nothing(tmp_path, full_disk, caplog):
    with Checkpoint(tmp_path, 0) as checkpoint:
        stage = checkpoint.stage("walk")
        stage.update(lambda: {"x": np.arange(1000)})
        before = {name: (tmp_path / name).read_bytes() for name in NAMES}
        with full_disk:
            stage.update(lambda: {"x": np.arange(1, 1001)})
        assert {name: (tmp_path / name).read_bytes() for name in NAMES} == before
        assert "The run goes on" in caplog.text and len(os.listdir(tmp_path)) == 3
        with full_disk:
            stage.update(lambda: {"x": np.arange(2, 1002)})
        stage.update(lambda: {"x": np.arange(3, 1003)})
    assert Checkpoint(tmp_path).stage("walk").saved["x"][0] == 3


def test_a_full_disk_is_told_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "samplevis.runtime.files.to_disk", lambda path: (_ for _ in ()).throw(OSError(28, "No space left"))
    )
    with pytest.raises(OSError, match="No space left"):
        Checkpoint(tmp_path)


NOISE = np.random.default_rng(0).uniform(size=(4, 64, 64, 3))
WRITERS = {
    "old.gif": lambda samples, path: samplevis.export.save_gif(NOISE, path),
    "old.webp": lambda samples, path: samplevis.export.save_animation(NOISE, path),
    "old.png": lambda samples, path: samplevis.export.save_image(NOISE[0], path),
    "old.jpg": lambda samples, path: samplevis.export.save_image(NOISE[0], path),
    "old.html": lambda samples, path: samples.report(path),
    "old.npz": lambda samples, path: samples.save(path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_the_old_file(tmp_path, full_disk, uninterrupted, name):
    path = tmp_path / name
    path.write_bytes(b"old")
    with full_disk, pytest.raises(OSError, match=f"cannot write '.*{name}': ") as caught:
        WRITERS[name](uninterrupted, path)
    assert "No such file" not in str(caught.value)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == [name]
    # The same call writes it once there is room.
    WRITERS[name](uninterrupted, path)
    assert path.stat().st_size > 2000 and os.listdir(tmp_path) == [name]


def test_a_full_disk_names_the_file_of_two_that_it_stopped(tmp_path, full_disk):
    with full_disk, pytest.raises(OSError, match="cannot write '.*units.png': "):
        samplevis.export.save_sprites(NOISE, tmp_path / "units.png")
    assert os.listdir(tmp_path) == []


def test_a_folder_belongs_to_one_process(tmp_path):
    holder = (
        "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); f.write('process 12');"
        "f.flush(); print('held', flush=True); time.sleep(1000)"
    )
    command = [sys.executable, "-c", holder, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with pytest.raises(OSError, match="is in use by process 12"):
            Checkpoint(tmp_path)
        process.kill()
    with Checkpoint(tmp_path):
        with pytest.raises(OSError, match=f"is in use by process {os.getpid()}"):
            Checkpoint(tmp_path)
    Checkpoint(tmp_path).close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_lock_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "lock").symlink_to("/dev/full")
    with pytest.raises(OSError, match="checkpoint: cannot write '.*lock'"):
        Checkpoint(tmp_path)


def test_folders_that_cannot_be_used(tiny_network, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="checkpoint: cannot use the folder .*file"):
        Checkpoint(tmp_path / "file")
    with pytest.raises(TypeError, match="checkpoint: expected a folder. Received: 3"):
        render(tiny_network, 3)
    with pytest.raises(ValueError, match="checkpoint_interval: expected a finite number >= 0. Received: -1"):
        samplevis.render(tiny_network, "conv2:1", checkpoint=tmp_path / "new", checkpoint_interval=-1)
    assert not (tmp_path / "new").exists()


def test_saves_wait_for_the_interval(tmp_path):
    with Checkpoint(tmp_path, 1e9) as checkpoint:
        stage = checkpoint.stage("walk")
        stage.update(lambda: pytest.fail("not yet"))
        checkpoint.get_or_compute("scale", lambda: {"y": 2})
        stage.close(lambda: {"x": 1}, False)
    with Checkpoint(tmp_path) as checkpoint:
        assert checkpoint.stage("walk").saved["x"] == 1
        assert checkpoint.get_or_compute("scale", lambda: pytest.fail("it is known"))["y"] == 2


@pytest.mark.parametrize("kernel", with_slow(list(KERNELS), ["malt", "hmc", "nuts", "redrawn_hmc"]))
def test_every_kernel_goes_on_to_the_same_bytes(kernel, tmp_path):
    def target(x):
        return -tf.reduce_sum(tf.square(x - 1), [1])

    def run(folder, results):
        options = HMCOptions(
            num_results=results, num_burnin_steps=2, num_leapfrog_steps=2, num_steps_between_results=1, kernel=kernel
        )
        with Checkpoint(folder, 0) as checkpoint:
            monitors = Monitors(None, lambda x: {"first": x[:, 0]}, lambda x: x**2)
            problem = ChainProblem(target, 0.5, redraw=lambda seed: target, monitors=monitors)
            context = RunContext(seeds.root(0), checkpoint=checkpoint)
            return run_chains(problem, tf.zeros((2, 3)), options, context)

    whole = run(None, 3)
    run(tmp_path, 1)
    parts = run(tmp_path, 3)
    for a, b in zip(tf.nest.flatten(whole), tf.nest.flatten(parts), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
    assert np.ptp(whole.states[-1] - whole.states[0]) > 0


@pytest.mark.long
def test_forty_kills_at_random_moments(tiny_network, uninterrupted, tmp_path):
    ends = list(kill_at_random(tiny_network.model, tmp_path, 40, 0))
    whole = content(reloaded(uninterrupted, tmp_path))
    assert len(ends) > 1 and all(end == whole for end in ends)


def test_two_ends_have_a_folder_each(tiny_network, uninterrupted, tmp_path, monkeypatch):
    folders = []

    def recorded(*arguments, run_opts, **settings):
        folders.append(run_opts.checkpoint)
        return uninterrupted

    monkeypatch.setattr(importlib.import_module("samplevis.runs.both_ends"), "render", recorded)
    samplevis.two_ended(tiny_network, "conv2:1", checkpoint=tmp_path)
    samplevis.two_ended(tiny_network, "conv2:1")
    assert folders == [str(tmp_path / "optimize"), str(tmp_path / "prior"), None, None]


@pytest.mark.slow
def test_the_command_keeps_a_run_and_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    asked = {}

    def stopped(*arguments, **settings):
        asked.update(settings)
        raise KeyboardInterrupt("stopped in anneal; the same call resumes")

    monkeypatch.setattr(importlib.import_module("samplevis.runs.rendering"), "render", stopped)
    words = ["demo", "--out", str(tmp_path / "out"), "--checkpoint", str(tmp_path / "run")]
    assert cli.main(words) == 130
    assert asked["run_opts"].checkpoint == str(tmp_path / "run")
    assert "stopped in anneal" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_asks_for_more_draws_than_there_are(tiny_network, tmp_path, monkeypatch, capsys):
    model, folder, out = tmp_path / "tiny.keras", tmp_path / "run", tmp_path / "out"
    tiny_network.model.save(model)
    words = [
        "render",
        model,
        "conv2:1",
        "--size",
        "16",
        "--out",
        out,
        "--checkpoint",
        folder,
        "--quiet",
        "--chains",
        "2",
    ]
    words += ["--warmup", "2", "--leapfrog-steps", "2", "--transforms", "2", "--optimize-steps", "8"]
    words = [str(word) for word in words]
    assert cli.main([*words, "--extend", "3"]) == 1 and "there is no run in" in capsys.readouterr().err
    assert cli.main([*words, "--draws", "1"]) == 0 and num_draws_in(folder) == 1
    first = samplevis.Samples.load(out / "samples.npz").images
    assert cli.main([*words, "--extend", "2"]) == 0 and num_draws_in(folder) == 3
    samples = samplevis.Samples.load(out / "samples.npz")
    assert samples.images.shape[:2] == (2, 3) and (samples.images[:, :1] == first).all()
    assert samples.options["command"].endswith("--extend 2  # to 3 draws")
