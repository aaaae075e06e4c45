"""Lucid for TensorFlow 2 and Keras 3, with sampling that works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samplevis._version import __version__ as __version__
from samplevis.runtime.lazy import lazy_exports

# What editors and type checkers read, which take `x as x` for public; `_SOURCES` says the same to Python.
if TYPE_CHECKING:
    from samplevis import (
        activation as activation,
    )
    from samplevis import (
        atlas as atlas,
    )
    from samplevis import (
        export as export,
    )
    from samplevis import (
        modelzoo as modelzoo,
    )
    from samplevis import (
        network as network,
    )
    from samplevis import (
        objectives as objectives,
    )
    from samplevis import (
        optimizers as optimizers,
    )
    from samplevis import (
        overrides as overrides,
    )
    from samplevis import (
        param as param,
    )
    from samplevis import (
        recipes as recipes,
    )
    from samplevis import (
        sampling as sampling,
    )
    from samplevis import (
        transform as transform,
    )
    from samplevis.analysis.dataset_examples import Examples as Examples
    from samplevis.analysis.dataset_examples import beside as beside
    from samplevis.analysis.dataset_examples import collect as collect
    from samplevis.analysis.description import Description as Description
    from samplevis.analysis.description import describe as describe
    from samplevis.analysis.evaluation.trials import score_trials as score_trials
    from samplevis.analysis.pixel_importance import importance as importance
    from samplevis.analysis.prior_checks import check_prior as check_prior
    from samplevis.export.tensorboard import TensorBoard as TensorBoard
    from samplevis.network import Network as Network
    from samplevis.objectives import Objective as Objective
    from samplevis.param import Parameterization as Parameterization
    from samplevis.results.optimized import Optimized as Optimized
    from samplevis.results.samples import Samples as Samples
    from samplevis.results.sweep_result import Sweep as Sweep
    from samplevis.runs.both_ends import two_ended as two_ended
    from samplevis.runs.evaluation import evaluate as evaluate
    from samplevis.runs.optimization import optimize as optimize
    from samplevis.runs.optimization import render_vis as render_vis
    from samplevis.runs.prior_fitting import fit_prior as fit_prior
    from samplevis.runs.rare_events import surprisal as surprisal
    from samplevis.runs.rendering import render as render
    from samplevis.runs.sweeping import sweep as sweep
    from samplevis.runs.trials import write_trials as write_trials
    from samplevis.runtime.callbacks import Callback as Callback
    from samplevis.runtime.callbacks import JSONLines as JSONLines
    from samplevis.runtime.callbacks import ProgressBar as ProgressBar
    from samplevis.sampling.sampler import sample as sample

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
    "atlas": None,
    "beside": "analysis.dataset_examples",
    "check_prior": "analysis.prior_checks",
    "collect": "analysis.dataset_examples",
    "describe": "analysis.description",
    "evaluate": "runs.evaluation",
    "export": None,
    "fit_prior": "runs.prior_fitting",
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
    "score_trials": "analysis.evaluation.trials",
    "surprisal": "runs.rare_events",
    "sweep": "runs.sweeping",
    "transform": None,
    "two_ended": "runs.both_ends",
    "write_trials": "runs.trials",
}

__getattr__, __dir__, __all__ = lazy_exports(__name__, _SOURCES)
