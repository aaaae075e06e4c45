"""Whether there is a notebook. Source: lucid/misc/environment.py."""

from __future__ import annotations

import sys


def is_notebook_environment() -> bool:
    """Whether this runs in a kernel that displays images."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")
