"""Preconditioned Crank-Nicolson (Cotter et al. 2013): proposals that turn the state towards noise, without a gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from samplevis.sampling.kernels import split_hmc
from samplevis.sampling.kernels.base import Kernel, Redraw, Target
from samplevis.sampling.kernels.free_moves import Move

trace = split_hmc.trace


def make(
    target_fn: Target,
    redraw: Redraw,
    step_size: Any,
    num_leapfrog_steps: int,
    preconditioner: tf.Tensor,
    moves: Sequence[Move] = (),
) -> Kernel:
    """Makes the kernel, see `KernelSpec.make`."""
    # A step of split HMC without a force is a proposal of pCN.
    return split_hmc.SplitHMC(lambda x: tf.stop_gradient(target_fn(x)), step_size, 1, preconditioner)
