"""The tasks on Dask: the same bytes as in this process, and kills of workers, scheduler and client."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="ATLAS ON DASK NOT TESTED: pip install samplevis[atlas]")

from samplevis import atlas  # noqa: E402
from samplevis.atlas.distributed import WINDOW, windowed, work  # noqa: E402
from samplevis.atlas.plan import plan_atlas  # noqa: E402
from samplevis.atlas.tasks import Outcome  # noqa: E402

SETTINGS = {"size": 32, "methods": ["optimize"], "optimize_steps": 16, "units_per_part": 2, "batch_size": 2}
# TensorFlow sums in an order that the number of its threads sets; two workers of this machine get as many.
THREADS = {"TF_NUM_INTRAOP_THREADS": str(max(1, (os.cpu_count() or 1) // 2)), "TF_NUM_INTEROP_THREADS": "1"}
PROGRAM = """
import sys
from samplevis import atlas
if __name__ == "__main__":
    folder, settings, workers = sys.argv[1:]
    layers = ["logits", "conv5:0-5"]
    atlas.build("Shapes", folder, layers, settings=eval(settings), workers=int(workers), progress=False)
"""


class FakeFuture:
    """A task of a cluster that computes nothing."""

    def __init__(self, key, status="finished"):
        self.key, self.status = key, status

    def result(self):
        return Outcome(self.key, (), (), 0, 0, 0.0)

    def exception(self):
        return OSError("no model")

    def release(self):
        pass


class FakeClient:
    """A cluster of so many workers; counts the tasks that it holds."""

    def __init__(self, workers, statuses=None):
        self.workers, self.statuses, self.held, self.most = workers, statuses or {}, [], 0

    def nthreads(self):
        return dict.fromkeys(range(self.workers), 1)

    def wait_for_workers(self, count):
        pass

    def submit(self, function, task, key, pure):
        self.held.append(FakeFuture(key, self.statuses.get(task.units[0], "finished")))
        self.most = max(self.most, len(self.held))
        return self.held[-1]

    def as_completed(self):
        client = self

        class Running:
            def add(self, future):
                pass

            def __next__(self):
                return client.held.pop(0)

        return Running()


def tasks():
    from samplevis import modelzoo

    return plan_atlas(modelzoo.Shapes(), ["logits"], settings=SETTINGS | {"units_per_part": 1}).tasks()


@pytest.mark.parametrize("workers", [1, 4, 1000])
def test_a_worker_never_has_more_than_two_tasks(workers):
    client, todo = FakeClient(workers), tasks()
    found = list(windowed(client, client.as_completed(), None, todo))
    assert [task.units for task, _ in found] == [task.units for task in todo]
    assert client.most == min(WINDOW * workers, len(todo))


def test_a_task_that_fails_does_not_stop_the_others_and_a_lost_scheduler_does():
    client = FakeClient(2, {3: "error"})
    found = dict((task.units[0], result) for task, result in windowed(client, client.as_completed(), None, tasks()))
    assert len(found) == 18 and isinstance(found[3], OSError)
    client = FakeClient(2, {3: "cancelled"})
    with pytest.raises(ConnectionError, match="the same call goes on"):
        list(windowed(client, client.as_completed(), None, tasks()))


def test_a_model_that_cannot_be_loaded_is_named_and_the_other_tasks_go_on(tmp_path):
    import distributed

    missing, todo = atlas.ModelSpec(str(tmp_path / "moved.keras")), tasks()[:4]
    with pytest.raises((OSError, ValueError), match=r"moved\.keras"):
        atlas.build(missing, tmp_path / "out", workers=1, progress=False)
    assert not (tmp_path / "out").exists()

    def do(task):
        return work(missing, str(tmp_path), task) if task.units == (2,) else Outcome(task.digest, (), (), 0, 0, 0.0)

    options = dict(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None)
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        found = {task.units: result for task, result in windowed(client, distributed.as_completed(), do, todo)}
    assert "moved.keras" in str(found.pop((2,))) and len(found) == 3
    assert all(isinstance(each, Outcome) for each in found.values())


def start(folder: Path, workers: int) -> subprocess.Popen:
    program = folder.parent / "program.py"
    program.write_text(PROGRAM)
    words = [sys.executable, str(program), str(folder), repr(SETTINGS), str(workers)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])} | THREADS
    return subprocess.Popen(
        words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )


def parts(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, bytes]:
    """Parts of an atlas that is built in one process."""
    folder = tmp_path_factory.mktemp("alone") / "a"
    running = start(folder, 0)
    assert running.wait(timeout=900) == 0, running.stderr.read().decode()[-2000:]
    return parts(folder)


@pytest.mark.slow
def test_killed_workers_and_a_killed_client_leave_the_same_bytes(tmp_path, undisturbed):
    psutil = pytest.importorskip("psutil")
    folder = tmp_path / "killed"
    running = start(folder, 2)
    while running.poll() is None and len(parts(folder)) < 2:
        time.sleep(0.05)
    # One worker, which its nanny starts again; then everything at once, as a power cut does.
    below = psutil.Process(running.pid).children(recursive=True)
    workers = [each for each in below if not each.children() and "spawn_main" in " ".join(each.cmdline())]
    workers[-1].kill()
    time.sleep(1)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
    for each in below:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    running.communicate(timeout=60)
    before = parts(folder)
    assert 2 <= len(before) <= len(undisturbed)
    again = start(folder, 2)
    assert again.wait(timeout=900) == 0, again.stderr.read().decode()[-2000:]
    assert parts(folder) == undisturbed
    assert not [path for path in folder.rglob(".partial-*")]
