"""two_ended(): do chains from optimised images and chains from prior noise meet?"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np

from samplevis import files
from samplevis.checks import check_known, keywords
from samplevis.export import plots
from samplevis.network import Network
from samplevis.objectives import Objective
from samplevis.render import render
from samplevis.samples import Samples
from samplevis.sampling import diagnostics
from samplevis.sampling.options import HMCOptions


class TwoEnded(NamedTuple):
    """What `two_ended` returns; printing it shows the gap.

    Attributes:
      optimized: samples of chains that started at optimised images.
      prior: samples of the same density, from chains that started at prior noise.
    """

    optimized: Samples
    prior: Samples

    @property
    def gap(self) -> float:
        """Level of the chains from optimised images less that of the others, on fresh transforms: 0 if they have met."""
        return float(self.optimized.levels.mean() - self.prior.levels.mean())

    @property
    def rhat(self) -> float:
        """R-hat of the activation over all chains of both ends: of their last draws, if one end has more than the other."""
        fewest = min(end.activation.shape[1] for end in self)
        return diagnostics.rhat(np.concatenate([end.activation[:, -fewest:] for end in self]))

    def report(self, path: str | os.PathLike, title: str | None = None) -> None:
        """Writes the page of `Samples.report` about the chains from optimised images, with the traces of both ends.

        Args:
          path: file to write, .html.
          title: the unit's name for readers. Defaults to the objective.

        Raises:
          ValueError, OSError: as in `Samples.report`.
        """
        self.optimized.report(path, title, other_end=self.prior)

    def plot(self, ax: Any = None) -> Any:
        """Draws the traces of both ends with matplotlib, see `export.plots.plot_two_ended`; returns the Axes.

        Args:
          ax: where to draw, matplotlib's Axes. Defaults to new ones.

        Returns:
          The Axes.
        """
        return plots.plot_two_ended(self.optimized, self.prior, ax)

    def __str__(self) -> str:
        return (
            f"two-ended gap {self.gap:+.3f}: level {self.optimized.levels.mean():.3f} from optimised images, "
            f"{self.prior.levels.mean():.3f} from prior noise; R-hat over both ends {self.rhat:.2f}"
        )


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
    check_known(settings, keywords(render))
    folder = settings.pop("checkpoint", None)
    if folder is not None:
        folder = files.check_path(folder, "checkpoint")
    optimized, prior = (None if folder is None else os.path.join(folder, init) for init in ("optimize", "prior"))
    first = render(model, obj, hmc_opts, init="optimize", checkpoint=optimized, **settings)
    second = render(model, obj, hmc_opts, init="prior", checkpoint=prior, **settings | {"density": first.law})
    return TwoEnded(first, second)
