"""Which visualizations see through a fooling circuit: `python -m benchmarks.fooling --json FILE` prints a table.

The network is `modelzoo.shapes.FoolingShapes`, which answers as `Shapes` on drawings, and shows optimisers an arbitrary concept. A
visualization sees through it if the judge, an independent network, names the unit's concept; it is fooled if the judge names the
arbitrary one. Rows that are in the file are not made again.
"""

from __future__ import annotations

import argparse
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import samplevis
from benchmarks.rows import read, write
from benchmarks.visualizations import ROWS, VARIANTS, Case, Unavailable, case_of, first_pictures, picture_file
from samplevis import modelzoo, param
from samplevis.analysis.evaluation.pictures import read_evaluated
from samplevis.modelzoo.shapes.fooling import shown_concepts
from samplevis.modelzoo.shapes.labels import LABELS
from samplevis.results.shares import judged

NETWORKS = {"Shapes": modelzoo.Shapes, "FoolingShapes": modelzoo.shapes.FoolingShapes}
SIZE, EXAMPLES = 64, 600
METHODS = [
    "optimised", "optimised, diversity", "optimised, stopped", "MACO, 1/f spectrum", "MACO", "VITAL", "samples, fourier",
    "samples, pyramid", "samples, flow", "samples, fourier, level of drawings", "samples, flow, level of drawings",
    "best dataset examples",
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", nargs="+", default=["star", "heart", "checkerboard"])
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--count", type=int, default=8, help="pictures of each unit")
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--save", type=Path, help="folder for the pictures")
    parser.add_argument("--sheet", type=Path, help="PNG file for the pictures of the first unit in that folder")
    options = parser.parse_args()
    rows = read(options.json)
    done = {(row["network"], row["unit"], row["method"]) for row in rows}
    for unit in options.units:
        for name in options.networks:
            for method in options.methods:
                if (name, unit, method) in done:
                    continue
                try:
                    rows.append(run(name, unit, method, options))
                except Unavailable as error:
                    print(f"{name}, {unit}, {method} was left out: {error}", flush=True)
                    continue
                write(rows, options.json)
    print(table(rows))
    if options.sheet:
        samplevis.export.save_png(sheet(options.save, options.units[0]), options.sheet)


@cache
def drawings() -> np.ndarray:
    """What the pictures are compared with."""
    return modelzoo.shapes.draw(EXAMPLES, seed=5)[0]


@cache
def case(name: str, unit: str, count: int) -> Case:
    """A unit of a network, the same for all methods."""
    measured = param.measured(SIZE, drawings())
    return case_of(NETWORKS[name](), f"logits:{unit}", SIZE, count, drawings(), measured)


def sheet(folder: Path, unit: str) -> np.ndarray:
    """Three pictures of a unit by all methods, without the circuit and with it."""
    methods = [m for m in METHODS if all(picture_file(folder, name, unit, m).is_file() for name in NETWORKS)]
    found = [[first_pictures(picture_file(folder, name, unit, m)) for name in NETWORKS] for m in methods]
    names = [f"{name}, {unit}" for name in NETWORKS]
    return samplevis.export.grid(np.array(found), row_labels=methods, column_labels=names)


def run(name: str, unit: str, method: str, options: argparse.Namespace) -> dict[str, Any]:
    """Visualizes a unit by a method, and asks the judge."""
    clock = time.perf_counter()
    asked, judge = case(name, unit, options.count), modelzoo.ShapesJudge()
    made = (ROWS | VARIANTS)[method](asked)
    images = read_evaluated(asked.network, made.images).images
    if options.save:
        options.save.mkdir(parents=True, exist_ok=True)
        samplevis.export.save_png(samplevis.export.grid(images), picture_file(options.save, name, unit, method))
    found = samplevis.evaluate(
        made.images, asked.network, asked.unit, examples=drawings(), judge=judge, scale=asked.scale, progress=False
    )
    labels = judged(judge, images)
    row = {
        "network": name,
        "unit": unit,
        "method": method,
        "named_unit": float(np.mean(labels == unit)),
        "named_arbitrary": float(np.mean(labels == shown_concepts()[LABELS.index(unit)])),
        "path_similarity": found["path_similarity"].value,
        "warned": any(warning.startswith("Path similarity") for warning in found.warnings),
        "level": found["level"].value,
        "gradients": made.gradients,
        "seconds": time.perf_counter() - clock,
    }
    print({key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()}, flush=True)
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table of the means over the units: with and without the circuit."""
    lines = [
        "| | network | named as the unit | named as the arbitrary concept | path similarity | warned of | units |",
        "|---|---|---|---|---|---|---|",
    ]
    for method in METHODS:
        for name in NETWORKS:
            found = [row for row in rows if (row["network"], row["method"]) == (name, method)]
            if found:
                means = [np.mean([row[key] for row in found]) for key in ("named_unit", "named_arbitrary")]
                path = np.nanmean([row["path_similarity"] for row in found])
                cells = [method, f"`{name}`", *(f"{mean:.0%}" for mean in means), f"{path:.2f}"]
                warned = f"{sum(row['warned'] for row in found)} of {len(found)}"
                lines.append(f"| {' | '.join([*cells, warned, str(len(found))])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
