"""The options of a run, checked before any work. Nothing here loads TensorFlow, so that the command's help is immediate."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

DensityName = Literal["conditioned", "tilted", "activation"]
InitName = Literal["optimize", "prior"]
Storage = Literal["memory", "disk"]

# Strengths beyond float32 are refused for each unit, when its scale is known.
MAX_BETA = 1e30
# The level that real pictures set.
EXAMPLES = "examples"
# The softness that the run chooses itself.
AUTO = "auto"
# A name further than this from the nearest spelling is no misspelling of it.
NEAR = 0.6


@dataclass(frozen=True)
class RenderOptions:
    """What `render` samples, and how it gets there: the settings that are numbers or names.

    `render` also takes a density for `density` and an array of images for `init`. These, and the seed, it checks itself.

    Attributes:
      level: activation to sample at, from 0 (mean under the prior) to 1 (best optimised image); or "examples", the activation that
        real pictures reach. Defaults to 0.7.
      examples_quantile: for the level "examples", the quantile of the pictures' activations, in (0, 1]; 1 is the best picture's.
        Defaults to 1.
      density: target density: "conditioned" (the prior, given that the activation reaches the level), "tilted" (the prior times
        exp(beta * activation)) or "activation" (the density of 2018, a negative control). Defaults to "conditioned".
      beta: strength in nats per unit of activation, >= 0. Defaults to what the level needs.
      init: where the chains start: "optimize" (at optimised images) or "prior" (at prior noise). Defaults to "optimize".
      smooth: softness of the kinks of ReLU and max pooling, > 0; "auto" is 0.3, halved until the smoothed copy stands for the
        network; None samples the network as it is. Defaults to "auto".
      optimize_steps: updates of the optimiser, >= 1. Defaults to 128, for images of fewer than 48 x 48 pixels to 512.
      anneal_steps: Langevin steps from the first images to the level, >= 1. Defaults to 450.
      seed: random seed, from 0 to 2**31 - 1; the same seed gives the same bytes on the same machine. Defaults to 0.

    Raises:
      ValueError, TypeError: if an option is out of range; the message names it.

    Example:
      >>> RenderOptions(level=0.5).density
      'conditioned'
    """

    level: float | Literal["examples"] = 0.7
    examples_quantile: float = 1.0
    density: DensityName = "conditioned"
    beta: float | None = None
    init: InitName = "optimize"
    smooth: float | Literal["auto"] | None = AUTO
    optimize_steps: int | None = None
    anneal_steps: int = 450
    seed: int = 0

    def __post_init__(self) -> None:
        # NumPy, which the checks import, takes longer than all else that the command's help needs.
        from samplevis.runtime.checks import check_between, check_number, check_whole, did_you_mean

        densities, inits = get_args(DensityName), get_args(InitName)
        if isinstance(self.density, str) and self.density not in densities:
            hint = did_you_mean(self.density, densities)
            raise ValueError(
                f"density: expected one of {', '.join(map(repr, densities))} or a density.{hint} Received: {self.density!r}"
            )
        if self.init is None or (isinstance(self.init, str) and self.init not in inits):
            hint = did_you_mean(self.init, inits, cutoff=NEAR)
            raise ValueError(f"init: expected 'optimize', 'prior' or images.{hint} Received: {self.init!r}")
        if not isinstance(self.level, str):
            check_between("level", self.level, 0.0, 1.0)
        elif self.level != EXAMPLES:
            raise ValueError(f"level: expected a number from 0 to 1, or {EXAMPLES!r}. Received: {self.level!r}")
        check_between("examples_quantile", self.examples_quantile, 0.0, 1.0)
        if self.beta is not None:
            check_between("beta", self.beta, 0.0, MAX_BETA)
        if self.optimize_steps is not None:
            check_whole("optimize_steps", self.optimize_steps, 1)
        check_whole("anneal_steps", self.anneal_steps, 1)
        if isinstance(self.smooth, str):
            if self.smooth != AUTO:
                raise ValueError(f"smooth: expected a number > 0, {AUTO!r} or None. Received: {self.smooth!r}")
        elif self.smooth is not None:
            check_number("smooth", self.smooth, 0, above=True)


@dataclass(frozen=True)
class RunOptions:
    """Where a run stores what it has done, and what it may use of the machine.

    Attributes:
      checkpoint: folder for the state of the run. Rerun the same call to resume, bit-identical to an uninterrupted run; ask for
        more draws to extend it. Defaults to no checkpoint.
      checkpoint_interval: seconds between two checkpoints, >= 0; one more is written after each stage. Defaults to 60.
      storage: where the draws are stored: "memory", or "disk" for files in the checkpoint's folder, which lets a run have more
        draws than fit in memory. Defaults to "memory".
      devices: names of the devices that share the chains, such as GPU:0 and GPU:1. Each chain is then computed by itself, so
        that the draws do not depend on how many devices there are. Defaults to one batch of all chains, placed by TensorFlow.
      memory: memory limit for one gradient of all chains on all transforms, in bytes, > 0, not counting the weights. Beyond it
        the transforms are computed in chunks. Defaults to 4 GiB.

    Raises:
      ValueError, TypeError: if an option is out of range; the message names it. Names of devices are checked where they are
        used: only TensorFlow knows them.

    Example:
      >>> RunOptions(checkpoint="star-run", storage="disk").checkpoint_interval
      60.0
    """

    checkpoint: str | os.PathLike | None = None
    checkpoint_interval: float = 60.0
    storage: Storage = "memory"
    devices: Sequence[str] | None = None
    memory: float = 2.0**32

    def __post_init__(self) -> None:
        from samplevis.runtime.checks import brief, check_choice, check_number

        if self.checkpoint is not None and not isinstance(self.checkpoint, (str, os.PathLike)):
            raise TypeError(f"checkpoint: expected a folder. Received: {brief(self.checkpoint)}")
        check_number("checkpoint_interval", self.checkpoint_interval, 0)
        check_choice("storage", self.storage, get_args(Storage))
        if self.storage == "disk" and self.checkpoint is None:
            raise ValueError(
                "storage: 'disk' needs checkpoint, the folder that the draws go to. Received: checkpoint=None"
            )
        check_number("memory", self.memory, 0, above=True)
