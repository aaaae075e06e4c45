"""The kernels by name. This file imports no TensorFlow: the options and the command's help read it."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_probability as tfp

    from samplevis.sampling.kernels.base import Redraw, Target
    from samplevis.sampling.kernels.free_moves import Move
    from samplevis.sampling.kernels.stats import TransitionStats

KernelName = Literal["split_hmc", "malt", "hmc", "nuts", "pcn", "redrawn_hmc", "langevin"]
IndependentName = Literal["rejection", "smc"]

# What gives independent draws in place of chains, see `sampling.independent`: name -> one line for the documentation.
INDEPENDENT: dict[IndependentName, str] = {
    "rejection": "draws of the prior, accepted with the probability that the density gives them: for events of a few nats",
    "smc": "populations climb from the prior to the density and are compared: sequential Monte Carlo with split HMC moves",
}


@dataclasses.dataclass(frozen=True)
class KernelSpec:
    """All that is known about a kernel: options, command line, summary and documentation read it here.

    Attributes:
      name: what `HMCOptions.kernel` calls it.
      summary: one line for the documentation.
      module: the file of `samplevis.sampling.kernels` with its functions `make`, `trace` and `gradient`.
      exact: whether it leaves the target density invariant.
      adapts_step_size: whether warm-up adapts its step size; False for a kernel that accepts everything.
      takes_moves: whether free moves can follow its transitions.
      redraws_momentum: whether each trajectory starts with a new momentum, and the traced energy is the one there.
      unit_mass: whether it moves in coordinates divided by the preconditioner, as TFP's own kernels do.
      step_size: its first step size, in radians. Defaults to 0.1.
      num_transforms: the size of its bank, or of what it draws anew. Defaults to 12.

    Example:
      >>> from samplevis.sampling import KERNELS
      >>> [name for name, spec in KERNELS.items() if not spec.exact]
      ['redrawn_hmc', 'langevin']
    """

    name: KernelName
    summary: str
    module: str
    exact: bool = True
    adapts_step_size: bool = True
    takes_moves: bool = False
    redraws_momentum: bool = True
    unit_mass: bool = False
    step_size: float = 0.1
    num_transforms: int = 12

    def make(
        self,
        target_fn: Target,
        redraw: Redraw,
        step_size: Any,
        num_leapfrog_steps: int,
        preconditioner: tf.Tensor,
        moves: Sequence[Move] = (),
    ) -> tfp.mcmc.TransitionKernel:
        """Makes the kernel.

        Args:
          target_fn: state [chain, ...] -> tilt [chain], the log density less that of N(0, I).
          redraw: seed -> a target on freshly drawn transforms, for kernels that draw them anew.
          step_size: radians, scalar.
          num_leapfrog_steps: gradients in a trajectory, >= 1.
          preconditioner: root of the inverse diagonal mass, shape of one state. If `unit_mass`, the kernel's states are divided
            by it.
          moves: free moves, if `takes_moves`. Defaults to none.

        Returns:
          A kernel for `tfp.mcmc.sample_chain`.
        """
        return self._functions.make(target_fn, redraw, step_size, num_leapfrog_steps, preconditioner, moves)

    def trace(self, num_leapfrog_steps: int, state: tf.Tensor, results: Any) -> TransitionStats:
        """Reads the statistics of a transition from the kernel's results.

        Args:
          num_leapfrog_steps: gradients in a trajectory.
          state: the state after the transition, [chain, ...].
          results: the kernel's results after it.

        Returns:
          `TransitionStats` of tensors [chain]; step size and number of gradient evaluations are scalars.
        """
        return self._functions.trace(num_leapfrog_steps, state, results)

    def gradient(self, state: tf.Tensor, results: Any) -> tf.Tensor:
        """Reads the gradient of the log density after a step, which every kernel has evaluated there.

        Args:
          state: the state after the transition in the kernel's coordinates, [chain, ...].
          results: the kernel's results after it.

        Returns:
          Tensor in the shape of the state, with respect to the kernel's coordinates. Kernels that draw transforms anew give the
          gradient on transforms that the state does not depend on.
        """
        return self._functions.gradient(state, results)

    @property
    def _functions(self) -> ModuleType:
        return importlib.import_module(f"samplevis.sampling.kernels.{self.module}")


KERNELS: dict[str, KernelSpec] = {
    spec.name: spec
    for spec in (
        KernelSpec(
            "split_hmc",
            "HMC with an exact rotation for the Gaussian prior and trajectories of random length",
            "split_hmc",
            takes_moves=True,
        ),
        KernelSpec("malt", "the same with partial refreshment of the velocities on the way", "malt", takes_moves=True),
        KernelSpec("hmc", "TFP's Hamiltonian Monte Carlo", "hmc", unit_mass=True),
        KernelSpec(
            "nuts", "TFP's No-U-Turn sampler, for small problems", "nuts", redraws_momentum=False, unit_mass=True
        ),
        KernelSpec("pcn", "preconditioned Crank-Nicolson: proposals without a gradient, a baseline", "pcn"),
        KernelSpec("redrawn_hmc", "split HMC with a new bank for every trajectory", "redrawn_hmc", exact=False),
        # A step of .03 on four stratified transforms keeps the virial of every band within a few per cent of 1.
        KernelSpec(
            "langevin",
            "Langevin dynamics with new transforms for every step, a thermostat and no accept step",
            "langevin",
            exact=False,
            adapts_step_size=False,
            redraws_momentum=False,
            step_size=0.03,
            num_transforms=4,
        ),
    )
}


def check_kernel(name: str) -> KernelSpec:
    """Looks a kernel up.

    Args:
      name: a key of `KERNELS`.

    Returns:
      Its specification.

    Raises:
      ValueError: for another name; the nearest spelling is suggested.
    """
    if not isinstance(name, str) or name not in KERNELS:
        # NumPy, which the checks import, takes longer than all else that the command's help needs.
        from samplevis.runtime.checks import did_you_mean

        names = (*KERNELS, *INDEPENDENT)
        hint = did_you_mean(name, names)
        raise ValueError(f"kernel: expected one of {', '.join(map(repr, names))}.{hint} Received: {name!r}")
    return KERNELS[name]
