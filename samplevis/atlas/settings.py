"""What every unit of an atlas gets. This file imports no TensorFlow: the command's help reads it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal, get_args

Method = Literal["optimize", "draft", "exact", "examples"]
METHODS = get_args(Method)
MINIMA = {
    "size": 8,
    "seed": 0,
    "optimize_steps": 1,
    "num_chains": 1,
    "anneal_steps": 25,
    "num_transitions": 1,
    "batch_size": 1,
    "top": 1,
    "units_per_part": 1,
}
# Side of the pictures where the network takes any.
DEFAULT_SIZE = 64


@dataclasses.dataclass(frozen=True)
class AtlasSettings:
    """What every unit gets; parts of an atlas that differ in any of it are never mixed.

    Attributes:
      methods: names of what to make: "optimize", "draft" (approximate samples, which need the optimised picture), "exact" (on a
        random share of the units, as an audit of the drafts) and "examples" (if there are images). Defaults to all.
      size: side of the pictures in pixels, >= 8. Defaults to the network's own, or 64 if it takes any.
      level: activation asked of the samples, from 0 (mean under the prior) to 1 (the optimised picture). Defaults to 0.7.
      optimize_steps: updates of the optimiser, >= 1. Defaults to 256.
      num_chains: samples per unit, each from a chain of its own, >= 1. Defaults to 4.
      anneal_steps: Langevin steps of a draft, >= 25, rounded up to a multiple of 25; up to three times as many for a unit that
        is not at the level. Defaults to 150.
      num_transitions: transitions of the Langevin kernel after annealing, over which the mean of a chain is taken, >= 1.
        Defaults to 16.
      smooth: softness of the network's kinks while sampling, > 0, see `render`. Defaults to 0.3.
      exact_share: share of the units that `render` samples exactly, in [0, 1]. Defaults to 0.02.
      batch_size: images per batch, >= 1. Rounding depends on it, so it is one of the settings. Defaults to 32.
      top: dataset examples per unit at either end, >= 1. Defaults to 9.
      units_per_part: units per task and per file, >= 1. Defaults to 16.
      quality: WebP quality of the pictures, from 1 to 100. Defaults to 90.
      seed: int from 0 to 2**31 - 1. Defaults to 0.

    Raises:
      ValueError, TypeError: if a value is out of range; the message says which.

    Example:
      >>> AtlasSettings(size=96, methods=("optimize",)).num_chains
      4
    """

    methods: tuple[Method, ...] = METHODS
    size: int | None = None
    level: float = 0.7
    optimize_steps: int = 256
    num_chains: int = 4
    anneal_steps: int = 150
    num_transitions: int = 16
    smooth: float = 0.3
    exact_share: float = 0.02
    batch_size: int = 32
    top: int = 9
    units_per_part: int = 16
    quality: int = 90
    seed: int = 0

    def __post_init__(self) -> None:
        # NumPy, which the checks import, takes longer than all else that the command's help needs.
        from samplevis.runtime.checks import check_between, check_choice, check_names, check_number, check_whole

        methods = check_names("methods", self.methods)
        for name in methods:
            check_choice("methods", name, METHODS)
        object.__setattr__(self, "methods", tuple(name for name in METHODS if name in methods))
        for name, lowest in MINIMA.items():
            if name == "size" and self.size is None:
                continue
            check_whole(name, getattr(self, name), lowest, 2**31 - 1 if name == "seed" else None)
        check_whole("quality", self.quality, 1, 100)
        check_between("level", self.level, 0.0, 1.0)
        check_between("exact_share", self.exact_share, 0.0, 1.0)
        check_number("smooth", self.smooth, 0, above=True)
        if "draft" in self.methods and "optimize" not in self.methods:
            raise ValueError("methods: 'draft' needs 'optimize', whose picture is level 1")

    @property
    def units_per_batch(self) -> int:
        """Units whose chains make one batch, >= 1."""
        return max(1, self.batch_size // self.num_chains)

    @property
    def start_steps(self) -> int:
        """Updates of the pictures from which the chains of a draft start: half of the optimiser's are enough to reach the level."""
        return -(-self.optimize_steps // 2)

    def as_dict(self) -> dict[str, Any]:
        """Names and values, as JSON holds them."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


def atlas_settings(settings: Mapping[str, Any] | AtlasSettings | None) -> AtlasSettings:
    """Makes settings of a dictionary, and checks them.

    Args:
      settings: names and values of `AtlasSettings`, or the settings themselves; None for the defaults.

    Returns:
      The settings.

    Raises:
      TypeError: for an unknown name, with the nearest spelling.
      ValueError: if a value is out of range.
    """
    if isinstance(settings, AtlasSettings):
        return settings
    from samplevis.runtime.checks import check_known

    check_known(settings or (), [field.name for field in dataclasses.fields(AtlasSettings)])
    return AtlasSettings(**(settings or {}))


def digest(value: Any) -> str:
    """SHA-256 of what JSON can hold, in hexadecimal."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
