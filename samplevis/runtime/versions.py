"""Versions of the software that decides the results of a run."""

from __future__ import annotations

import platform

import keras
import numpy as np
import tensorflow as tf

from samplevis._version import __version__


def versions() -> dict[str, str]:
    """Name -> version: of this package, TensorFlow, Keras, NumPy and Python; and the kind of machine."""
    found = {module.__name__: module.__version__ for module in (tf, keras, np)}
    return {"samplevis": __version__} | found | {"python": platform.python_version(), "machine": platform.machine()}
