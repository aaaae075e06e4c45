"""The pictures of a report, as HTML: all chains at once, then chain by chain."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from samplevis.export.animation import chain_frames
from samplevis.export.pixels import enlarge, tile_scale, to_uint8
from samplevis.results.film import FILM_CHAINS
from samplevis.results.sample_grid import GRID_CHAINS, contrasted_means, evenly
from samplevis.runtime.plain_text import as_html

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

FPS = 3
# The range of the longer side of images in the page: WebP halves the resolution of colours, which shows on small images.
SIDES, QUALITY = (288, 512), 82
# The same for the small pictures of the other chains, and for sheets of all chains.
SMALL_SIDES, SHEET_SIDES = (144, 160), (640, 1000)
# Images up to this side keep their pixels when they are enlarged, by a whole number; larger ones are interpolated.
MAX_SHARP = 48
# Styles of lines and dots: more chains have no colours of their own.
COLORS = 6


def overview(samples: Samples, frames: int) -> str:
    """A film of the draws of all chains side by side, beside it their means and the optimised images.

    Args:
      samples: the run.
      frames: largest number of draws that the film shows.

    Returns:
      HTML.
    """
    count, shown = len(samples.images), min(len(samples.images), FILM_CHAINS)
    draws = samples.images[:shown]
    whose = "each chain" if shown == count else f"the first {shown} of {count} chains"
    means = _webp(_sheet(contrasted_means(samples)[:shown, None]), SHEET_SIDES)
    optimised = _webp(_sheet(samples.optimized[:shown, None]), SHEET_SIDES)
    return (
        f"{_film(draws, evenly(draws.shape[1], frames), whose)}"
        f'<figure><img src="{means}" alt="The mean of {whose}, its contrast stretched">'
        f"<figcaption><b>Mean of {whose}</b> not a draw; contrast stretched</figcaption></figure>"
        f'<figure><img src="{optimised}" alt="The optimised image of {whose}">'
        f"<figcaption><b>Optimised image of {whose}</b> for comparison</figcaption></figure>"
    )


def first_chains(samples: Samples, draws: int) -> str:
    """A section for each of the first chains: the optimised image, draws and the mean.

    Args:
      samples: the run.
      draws: largest number of draws of a chain.

    Returns:
      HTML.
    """
    means = contrasted_means(samples)
    return "".join(_chain(samples, chain, draws, means[chain]) for chain in range(min(len(means), GRID_CHAINS)))


def other_chains(samples: Samples) -> str:
    """Last draw and mean of each of the other chains, small; nothing if there are no others."""
    count, means = len(samples.images), contrasted_means(samples)
    if count <= GRID_CHAINS:
        return ""
    pairs = "".join(
        f'<figure><div><img src="{_webp(samples.images[i, -1:], SMALL_SIDES)}" alt="The last draw of chain {i}">'
        f'<img src="{_webp(means[i : i + 1], SMALL_SIDES)}" alt="The mean of chain {i}, not a draw"></div>'
        f"<figcaption><b>Chain {i}</b> level {samples.levels[i].mean():.2f}</figcaption></figure>"
        for i in range(GRID_CHAINS, count)
    )
    others = count - GRID_CHAINS
    return (
        f"<h2>The other {others} {plural('chain', others)}</h2><p>Left the last draw; right the mean of the chain, which is not a "
        f'draw, with stretched contrast.</p><div class="others">{pairs}</div>'
    )


def breakable(text: object) -> str:
    """Text that may be broken where parts of names end."""
    return re.sub("([(/_:])", r"\1<wbr>", as_html(text))


def plural(word: str, count: int) -> str:
    """The word, with an s unless the count is 1."""
    return word if count == 1 else f"{word}s"


def _chain(samples: Samples, chain: int, draws: int, mean: np.ndarray) -> str:
    """The section of a chain."""
    levels, shown = samples.levels[chain], evenly(samples.images.shape[1], draws)
    alt = f"chain {chain} of {samples.objective}"
    figures = [(f"c{chain}-optimised", samples.optimized[chain], f"The optimised image, {alt}", "<b>Optimised</b>")]
    figures += [
        (
            f"c{chain}-{i}",
            samples.images[chain, i],
            f"Draw {i} of chain {chain}: {samples.objective} at level {levels[i]:.2f}",
            f"<b>Draw {i}</b> level&nbsp;{levels[i]:.2f}",
        )
        for i in shown
    ]
    figures += [
        (
            f"c{chain}-mean",
            mean,
            f"The mean of {alt}, not a draw",
            "<b>Mean</b> not a draw",
        )
    ]
    names = [name for name, *_ in figures]
    pictures = "".join(
        _figure(*figure, (before, after))
        for figure, before, after in zip(figures, [names[0], *names], [*names[1:], names[-1]], strict=False)
    )
    dot = f'<span class="dot c{chain}"></span>' if len(samples.images) <= COLORS else ""
    return (
        f'<section class="chain" id="chain-{chain}"><h3>{dot}Chain {chain}<small>mean level {levels.mean():.2f}</small></h3>'
        f'<div class="pictures" style="--n:{len(figures)}">{pictures}</div></section>'
    )


def _figure(name: str, image: np.ndarray, alt: str, caption: str, beside: tuple[str, str]) -> str:
    """An image that fills the window while the page's address names it."""
    before, after = beside
    return (
        f'<figure id="{name}"><a class="open" href="#{name}"><img src="{_webp(image[None])}" alt="{as_html(alt)}"></a>'
        f'<a class="before" href="#{before}" aria-label="previous picture">‹</a>'
        f'<a class="after" href="#{after}" aria-label="next picture">›</a>'
        f'<a class="close" href="#closed" aria-label="close">×</a><figcaption>{caption}</figcaption></figure>'
    )


def _film(images: np.ndarray, chosen: Sequence[int], whose: str) -> str:
    """The draws [chain, draw, H, W, C] as a film. It shows the last draws until it is clicked."""
    count = images.shape[1]
    still, caption = _webp(_sheet(images[:, -1:]), SHEET_SIDES), f"<b>Last draw of {whose}</b>"
    if len(chosen) < 2:
        return f'<figure><img src="{still}" alt="The draw of {whose}"><figcaption>{caption}</figcaption></figure>'
    moving = _webp(_sheet(images[:, list(chosen)]), SHEET_SIDES)
    selection = f"all {count}" if len(chosen) == count else f"{len(chosen)} of {count}"
    return (
        '<figure class="film"><label><input type="checkbox" aria-label="play the draws">'
        f'<img class="still" src="{still}" alt="The last draw of {whose}">'
        f'<img class="moving" src="{moving}" alt="The draws of {whose}, one after the other"><span class="play"></span></label>'
        f"<figcaption>{caption} play shows {selection}</figcaption></figure>"
    )


def _sheet(images: np.ndarray) -> np.ndarray:
    """Frames of all chains [chain, draw, H, W, C] side by side, about as wide as high."""
    chains = len(images)
    tiles = enlarge(to_uint8(images, (1, 3, 4)), tile_scale(images.shape[2:]))
    return chain_frames(tiles, int(np.ceil(np.sqrt(chains))))


def _webp(frames: np.ndarray, sides: tuple[int, int] = SIDES) -> str:
    """Frames [N, H, W, C] in [0, 1] as a data URL: an image, or an animation of several."""
    first, *others = [_resized(pixels, sides) for pixels in to_uint8(frames, (1, 3, 4))]
    buffer = io.BytesIO()
    film = {"save_all": True, "append_images": others, "duration": round(1000 / FPS), "loop": 0} if others else {}
    first.save(buffer, format="WEBP", quality=QUALITY, **film)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _resized(pixels: np.ndarray, sides: tuple[int, int]) -> Image.Image:
    """A picture whose longer side is in the range."""
    height, width = pixels.shape[:2]
    longer = max(height, width)
    if longer <= MAX_SHARP:
        times = -(-sides[0] // longer)
        return Image.fromarray(pixels.repeat(times, axis=0).repeat(times, axis=1))
    scale = np.clip(longer, *sides) / longer
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
