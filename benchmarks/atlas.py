"""Drafts of many units in one batch over one unit after another.

python -m benchmarks.atlas                          # the bundled network
python -m benchmarks.atlas SqueezeNet fire8 --weights compressed_SqueezeNet.net
"""

from __future__ import annotations

import argparse
import dataclasses
import time

import numpy as np

from samplevis import modelzoo
from samplevis.activation import default_param
from samplevis.atlas.draft import draft_units
from samplevis.atlas.draft_path import UnitProblem
from samplevis.atlas.lab import TRANSFORMS
from samplevis.atlas.settings import AtlasSettings
from samplevis.atlas.tasks import Outcome
from samplevis.atlas.unit_rows import layer_activation, unit_seeds
from samplevis.overrides.smooth import smoothed
from samplevis.runtime import seeds
from samplevis.sampling.level_scale import LevelScale


def main() -> None:
    """Prints seconds per unit for batches of different sizes, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="Shapes")
    parser.add_argument("layer", nargs="?", default="logits")
    parser.add_argument("--weights")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--units", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    options = parser.parse_args()
    network = smoothed(modelzoo.load(options.model, weights=options.weights), 0.3)
    activation = layer_activation(network, options.layer, default_param(network, options.size), TRANSFORMS)
    channels = network.layer_shape(options.layer)[-1]
    alone = None
    print(f"{options.model} {options.layer}, {options.size} pixels, {options.chains} chains a unit")
    for count in options.units:
        settings = AtlasSettings(
            size=options.size,
            num_chains=options.chains,
            batch_size=count * options.chains,
            anneal_steps=options.steps,
            num_transitions=4,
        )
        # An edge far above what units reach would prolong some of them: all get the same steps.
        scale = LevelScale(-1e3, -1e2)
        starts = activation.param.prior(seeds.root(0), options.chains).numpy()
        units = [UnitProblem(f"unit:{n}", np.eye(channels, dtype=np.float32)[n], scale, starts) for n in range(count)]
        unit_seed = unit_seeds(0, [unit.key for unit in units])
        draft_units(activation, units, unit_seed, dataclasses.replace(settings, anneal_steps=25))
        # Time of the processors, too: beside other programs, wall time says little.
        start = np.array([time.monotonic(), time.process_time()])
        draft_units(activation, units, unit_seed, settings)
        seconds = (np.array([time.monotonic(), time.process_time()]) - start) / count
        alone = seconds if alone is None else alone
        wall, processors = alone / seconds
        print(
            f"  {count:3d} units in a batch: {seconds[0]:7.3f} s per unit, {seconds[1]:7.3f} s of processors; {wall:5.2f} and "
            f"{processors:5.2f} times as fast as {options.units[0]}",
            flush=True,
        )


def nothing(task: FakeTask) -> Outcome:
    """A task that computes nothing."""
    return Outcome(task.digest, ("reached",) * 16, (), 0, 0, 0.0)


@dataclasses.dataclass(frozen=True)
class FakeTask:
    """What a client needs to know of a task."""

    digest: str


def tasks_per_second(count: int) -> float:
    """What the client's window and the scheduler manage: the bound on workers times tasks."""
    import distributed

    from samplevis.atlas.distributed import windowed

    tasks = [FakeTask(str(n)) for n in range(count)]
    cluster = distributed.LocalCluster(n_workers=16, threads_per_worker=1, processes=False, dashboard_address=None)
    with cluster, distributed.Client(cluster) as client:
        start = time.monotonic()
        done = sum(1 for _ in windowed(client, distributed.as_completed(), nothing, tasks))
        return done / (time.monotonic() - start)


if __name__ == "__main__":
    main()
