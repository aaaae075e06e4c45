"""The tasks on Dask: a cluster of this machine, or one that the user has.

The scheduler holds no state that matters: results are in the store, and the same call lists what is finished and goes on.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from samplevis.atlas.engine import EngineOptions
from samplevis.atlas.model_spec import ModelSpec
from samplevis.atlas.plan import Task
from samplevis.atlas.tasks import Outcome, run_task

if TYPE_CHECKING:
    import distributed

MISSING = "workers: they need Dask: pip install 'samplevis[atlas]'"
# Tasks that each worker has at a time: one that runs, one that waits. A killed worker makes no more than these suspicious.
WINDOW = 2
# TensorFlow's memory is unmanaged: workers never spill or pause. A first task compiles for minutes without a heartbeat.
CONFIG = {
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.97,
    "distributed.scheduler.worker-ttl": "15 minutes",
    "distributed.scheduler.allowed-failures": 3,
    "distributed.worker.daemon": True,
}


def work(spec: ModelSpec, folder: str, task: Task) -> Outcome:
    """What a worker does: loads the model, once in its process, and does the task."""
    return run_task(spec.load(), task, folder)


def run_distributed(
    spec: ModelSpec, tasks: Sequence[Task], folder: str, engine: EngineOptions
) -> Iterator[tuple[Task, Outcome | Exception]]:
    """Does tasks on workers, two for each worker at a time.

    Args:
      spec: the model that the workers load.
      tasks: what to do.
      folder: path or URL of the store, which every worker reaches.
      engine: where they run.

    Yields:
      Every task with its outcome, or with what went wrong.

    Raises:
      ImportError: if Dask is missing.
      ConnectionError: if the scheduler is gone.
    """
    try:
        import dask
        import distributed
    except ImportError as error:
        raise ImportError(MISSING) from error
    with dask.config.set(CONFIG), contextlib.ExitStack() as stack:
        client = stack.enter_context(_client(engine, stack))
        yield from windowed(client, distributed.as_completed(), functools.partial(work, spec, folder), tasks)


def _client(engine: EngineOptions, stack: contextlib.ExitStack) -> distributed.Client:
    import distributed

    if engine.scheduler is not None:
        try:
            return distributed.Client(engine.scheduler, timeout="30s")
        except OSError as error:
            raise ConnectionError(f"scheduler: {engine.scheduler} does not answer: {error}") from error
    threads = max(1, (os.cpu_count() or 1) // engine.workers)
    cluster = distributed.LocalCluster(
        n_workers=engine.workers,
        processes=True,
        threads_per_worker=1,
        dashboard_address=None,
        worker_dashboard_address=None,
        host="127.0.0.1",
        protocol="tls://",
        security=distributed.security.Security.temporary(),
        # Read by TensorFlow when a worker imports it.
        env={
            "TF_NUM_INTRAOP_THREADS": str(threads),
            "TF_NUM_INTEROP_THREADS": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        },
    )
    return distributed.Client(stack.enter_context(cluster))


def windowed(
    client: distributed.Client, running: Any, do: Callable[[Task], Outcome], tasks: Sequence[Task]
) -> Iterator[tuple[Task, Outcome | Exception]]:
    """Submits tasks as others end, so that as many as `WINDOW` for each worker are under way.

    Args:
      client: of the cluster.
      running: an `as_completed` of it, without futures.
      do: what a worker does with a task.
      tasks: the tasks, in this order.

    Yields:
      Every task with its outcome, or with what went wrong, as they end.

    Raises:
      ConnectionError: if the scheduler is gone.
    """
    waiting, under_way = list(tasks)[::-1], {}

    def submit() -> None:
        while waiting and len(under_way) < WINDOW * max(1, len(client.nthreads())):
            task = waiting.pop()
            future = client.submit(do, task, key=task.digest, pure=False)
            under_way[future.key] = task
            running.add(future)

    client.wait_for_workers(1)
    submit()
    while under_way:
        future = next(running)
        task = under_way.pop(future.key)
        if future.status == "finished":
            result: Outcome | Exception = future.result()
        elif future.status == "error":
            result = future.exception()
        else:
            raise ConnectionError(
                f"scheduler: it is gone ({future.status}); the same call goes on from what is finished"
            )
        future.release()
        yield task, result
        submit()
