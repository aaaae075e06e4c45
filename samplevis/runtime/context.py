"""What every part of a run shares: its seed, its callbacks, its checkpoint, and the store of its draws."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from samplevis.runtime import seeds
from samplevis.runtime.callbacks import Callback
from samplevis.runtime.checkpoint import Checkpoint, Stage
from samplevis.runtime.draw_store import DrawStore, InMemory


@dataclasses.dataclass(frozen=True)
class RunContext:
    """The surroundings of a run, handed down to its parts.

    Attributes:
      seed: int32 tensor of shape [2].
      callbacks: notified of stages, steps and draws. Defaults to none.
      checkpoint: where stages save their state and resume. Defaults to one that stores nothing.
      draw_store: where the states of the draws go. Defaults to memory.
      scope: prefix of the names of stages. Defaults to none.

    Example:
      >>> context = RunContext(seeds.root(0))
      >>> context.part("calibration").stage("warm-up")
    """

    seed: tf.Tensor
    callbacks: tuple[Callback, ...] = ()
    checkpoint: Checkpoint = dataclasses.field(default_factory=Checkpoint)
    draw_store: DrawStore = dataclasses.field(default_factory=InMemory)
    scope: str = ""

    def stage(self, name: str) -> Stage:
        """The place of a stage's state in the checkpoint.

        Args:
          name: of the stage, inside this scope.

        Returns:
          A `Stage`.
        """
        return self.checkpoint.stage(self.scope + name)

    def batch(self, number: int) -> RunContext:
        """The context of a further batch of chains: a seed, stages and a store of draws of its own.

        Args:
          number: of the batch, from 1; the run's own context is that of batch 0.

        Returns:
          A `RunContext`.
        """
        return dataclasses.replace(self.part(f"batch {number}"), draw_store=self.draw_store.of_batch(number))

    def part(self, name: str) -> RunContext:
        """The context of a part of the run: a seed and stages of its own, and draws that are not those of the run.

        Args:
          name: of the part.

        Returns:
          A `RunContext`.
        """
        return dataclasses.replace(
            self, seed=seeds.fold(self.seed, name), scope=f"{self.scope}{name}/", draw_store=InMemory()
        )
