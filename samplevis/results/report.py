"""An HTML report of a run: the images first, then whether to trust them, then how they were made."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Mapping
from importlib import resources
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from samplevis.results import report_pictures as pictures
from samplevis.results.chart import Line, line_chart
from samplevis.results.colors import in_colors
from samplevis.results.plots import photographs
from samplevis.results.report_pictures import COLORS, breakable, plural
from samplevis.results.rows import MAX_LEVEL_ERROR, ROWS
from samplevis.results.summary import Summary
from samplevis.runtime import files
from samplevis.runtime.checks import brief, check_whole
from samplevis.runtime.plain_text import as_html
from samplevis.sampling import diagnostics
from samplevis.sampling.options import HMCOptions

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

# A page must be small enough for mail: the film loses frames until it is.
MAX_PAGE_BYTES = 5_000_000
FRAMES = 30
# Verdict -> the colour of its badge. Chains that hold different compositions, so that averages are not usable, are no alarm.
GRADES = {"valid": "good", "look again": "fair", "invalid": "poor"}
GRADES |= {"usable": "good", "approximate": "plain", "not usable": "plain"}
# Of the rows of a diagnostic after the first, which belong together.
MORE = ' class="more"'
# What the trace shows of a few chains, and of many.
LINES = "The trace of the level: each line is one chain. Chains that agree keep crossing each other."
DOTS = "The level of every draw: each column is one chain. Chains that agree cover the same levels."
# Arguments of `render` that the options of a run hold unchanged.
CALL = ("level", "smooth", "optimize_steps", "anneal_steps")
STARTS = {"optimize": "at optimised images", "prior": "at noise", "images": "at images of your own"}


def save_report(
    samples: Samples,
    path: str | os.PathLike,
    title: str | None = None,
    *,
    other_end: Samples | None = None,
    draws: int = 6,
) -> None:
    """Writes an HTML report of a run: one page, written atomically.

    The page needs no network and no other file; JavaScript only adds keys to enlarged images. It shows a film of the draws of
    all chains beside their means; of each chain its optimised image, its draws, and its mean with stretched contrast;
    levels, spectra, the table of `Samples.summary` with explanations, and the settings of the run. Of more
    than 12 chains, the others are shown by their last draws and means, and the film shows 24.

    Args:
      samples: the run.
      path: file to write, .html or .htm.
      title: the unit's name for readers, such as "goldfish". Defaults to the objective.
      other_end: a run of the same density from the other end, see `two_ended`, whose traces are plotted too. Defaults to none.
      draws: images per chain, evenly spaced from the first draw to the last, >= 1. Defaults to 6. The film shows up to 48.

    Raises:
      ValueError: for another suffix, a bad `draws`, an `other_end` of another unit, images that are not finite, or samples of
        signals or volumes.
      TypeError: if `other_end` is no `Samples`.
      OSError: if the file cannot be written.

    Example:
      >>> samples.report("goldfish.html", title="goldfish")
    """
    files.check_suffix(path, (".html", ".htm"))
    check_whole("draws", draws, 1)
    files.check_writable(path)
    if samples.dimensions != 2:
        raise ValueError(
            f"samples: the page shows pictures. Received samples of {samples.dimensions} dimensions; save_grid draws them"
        )
    if other_end is not None:
        _check_other_end(samples, other_end)
    frames, title = FRAMES, title or samples.objective
    while len(page := _page(samples, title, other_end, draws, frames)) > MAX_PAGE_BYTES and frames > 2:
        frames //= 2
    with files.atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(page)


def _check_other_end(samples: Samples, other_end: Samples) -> None:
    if not isinstance(other_end, type(samples)):
        raise TypeError(f"other_end: expected samples, such as Samples.load returns. Received: {brief(other_end)}")
    if (other_end.objective, other_end.model) != (samples.objective, samples.model):
        raise ValueError(
            f"other_end: expected samples of {samples.objective} in {samples.model}. "
            f"Received: {other_end.objective} in {other_end.model}"
        )


def _page(samples: Samples, title: str, other_end: Samples | None, draws: int, frames: int) -> bytes:
    summary, shown = samples.summary(), in_colors(samples)
    chains, count = samples.images.shape[:2]
    parts = {
        "title": as_html(title),
        "heading": breakable(title),
        "objective": as_html(samples.objective),
        "model": as_html(samples.model),
        "size": f"{chains} {plural('chain', chains)} of {count} {plural('draw', count)}",
        "lines": "".join(f"<p>{as_html(line)}</p>" for line in summary.lines),
        "asked": "" if samples.level is None else f"; {samples.level:.2f} was asked for",
        "verdict": as_html(summary.verdict),
        "verdicts": _verdicts(summary),
        "overview": pictures.overview(shown, frames),
        "chains": pictures.first_chains(shown, draws),
        "others": pictures.other_chains(shown),
        "trace": _trace(samples, other_end),
        "trace_text": DOTS if _many(samples, other_end) else LINES,
        "ends": _ends(samples, other_end),
        "keys": "" if _many(samples, other_end) else _keys(chains),
        "spectrum": _spectrum(samples),
        "rows": _table(summary),
        "command": as_html(_command(samples)),
        "settings": _definitions(_provenance(shown)),
        "versions": _definitions(samples.versions) or "<div><dt>versions</dt><dd>not recorded</dd></div>",
    }
    template = resources.files("samplevis.results").joinpath("report.html").read_text(encoding="utf-8")
    return Template(template).substitute(parts).encode()


def _verdicts(summary: Summary) -> str:
    """A badge for each verdict, then what is wrong."""
    badges = (summary.pictures, summary.averages)
    shown = "".join(
        f'<div class="verdict {GRADES[badge.verdict]}"><b>{as_html(badge.text)}</b></div>' for badge in badges
    )
    issues = "".join(f"<li>{as_html(text)}</li>" for text in summary.warnings)
    return f'<div class="verdicts">{shown}</div>' + (f'<ul class="issues">{issues}</ul>' if issues else "")


def _many(samples: Samples, other_end: Samples | None) -> bool:
    """Whether there are more chains than colours, so that lines could not be told apart."""
    return max(len(run.images) for run in (samples, other_end or samples)) > COLORS


def _keys(chains: int) -> str:
    return "".join(f'<li class="c{i}">chain {i}</li>' for i in range(chains))


def _trace(samples: Samples, other_end: Samples | None) -> str:
    runs = [(samples, "")] + ([(other_end, " other")] if other_end is not None else [])
    many = _many(samples, other_end)
    lines = [
        line
        for run, style in runs
        for chain, levels in enumerate(run.levels)
        for line in (_dots(chain, levels, style) if many else [_line(chain, levels, style)])
    ]
    marks = []
    if samples.level is not None:
        low, high = samples.level - MAX_LEVEL_ERROR, samples.level + MAX_LEVEL_ERROR
        marks = [(low, "too low"), (samples.level, "asked for"), (high, "too high")]
    description = f"Trace: level of each draw, on average {samples.levels.mean():.2f}"
    description += "" if other_end is None else f", and {other_end.levels.mean():.2f} from the other end"
    return line_chart(lines, description, "chain" if many else "draw", "level (0 random, 1 optimised)", marks)


def _line(chain: int, levels: np.ndarray, style: str) -> Line:
    return Line(np.arange(len(levels)), levels, f"c{chain}{style}")


def _dots(chain: int, levels: np.ndarray, style: str) -> list[Line]:
    """The draws of a chain above its number, those of the other end beside them."""
    place = np.full(2, chain + (0.3 if style else 0.0))
    return [Line(place, np.full(2, level), f"dots{style}") for level in levels]


def _ends(samples: Samples, other_end: Samples | None) -> str:
    if other_end is None:
        return f"All chains started {STARTS.get(samples.init, samples.init)}."
    gap = diagnostics.two_ended_gap(samples.levels, other_end.levels)
    rhat = diagnostics.two_ended_rhat(samples.activation, other_end.activation)
    return (
        f"Solid lines started {STARTS[samples.init]}, dotted lines {STARTS[other_end.init]}. Chains that have forgotten their "
        f"starts meet: the gap is {gap:+.2f}, R-hat over both ends {rhat:.2f}."
    )


def _spectrum(samples: Samples) -> str:
    runs = ((samples.optimized, "optimised"), (samples[:], "draws"))
    lines = [Line(*photographs(samples), "photographs")]
    lines += [Line(*diagnostics.power_spectrum(images, samples.dimensions), style) for images, style in runs]
    slope = diagnostics.power_slope(samples[:], samples.dimensions)
    description = f"Power spectra: slope {slope:.1f}, photographs {diagnostics.PHOTOGRAPHS:g}"
    return line_chart(lines, description, "cycles per pixel", "power", logarithmic=True)


def _table(summary: Summary) -> str:
    """A row for each figure; what a diagnostic means stands below the last of its figures."""
    rows = []
    for name, (label, text) in summary.rows.items():
        meaning, worry = ROWS[name].meaning, ROWS[name].worry
        judgement = summary.judgement(name)
        grade = {"": "none", "fine": "good"}.get(judgement, "poor")
        hint = f"{meaning}; worry if {worry}" if worry else meaning
        figures = _figures(label, text)
        for i, (figure, value) in enumerate(figures):
            below = f"<small>{as_html(hint)}</small>" if i == len(figures) - 1 else ""
            judged = f'<td class="{grade}">{as_html(judgement)}</td>' if i == 0 else "<td></td>"
            rows.append(
                f'<tr{"" if i == 0 else MORE}><th scope="row">{as_html(figure)}{below}</th>'
                f'<td class="value">{as_html(value)}</td>{judged}</tr>'
            )
    return "".join(rows)


def _figures(label: str, text: str) -> list[tuple[str, str]]:
    """The figures of a row of the summary, each with its name: "R-hat; worst" with "1.0; 1.2" are two, "size (bulk; tail)" too."""
    inside = re.fullmatch(r"(.+) \((.+; .+)\)", label)
    names = [f"{inside[1]}, {name}" for name in inside[2].split("; ")] if inside else label.split("; ")
    values = text.split("; ")
    return list(zip(names, values, strict=True)) if len(names) == len(values) else [(label, text)]


def _command(samples: Samples) -> str:
    """The command that made the run; of a run made in Python, the call with the arguments that are known."""
    if "command" in samples.options:
        return str(samples.options["command"])
    names = [field.name for field in dataclasses.fields(HMCOptions)]
    hmc_opts = {name: samples.options[name] for name in names if name in samples.options}
    height, width = samples.images.shape[2:4]
    rest = {"im_size": height if height == width else (height, width), "density": samples.density, "init": samples.init}
    rest |= {name: value for name, value in samples.options.items() if name in CALL} | {"seed": samples.seed}
    settings = "".join(f",\n    {name}={value!r}" for name, value in rest.items())
    model, objective = (" ".join(text.split()) for text in (samples.model, samples.objective))
    return f"samplevis.render(\n    model,  # {model}\n    obj,  # {objective}\n    {hmc_opts!r}{settings},\n)"


def _provenance(samples: Samples) -> dict[str, Any]:
    """Names and values of what made the run."""
    made = {"network": samples.model, "objective": samples.objective, "seed": samples.seed, "init": samples.init}
    made |= {"density": samples.density}
    made |= {f"density: {name}": f"{value:.6g}" for name, value in samples.density_params.items()}
    return made | {name: value for name, value in samples.options.items() if name != "command"}


def _definitions(values: Mapping[str, Any]) -> str:
    """Names and values as the items of a list <dl>."""

    def plain(value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value, default=str)

    return "".join(
        f"<div><dt>{as_html(name)}</dt><dd>{as_html(plain(value))}</dd></div>" for name, value in values.items()
    )
