"""The options of the sampler, checked before any work."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

from samplevis.runtime.checks import brief, check_whole
from samplevis.sampling.kernels import registry

# A step of .03 on four transforms keeps the stochastic heat that the thermostat has to carry off at a few per cent of the friction.
DEFAULTS = {"step_size": 0.1, "num_transforms": 32}
FIXED_STEP_DEFAULTS = {"step_size": 0.03, "num_transforms": 4}


@dataclasses.dataclass(frozen=True)
class HMCOptions:
    """How the chains are run. The first five names are those of the original work.

    Attributes:
      num_results: draws kept in each chain, >= 1. Defaults to 10.
      step_size: first step size, an angle in radians, > 0; adapted in warm-up, but for "langevin". Defaults to 0.1, for
        "langevin" to 0.03.
      num_leapfrog_steps: gradients in a trajectory, >= 1; the mean of a jittered length, but for TFP's kernels. Defaults to 10.
      num_burnin_steps: warm-up transitions, in which step size, mass and target adapt, >= 0. Defaults to 12.
      num_steps_between_results: transitions left out between two draws that are kept, >= 0. Defaults to 0.
      num_chains: chains, run as one batch, >= 1. Defaults to 4.
      kernel: "split_hmc" (exact rotation of the Gaussian prior), "malt" (the same with partial refreshment along the way),
        "hmc" or "nuts" (TFP's; NUTS for small problems), "pcn" (no gradient, a baseline). Two are approximate: "redrawn_hmc" (a
        bank of its own for every trajectory) and "langevin" (transforms of its own for every step, no accept step, a
        thermostat). Defaults to "split_hmc".
      target_accept_prob: acceptance that the warm-up aims at in the worst chain, in (0, 1). Defaults to 0.85.
      num_transforms: size of the bank, >= 1; for "langevin", transforms drawn at a step. Defaults to 32, for "langevin" to 4.
      adapt_mass: whether warm-up learns a diagonal mass. Defaults to True.
      moves: names of free moves, "shift", "mirror", "invert"; one is offered after every trajectory of "split_hmc" or "malt".
        They pay where the activation hardly notices them. Defaults to none.
    """

    num_results: int = 10
    step_size: float | None = None
    num_leapfrog_steps: int = 10
    num_burnin_steps: int = 12
    num_steps_between_results: int = 0
    num_chains: int = 4
    kernel: str = "split_hmc"
    target_accept_prob: float = 0.85
    num_transforms: int | None = None
    adapt_mass: bool = True
    moves: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        registry.check_name(self.kernel)
        chosen = FIXED_STEP_DEFAULTS if self.kernel in registry.FIXED_STEP else DEFAULTS
        for name, value in chosen.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        for name, lowest in _LOWEST.items():
            value = getattr(self, name)
            check_whole(f"hmc_opts[{name!r}]", value, lowest)
        for name, highest in (("step_size", 2.0), ("target_accept_prob", 1.0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < highest:
                raise ValueError(f"hmc_opts[{name!r}]: expected a number in (0, {highest:g}). Received: {brief(value)}")
        if not isinstance(self.adapt_mass, bool):
            raise ValueError(f"hmc_opts['adapt_mass']: expected True or False. Received: {brief(self.adapt_mass)}")
        if not isinstance(self.moves, (list, tuple)) or not all(isinstance(name, str) for name in self.moves):
            raise ValueError(
                f"hmc_opts['moves']: expected a list of names such as 'shift'. Received: {brief(self.moves)}"
            )
        object.__setattr__(self, "moves", tuple(self.moves))
        if self.moves and self.kernel not in registry.MOVABLE:
            raise ValueError(
                f"hmc_opts['moves']: expected with the kernel {' or '.join(registry.MOVABLE)}. Received: {self.kernel!r}"
            )


_LOWEST = {
    "num_results": 1,
    "num_leapfrog_steps": 1,
    "num_burnin_steps": 0,
    "num_steps_between_results": 0,
    "num_chains": 1,
    "num_transforms": 1,
}


def hmc_options(hmc_opts: Mapping[str, Any] | HMCOptions | None) -> HMCOptions:
    """Checks `hmc_opts`.

    Args:
      hmc_opts: names and values of `HMCOptions`; None for the defaults.

    Returns:
      The options.

    Raises:
      TypeError: if it is no mapping.
      ValueError: for an unknown name (the nearest spelling comes first) or a value out of range.
    """
    if isinstance(hmc_opts, HMCOptions):
        return hmc_opts
    if not isinstance(hmc_opts, (Mapping, type(None))):
        raise TypeError(f"hmc_opts: expected a dict. Received: {brief(hmc_opts)}")
    names = [field.name for field in dataclasses.fields(HMCOptions)]
    for name in hmc_opts or ():
        if name not in names:
            near = difflib.get_close_matches(str(name), names, n=len(names), cutoff=0.0)
            raise ValueError(f"hmc_opts: unknown name {name!r}. Allowed, nearest first: {', '.join(near)}")
    return HMCOptions(**(hmc_opts or {}))
