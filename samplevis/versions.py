"""The versions that a run was made with."""

from __future__ import annotations

import platform

import keras
import numpy as np
import tensorflow as tf

import samplevis


def versions() -> dict[str, str]:
    """Name -> version of what decides the bytes of a run."""
    found = {module.__name__: module.__version__ for module in (samplevis, tf, keras, np)}
    return found | {"python": platform.python_version(), "machine": platform.machine()}
