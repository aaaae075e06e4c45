"""What the page shows, as plain data: one file of figures for the whole atlas, one for each layer."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from samplevis.atlas.reading import Atlas, Unit
from samplevis.atlas.similarity import layout, nearest_in
from samplevis.runtime.plain_text import printable


class Legend(NamedTuple):
    """How the page names a figure, and what it explains about it."""

    label: str
    meaning: str


# Figures that sheets can be sorted by, by column.
FIGURES = {
    "level": Legend(
        "level on the network itself",
        "mean activation of the samples: 0 is noise, 1 the optimised picture",
    ),
    "reached": Legend(
        "share of chains at the level",
        "share of the chains within 0.1 of the level that was asked for, on the network itself",
    ),
    "diversity": Legend(
        "diversity",
        "mean of 1 - cosine between the network's features of two samples: 0 if all are alike",
    ),
    "surprisal_slope": Legend(
        "surprisal slope (nats per level)",
        "how fast pictures become rarer at the level: at a slope of 3000, pictures .001 higher are e^3 = 20 times as rare",
    ),
    "percentile": Legend(
        "percentile among the images",
        "share of your images that excite the unit less than the median sample, in per cent",
    ),
    "optimum": Legend("activation of the optimised picture", "the activation of level 1"),
    "prior": Legend("activation of noise", "the mean activation of random pictures, level 0"),
    "gradients": Legend("gradients", "gradients of the network that the unit took"),
}
# What became of a unit.
STATUSES = {
    "reached": "all of its samples are within 0.1 of the level asked for, on the network itself",
    "off": "some of its samples are not at the level asked for; its page shows their levels",
    "dead": "optimising does not raise its activation",
    "failed": "its activation or gradient is not finite",
}
NEAR_HERE, NEAR_ELSEWHERE = 8, 8
NEAR_IN_OTHER_MODEL = 6
STRONGEST = 8
DIGITS = 5


def as_script(function: str, value: Any) -> str:
    """A script that hands data to the page; browsers run scripts from a disk, and fetch nothing else.

    Whatever the names in the data are, the script holds nothing but data, also inside an HTML page.

    Args:
      function: a function of the page.
      value: what JSON can hold; numbers that are not finite become null.

    Returns:
      JavaScript.

    Example:
      >>> as_script("atlas.index", {"name": "</script>"})
      'atlas.index({"name":"\\\\u003c/script>"});\\n'
    """
    text = json.dumps(_plain(value), ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return f"{function}({text.replace('<', chr(92) + 'u003c')});\n"


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value, lines=True)
    if isinstance(value, Mapping):
        return {printable(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(each) for each in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def unit_data(unit: Unit) -> dict[str, Any]:
    """What the page says of a unit.

    Args:
      unit: the unit.

    Returns:
      Name -> value; pictures are counted, and are in the unit's strip in this order.
    """
    record, examples = unit.record, unit.examples
    percentiles = unit.percentiles()
    found = {name: record[name] for name in FIGURES if name in record}
    counts = {
        what: len(record[what] or ()) if what != "optimized" else int(record[what] is not None)
        for what in ("optimized", "samples", "means", "exact_samples")
    }
    found |= {
        "unit": record["unit"],
        "name": record["name"],
        "status": record["status"],
        "error": record["error"],
        "levels": record["levels"],
        "percentile": float(np.median(percentiles)) if len(percentiles) else None,
        "pictures": counts,
        "exact": [record["exact_verdict"], record["exact_level"], record["exact_summary"]],
    }
    if examples:
        found["examples"] = {
            "count": examples["num_images"],
            **{end: list(zip(examples[end], examples[f"{end}_activations"], strict=True)) for end in ("top", "bottom")},
            "counts": examples["counts"],
            "edges": [examples["edges"][0], examples["edges"][-1]],
            "marks": record["sample_activations"],
            "optimized": record["optimized_activation"],
        }
    return found


def near_data(atlas: Atlas) -> tuple[list[list[Any]], dict[str, list[list[tuple[int, float]]]]]:
    """The map, and the nearest units of each.

    Args:
      atlas: an atlas.

    Returns:
      ([key, x, y] of every unit, key -> [nearest in its layer, nearest elsewhere], each (number on the map, correlation)).
    """
    if atlas.example_table is None:
        return [], {}
    groups, units = _example_units(atlas)
    keys = [f"{group}:{unit}" for group, unit in zip(groups, units, strict=True)]
    known = [n for n, key in enumerate(keys) if key in atlas]
    places = layout(atlas.responses[known]) if known else np.zeros((0, 2))
    number = {n: m for m, n in enumerate(known)}
    points = [[groups[n], units[n], float(x), float(y)] for n, (x, y) in zip(known, places, strict=True)]
    near = {keys[n]: _near(atlas, n, groups, number) for n in known}
    return points, near


def _near(atlas: Atlas, n: int, groups: Sequence[str], number: Mapping[int, int]) -> list[list[tuple[int, float]]]:
    numbers, values = (each[n] for each in atlas.nearest_of_all)
    pairs = [(m, float(value)) for m, value in zip(numbers.tolist(), values, strict=True) if m in number]
    here = [(number[m], value) for m, value in pairs if groups[m] == groups[n]][:NEAR_HERE]
    return [here, [(number[m], value) for m, value in pairs if groups[m] != groups[n]][:NEAR_ELSEWHERE]]


def elsewhere_data(atlas: Atlas, others: Mapping[int, Atlas]) -> dict[str, list[tuple[int, str, int, float]]]:
    """The nearest units in other atlases.

    Args:
      atlas: an atlas.
      others: number of a model on the page -> its atlas; those of other images are left out.

    Returns:
      key -> (number of the model, layer, unit, correlation), the nearest first, model by model.
    """
    found: dict[str, list[tuple[int, str, int, float]]] = {}
    for number, other in others.items():
        if not atlas.shares_images(other):
            continue
        (groups, units), (there, their_units) = _example_units(atlas), _example_units(other)
        known = [n for n, pair in enumerate(zip(there, their_units, strict=True)) if "{}:{}".format(*pair) in other]
        if not known:
            continue
        near = nearest_in(atlas.responses, other.responses[known], NEAR_IN_OTHER_MODEL)
        for group, unit, places, values in zip(groups, units, *near, strict=True):
            pairs = [(known[n], float(value)) for n, value in zip(places, values, strict=True)]
            found.setdefault(f"{group}:{unit}", []).extend(
                (number, there[n], their_units[n], value) for n, value in pairs
            )
    return found


def _example_units(atlas: Atlas) -> tuple[list[str], list[int]]:
    """(layers, numbers) of the units with dataset examples."""
    return tuple(atlas.example_table[name].to_pylist() for name in ("group", "unit"))


def weight_data(atlas: Atlas, keys: Sequence[str]) -> tuple[list[str], dict[str, list[list[tuple[int, int, float]]]]]:
    """The strongest weights of units.

    Args:
      atlas: an atlas.
      keys: its units.

    Returns:
      (names of the layers beside theirs, key -> [inputs, outputs], each (number of the layer's name, unit, weight)).
    """
    numbers: dict[str, int] = {}
    found = {}
    for key in keys:
        ends = atlas.weights.get(key, ([], []))
        split = [[(*other.rpartition(":")[::2], weight) for other, weight in end[:STRONGEST]] for end in ends]
        found[key] = [
            [(numbers.setdefault(layer, len(numbers)), int(unit), weight) for layer, unit, weight in end]
            for end in split
        ]
    return list(numbers), found
