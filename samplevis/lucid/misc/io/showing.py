"""Arrays shown in notebooks. Source: lucid/misc/io/showing.py."""

from __future__ import annotations

import base64
import logging
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from samplevis.lucid.misc.io.serialize_array import Domain, array_to_jsbuffer, serialize_array
from samplevis.runtime.plain_text import as_html

__all__ = ["array_to_jsbuffer", "graph", "image", "images", "serialize_array", "show", "textured_mesh"]

log = logging.getLogger(__name__)


def _display_html(html_str: str) -> None:
    """Shows HTML in a notebook; elsewhere does nothing."""
    if "IPython" not in sys.modules:
        return
    from IPython import display, get_ipython

    if get_ipython() is not None:
        display.display(display.HTML(html_str))


def _image_url(
    array: np.ndarray, fmt: str = "png", mode: str = "data", quality: int = 90, domain: Domain | None = None
) -> str:
    """An image as a data URL; Lucid's notebooks put it into HTML."""
    if mode != "data":
        raise ValueError(f"mode: expected 'data'. Received: {mode!r}")
    data = base64.b64encode(serialize_array(array, domain=domain, fmt=fmt, quality=quality)).decode("ascii")
    return f"data:image/{fmt.upper()};base64,{data}"


def _image_html(array: np.ndarray, w: int | None = None, domain: Domain | None = None, fmt: str = "png") -> str:
    """An image as an HTML tag."""
    width = "" if w is None else f"width: {w}px; "
    return f'<img src="{_image_url(array, fmt=fmt, domain=domain)}" style="image-rendering: pixelated; {width}">'


def image(
    array: np.ndarray,
    domain: Domain | str | None = None,
    w: int | None = None,
    format: str = "png",
    labels: Sequence[Any] | None = None,
) -> None:
    """Shows an image.

    Args:
      array: [height, width, channels].
      domain: values that become black and white; or the format, which was second in old versions of Lucid. Defaults to the least
        and the largest.
      w: width on the screen, in pixels. Defaults to the image's.
      format: "png" (default) or "jpeg".
      labels: no effect on one image, as in Lucid.

    Example:
      >>> image(np.zeros([8, 8, 3]), "jpeg")
    """
    if isinstance(domain, str):
        domain, format = None, domain
    _display_html(_image_html(array, w=w, domain=domain, fmt=format))


def images(
    arrays: Sequence[np.ndarray],
    labels: Sequence[Any] | None = None,
    domain: Domain | None = None,
    w: int | None = None,
) -> None:
    """Shows images in a row.

    Args:
      arrays: images.
      labels: one per image. Default to their numbers.
      domain: values that become black and white. Defaults to the least and the largest.
      w: width of each on the screen, in pixels. Defaults to its own.
    """
    labels = range(len(arrays)) if labels is None else labels
    cells = (
        f'<div style="margin-right: 10px;">{as_html(str(label))}<br>{_image_html(array, w=w, domain=domain)}</div>'
        for array, label in zip(arrays, labels, strict=False)
    )
    _display_html(f'<div style="display: flex; flex-direction: row; flex-wrap: wrap;">{"".join(cells)}</div>')


def show(thing: Any, domain: Domain | None = (0, 1), **kwargs: Any) -> None:
    """Shows an array in a notebook; outside, it does nothing.

    Args:
      thing: an image [height, width, channels] or [height, width], or several: an array of rank 4, or a list.
      domain: values that become black and white; None for the least and the largest. Defaults to (0, 1).
      **kwargs: `w`, width on the screen, and `labels`.

    Example:
      >>> show(np.zeros([8, 8, 3]))
    """
    if isinstance(thing, (list, tuple)) or (isinstance(thing, np.ndarray) and thing.ndim == 4):
        images(thing, domain=domain, **kwargs)
    elif isinstance(thing, np.ndarray) and thing.ndim in (2, 3):
        image(thing, domain=domain, **kwargs)
    else:
        log.warning("show: expected images, arrays of 2 to 4 dimensions.")
        print(repr(thing))


def textured_mesh(mesh: Any, texture: np.ndarray, background: str = "0xffffff") -> None:
    """Dropped; the error says what to use instead."""
    raise NotImplementedError(
        "textured_mesh: Lucid's viewer loads a library from a server that is gone. Instead: samplevis.recipes.turntable makes a "
        "film of a mesh with a texture."
    )


def graph(graph_def: Any, max_const_size: int = 32) -> None:
    """Dropped; the error says what to use instead."""
    raise NotImplementedError(
        "graph: Lucid's drawing needs a part of TensorBoard that browsers no longer load. Instead: print(network.layer_table())."
    )
