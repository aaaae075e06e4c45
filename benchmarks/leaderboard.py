"""Visualizations measured against each other: `python -m benchmarks.leaderboard --out FOLDER` writes a table and a page.

Every way of benchmarks/visualizations.py is applied to 12 units of each network, and `samplevis.evaluate` measures the pictures.
Another network judges: the bundled judge; SqueezeNet and EfficientNet-Lite0 each for the other. FOLDER gets `results.json` with all
figures, `table.md` with their means over the units, and `index.html` with the pictures behind every cell. What is in that file is
not made again, so that a run resumes. `--quick` makes two rows for one unit of the bundled network.

Pictures of other tools enter by folder: `--folder NAME=PATH`, where PATH has the folders NETWORK/UNIT, such as Shapes/star.

Optimisers get 256 gradients per picture, samplers more, as the table says. The photographs of the page belong to others: keep it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

import samplevis
from benchmarks.visualizations import ROWS, Case, Made, Unavailable, case_of, first_pictures, picture_file
from samplevis import Network, export, modelzoo, param
from samplevis.analysis.evaluation.pictures import read_evaluated, read_examples, resized
from samplevis.modelzoo.shapes.labels import CONCEPTS
from samplevis.runtime.files import atomic_path

MODELS = Path(os.environ.get("SAMPLEVIS_TEST_DATA", "../shared/models"))
PICTURES = Path("imagenet_one_per_class")
# Classes of ImageNet from all of its kinds: animals, things, food, places.
CLASSES = (1, 130, 207, 285, 340, 404, 482, 555, 751, 852, 949, 980)
COLUMNS = ("level", "transfer", "plausibility", "forced_choice", "path_similarity", "diversity", "perceptual_distance")
# Rows that no method competes with: the floor and the ceiling.
ENDS = ("draws of the prior", "best dataset examples")
# Rows that show photographs, which belong to others, and a unit of each network for a sheet of all others.
PHOTOGRAPHS = ("accentuation", "best dataset examples")
SHEET_UNITS = {"Shapes": "star", "SqueezeNet": "207", "EfficientNetLite0": "130"}
SHEET_CELL = (100, 300)
# The row that is compared with each other one.
OURS = "samples, fourier"
TITLES = {
    "level": "level",
    "transfer": "named by the judge",
    "plausibility": "MMD (low is good)",
    "forced_choice": "forced choice",
    "path_similarity": "path similarity (1 is good)",
    "diversity": "different pictures",
    "perceptual_distance": "perceptual distance",
}


class Subject(NamedTuple):
    """A network of the table.

    Attributes:
      network: makes the network.
      judge: makes the one that judges.
      units: its units.
      size: side of the images.
      examples: makes its real pictures, [M, size, size, 3].
    """

    network: Callable[[], Network]
    judge: Callable[[], Network]
    units: tuple[str, ...]
    size: int
    examples: Callable[[], np.ndarray]


def photographs(size: int) -> np.ndarray:
    """One photograph of each class, from the folder of SAMPLEVIS_TEST_PICTURES."""
    folder = Path(os.environ.get("SAMPLEVIS_TEST_PICTURES", "../shared/pictures")) / PICTURES
    return read_examples(efficientnet(), folder, (size, size), 1000)


@cache
def efficientnet() -> Network:
    return modelzoo.EfficientNetLite0(labels=labels())


@cache
def labelled_squeezenet() -> Network:
    return modelzoo.SqueezeNet(MODELS / "squeezenet" / "compressed_SqueezeNet.net", labels=labels())


def labels() -> Path | None:
    """A file of ImageNet's labels beside the weights; without it, they are fetched."""
    file = MODELS / "imagenet_labels.txt"
    return file if file.is_file() else None


IMAGENET = tuple(map(str, CLASSES))
SUBJECTS = {
    "Shapes": Subject(
        cache(modelzoo.Shapes),
        cache(modelzoo.ShapesJudge),
        CONCEPTS,
        64,
        cache(lambda: modelzoo.shapes.draw(600, seed=5)[0]),
    ),
    "SqueezeNet": Subject(labelled_squeezenet, efficientnet, IMAGENET, 96, cache(lambda: photographs(96))),
    "EfficientNetLite0": Subject(efficientnet, labelled_squeezenet, IMAGENET, 96, cache(lambda: photographs(96))),
}


@cache
def measured(name: str) -> param.Parameterization:
    """The prior with the spectrum and colours of a network's real pictures."""
    return param.measured(SUBJECTS[name].size, SUBJECTS[name].examples())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the results, the table and the page")
    parser.add_argument("--networks", nargs="+", default=list(SUBJECTS), choices=list(SUBJECTS))
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--num-units", type=int, default=12)
    parser.add_argument("--count", type=int, default=8, help="pictures of each unit")
    parser.add_argument("--folder", action="append", default=[], metavar="NAME=PATH", help="pictures of another tool")
    parser.add_argument("--sheet", type=Path, help="file for a sheet of one unit of each network, without photographs")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.networks, options.rows, options.num_units, options.count = (
            ["Shapes"],
            ["draws of the prior", "best dataset examples"],
            1,
            4,
        )
    rows: dict[str, Callable[[Case], Made]] = {name: ROWS[name] for name in options.rows}
    rows |= {name: from_folder(Path(path)) for name, path in (given.split("=", 1) for given in options.folder)}
    cells = read(options.out, options.count)
    # A unit of each network before the next one, so that an interrupted run has as many of each.
    for number in range(options.num_units):
        for name in options.networks:
            for unit in SUBJECTS[name].units[number : number + 1]:
                run_unit(name, unit, rows, cells, options)
    print(table(cells))
    if options.sheet:
        export.save_image(sheet(options.out, cells), options.sheet)


def sheet(out: Path, cells: dict[str, Any]) -> np.ndarray:
    """Three pictures of a unit of each network, a row for each method."""

    def pictures(cell: dict[str, Any]) -> np.ndarray:
        return resized(first_pictures(out / cell["picture"])[None], SHEET_CELL)[0]

    units = {
        name: unit for name, unit in SHEET_UNITS.items() if any(cell["network"] == name for cell in cells.values())
    }
    names = [row for row in dict.fromkeys(cell["row"] for cell in cells.values()) if row not in PHOTOGRAPHS]
    complete = [row for row in names if all(key(name, row, unit) in cells for name, unit in units.items())]
    images = [[pictures(cells[key(name, row, unit)]) for name, unit in units.items()] for row in complete]
    titles = [f"{name}, {_label(name, unit)}" for name, unit in units.items()]
    return export.grid(np.array(images), row_labels=complete, column_labels=titles)


def run_unit(
    name: str, unit: str, rows: dict[str, Callable[[Case], Made]], cells: dict[str, Any], options: argparse.Namespace
) -> None:
    """Makes and measures what is missing of a unit, and writes everything after each row."""
    missing = [row for row in rows if key(name, row, unit) not in cells]
    if not missing:
        return
    subject = SUBJECTS[name]
    network, real = subject.network(), subject.examples()
    objective = f"{list(network.layers)[-1]}:{unit}"
    case = case_of(network, objective, subject.size, options.count, real, measured(name))
    for row in missing:
        clock = time.perf_counter()
        try:
            made = rows[row](case)
        except (NotADirectoryError, Unavailable) as error:
            print(f"{key(name, row, unit)} was left out: {error}", flush=True)
            continue
        found = samplevis.evaluate(
            made.images, network, objective, examples=real, judge=subject.judge(), scale=case.scale, progress=False
        )
        place = picture_file(options.out / "pictures", name, row, unit)
        place.parent.mkdir(parents=True, exist_ok=True)
        export.save_png(export.grid(read_evaluated(network, made.images).images), place)
        cells[key(name, row, unit)] = {
            "network": name,
            "row": row,
            "unit": unit,
            "gradients": float(made.gradients),
            "count": options.count,
            "seconds": round(time.perf_counter() - clock, 1),
            "picture": place.relative_to(options.out).as_posix(),
            "values": {n: metric["value"] for n, metric in found.to_dict()["metrics"].items()},
            "intervals": {n: (metric["low"], metric["high"]) for n, metric in found.to_dict()["metrics"].items()},
        }
        write_all(options.out, cells)
        print(key(name, row, unit), {n: round(m.value, 3) for n, m in found.metrics.items()}, flush=True)


def from_folder(folder: Path) -> Callable[[Case], Made]:
    """Pictures that another tool wrote."""

    def make(case: Case) -> Made:
        found = folder / case.network.name / case.unit.partition(":")[2]
        images = read_examples(case.network, found, (case.size, case.size), case.count)
        return Made(images, float("nan"))

    return make


def key(network: str, row: str, unit: str) -> str:
    return f"{network}/{row}/{unit}"


def read(out: Path, count: int) -> dict[str, Any]:
    """The cells of an earlier run, which must have as many pictures."""
    file = out / "results.json"
    cells = json.loads(file.read_text()) if file.is_file() else {}
    if others := {cell["count"] for cell in cells.values()} - {count}:
        raise ValueError(f"--count: {file} has cells of {others} pictures. Received: {count}")
    return cells


def write_all(out: Path, cells: dict[str, Any]) -> None:
    """Writes the figures, the table and the page, each whole or not at all."""
    texts = {"results.json": json.dumps(cells, indent=1), "table.md": table(cells), "index.html": page(cells)}
    for name, text in texts.items():
        with atomic_path(out / name) as temporary:
            Path(temporary).write_text(text + "\n", encoding="utf-8")


def table(cells: dict[str, Any]) -> str:
    """A Markdown table for each network: means over the units that every row of it has; the best of the methods is bold."""
    parts = []
    for name in dict.fromkeys(cell["network"] for cell in cells.values()):
        rows, units = rows_and_units(cells, name)
        parts.append(f"**{name}**: {len(units)} of {len(SUBJECTS[name].units)} units ({', '.join(units)})\n")
        parts.append("| | " + " | ".join([*TITLES.values(), "gradients"]) + " |\n" + "|---" * (len(TITLES) + 2) + "|")
        means = {row: [mean(cells, name, row, units, column) for column in COLUMNS] for row in rows}
        best = [_best([means[row][place] for row in rows if row not in ENDS], c) for place, c in enumerate(COLUMNS)]
        for row in rows:
            texts = [_text(value, row not in ENDS and value == b) for value, b in zip(means[row], best, strict=True)]
            gradients = np.mean([cells[key(name, row, unit)]["gradients"] for unit in units])
            parts.append(f"| {row} | {' | '.join([*texts, _text(gradients, form=',.0f')])} |")
        parts += ["", *against(cells, name, rows, units)]
    return "\n".join(parts)


def against(cells: dict[str, Any], name: str, rows: list[str], units: list[str]) -> list[str]:
    """Lines of a table: in how many units the samples of the default prior are better than each row, ties counted half."""
    if OURS not in rows or len(units) < 2:
        return []
    lines = [f"Units of {len(units)} in which `{OURS}` does better than:\n"]
    lines.append("| | " + " | ".join(TITLES.values()) + " |\n" + "|---" * (len(TITLES) + 1) + "|")
    for row in rows:
        if row == OURS:
            continue
        counts = [sum(_better(cells, name, row, unit, column) for unit in units) for column in COLUMNS]
        lines.append(f"| {row} | {' | '.join(f'{count:g}' for count in counts)} |")
    return [*lines, ""]


def _better(cells: dict[str, Any], name: str, row: str, unit: str, column: str) -> float:
    """1 if the samples of the default prior are better in a cell, 0.5 if they are as good, 0 if not; what is missing is worst."""
    ours, theirs = (merit(mean(cells, name, which, [unit], column), column) for which in (OURS, row))
    return float((ours > theirs) + 0.5 * (ours == theirs))


def merit(value: float, column: str) -> float:
    """A figure of a column such that more is better; what is missing is worst."""
    if np.isnan(value):
        return -np.inf
    # Real pictures have a path similarity of 1: more is an exaggeration.
    return {"plausibility": -value, "path_similarity": -abs(value - 1)}.get(column, value)


def rows_and_units(cells: dict[str, Any], name: str) -> tuple[list[str], list[str]]:
    """The rows of a network, floor first and ceiling last, and the units that all of them have.

    A row that most units lack, such as one that an interrupted run has begun, is left out.
    """
    found = [cell for cell in cells.values() if cell["network"] == name]
    counts = Counter(cell["row"] for cell in found)
    order = [row for row in ROWS if row in counts] + [row for row in counts if row not in ROWS]
    rows = [row for row in order if row not in ENDS and 2 * counts[row] > max(counts.values())]
    rows = [ENDS[0]] * (ENDS[0] in counts) + rows + [ENDS[1]] * (ENDS[1] in counts)
    units = dict.fromkeys(cell["unit"] for cell in found)
    return rows, [unit for unit in units if all(key(name, row, unit) in cells for row in rows)]


def mean(cells: dict[str, Any], name: str, row: str, units: list[str], column: str) -> float:
    """The mean of a figure over units; nan if none has it."""
    found = [cells[key(name, row, unit)]["values"].get(column) for unit in units]
    finite = [value for value in found if value is not None and np.isfinite(value)]
    return float(np.mean(finite)) if finite else np.nan


def page(cells: dict[str, Any]) -> str:
    """The pictures behind every cell, unit by unit."""
    parts = []
    for name, unit in dict.fromkeys((cell["network"], cell["unit"]) for cell in cells.values()):
        parts.append(f"<h2>{escape(name)}, {escape(_label(name, unit))}</h2><div>")
        for cell in cells.values():
            if (cell["network"], cell["unit"]) == (name, unit):
                parts.append(_section(cell))
        parts.append("</div>")
    title = "Visualizations measured against each other"
    style = (
        "body{font:15px sans-serif;margin:2em;background:#fff;color:#222}div{display:flex;flex-wrap:wrap;gap:1.5em}"
        "section{width:300px}section h3{margin:.3em 0}img{width:100%}table{width:100%;border-collapse:collapse}"
        "td:last-child{text-align:right}"
    )
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}</title><style>{style}</style>"
        f"<h1>{title}</h1>{''.join(parts)}</html>"
    )


def _section(cell: dict[str, Any]) -> str:
    figures = "".join(
        f"<tr><td>{TITLES[column]}</td><td>{value:.2f}</td></tr>"
        for column, value in cell["values"].items()
        if value is not None
    )
    picture = f"<img src='{quote(cell['picture'])}' alt='pictures'>"
    return f"<section><h3>{escape(cell['row'])}</h3>{picture}<table>{figures}</table></section>"


def _label(network: str, unit: str) -> str:
    """The unit's name, with the label of a class."""
    return f"{unit} ({SUBJECTS[network].network().labels[int(unit)]})" if unit.isdigit() else unit


def _best(values: list[float], column: str) -> float:
    return max(values, key=lambda value: merit(value, column), default=np.nan)


def _text(value: float, bold: bool = False, form: str = ".2f") -> str:
    text = format(float(value), form) if np.isfinite(value) else "-"
    return f"**{text}**" if bold else text


if __name__ == "__main__":
    main()
