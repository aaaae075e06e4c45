"""two_ended(): do chains from optimised images and chains from prior noise meet?"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any

import keras

from samplevis.network import Network
from samplevis.objectives import Objective
from samplevis.results.both_ends import TwoEnded
from samplevis.runs.options import RunOptions
from samplevis.runs.rendering import RENAMED, render, render_keywords, run_options
from samplevis.runtime import files
from samplevis.runtime.checks import check_known
from samplevis.runtime.deprecation import renamed_keywords
from samplevis.runtime.progress import all_or_nothing
from samplevis.sampling.options import HMCOptions


@renamed_keywords(**RENAMED)
def two_ended(
    model: Network | keras.Model,
    obj: Objective | str | Callable,
    hmc_opts: Mapping[str, Any] | HMCOptions | None = None,
    **settings: Any,
) -> TwoEnded:
    """Samples one density from both ends: chains that have forgotten their start agree.

    Args:
      model, obj, hmc_opts: as in `render`.
      **settings: other arguments of `render`, but for `init`. Each end has its own folder in that of `checkpoint`.

    Returns:
      `TwoEnded`.

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work, or if `init` is given.
      KeyboardInterrupt: after Ctrl-C; with a checkpoint, the same call resumes.

    Example:
      >>> print(samplevis.two_ended(modelzoo.Shapes(), "logits:4", im_size=64))
    """
    if "init" in settings:
        raise TypeError("init: two_ended runs both, 'optimize' and 'prior'")
    check_known(settings, render_keywords())
    names = [field.name for field in dataclasses.fields(RunOptions)]
    flat = {name: settings.pop(name) for name in names if name in settings}
    run = run_options(settings.pop("run_opts", None), flat)
    with all_or_nothing("two_ended"):
        first = render(model, obj, hmc_opts, init="optimize", run_opts=_end(run, "optimize"), **settings)
        settings["density"] = first.target_density
        second = render(model, obj, hmc_opts, init="prior", run_opts=_end(run, "prior"), **settings)
    return TwoEnded(first, second)


def _end(run: RunOptions, init: str) -> RunOptions:
    """The options of one end, with its part of the checkpoint's folder."""
    if run.checkpoint is None:
        return run
    return dataclasses.replace(run, checkpoint=os.path.join(files.check_path(run.checkpoint, "checkpoint"), init))
