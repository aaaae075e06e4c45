"""The versions that a run was made with."""

from __future__ import annotations

import platform

import keras
import numpy as np
import tensorflow as tf

from samplevis._version import __version__


def versions() -> dict[str, str]:
    """Name -> version of what decides the bytes of a run."""
    found = {module.__name__: module.__version__ for module in (tf, keras, np)}
    return {"samplevis": __version__} | found | {"python": platform.python_version(), "machine": platform.machine()}
