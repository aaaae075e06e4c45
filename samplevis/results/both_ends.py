"""The result of sampling one density from both ends."""

from __future__ import annotations

import os
from typing import Any, Literal, NamedTuple

import numpy as np

from samplevis.results import plots
from samplevis.results.samples import Samples
from samplevis.sampling import diagnostics
from samplevis.sampling.stationarity import rhat_limit, student_quantile

# R-hat above which chains have not met.
MAX_RHAT = 1.2


class TwoEnded(NamedTuple):
    """The result of `two_ended`; printing it shows the gap.

    Attributes:
      optimized: samples of chains that started at optimised images.
      prior: samples of the same density, from chains that started at prior noise.

    Example:
      >>> ends = samplevis.two_ended(modelzoo.Shapes(), "logits:star", im_size=64)
      >>> ends.gap, ends.worst, ends.verdict
      (0.01, ('power_low', 1.62), 'not told')
    """

    optimized: Samples
    prior: Samples

    @property
    def gap(self) -> float:
        """Level of the chains from optimised images less that of the others, on fresh transforms: 0 if they have met."""
        return diagnostics.two_ended_gap(self.optimized.sampled_levels, self.prior.sampled_levels)

    @property
    def rhat(self) -> float:
        """R-hat of the activation over all chains of both ends: of their last draws, if one end has more than the other."""
        return diagnostics.two_ended_rhat(self.optimized.activation, self.prior.activation)

    @property
    def scalars(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """What is compared: the level (of each draw), the log density, and all scalars that both ends have.

        Name -> values of the chains from optimised images and of the others, [chain, transition] each, the last ones if one end has
        more than the other. The density pins the level; the others have to forget the start.
        """
        ends = (self.optimized, self.prior)
        found = {
            "level": [end.sampled_levels for end in ends],
            "log_density": [end.stats["log_density"] for end in ends],
        }
        found |= {name: [end.scalars[name] for end in ends] for name in ends[0].scalars if name in ends[1].scalars}
        return {name: _last(*values) for name, values in found.items()}

    @property
    def rhats(self) -> dict[str, float]:
        """R-hat over the chains of both ends, of each of `scalars`; nan where there are too few transitions."""
        return {name: diagnostics.rhat(np.concatenate(values)) for name, values in self.scalars.items()}

    @property
    def gaps(self) -> dict[str, float]:
        """Difference of the ends in each of `scalars`, in standard errors from the spread of the chains' means within the ends."""
        return {name: _gap(*values) for name, values in self.scalars.items()}

    @property
    def worst(self) -> tuple[str, float]:
        """The name of the scalar on which both ends agree least, and its R-hat; "" and nan if there are too few transitions."""
        finite = {name: value for name, value in self.rhats.items() if not np.isnan(value)}
        return max(finite.items(), key=lambda item: item[1], default=("", np.nan))

    @property
    def verdict(self) -> Literal["met", "apart", "not told"]:
        """Whether the ends have met.

        Ends that have met agree on the composition that all of their chains found, which need not be the only one.

        "apart" if they differ in a scalar by more than their chains differ among themselves (Student's t, at 4 standard errors);
        "met" if R-hat of every scalar is at most 1.2; "not told" in between: chains of one end disagree, too, as those of different
        compositions do.
        """
        chains = len(self.optimized.images) + len(self.prior.images)
        limit = student_quantile(chains - 2) if chains > 2 else np.inf
        if any(abs(gap) > limit for gap in self.gaps.values()):
            return "apart"
        transitions = min(values.shape[1] for pair in self.scalars.values() for values in pair)
        enough = transitions >= diagnostics.MIN_DRAWS
        met = enough and self.worst[1] <= rhat_limit(chains, transitions, MAX_RHAT)
        return "met" if met else "not told"

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
        (name, rhat), gaps = self.worst, self.gaps
        far = max(gaps, key=lambda one: abs(gaps[one]) if np.isfinite(gaps[one]) else 0.0)
        text = {
            "met": "the ends have met, in the composition that all chains found",
            "apart": "the ends are apart: run longer",
            "not told": "not told: chains of one end disagree among themselves, too, or are too short",
        }[self.verdict]
        return (
            f"two-ended gap {self.gap:+.3f}: level {self.optimized.levels.mean():.3f} from optimised images, "
            f"{self.prior.levels.mean():.3f} from prior noise; R-hat over both ends {self.rhat:.2f}, of the worst scalar "
            f"{rhat:.2f} ({name}); largest gap {gaps[far]:+.1f} standard errors ({far}); {text}"
        )


def _last(optimized: np.ndarray, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    fewest = min(optimized.shape[1], prior.shape[1])
    return np.asarray(optimized[:, -fewest:], np.float64), np.asarray(prior[:, -fewest:], np.float64)


def _gap(optimized: np.ndarray, prior: np.ndarray) -> float:
    """Difference of the means over its standard error, each chain one value, with one variance of all."""
    ends = [end.mean(axis=1) for end in (optimized, prior)]
    degrees = sum(map(len, ends)) - 2
    if degrees < 1:
        return np.nan
    variance = sum(np.sum((end - end.mean()) ** 2) for end in ends) / degrees
    error = np.sqrt(variance * sum(1 / len(end) for end in ends))
    difference = ends[0].mean() - ends[1].mean()
    return (
        float(difference / error) if error > 0 else (0.0 if difference == 0 else float(np.copysign(np.inf, difference)))
    )
