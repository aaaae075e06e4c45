"""The cost of an atlas: gradients, hours and bytes."""

from __future__ import annotations

import dataclasses

from samplevis.atlas.settings import DEFAULT_SIZE, AtlasSettings
from samplevis.runs.options import RenderOptions
from samplevis.sampling.kernels.registry import KERNELS
from samplevis.sampling.options import HMCOptions

# Bytes of a pixel at quality 90, from files of 64 and 96 pixels, and of a row's figures.
BYTES_PER_PIXEL, BYTES_PER_ROW = 0.5, 2000
# The options of exact samples: one batch of chains, which is enough for an audit.
EXACT = {"num_chains": 4}


@dataclasses.dataclass(frozen=True)
class Cost:
    """What an atlas costs.

    Attributes:
      units: number of units.
      exact: how many of them are sampled exactly, too.
      gradients: image gradients, by method; a unit that is slow to reach its level takes up to three times as many for its draft.
      num_bytes: of the files.
      rate: gradients per second, if it was measured.

    Example:
      >>> from samplevis.atlas.settings import DEFAULT_SIZE, AtlasSettings
      >>> cost_of(AtlasSettings(methods=("optimize",)), 100, 0).gradients
      {'optimize': 25600}
    """

    units: int
    exact: int
    gradients: dict[str, int]
    num_bytes: int
    rate: float | None = None

    @property
    def total(self) -> int:
        """Gradients of all methods."""
        return sum(self.gradients.values())

    @property
    def hours(self) -> float | None:
        """Hours at the measured rate; None if it was not measured."""
        return None if self.rate is None else self.total / self.rate / 3600

    def __str__(self) -> str:
        lines = [f"  {name:30} {count:>14,} gradients" for name, count in self.gradients.items()]
        lines.append(f"  {'files':30} {self.num_bytes / 2**30:>14.3f} GiB")
        if self.hours is not None:
            lines.append(f"  {'time':30} {self.hours:>14.2f} hours at {self.rate:,.0f} gradients a second")
        return "\n".join(lines)


def cost_of(settings: AtlasSettings, units: int, exact: int) -> Cost:
    """The cost of some units.

    Args:
      settings: what each of them gets.
      units: their number.
      exact: how many of them are sampled exactly, too.

    Returns:
      A `Cost`.
    """
    per_unit = {
        "optimize": settings.optimize_steps,
        "draft": settings.num_chains * gradients_per_draft(settings) + gradients_of_starts(settings),
    }
    gradients = {name: units * count for name, count in per_unit.items() if name in settings.methods}
    if "exact" in settings.methods:
        gradients["exact"] = exact * int(sum(gradients_of_stages(settings).values()))
    pictures = ("optimize" in settings.methods) + 2 * settings.num_chains * ("draft" in settings.methods)
    pixels = (settings.size or DEFAULT_SIZE) ** 2 * (units * pictures + exact * EXACT["num_chains"])
    return Cost(units, exact, gradients, int(BYTES_PER_PIXEL * pixels + BYTES_PER_ROW * units))


def gradients_per_draft(settings: AtlasSettings) -> int:
    """Gradients of one chain of a draft that reaches its level in time."""
    spec, steps = KERNELS["langevin"], HMCOptions().num_leapfrog_steps
    return settings.anneal_steps + settings.num_transitions * steps * spec.num_transforms


def gradients_of_starts(settings: AtlasSettings) -> int:
    """Gradients of the pictures from which the chains of a unit's draft start."""
    return settings.num_chains * settings.start_steps


def gradients_of_stages(settings: AtlasSettings) -> dict[str, float]:
    """Stage of `render` -> gradients that it takes for the exact samples of a unit.

    Args:
      settings: of the atlas.

    Returns:
      A dictionary.
    """
    options = HMCOptions(**EXACT)
    transition = options.num_leapfrog_steps * int(options.num_transforms or 1)
    gradients = {
        "optimise": 1.25 * settings.optimize_steps,
        "anneal": RenderOptions.anneal_steps,
        "calibrate": options.num_burnin_steps / 2 * transition,
        "warm-up": options.num_burnin_steps / 2 * transition,
        "sample": options.num_results * transition,
    }
    return {stage: options.num_chains * count for stage, count in gradients.items()}
