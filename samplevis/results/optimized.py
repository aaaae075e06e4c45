"""What optimising returns."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Optimized:
    """What `optimize` returns.

    Attributes:
      images: float32 [batch, *image_shape] in [0, 1], after the last step.
      latents: float32 [batch, *latent_shape].
      history: float32 [steps, batch], the activation before each step's update; in searches by populations, that of the best
        candidate so far. Fewer steps than asked for if the optimiser was done.
      snapshots: number of updates -> images [batch, *image_shape].
    """

    images: np.ndarray
    latents: np.ndarray
    history: np.ndarray
    snapshots: dict[int, np.ndarray]
