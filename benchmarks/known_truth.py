"""Errors of surprisal and shares where the truth is known: `python -m benchmarks.known_truth --json FILE` prints a table.

For each prior, many draws say how rare an activation is, and what the judge sees in the draws that reach it. The either-or units of
the bundled network are asked for the activation of one draw in a hundred, without transforms: `surprisal` should find log 100 =
4.6 nats, and the shares of independent draws ("smc") should be those of the draws that reach it. Rows that are in the file are
not made again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import samplevis
from benchmarks.rows import read, write
from samplevis import modelzoo, param
from samplevis.activation import make_activation
from samplevis.activation.image_scores import image_scores
from samplevis.analysis.prior_checks import prior_images
from samplevis.modelzoo.shapes.labels import EITHER_OR
from samplevis.results.families import family_sizes, num_independent
from samplevis.results.shares import judged, wilson
from samplevis.runtime import seeds
from samplevis.sampling.density import Conditioned

SIZE, PART, SHARE = 64, 1024, 0.01
# The edge of the density, in standard deviations of the activation, and its strength in nats for that width.
EDGE, POWER = 0.02, 4.0
NUM_SPLITS = 200
PRIORS: dict[str, Callable[[], param.Parameterization]] = {
    "fourier": lambda: param.fourier(SIZE),
    "pyramid": lambda: param.pyramid(SIZE),
    "measured": lambda: param.measured(SIZE, modelzoo.shapes.draw(600, seed=5)[0]),
    # A third of its steps: gradients of the flow take long.
    "flow": lambda: modelzoo.shapes.prior(steps=12),
}


@cache
def truth(name: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Activations of the either-or units, [draw, unit], and the judge's labels of draws of a prior."""
    prior, network, judge = PRIORS[name](), modelzoo.Shapes(), modelzoo.ShapesJudge()
    scores, labels = [], []
    for first in range(0, count, PART):
        images = prior_images(prior, min(PART, count - first), seeds.fold(seeds.root(7), first))
        of = (image_scores(make_activation(network, unit(pair), prior, None), images) for pair in EITHER_OR)
        scores.append(np.stack(list(of), 1))
        labels.append(judged(judge, images))
    return np.concatenate(scores), np.concatenate(labels)


def unit(pair: tuple[str, str]) -> str:
    return f"logits:{pair[0]}|{pair[1]}"


def narrow_edge(scores: np.ndarray, target: float) -> Conditioned:
    """The density of an activation above a target, for activations that are spread as these are."""
    width = EDGE * float(scores.std())
    return Conditioned(target, width, POWER / width)


def distance(first: np.ndarray, second: np.ndarray) -> float:
    """The total variation distance between the shares of two sets of labels."""
    names = np.union1d(first, second)
    return float(np.abs([np.mean(first == name) - np.mean(second == name) for name in names]).sum() / 2)


def run(name: str, pair: tuple[str, str], options: argparse.Namespace) -> dict[str, Any]:
    """What `surprisal` and independent draws say of a unit under a prior, beside the truth."""
    clock = time.perf_counter()
    scores, labels = truth(name, options.draws)
    scores = scores[:, EITHER_OR.index(pair)]
    target = np.quantile(scores, 1 - SHARE)
    there = labels[scores >= target]
    prior, density = PRIORS[name](), narrow_edge(scores, float(target))
    asked = dict(param=prior, transforms=None, smooth=None, density=density, seed=0, progress=False)
    found = samplevis.surprisal(modelzoo.Shapes(), unit(pair), num_transforms=1, **asked)
    settings = dict(kernel="smc", num_chains=8, num_results=options.samples // 8, num_transforms=1)
    samples = samplevis.render(modelzoo.Shapes(), unit(pair), settings, **asked)
    sampled = judged(modelzoo.ShapesJudge(), samples.images.reshape(-1, SIZE, SIZE, 3))
    independent = min(int(num_independent(family_sizes(samples.stats["ancestor"]))), len(there) // 2)
    rng = np.random.default_rng(0)
    parts = [rng.permutation(there) for _ in range(NUM_SPLITS)]
    low, high = (-np.log(end) for end in wilson(np.float64(len(there) / len(scores)), len(scores), 0.9)[::-1])
    row = {
        "prior": name,
        "unit": "|".join(pair),
        "true_nats": float(-np.log(len(there) / len(scores))),
        "true_interval": [float(low), float(high)],
        "nats": float(found.nats),
        "interval": [float(end) for end in found.interval],
        "distance": distance(sampled, there),
        "by_chance": float(np.mean([distance(part[:independent], part[independent:]) for part in parts])),
        "of_all_draws": distance(labels, there),
        "independent": independent,
        "seconds": round(time.perf_counter() - clock, 1),
    }
    print(row, flush=True)
    return row


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--priors", nargs="+", default=list(PRIORS), choices=list(PRIORS))
    parser.add_argument("--num-units", type=int, default=len(EITHER_OR))
    parser.add_argument("--draws", type=int, default=16_384, help="of the prior, for the truth")
    parser.add_argument("--samples", type=int, default=256, help="draws of smc")
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    rows = read(options.json)
    done = {(row["prior"], row["unit"]) for row in rows}
    for name in options.priors:
        for pair in EITHER_OR[: options.num_units]:
            if (name, "|".join(pair)) not in done:
                rows.append(run(name, pair, options))
                write(rows, options.json)
    print(table(rows))


def table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table, a row for each prior and unit."""
    lines = [
        "| prior | unit | nats, many draws | nats, `surprisal` | distance of the shares | by chance | of all draws |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        nats = ("{:.2f} ({:.2f} to {:.2f})".format(row[f"{key}nats"], *row[f"{key}interval"]) for key in ("true_", ""))
        shares = (f"{row[key]:.2f}" for key in ("distance", "by_chance", "of_all_draws"))
        lines.append("| " + " | ".join([row["prior"], row["unit"].replace("|", "\\|"), *nats, *shares]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
