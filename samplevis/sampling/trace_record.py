"""What a loop of chains has done so far, in a form that is saved and resumed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.runtime.deprecation import renamed_keys
from samplevis.runtime.draw_store import DrawStore
from samplevis.sampling.kernels.stats import RENAMED_STATS, TransitionStats
from samplevis.sampling.streaming import Moments, merged

# Names in checkpoints of version 0.1.0.
RENAMED = {f"step.{old}": f"step.{new}" for old, new in RENAMED_STATS.items()}

Scalars = dict[str, np.ndarray]


class TraceRecord:
    """Statistics and scalars of every transition, moments of the images, and the draws.

    Args:
      num_calls: calls of the compiled loop, each of which ends in a draw.
      num_transitions: transitions in a call.
      draw_store: where the draws go; None to keep none.
    """

    def __init__(self, num_calls: int, num_transitions: int, draw_store: DrawStore | None):
        self.done = 0
        self.moments: Moments | None = None
        # Sum of the forces at the draws so far; None if they are not all known.
        self._forces: np.ndarray | None = None
        self._last: tuple[np.ndarray, np.ndarray] | None = None
        #: Largest relative change of the force of a chain between two draws that are the same state, [chain]; 0 of a sound kernel.
        self.gradient_errors = np.zeros(())
        self._num_calls, self._num_transitions, self._draw_store = num_calls, num_transitions, draw_store
        self._traces: tuple[TransitionStats, Scalars] | None = None

    def resume(self, saved: Mapping[str, np.ndarray], with_moments: bool) -> None:
        """Takes up what `state_dict` gave.

        Args:
          saved: arrays by name.
          with_moments: whether the loop keeps moments of the images.

        Raises:
          ValueError: if there are more draws than the loop will make.
        """
        done = int(saved["done"])
        if done > self._num_calls:
            raise ValueError(
                f"hmc_opts['num_results']: the checkpoint has {done} draws of each chain already. Received: {self._num_calls}"
            )
        self.done, saved = done, renamed_keys(saved, RENAMED)
        stats = TransitionStats(*(saved[f"step.{name}"] for name in TransitionStats._fields))
        scalars = {name.removeprefix("scalar."): a for name, a in saved.items() if name.startswith("scalar.")}
        self._write((stats, scalars), 0)
        if self._draw_store is not None:
            self._draw_store.resume(saved)
        self._forces = saved.get("forces")
        if with_moments:
            self.moments = Moments(done * self._num_transitions, saved["pictures.mean"], saved["pictures.squares"])

    def add(
        self, traced: tuple[TransitionStats, Scalars], moments: tuple, draw: np.ndarray | None, force: Any = ()
    ) -> None:
        """Adds a call of the loop.

        Args:
          traced: statistics and scalars, arrays [transition, ...].
          moments: (mean, variance) of the images over the transitions, or nothing.
          draw: the last state of every chain, [chain, ...]; None if no draws are kept.
          force: gradient of the log density there, [chain, ...]. Defaults to nothing.
        """
        self._write(traced, self.done * self._num_transitions)
        if draw is not None:
            self._draw_store.append(draw)
            if len(force):
                self._add_force(draw, np.float64(force))
        self.done += 1
        if moments:
            mean, variance = (np.float64(part) for part in moments)
            self.moments = merged(self.moments, Moments(self._num_transitions, mean, variance * self._num_transitions))

    @property
    def mean_forces(self) -> np.ndarray | None:
        """Mean of the forces over the draws, float32 [chain, ...]; None if there were none."""
        return None if self._forces is None else (self._forces / self.done).astype(np.float32)

    @property
    def traced(self) -> tuple[TransitionStats, Scalars]:
        """Statistics and scalars of all transitions so far."""
        return tf.nest.map_structure(lambda whole: whole[: self.done * self._num_transitions], self._traces)

    def state_dict(self) -> dict[str, Any]:
        """All of it as arrays by name, for a checkpoint."""
        stats, scalars = self.traced
        found = {f"scalar.{name}": values for name, values in scalars.items()}
        found |= {f"step.{name}": values for name, values in stats._asdict().items()}
        if self.moments is not None:
            found |= {"pictures.mean": self.moments.mean, "pictures.squares": self.moments.squares}
        if self._forces is not None:
            found["forces"] = self._forces
        if self._draw_store is not None:
            found |= self._draw_store.state_dict()
        return found | {"done": self.done}

    def _add_force(self, draw: np.ndarray, force: np.ndarray) -> None:
        """Adds the force at a draw, and compares it with the force at the draw before where the state is the same."""
        if self._forces is not None or not self.done:
            self._forces = force + (self._forces if self.done else 0.0)
        if self._last is not None:
            axes = tuple(range(1, draw.ndim))
            same = np.all(draw == self._last[0], axis=axes)
            change, size = (np.sqrt(np.sum(x**2, axis=axes)) for x in (force - self._last[1], force))
            errors = np.where(same & (size > 0), change / np.where(size > 0, size, 1.0), 0.0)
            self.gradient_errors = np.fmax(self.gradient_errors, errors)
        self._last = draw, force

    def _write(self, traced: tuple[TransitionStats, Scalars], first: int) -> None:
        """Writes a part of the traces from transition `first` on, into arrays with room for all."""
        if self._traces is None:
            size = self._num_calls * self._num_transitions
            self._traces = tf.nest.map_structure(lambda a: np.zeros((size, *a.shape[1:]), a.dtype), traced)
        for whole, values in zip(tf.nest.flatten(self._traces), tf.nest.flatten(traced), strict=True):
            whole[first : first + len(values)] = values
