"""The result of sampling one density from both ends."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from samplevis.results import plots
from samplevis.results.samples import Samples
from samplevis.sampling import diagnostics


class TwoEnded(NamedTuple):
    """The result of `two_ended`; printing it shows the gap.

    Attributes:
      optimized: samples of chains that started at optimised images.
      prior: samples of the same density, from chains that started at prior noise.

    Example:
      >>> ends = samplevis.two_ended(modelzoo.Shapes(), "logits:star", im_size=64)
      >>> ends.gap, ends.rhat
      (0.01, 1.05)
    """

    optimized: Samples
    prior: Samples

    @property
    def gap(self) -> float:
        """Level of the chains from optimised images less that of the others, on fresh transforms: 0 if they have met."""
        return diagnostics.two_ended_gap(self.optimized.levels, self.prior.levels)

    @property
    def rhat(self) -> float:
        """R-hat of the activation over all chains of both ends: of their last draws, if one end has more than the other."""
        return diagnostics.two_ended_rhat(self.optimized.activation, self.prior.activation)

    def report(self, path: str | os.PathLike, title: str | None = None) -> None:
        """Writes `Samples.report` of the chains from optimised images, with the traces of both ends.

        Args:
          path: file to write, .html.
          title: the unit's name for readers. Defaults to the objective.

        Raises:
          ValueError, OSError: as in `Samples.report`.

        Example:
          >>> ends.report("star.html")
        """
        self.optimized.report(path, title, other_end=self.prior)

    def plot(self, ax: Any = None) -> Any:
        """Plots the traces of both ends with matplotlib.

        Args:
          ax: matplotlib Axes. Defaults to new ones.

        Returns:
          The Axes.

        Raises:
          ImportError: if matplotlib is not installed.
        """
        return plots.plot_two_ended(self.optimized, self.prior, ax)

    def __str__(self) -> str:
        return (
            f"two-ended gap {self.gap:+.3f}: level {self.optimized.levels.mean():.3f} from optimised images, "
            f"{self.prior.levels.mean():.3f} from prior noise; R-hat over both ends {self.rhat:.2f}"
        )
