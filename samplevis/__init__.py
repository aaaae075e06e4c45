"""Lucid for TensorFlow 2 and Keras 3, with sampling that works."""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING

# ruff: noqa: F401 - What editors and type checkers read; `_SOURCES` says the same to Python.
if TYPE_CHECKING:
    from samplevis import export, modelzoo, objectives, optimizers, overrides, param, recipes, transform
    from samplevis.callbacks import Callback, JSONLines, ProgressBar, TensorBoard
    from samplevis.describe import Description, describe
    from samplevis.examples import Examples, beside, collect
    from samplevis.importance import importance
    from samplevis.network import Network
    from samplevis.objectives import Objective
    from samplevis.optimize import Optimized, optimize, render_vis
    from samplevis.param import Parameterization
    from samplevis.render import render
    from samplevis.samples import Samples
    from samplevis.sampling.sample import sample
    from samplevis.surprisal import surprisal
    from samplevis.sweep import Sweep, sweep
    from samplevis.two_ended import two_ended

__version__ = "0.1.0"

# Public name -> the module that it comes from, imported when it is first asked for: TensorFlow takes seconds to load.
_SOURCES = {
    "Callback": "callbacks",
    "Description": "describe",
    "Examples": "examples",
    "JSONLines": "callbacks",
    "Network": "network",
    "Objective": "objectives",
    "Optimized": "optimize",
    "Parameterization": "param",
    "ProgressBar": "callbacks",
    "Samples": "samples",
    "Sweep": "sweep",
    "TensorBoard": "callbacks",
    "beside": "examples",
    "collect": "examples",
    "describe": "describe",
    "export": None,
    "importance": "importance",
    "modelzoo": None,
    "objectives": None,
    "optimize": "optimize",
    "optimizers": None,
    "overrides": None,
    "param": None,
    "recipes": None,
    "render": "render",
    "render_vis": "optimize",
    "sample": "sampling.sample",
    "surprisal": "surprisal",
    "sweep": "sweep",
    "transform": None,
    "two_ended": "two_ended",
}

__all__ = list(_SOURCES)


def __getattr__(name: str) -> object:
    if name not in _SOURCES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    source = _SOURCES[name]
    module = importlib.import_module(f"{__name__}.{source or name}")
    value = getattr(module, name) if source else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(types.ModuleType):
    """Keeps `samplevis.render` the function: the import system would bind a module of that name over it."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (_SOURCES.get(name) and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
