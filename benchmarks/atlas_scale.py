"""An atlas of very many units on very many workers, with nothing to compute: memory, and what limits it first.

python -m benchmarks.atlas_scale memory                # resident memory of the process that builds 10,000 units
python -m benchmarks.atlas_scale workers --seconds 60  # tasks of a minute: measured client, scheduler and store; simulated workers
python -m benchmarks.atlas_scale dask                  # what two workers of Dask cost over this process, in seconds of processors
"""

from __future__ import annotations

import argparse
import dataclasses
import heapq
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import psutil

from benchmarks.atlas import tasks_per_second
from samplevis import atlas, modelzoo
from samplevis.atlas import rows
from samplevis.atlas.pictures import to_webp
from samplevis.atlas.store import PARTS, Store
from samplevis.runtime.callbacks import Callback

# Units of a task, the default of `AtlasSettings`.
UNITS = 16
WINDOW = 2


class Memory(Callback):
    """Prints the resident memory of this process for every so many units."""

    def __init__(self, every: int):
        self.every, self.printed, self.process = every, 0, psutil.Process()

    def on_step(self, stage: str, step: int, total: int, figures: dict[str, float]) -> None:
        if stage == "atlas" and step >= self.printed + self.every:
            self.printed = step
            print(f"  {step:6,d} units  {self.process.memory_info().rss / 2**20:7.1f} MiB", flush=True)


def print_memory(units: int) -> None:
    """Builds rows without pictures of so many directions, in this process."""
    directions = {"many": ("logits", np.random.default_rng(0).normal(size=(units, 18)).astype(np.float32))}
    settings = {"methods": ["examples"], "size": 32}
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        memory = Memory(units // 10)
        atlas.build(
            modelzoo.Shapes(), folder, directions=directions, settings=settings, progress=False, callbacks=[memory]
        )
        print(f"{units:,} units, {units / (time.monotonic() - start):.0f} a second")


@dataclasses.dataclass(frozen=True)
class Rates:
    """What is shared by all workers.

    Attributes:
      engine: tasks a second that client and scheduler pass on.
      store: parts a second that the store takes.
    """

    engine: float
    store: float


def parts_per_second(count: int) -> tuple[float, int, float]:
    """(parts written a second, bytes of a part, seconds in which the store lists them all), on this disk."""
    random = np.random.default_rng(0)
    pictures = [to_webp(image, 90) for image in random.uniform(size=(9, 64, 64, 3))]
    record = rows.empty("layer", "layer", 0, "") | {
        "optimized": pictures[0],
        "samples": pictures[1:5],
        "means": pictures[5:],
    }
    table = rows.table([record] * UNITS)
    with tempfile.TemporaryDirectory() as folder:
        store, start = Store(folder), time.monotonic()
        for n in range(count):
            size = store.write_table(f"{PARTS}/layer/{n}.parquet", table)
        rate = count / (time.monotonic() - start)
        start = time.monotonic()
        store.names(PARTS)
        return rate, size, time.monotonic() - start


def simulated(workers: int, seconds: float, rates: Rates, tasks: int = 20_000) -> dict[str, float]:
    """Tasks a second of so many workers, and the share of time for which each shared part is busy.

    Every task passes the engine, is computed on a worker for a random time of that mean (Gamma, deviation a quarter of it), and is
    written by the store. Engine and store do one thing at a time, in the order of arrival. A worker holds `WINDOW` tasks, so that
    it computes one while the next is on its way.
    """
    random = np.random.default_rng(0)
    engine_free = store_free = end = 0.0
    free = [0.0] * workers
    # (time at which a worker may be sent another task, worker)
    ready = [(0.0, worker) for worker in range(workers) for _ in range(WINDOW)]
    heapq.heapify(ready)
    for _ in range(tasks):
        moment, worker = heapq.heappop(ready)
        engine_free = max(engine_free, moment) + 1 / rates.engine
        computed = max(engine_free, free[worker]) + random.gamma(16, seconds / 16)
        store_free = max(store_free, computed) + 1 / rates.store if rates.store else computed
        free[worker] = computed
        heapq.heappush(ready, (computed, worker))
        end = max(end, computed, store_free)
    return {
        "tasks": tasks / end,
        "engine": tasks / rates.engine / end,
        "store": tasks / rates.store / end,
        "workers": tasks * seconds / (workers * end),
    }


def print_workers(seconds: float) -> None:
    """Measures what all workers share, and simulates up to 1,000 of them."""
    engine = tasks_per_second(1000)
    store, size, listing = parts_per_second(400)
    print(f"client and scheduler: {engine:.0f} tasks a second")
    print(f"store on this disk: {store:.0f} parts a second of {size:,} bytes; lists 400 in {1e3 * listing:.0f} ms")
    print(f"tasks of {seconds:g} seconds, {UNITS} units each:")
    for workers in (1, 10, 100, 1000):
        found = simulated(workers, seconds, Rates(engine, store))
        busy = ", ".join(f"{name} {found[name]:4.0%}" for name in ("workers", "engine", "store"))
        print(f"  {workers:5,d} workers: {found['tasks']:8.2f} tasks a second; busy: {busy}", flush=True)
    bound = min(("client and scheduler", engine), ("store", store), key=lambda each: each[1])
    print(f"the first bottleneck is {bound[0]}, at {bound[1] * seconds:,.0f} workers")


# What `print_dask` builds: (folder, layers, workers) are given as words.
BUILD = """
import sys
from samplevis import atlas
folder, layer, workers = sys.argv[1:]
settings = dict(methods=["optimize", "draft"], size=32, units_per_part=4, batch_size=16, optimize_steps=64, anneal_steps=100)
atlas.build("Shapes", folder, [layer], settings=settings, workers=int(workers), progress=False)
"""


def processor_seconds(layer: str, workers: int) -> float:
    """Seconds of processors that a build takes, with those of its workers."""
    words = [sys.executable, "-c", BUILD]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen([*words, folder, layer, str(workers)], env=os.environ | {"OMP_NUM_THREADS": "1"})
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise RuntimeError(f"the build ended with {status}")
        return usage.ru_utime + usage.ru_stime


def print_dask(units: tuple[int, int]) -> None:
    """Prints what a process costs, and what a unit costs beyond that, in this process and in two workers.

    Two builds of different length tell them apart. Where processors are busy with other things, time on the clock says nothing.
    """
    few, many = units
    found = {}
    for workers in (0, 2):
        short, long = (processor_seconds(f"conv5:0-{count - 1}", workers) for count in (few, many))
        found[workers] = (long - short) / (many - few)
        print(
            f"{workers or 'no'} workers: {short:6.1f} s for {few} units, {long:6.1f} s for {many}; "
            f"{found[workers]:.3f} s for a unit, {short - few * found[workers]:.1f} s for the rest",
            flush=True,
        )
    print(f"a unit in this process over a unit in a worker: {found[0] / found[2]:.2f}")


def main() -> None:
    """Prints one of the three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["memory", "workers", "dask"])
    parser.add_argument("--units", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    run: dict[str, Callable[[], None]] = {
        "memory": lambda: print_memory(options.units),
        "workers": lambda: print_workers(options.seconds),
        "dask": lambda: print_dask((16, 64)),
    }
    run[options.what]()


if __name__ == "__main__":
    main()
