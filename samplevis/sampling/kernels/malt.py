"""Metropolis adjusted Langevin trajectories (Riou-Durand and Vogrinc 2022): split HMC with friction along the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from samplevis.sampling.kernels import split_hmc
from samplevis.sampling.kernels.base import Kernel, Redraw, Target
from samplevis.sampling.kernels.free_moves import Move, with_free_moves

# Rate of partial refreshment, per radian: of the order of the prior's own frequency, which is 1.
FRICTION = 1.0

trace, gradient = split_hmc.trace, split_hmc.gradient


def make(
    target_fn: Target,
    redraw: Redraw,
    step_size: Any,
    num_leapfrog_steps: int,
    preconditioner: tf.Tensor,
    moves: Sequence[Move] = (),
) -> Kernel:
    """Makes the kernel, see `KernelSpec.make`."""
    kernel = split_hmc.SplitHMC(target_fn, step_size, num_leapfrog_steps, preconditioner, friction=FRICTION)
    return with_free_moves(kernel, moves)
