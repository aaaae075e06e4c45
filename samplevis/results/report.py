"""An HTML report of a run: the images first, then whether to trust them, then how they were made."""

from __future__ import annotations

import base64
import dataclasses
import html
import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from samplevis.export.pixels import to_uint8
from samplevis.results.chart import Line, line_chart
from samplevis.results.plots import photographs
from samplevis.results.rows import MAX_LEVEL_ERROR, ROWS
from samplevis.results.summary import Summary
from samplevis.runtime import files
from samplevis.runtime.checks import brief, check_whole
from samplevis.sampling import diagnostics
from samplevis.sampling.options import HMCOptions

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

# A page must be small enough for mail: films lose frames until it is.
MAX_PAGE_BYTES = 5_000_000
FRAMES, FPS = 48, 5
# The range of the longer side of images in the page: WebP halves the resolution of colours, which shows on small images.
SIDES, QUALITY = (288, 512), 82
# Styles of lines: colours repeat after this many chains.
COLORS = 6
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

    The page needs no network and no other file; JavaScript only adds keys to enlarged images. It shows the draws of every
    chain, each chain as a film, its optimised image, mean and standard deviation, the trace of its level, spectra, the table
    of `Samples.summary` with explanations, and the settings of the run.

    Args:
      samples: the run.
      path: file to write, .html or .htm.
      title: the unit's name for readers, such as "goldfish". Defaults to the objective.
      other_end: a run of the same density from the other end, see `two_ended`, whose traces are plotted too. Defaults to none.
      draws: images per chain, evenly spaced from the first draw to the last, >= 1. Defaults to 6. Films show up to 48.

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
    summary = samples.summary()
    chains, count = samples.images.shape[:2]
    level = summary.figures["level_fresh"]
    parts = {
        "title": _text(title),
        "heading": _breakable(title),
        "objective": _text(samples.objective),
        "model": _text(samples.model),
        "size": f"{chains} {_plural('chain', chains)} of {count} {_plural('draw', count)}",
        "level": f"{level:.2f}",
        "asked": "" if samples.level is None else f" ({samples.level:.2f} was asked for)",
        "grade": {"valid": "good", "look again": "fair", "invalid": "poor"}[summary.pictures.verdict],
        "verdict": _text(summary.verdict),
        "issues": "".join(f"<li>{_text(text)}</li>" for text in summary.warnings),
        "chains": "".join(_chain(samples, chain, draws, frames) for chain in range(chains)),
        "maps": _maps(samples),
        "trace": _trace(samples, other_end),
        "ends": _ends(samples, other_end),
        "keys": "".join(f'<li class="c{i % COLORS}">chain {i}</li>' for i in range(chains)),
        "spectrum": _spectrum(samples),
        "rows": _table(summary),
        "command": _text(_command(samples)),
        "settings": _definitions(_provenance(samples)),
        "versions": _definitions(samples.versions) or "<div><dt>versions</dt><dd>not recorded</dd></div>",
    }
    template = resources.files("samplevis.results").joinpath("report.html").read_text(encoding="utf-8")
    return Template(template).substitute(parts).encode()


def _chain(samples: Samples, chain: int, draws: int, frames: int) -> str:
    """The section of a chain: the film of its draws, the optimised image for comparison, and single draws."""
    count, levels = samples.images.shape[1], samples.levels[chain]
    shown = _evenly(count, draws)
    names = [f"c{chain}-optimised", *(f"c{chain}-{i}" for i in shown)]
    optimized = _figure(
        names[0],
        samples.optimized[chain],
        f"The optimised image for {samples.objective}, chain {chain}",
        "<b>Optimised</b> by gradient ascent",
        (names[0], names[1]),
    )
    pictures = [
        _figure(
            name,
            samples.images[chain, i],
            f"Draw {i} of chain {chain}: {samples.objective} at level {levels[i]:.2f}",
            f"<b>Draw {i}</b> level {levels[i]:.2f}",
            (before, after),
        )
        for name, i, before, after in zip(names[1:], shown, names[:-1], [*names[2:], names[-1]], strict=True)
    ]
    film = _film(samples, chain, frames)
    return (
        f'<section class="chain" id="chain-{chain}"><h3><span class="dot c{chain % COLORS}"></span>Chain {chain}'
        f"<small>mean level {levels.mean():.2f}</small></h3>"
        f'<div class="pictures">{film}{optimized}{"".join(pictures)}</div></section>'
    )


def _figure(name: str, image: np.ndarray, alt: str, caption: str, beside: tuple[str, str]) -> str:
    """An image that fills the window while the page's address names it."""
    before, after = beside
    return (
        f'<figure id="{name}"><a class="open" href="#{name}"><img src="{_webp(image[None])}" alt="{_text(alt)}"></a>'
        f'<a class="before" href="#{before}" aria-label="previous picture">‹</a>'
        f'<a class="after" href="#{after}" aria-label="next picture">›</a>'
        f'<a class="close" href="#closed" aria-label="close">×</a><figcaption>{caption}</figcaption></figure>'
    )


def _film(samples: Samples, chain: int, frames: int) -> str:
    """The draws of a chain as a film. It shows the last draw until it is clicked."""
    images = samples.images[chain]
    shown = images[_evenly(len(images), frames)]
    if len(shown) < 2:
        return ""
    selection = "All" if len(shown) == len(images) else f"{len(shown)} of"
    return (
        f'<figure class="film"><label><input type="checkbox" aria-label="play chain {chain}">'
        f'<img class="still" src="{_webp(images[-1:])}" alt="The last draw of chain {chain}">'
        f'<img class="moving" src="{_webp(shown)}" alt="The draws of chain {chain}, one after the other">'
        f'<span class="play"></span></label><figcaption><b>Film</b> {selection} {len(images)} draws</figcaption></figure>'
    )


def _maps(samples: Samples) -> str:
    """Mean and standard deviation of every chain; all standard deviations share one scale."""
    deviation = samples.sd_images.mean(axis=-1, keepdims=True)
    largest = float(deviation.max())
    spread = deviation / largest if largest > 0 else deviation
    pairs = [
        f'<div class="pair"><h3><span class="dot c{i % COLORS}"></span>Chain {i}</h3>'
        f'<figure><img src="{_webp(np.clip(mean, 0, 1)[None])}" alt="Mean of chain {i}"><figcaption>mean</figcaption></figure>'
        f'<figure><img src="{_webp(sd[None])}" alt="Standard deviation of each pixel in chain {i}">'
        f"<figcaption>standard deviation, white is {largest:.2f}</figcaption></figure></div>"
        for i, (mean, sd) in enumerate(zip(samples.mean_images, spread, strict=True))
    ]
    return "".join(pairs)


def _trace(samples: Samples, other_end: Samples | None) -> str:
    runs = [(samples, "")] + ([(other_end, " other")] if other_end is not None else [])
    lines = [
        Line(np.arange(len(levels)), levels, f"c{chain % COLORS}{style}")
        for run, style in runs
        for chain, levels in enumerate(run.levels)
    ]
    marks = []
    if samples.level is not None:
        low, high = samples.level - MAX_LEVEL_ERROR, samples.level + MAX_LEVEL_ERROR
        marks = [(low, "too low"), (samples.level, "asked for"), (high, "too high")]
    description = f"Trace: level of each draw, on average {samples.levels.mean():.2f}"
    description += "" if other_end is None else f", and {other_end.levels.mean():.2f} from the other end"
    return line_chart(lines, description, "draw", "level", marks)


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
    rows = []
    for name, (label, text) in zip(ROWS, summary.rows, strict=True):
        meaning, worry = ROWS[name].meaning, ROWS[name].worry
        judgement = summary.judgement(name)
        grade = {"": "none", "fine": "good"}.get(judgement, "poor")
        hint = f"{meaning}; worry if {worry}" if worry else meaning
        rows.append(
            f'<tr><th scope="row">{_text(label)}<small>{_text(hint)}</small></th>'
            f'<td class="value">{_text(text)}</td><td class="{grade}">{_text(judgement)}</td></tr>'
        )
    return "".join(rows)


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

    return "".join(f"<div><dt>{_text(name)}</dt><dd>{_text(plain(value))}</dd></div>" for name, value in values.items())


def _webp(frames: np.ndarray) -> str:
    """Frames [N, H, W, C] in [0, 1] as a data URL: an image, or an animation of several."""
    height, width = frames.shape[1:3]
    scale = np.clip(max(height, width), *SIDES) / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    pictures = [
        Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC) for pixels in to_uint8(frames, (1, 3, 4))
    ]
    first, *others = pictures
    buffer = io.BytesIO()
    film = {"save_all": True, "append_images": others, "duration": round(1000 / FPS), "loop": 0} if others else {}
    first.save(buffer, format="WEBP", quality=QUALITY, **film)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _evenly(count: int, limit: int) -> Sequence[int]:
    """At most `limit` of `count` indices, evenly spaced from the first to the last."""
    if count <= limit:
        return range(count)
    return [int(i) for i in np.linspace(0, count - 1, limit).round()] if limit > 1 else [count - 1]


def _text(text: object) -> str:
    return html.escape(str(text))


def _breakable(text: object) -> str:
    """Text that may be broken where parts of names end."""
    return re.sub("([(/_:])", r"\1<wbr>", _text(text))


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
