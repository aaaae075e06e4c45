"""Diagnostics of samples of a real network: `python -m benchmarks.quality` prints a table, `--json FILE` writes the results.

SqueezeNet at 96 pixels, 4 chains, 10 draws; each unit at three levels, then the negative controls. About 40 minutes on
2 cores. The weights come from the folder SAMPLEVIS_TEST_DATA (default ../shared/models).
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

import samplevis
from benchmarks.rows import write
from samplevis import modelzoo
from samplevis.runtime import seeds

UNITS = ("logits:285", "logits:1", "logits:967", "logits:8", "fire9:10", "fire8:50", "fire7:20", "fire5:7")
LEVELS = (0.7, 0.5, 0.85)
CONTROL_UNIT = "logits:1"
SIZE = 96
SHOWN = ("level_asked", "level_fresh", "level_fresh_worst", "fresh_over_bank", "power_slope", "pixel_correlation")
ALSO = ("acceptance", "non_finite", "ess_bulk", "seconds")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", nargs="+", default=UNITS)
    parser.add_argument("--levels", nargs="+", type=float, default=LEVELS)
    parser.add_argument("--init", default="optimize")
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--save", type=Path, help="folder for the samples and a sheet of each run")
    parser.add_argument("--no-controls", action="store_true")
    options = parser.parse_args()
    network = squeezenet()
    rows = []
    print(f"{'unit':<12}" + "".join(f"{name[:16]:>18}" for name in (*SHOWN, *ALSO)))
    for level in options.levels:
        for unit in options.units:
            rows.append(run(network, unit, options, level=level, init=options.init))
            write(rows, options.json)
    if not options.no_controls:
        write(rows + controls(network, options), options.json)


def squeezenet() -> samplevis.Network:
    """SqueezeNet with its weights from the folder of test data."""
    folder = Path(os.environ.get("SAMPLEVIS_TEST_DATA", "../shared/models"))
    return modelzoo.SqueezeNet(folder / "squeezenet" / "compressed_SqueezeNet.net")


def run(network: samplevis.Network, unit: str, options: argparse.Namespace, **arguments: Any) -> dict[str, Any]:
    """Samples one unit and prints its row."""
    clock = time.perf_counter()
    samples = samplevis.render(
        network, unit, dict(num_results=10, num_chains=4), im_size=SIZE, progress=False, **arguments
    )
    figures = samples.summary().figures | {"seconds": time.perf_counter() - clock}
    if options.save:
        options.save.mkdir(parents=True, exist_ok=True)
        name = "_".join(str(part) for part in (unit.replace(":", "-"), *arguments.values()))
        samples.save(options.save / f"{name}.npz")
        samples.save_grid(options.save / f"{name}.png", draws=4, scale=2)
    return report(unit, figures)


def controls(network: samplevis.Network, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Three negative controls, which must not reach the level: the density of 2018, no strength, and shuffled weights."""
    rows = [run(network, CONTROL_UNIT, options, density="activation"), run(network, CONTROL_UNIT, options, beta=0.0)]
    shuffled = shuffled_squeezenet()
    good = samplevis.optimize(
        network, CONTROL_UNIT, param=samplevis.param.fourier(SIZE), transforms=samplevis.transform.robust_transforms,
        batch=4, progress=False,
    )  # fmt: skip
    bad = samplevis.render(shuffled, CONTROL_UNIT, im_size=SIZE, progress=False)
    layer, channel = CONTROL_UNIT.split(":")

    def score(images: np.ndarray) -> np.ndarray:
        return network.activations(images, layer)[layer].numpy()[:, int(channel)]

    share = float(np.mean(score(bad[:])) / np.max(score(good.images)))
    return [*rows, report(f"{CONTROL_UNIT} shuffled", {"level_fresh": share})]


def shuffled_squeezenet() -> samplevis.Network:
    """SqueezeNet with the weights of every layer shuffled, by the first seed for which noise excites the unit at all."""
    prior = samplevis.param.fourier(SIZE)
    noise = prior.image(prior.prior(seeds.root(0), 16))
    layer, channel = CONTROL_UNIT.split(":")
    for seed in range(100):
        network, generator = squeezenet(), np.random.default_rng(seed)
        for variable in network.model.trainable_variables:
            variable.assign(generator.permutation(variable.numpy().ravel()).reshape(variable.shape))
        if network.activations(noise, layer)[layer].numpy()[:, int(channel)].max() > 0:
            return network
    raise RuntimeError(f"{CONTROL_UNIT} is dead in all 100 shuffled networks")


def report(unit: str, figures: dict[str, float]) -> dict[str, Any]:
    """Prints a row and returns it."""
    print(f"{unit:<12}" + "".join(f"{figures.get(name, float('nan')):>18.3f}" for name in (*SHOWN, *ALSO)), flush=True)
    return {"unit": unit} | figures


if __name__ == "__main__":
    main()
