"""two_ended(): do chains from optimised images and chains from prior noise meet?"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import keras

from samplevis.network import Network
from samplevis.objectives import Objective
from samplevis.results.both_ends import TwoEnded
from samplevis.runs.rendering import RENAMED, render, render_keywords
from samplevis.runtime import files
from samplevis.runtime.checks import check_known
from samplevis.runtime.deprecation import renamed_keywords
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
      **settings: other arguments of `render`, but for `init`.

    Returns:
      `TwoEnded`.

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work, or if `init` is given.

    Example:
      >>> print(samplevis.two_ended(modelzoo.Shapes(), "logits:4", im_size=64))
    """
    if "init" in settings:
        raise TypeError("init: two_ended runs both, 'optimize' and 'prior'")
    check_known(settings, render_keywords())
    folder = settings.pop("checkpoint", None)
    if folder is not None:
        folder = files.check_path(folder, "checkpoint")
    optimized, prior = (None if folder is None else os.path.join(folder, init) for init in ("optimize", "prior"))
    first = render(model, obj, hmc_opts, init="optimize", checkpoint=optimized, **settings)
    second = render(
        model, obj, hmc_opts, init="prior", checkpoint=prior, **settings | {"density": first.target_density}
    )
    return TwoEnded(first, second)
