"""Kills at random moments: worker, nanny, scheduler, client, and all at once. Tasks compute nothing here; all else is real."""

from __future__ import annotations

import collections
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("distributed", reason="ATLAS ON DASK NOT TESTED: pip install samplevis[atlas]")
psutil = pytest.importorskip("psutil", reason="KILLS NOT TESTED: pip install psutil")

from samplevis import atlas  # noqa: E402
from samplevis.atlas import building  # noqa: E402
from tests.atlas_fixtures import fake_task  # noqa: E402

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
        environment = os.environ | {"PYTHONPATH": str(ROOT), "SAMPLEVIS_TEST_LOG": str(self.log)} | PATIENT
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

    def kill(self, kind: str, random: np.random.Generator) -> None:
        if kind == "worker":
            if workers := self.workers():
                with contextlib.suppress(psutil.NoSuchProcess):
                    workers[int(random.integers(len(workers)))].kill()
        elif kind == "nanny":
            # A nanny takes its workers along when a machine goes.
            self.stop("nanny")
        elif kind == "all":
            self.stop()
        else:
            self.stop(kind)

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
                    machines.kill(KINDS[done % len(KINDS)], random)
                    moments.append((len(begun(log)), KINDS[done % len(KINDS)]))
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


def begun(log: Path) -> list[str]:
    """Digests of the tasks in the order in which they began."""
    return log.read_text().split() if log.exists() else []


def done_again(digests: list[str], moments: list[int]) -> list[int]:
    """How many tasks each kill made be done again.

    Args:
      digests: of the tasks that began, in order.
      moments: how many had begun when each kill came.
    """
    counts, last = [0] * len(moments), {}
    for n, digest in enumerate(digests):
        if digest in last:
            # The first kill after it began took it; a scheduler's workers may begin one more before they are stopped, too.
            after = [k for k, moment in enumerate(moments) if last[digest] < moment <= n]
            before = [k for k, moment in enumerate(moments) if moment <= n]
            assert before, f"{digest} was done again without a kill"
            counts[after[0] if after else before[-1]] += 1
        last[digest] = n
    return counts


def test_a_task_that_is_done_again_counts_for_the_kill_that_took_it():
    # b is taken by the first kill, and c by the second.
    assert done_again(["a", "b", "b", "c", "d", "c"], [2, 5]) == [1, 1]
    # Begun after the kill of a scheduler, and stopped with its worker.
    assert done_again(["a", "b", "b"], [1]) == [1]
    with pytest.raises(AssertionError, match="without a kill"):
        done_again(["a", "a"], [2])


def wait_for_progress(machines: Machines, folder: Path, finished: int, seconds: float) -> None:
    """Waits until a part more is there, or a process has ended, and then for so many seconds."""
    deadline = time.monotonic() + 600
    while len(finished_paths(folder)) <= finished and all(map(machines.runs, ("scheduler", "nanny", "client"))):
        assert time.monotonic() < deadline, "nothing is done any more"
        time.sleep(0.1)
    time.sleep(seconds)
