"""Kills at random moments: worker, nanny, scheduler, client, and all at once. Tasks compute nothing here; all else is real."""

from __future__ import annotations

import collections
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

pytest.importorskip("distributed", reason="ATLAS ON DASK NOT TESTED: pip install samplevis[atlas]")
psutil = pytest.importorskip("psutil", reason="KILLS NOT TESTED: pip install psutil")

from atlas_fixtures import fake_task  # noqa: E402

from samplevis import atlas  # noqa: E402
from samplevis.atlas import building  # noqa: E402

ROOT = Path(__file__).parents[2]
KINDS = ("worker", "nanny", "scheduler", "client", "all")
KILLS_PER_ROUND = 10
WORKERS, LAYERS = 2, ["conv4", "conv5", "logits"]
SETTINGS = {"methods": ["optimize"], "size": 32, "units_per_part": 1}
# A machine that does other work, too, takes minutes to start a process.
PATIENT = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "300s"}
CLIENT = """
import sys
from samplevis import atlas
address, folder, layers, settings = sys.argv[1:]
atlas.build("Shapes", folder, eval(layers), settings=eval(settings), scheduler=address, insecure=True, progress=False)
"""


class Machines:
    """A scheduler, a nanny with two workers, and a client, each a process that can be killed."""

    def __init__(self, folder: Path, log: Path):
        self.folder, self.log, self.port = folder, log, 0
        self.running: dict[str, subprocess.Popen] = {}

    def start(self) -> None:
        """Starts what does not run."""
        if not self.runs("scheduler"):
            self.stop()
            self.port = 20000 + int.from_bytes(os.urandom(2), "big") % 20000
            self.spawn("scheduler", "-m", "distributed.cli.dask_scheduler", "--port", str(self.port), "--no-dashboard")
        address = f"tcp://127.0.0.1:{self.port}"
        if not self.runs("nanny"):
            options = ["--nworkers", str(WORKERS), "--nthreads", "1", "--no-dashboard", "--death-timeout", "600"]
            preload = ["--preload", str(ROOT / "tests/atlas/fake_work.py")]
            self.spawn("nanny", "-m", "distributed.cli.dask_worker", address, *options, *preload)
        if not self.runs("client"):
            self.spawn("client", "-c", CLIENT, address, str(self.folder), repr(LAYERS), repr(SETTINGS))

    def spawn(self, name: str, *words: str) -> None:
        places = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        environment = os.environ | {"PYTHONPATH": places, "SAMPLEVIS_TEST_LOG": str(self.log)} | PATIENT
        self.running[name] = subprocess.Popen(
            [sys.executable, *words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def runs(self, name: str) -> bool:
        return name in self.running and self.running[name].poll() is None

    def workers(self) -> list:
        """The processes below the nanny that do tasks."""
        with contextlib.suppress(psutil.NoSuchProcess):
            below = psutil.Process(self.running["nanny"].pid).children(recursive=True)
            return [each for each in below if "spawn_main" in " ".join(each.cmdline())]
        return []

    def kill(self, kind: str, random: np.random.Generator) -> int | None:
        """Kills; returns the process of a worker that was killed alone."""
        if kind == "worker":
            if workers := self.workers():
                chosen = workers[int(random.integers(len(workers)))]
                with contextlib.suppress(psutil.NoSuchProcess):
                    chosen.kill()
                return chosen.pid
        elif kind == "nanny":
            # A nanny takes its workers along when a machine goes.
            self.stop("nanny")
        elif kind == "all":
            self.stop()
        else:
            self.stop(kind)
        return None

    def stop(self, *names: str) -> None:
        for name in names or tuple(self.running):
            if name not in self.running:
                continue
            workers = self.workers() if name == "nanny" else []
            with contextlib.suppress(ProcessLookupError):
                self.running[name].kill()
            for each in workers:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
            self.running.pop(name).wait(30)


def finished_paths(folder: Path) -> list[Path]:
    """The finished files; those that are being written may be gone when they are looked at."""
    return [path for path in sorted(folder.rglob("*.parquet")) if not path.name.startswith(".")]


def parts(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in finished_paths(folder)}


@pytest.mark.long
@pytest.mark.parametrize("kills", [30])
def test_kills_at_random_moments_leave_the_bytes_of_an_undisturbed_run(kills, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(building, "run_task", fake_task([]))
        atlas.build("Shapes", tmp_path / "undisturbed", LAYERS, settings=SETTINGS, progress=False)
    undisturbed, random, done, rounds = parts(tmp_path / "undisturbed"), np.random.default_rng(0), 0, 0
    lost, start = collections.defaultdict(list), time.monotonic()
    while done < kills:
        folder, log = tmp_path / f"killed-{rounds}", tmp_path / f"log-{rounds}"
        machines, moments, before = Machines(folder, log), [], done
        try:
            while len(finished_paths(folder)) < len(undisturbed):
                machines.start()
                finished = len(finished_paths(folder))
                if done < min(kills, before + KILLS_PER_ROUND) and finished < len(undisturbed):
                    wait_for_progress(machines, folder, finished, float(random.uniform(0, 1.5)))
                    pid = machines.kill(KINDS[done % len(KINDS)], random)
                    moments.append((Kill(len(begun(log)), pid), KINDS[done % len(KINDS)]))
                    done += 1
                    print(
                        f"{done} {moments[-1][1]}: {finished} tasks done, {time.monotonic() - start:.0f} s", flush=True
                    )
                else:
                    wait_for_progress(machines, folder, finished, 0.2)
            assert machines.running["client"].wait(120) in (0, -9, 1) if machines.runs("client") else True
            # What a killed client left goes with the next call.
            machines.stop("client")
            machines.start()
            assert machines.running["client"].wait(300) == 0
        finally:
            machines.stop()
        assert parts(folder) == undisturbed
        assert not list(folder.rglob(".partial-*"))
        again = done_again(begun(log), [moment for moment, _ in moments])
        print(f"round {rounds}: {len(undisturbed)} tasks", *zip((kind for _, kind in moments), again, strict=True))
        for (_, kind), number in zip(moments, again, strict=True):
            lost[kind].append(number)
        rounds += 1
    print(f"{done} kills in {(time.monotonic() - start) / 60:.1f} minutes; tasks done again: {dict(lost)}")
    # One that runs is lost with its worker; the one that waits has not begun.
    assert max(lost.pop("worker")) <= 1
    assert all(max(each) <= WORKERS for each in lost.values())


def begun(log: Path) -> list[tuple[str, int]]:
    """(digest, process of the worker) of the tasks in the order in which they began."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [(digest, int(pid)) for digest, pid in (line.split() for line in lines)]


class Kill(NamedTuple):
    """When a kill came, as the number of tasks that had begun, and the worker that was killed alone; None for more or others."""

    moment: int
    pid: int | None = None


def done_again(tasks: list[tuple[str, int]], kills: list[Kill]) -> list[int]:
    """How many tasks each kill made be done again.

    Args:
      tasks: (digest, worker) of the tasks that began, in order.
      kills: in order.
    """
    counts, last = [0] * len(kills), {}
    for n, (digest, pid) in enumerate(tasks):
        if digest in last:
            # The first kill of its worker took it; a scheduler's workers may begin one more before they are stopped, too.
            begin, worker = last[digest]
            before = [k for k, kill in enumerate(kills) if kill.moment <= n and kill.pid in (None, worker)]
            after = [k for k in before if begin < kills[k].moment]
            assert before, f"{digest} was done again without a kill"
            counts[after[0] if after else before[-1]] += 1
        last[digest] = n, pid
    return counts


def test_a_task_that_is_done_again_counts_for_the_kill_that_took_it():
    # b is taken by the first kill, and c by the second.
    tasks = [(name, 1) for name in "abbcdc"]
    assert done_again(tasks, [Kill(2), Kill(5)]) == [1, 1]
    # b ran on a worker that the first kill spared.
    assert done_again([("a", 1), ("b", 2), ("a", 1), ("b", 1)], [Kill(2, 1), Kill(3)]) == [1, 1]
    # Begun after the kill of a scheduler, and stopped with its worker.
    assert done_again([("a", 1), ("b", 1), ("b", 1)], [Kill(1)]) == [1]
    for kill in (Kill(2), Kill(1, 7)):
        with pytest.raises(AssertionError, match="without a kill"):
            done_again([("a", 1), ("a", 1)], [kill])


def wait_for_progress(machines: Machines, folder: Path, finished: int, seconds: float) -> None:
    """Waits until a part more is there, or a process has ended, and then for so many seconds."""
    deadline = time.monotonic() + 600
    while len(finished_paths(folder)) <= finished and all(map(machines.runs, ("scheduler", "nanny", "client"))):
        assert time.monotonic() < deadline, "nothing is done any more"
        time.sleep(0.1)
    time.sleep(seconds)
