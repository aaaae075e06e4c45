"""Widgets of svelte, which are gone: this module can be imported, and what a notebook then asks of it says what to use instead."""

from __future__ import annotations

import sys
from typing import Any

from samplevis.lucid.core.facts import dropped_error


def __getattr__(name: str) -> Any:
    """A widget that a cell has defined in Lucid."""
    if name.startswith("__"):
        raise AttributeError(name)
    raise AttributeError(f"{name}: {dropped_error('scratch.web.svelte')}")


def html_define_svelte(line: str, cell: str) -> None:
    """The cell magic `%%html_define_svelte`.

    Args:
      line: the widget's name.
      cell: its source.

    Raises:
      ImportError: always; it says what to use instead.
    """
    raise dropped_error("scratch.web.svelte")


def _register() -> None:
    """Makes the magic known, so that a cell gets the error above and not "magic not found"."""
    if "IPython" not in sys.modules:
        return
    from IPython import get_ipython

    if (shell := get_ipython()) is not None:
        shell.register_magic_function(html_define_svelte, "cell")


_register()
