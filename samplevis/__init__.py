"""Lucid for TensorFlow 2 and Keras 3, with sampling that works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samplevis._version import __version__
from samplevis.runtime.lazy import lazy_exports

# ruff: noqa: F401 - What editors and type checkers read; `_SOURCES` says the same to Python.
if TYPE_CHECKING:
    from samplevis import (
        activation,
        export,
        modelzoo,
        network,
        objectives,
        optimizers,
        overrides,
        param,
        recipes,
        sampling,
        transform,
    )
    from samplevis.analysis.dataset_examples import Examples, beside, collect
    from samplevis.analysis.description import Description, describe
    from samplevis.analysis.pixel_importance import importance
    from samplevis.export.tensorboard import TensorBoard
    from samplevis.network import Network
    from samplevis.objectives import Objective
    from samplevis.param import Parameterization
    from samplevis.results.optimized import Optimized
    from samplevis.results.samples import Samples
    from samplevis.results.sweep_result import Sweep
    from samplevis.runs.both_ends import two_ended
    from samplevis.runs.optimization import optimize, render_vis
    from samplevis.runs.rare_events import surprisal
    from samplevis.runs.rendering import render
    from samplevis.runs.sweeping import sweep
    from samplevis.runtime.callbacks import Callback, JSONLines, ProgressBar
    from samplevis.sampling.sampler import sample

# Public name -> the module that it comes from, None for a module; imported when it is first used.
_SOURCES = {
    "Callback": "runtime.callbacks",
    "Description": "analysis.description",
    "Examples": "analysis.dataset_examples",
    "JSONLines": "runtime.callbacks",
    "Network": "network",
    "Objective": "objectives",
    "Optimized": "results.optimized",
    "Parameterization": "param",
    "ProgressBar": "runtime.callbacks",
    "Samples": "results.samples",
    "Sweep": "results.sweep_result",
    "TensorBoard": "export.tensorboard",
    "activation": None,
    "beside": "analysis.dataset_examples",
    "collect": "analysis.dataset_examples",
    "describe": "analysis.description",
    "export": None,
    "importance": "analysis.pixel_importance",
    "modelzoo": None,
    "network": None,
    "objectives": None,
    "optimize": "runs.optimization",
    "optimizers": None,
    "overrides": None,
    "param": None,
    "recipes": None,
    "render": "runs.rendering",
    "render_vis": "runs.optimization",
    "sample": "sampling.sampler",
    "sampling": None,
    "surprisal": "runs.rare_events",
    "sweep": "runs.sweeping",
    "transform": None,
    "two_ended": "runs.both_ends",
}

__getattr__, __dir__, __all__ = lazy_exports(__name__, _SOURCES)
