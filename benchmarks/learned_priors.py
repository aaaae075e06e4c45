"""The bundled prior against drawings: surprisal and shares of the either-or units, round trip, and pictures beside other priors.

    python -m benchmarks.learned_priors --json benchmarks/results/learned_priors.json --picture images/priors.jpg

- `rejection`: P(A >= target) and the share of each concept among the draws above it, for the drawings' top 10 % and top 20 % of
  each unit. The draws of the prior are the same for all units: each row is what the kernel "rejection" finds, without transforms.
- `pictures`: each unit under the priors fourier and pyramid (chains at the level of the drawings' top 10 %) and flow (draws above
  it): how many the judge calls one of the two concepts, how many drawings excite the unit less, and the squared MMD to the
  drawings above the target, in the features of the bundled network.
- `smc`: the same events as in `rejection`, by `sampling.sequential_monte_carlo`. It needs gradients of the flow and takes
  long: it is run only if it is asked for.

Rows of other parts and units that are in the file are kept.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import samplevis
from benchmarks.known_truth import narrow_edge
from benchmarks.rows import read, write
from samplevis import export, modelzoo, param
from samplevis.activation import make_activation
from samplevis.activation.features import deep_features
from samplevis.analysis.prior_checks import prior_images
from samplevis.analysis.two_samples import mmd_and_band
from samplevis.modelzoo.shapes.labels import CONCEPTS, EITHER_OR
from samplevis.modelzoo.shapes.network import FOLDER
from samplevis.results.families import family_sizes, num_independent
from samplevis.results.shares import judged, wilson
from samplevis.runtime import compiled, seeds
from samplevis.sampling import sequential_monte_carlo

PART, BATCH_SIZE = 2000, 64
QUANTILES, COVERAGE = (0.9, 0.8), 0.9
# Fewer accepted draws tell no share.
MIN_ACCEPTED, NUM_ROUND_TRIPS = 20, 20
SAMPLER: dict[str, Any] = {"num_chains": 8, "num_results": 1, "batch_size": 8, "num_transforms": 6}
UNITS = {f"{first}|{second}": len(CONCEPTS) + i for i, (first, second) in enumerate(EITHER_OR)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=["rejection", "pictures"], choices=list(PARTS))
    parser.add_argument("--units", nargs="+", default=list(UNITS), choices=list(UNITS))
    parser.add_argument("--drawings", type=int, default=100_000)
    parser.add_argument("--draws", type=int, default=8192)
    parser.add_argument("--weights", type=Path, default=FOLDER / "prior.npz")
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--picture", type=Path, help="file for a picture of the units under each prior")
    parser.add_argument("--population", type=int, default=64, help="of each run of `smc`")
    parser.add_argument("--populations", type=int, default=2, help="runs of `smc`")
    options = parser.parse_args()
    study = Study(options)
    rows = read(options.json)
    rows = [row for row in rows if row["part"] not in options.parts or row["unit"] not in (*options.units, "all")]
    for part in options.parts:
        for row in PARTS[part](study):
            rows.append({"part": part, "verdict": study.prior.verdict} | row)
            print(json.dumps(rows[-1]), flush=True)
            write(rows, options.json)
    print(table(rows))


def logits(images: np.ndarray) -> np.ndarray:
    """Logits of the bundled network, [N, 18]."""
    network = modelzoo.Shapes()
    run = compiled.cached(network.compiled)("logits", lambda batch: network.cut(("logits",))(batch)["logits"])
    return np.concatenate([run(tf.constant(images[i : i + BATCH_SIZE])) for i in range(0, len(images), BATCH_SIZE)])


def measure(parts: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Logits and judged labels of images."""
    judge = modelzoo.ShapesJudge()
    found = [(logits(images), judged(judge, images)) for images in parts]
    return tuple(np.concatenate(values) for values in zip(*found, strict=True))


class Study:
    """The prior, drawings and draws, made when they are first asked for.

    Args:
      options: of the command.
    """

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.prior = modelzoo.shapes.prior(weights=options.weights)
        self.truth: Callable[[], tuple[np.ndarray, np.ndarray]] = cache(self._truth)
        self.draws: Callable[[], np.ndarray] = cache(
            lambda: prior_images(self.prior, options.draws, seeds.root(1), progress=True)
        )
        self.measured: Callable[[], tuple[np.ndarray, np.ndarray]] = cache(lambda: measure([self.draws()]))

    def _truth(self) -> tuple[np.ndarray, np.ndarray]:
        """Logits and labels of all drawings."""
        parts = [PART] * (self.options.drawings // PART)
        parts += [self.options.drawings % PART] if self.options.drawings % PART else []
        return measure(modelzoo.shapes.draw(count, 50_000 + i)[0] for i, count in enumerate(parts))


def rejection(study: Study) -> Iterator[dict[str, Any]]:
    """The share of each event, and of the concepts in it, among drawings and among draws."""
    (truth, names), (values, labels) = study.truth(), study.measured()
    round_trip = _round_trip(study.prior, modelzoo.shapes.draw(NUM_ROUND_TRIPS, 77)[0])
    for unit in study.options.units:
        for quantile in QUANTILES:
            target = float(np.quantile(truth[:, UNITS[unit]], quantile))
            above, there = truth[:, UNITS[unit]] >= target, values[:, UNITS[unit]] >= target
            yield {
                "unit": unit, "quantile": quantile, "target": target, "round_trip": round_trip,
                "nothing": [float(np.mean(found == "nothing")) for found in (names, labels)],
                "drawings": event(above, names[above], unit), "prior": event(there, labels[there], unit),
            }  # fmt: skip


def event(inside: np.ndarray, labels: np.ndarray, unit: str) -> dict[str, Any]:
    """Nats of an event and shares of the unit's concepts in it, each with its interval."""
    share, count = float(inside.mean()), int(inside.sum())
    low, high = wilson(np.array(share), len(inside), COVERAGE)
    with np.errstate(divide="ignore"):
        nats = [_finite(-np.log(value)) for value in (share, high, low)]
    return {"count": count, "nats": nats, "shares": shares(labels, unit, count)}


def shares(labels: np.ndarray, unit: str, independent: float) -> list[list[float]] | None:
    """(share, low, high) of the unit's two concepts; None if there are too few draws."""
    if independent < MIN_ACCEPTED:
        return None
    found = [float(np.mean(labels == concept)) for concept in unit.split("|")]
    return [[share, *map(float, wilson(np.array(share), independent, COVERAGE))] for share in found]


def smc(study: Study) -> Iterator[dict[str, Any]]:
    """The events by sequential Monte Carlo; each unit takes long, and has a row of its own."""
    truth, names = study.truth()
    for unit in study.options.units:
        activation = make_activation(modelzoo.Shapes(), f"logits:{unit}", study.prior, None)
        bank = activation.sample_transforms(seeds.root(2), 1)
        for quantile in QUANTILES:
            column, clock = truth[:, UNITS[unit]], time.process_time()
            target = float(np.quantile(column, quantile))
            density, found = narrow_edge(column, target), []
            for number in range(study.options.populations):
                root = seeds.root(100 + number)
                found.append(
                    sequential_monte_carlo(
                        lambda z, bank=bank, activation=activation: activation.mean(z, bank),
                        lambda value, temperature, density=density: temperature * density.tilt(value),
                        study.prior.prior(root, study.options.population),
                        2,
                        seeds.fold(root, "smc"),
                        num_moves=2,
                        progress=True,
                    )
                )
            labels = np.concatenate([judged(modelzoo.ShapesJudge(), _images(study.prior, one.state)) for one in found])
            independent = num_independent(np.concatenate([family_sizes(one.ancestor_indices) for one in found]))
            nats = [-one.log_z for one in found]
            above = column >= target
            yield {
                "unit": unit, "quantile": quantile, "drawings": event(above, names[above], unit),
                "prior": {
                    "count": len(labels), "independent": independent, "nats": [float(np.mean(nats)), min(nats), max(nats)],
                    "shares": shares(labels, unit, independent),
                },
                "processor_seconds": time.process_time() - clock,
            }  # fmt: skip


def pictures(study: Study) -> Iterator[dict[str, Any]]:
    """Each unit under several priors; the last rows, one of each prior, have what is measured over all units."""
    (truth, _), (values, _) = study.truth(), study.measured()
    network, judge, examples = modelzoo.Shapes(), modelzoo.ShapesJudge(), modelzoo.shapes.draw(PART, 50_000)[0]
    scores, sheet = truth[: len(examples)], []
    made: dict[str, list[np.ndarray]] = {}
    best = []
    for unit in study.options.units:
        column = UNITS[unit]
        target = np.quantile(truth[:, column], QUANTILES[0])
        best.append(examples[scores[:, column] >= target])
        side, count = study.prior.image_shape[0], SAMPLER["num_chains"]
        for name, prior in (("fourier", param.fourier(side)), ("pyramid", param.pyramid(side))):
            samples = samplevis.render(
                network, f"logits:{unit}", SAMPLER, param=prior, level="examples", examples=examples,
                examples_quantile=QUANTILES[0], progress=False,
            )  # fmt: skip
            made.setdefault(name, []).append(samples.images[:, -1])
        made.setdefault("flow", []).append(study.draws()[values[:, column] >= target][:count])
        made.setdefault("drawings", []).append(best[-1][:count])
        sheet.append([_padded(found[-1], count) for found in made.values()])
        for name, found in made.items():
            labels = judged(judge, found[-1]) if len(found[-1]) else np.array([])
            ranks = [
                np.mean(truth[:, column] < value) for value in (logits(found[-1])[:, column] if len(labels) else [])
            ]
            yield {
                "unit": unit, "prior": name, "images": len(labels),
                "right": _finite(np.mean(np.isin(labels, unit.split("|"))) if len(labels) else np.nan),
                "rank": _finite(np.mean(ranks) if ranks else np.nan),
            }  # fmt: skip
    reference = deep_features(network, np.concatenate(best))
    for name, found in made.items():
        images = np.concatenate(found)
        squared, band = mmd_and_band(deep_features(network, images), reference) if len(images) > 1 else (np.nan, np.nan)
        yield {"unit": "all", "prior": name, "images": len(images), "mmd": _finite(squared), "band": _finite(band)}
    if study.options.picture:
        # A row of each unit, and four images of each prior in it.
        cells = np.concatenate(
            [np.stack([found[:4] for found in row]).reshape(1, -1, *images.shape[1:]) for row in sheet]
        )
        titles = [name if n == 0 else "" for name in made for n in range(4)]
        export.save_image(
            export.grid(cells, row_labels=study.options.units, column_labels=titles), study.options.picture
        )


def _padded(images: np.ndarray, count: int) -> np.ndarray:
    """Images, and white ones for those that are missing."""
    return np.concatenate([images, np.ones((count - len(images), *images.shape[1:]), np.float32)])


def _round_trip(prior: param.Parameterization, images: np.ndarray) -> float:
    """The largest rms difference of an image and that of its latent."""
    gap = prior.image(prior.latent(images)).numpy() - images
    return float(np.sqrt(np.mean(gap**2, (1, 2, 3))).max())


def _images(prior: param.Parameterization, state: np.ndarray) -> np.ndarray:
    return np.concatenate(
        [prior.image(tf.constant(state[i : i + BATCH_SIZE])) for i in range(0, len(state), BATCH_SIZE)]
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


PARTS: dict[str, Callable[[Study], Iterator[dict[str, Any]]]] = {
    "rejection": rejection,
    "pictures": pictures,
    "smc": smc,
}


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown tables: the events, by rejection and SMC, and the pictures of each prior."""
    parts = []
    for part in ("rejection", "smc"):
        found = [row for row in rows if row["part"] == part]
        if found:
            lines = [
                f"| unit, by {part} | drawings' top | nats: drawings | prior | first concept: drawings | prior | second: drawings "
                "| prior |",
                "|---" * 8 + "|",
            ]
            parts.append("\n".join([*lines, *map(_event_row, found)]))
    found = [row for row in rows if row["part"] == "pictures"]
    if found:
        lines = [
            "| prior | judged right | drawings that excite the unit less | squared MMD to drawings (two halves) | images |"
        ]
        lines.append("|---" * 5 + "|")
        for name in dict.fromkeys(row["prior"] for row in found):
            units = [row for row in found if row["prior"] == name and row["unit"] != "all"]
            means = [_mean([row[key] for row in units], ".0%") for key in ("right", "rank")]
            whole = [row for row in found if row["prior"] == name and row["unit"] == "all"]
            mmd = f"{_mean([whole[0]['mmd']], '.3f')} ({_mean([whole[0]['band']], '.3f')})" if whole else "-"
            lines.append(f"| {name} | {means[0]} | {means[1]} | {mmd} | {sum(row['images'] for row in units)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _event_row(row: dict[str, Any]) -> str:
    cells = [row["unit"].replace("|", "\\|"), f"{1 - row['quantile']:.0%}"]
    cells += [f"{row['drawings']['nats'][0]:.2f}", _interval(row["prior"]["nats"], ".2f")]
    for number in range(2):
        for who in ("drawings", "prior"):
            found = row[who]["shares"]
            if found is None:
                cells.append(f"- ({row[who]['count']} draws)")
            else:
                cells.append(f"{found[number][0]:.3f}" if who == "drawings" else _interval(found[number], ".3f"))
    return f"| {' | '.join(cells)} |"


def _interval(values: list[float | None], form: str) -> str:
    middle, low, high = ("∞" if value is None else format(value, form) for value in values)
    return f"{middle} ({low} to {high})"


def _mean(values: list[float | None], form: str) -> str:
    found = [value for value in values if value is not None]
    return format(float(np.mean(found)), form) if found else "-"


if __name__ == "__main__":
    main()
