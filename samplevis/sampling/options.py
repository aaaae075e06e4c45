"""The options of the sampler, checked before any work. This file imports no TensorFlow: the command's help reads it."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

from samplevis.sampling.kernels.registry import INDEPENDENT, KERNELS, IndependentName, KernelName, check_kernel

MINIMA = {
    "num_results": 1,
    "num_leapfrog_steps": 1,
    "num_burnin_steps": 0,
    "num_steps_between_results": 0,
    "num_chains": 1,
    "batch_size": 1,
    "num_transforms": 1,
}


@dataclasses.dataclass(frozen=True)
class HMCOptions:
    """How the chains are run. The first five names are those of the original work.

    Attributes:
      num_results: draws collected from each chain, >= 1. Defaults to 4.
      step_size: first step size, an angle in radians, in (0, 2); warm-up adapts it, except for "langevin". Defaults to the
        kernel's: 0.1, for "langevin" 0.03.
      num_leapfrog_steps: gradients in a trajectory, >= 1; the mean of a random length, except for TFP's kernels. Defaults to 6.
      num_burnin_steps: warm-up transitions of the first batch of chains, in which step size, mass and target adapt, >= 0. The
        chains of later batches start from what it found, and take three eighths of them. Defaults to 8.
      num_steps_between_results: chain steps between collected draws, >= 0; 0 means no thinning. Defaults to 0.
      num_chains: chains, each of which is one composition, >= 1. Defaults to 12.
      batch_size: chains that run at a time, >= 1; memory does not grow with the number of batches. Defaults to 4.
      kernel: a key of `samplevis.sampling.KERNELS`: "split_hmc", "malt", "hmc", "nuts", "pcn", or the approximate "redrawn_hmc"
        and "langevin"; or "rejection" or "smc" for independent draws, which need a prior under which the level is not rare.
        Defaults to "split_hmc".
      target_accept_prob: acceptance probability that warm-up aims at in the worst chain, in (0, 1). Defaults to 0.85.
      num_transforms: size of the bank, >= 1; for "langevin", transforms drawn at each step. Defaults to the kernel's: 12, for
        "langevin" 4.
      adapt_mass: whether warm-up learns a diagonal mass. Defaults to True.
      moves: names of free moves that the prior has (`Parameterization.symmetries`), such as "shift", "mirror" and "invert"; one
        is proposed after every trajectory of "split_hmc" or "malt". They help where the activation hardly notices them.
        Defaults to none.

    Raises:
      ValueError: if a value is out of range; it says which.

    Example:
      >>> HMCOptions(num_results=100, kernel="malt").step_size
      0.1
    """

    num_results: int = 4
    step_size: float | None = None
    num_leapfrog_steps: int = 6
    num_burnin_steps: int = 8
    num_steps_between_results: int = 0
    num_chains: int = 12
    batch_size: int = 4
    kernel: KernelName | IndependentName = "split_hmc"
    target_accept_prob: float = 0.85
    num_transforms: int | None = None
    adapt_mass: bool = True
    moves: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # NumPy, which the checks import, takes longer than all else that the command's help needs.
        from samplevis.runtime.checks import brief, check_whole

        # Independent draws take the defaults of the default kernel: a bank of the same size, the same trajectories.
        spec = KERNELS["split_hmc"] if self.is_independent else check_kernel(self.kernel)
        for name in ("step_size", "num_transforms"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, getattr(spec, name))
        for name, lowest in MINIMA.items():
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
        if self.moves and (self.is_independent or not spec.takes_moves):
            able = " or ".join(name for name, other in KERNELS.items() if other.takes_moves)
            raise ValueError(f"hmc_opts['moves']: expected with the kernel {able}. Received: {self.kernel!r}")

    @property
    def is_independent(self) -> bool:
        """Whether the draws are independent: of "rejection" or "smc"."""
        return isinstance(self.kernel, str) and self.kernel in INDEPENDENT


def hmc_options(hmc_opts: Mapping[str, Any] | HMCOptions | None, flat: Mapping[str, Any] | None = None) -> HMCOptions:
    """Makes options of a dictionary and of keywords, and checks them.

    Args:
      hmc_opts: names and values of `HMCOptions`, or the options themselves; None for the defaults.
      flat: keywords of a call; those that are names of `HMCOptions` override `hmc_opts`. Defaults to none.

    Returns:
      The options.

    Raises:
      TypeError: if it is no mapping.
      ValueError: for an unknown name (the nearest spelling comes first) or a value out of range.

    Example:
      >>> hmc_options(dict(num_results=100)).num_chains
      12
    """
    names = hmc_names()
    given = {name: value for name, value in (flat or {}).items() if name in names}
    if isinstance(hmc_opts, HMCOptions):
        return dataclasses.replace(hmc_opts, **given) if given else hmc_opts
    if not isinstance(hmc_opts, (Mapping, type(None))):
        from samplevis.runtime.checks import brief

        raise TypeError(f"hmc_opts: expected a dict. Received: {brief(hmc_opts)}")
    for name in hmc_opts or ():
        if name not in names:
            near = difflib.get_close_matches(str(name), names, n=len(names), cutoff=0.0)
            raise ValueError(f"hmc_opts: unknown name {name!r}. Allowed, nearest first: {', '.join(near)}")
    return HMCOptions(**(dict(hmc_opts or {}) | given))


def hmc_names() -> tuple[str, ...]:
    """The names of `HMCOptions`."""
    return tuple(field.name for field in dataclasses.fields(HMCOptions))
