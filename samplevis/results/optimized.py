"""The result of an optimisation."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Optimized:
    """The result of `optimize`.

    Attributes:
      images: float32 [batch, *image_shape] in [0, 1], after the last step.
      latents: float32 [batch, *latent_shape].
      history: float32 [steps, batch], the activation before each step's update; for "cma" and "genetic", that of the best
        candidate so far. Shorter if the optimiser converged or was interrupted.
      snapshots: number of updates -> images [batch, *image_shape].

    Example:
      >>> result = samplevis.optimize(model, "fire9:10", steps=128, thresholds=[64, 128])
      >>> result.history.shape, sorted(result.snapshots)
      ((128, 1), [64, 128])
    """

    images: np.ndarray
    latents: np.ndarray
    history: np.ndarray
    snapshots: dict[int, np.ndarray]
