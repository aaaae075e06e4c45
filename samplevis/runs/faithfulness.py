"""A softness at which the smoothed copy of a network stands for it: what excites the copy excites the network."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from samplevis.activation import Activation
from samplevis.sampling.level_scale import LevelScale, best_activation

# The level on the network itself, where 1 is its own best picture, that the copy's best picture has to come to.
MIN_FAITHFUL = 0.6
# A softness of .02, after four halvings of the default, gives the values of the network to a few per cent.
MAX_HALVINGS = 4


def faithfulness(exact: Activation, scale: LevelScale, latents: np.ndarray, seed: tf.Tensor) -> float:
    """Return the level on the network itself of the best picture of its smoothed copy.

    Each rounded kink shifts the values of its layer a little. Many narrow layers add these shifts up until the copy sees other
    things than the network; fewer and wider ones average them.

    Args:
      exact: the unit on the network itself.
      scale: the ends of its scale there.
      latents: of pictures that were optimised for the copy, [N, *latent_shape].
      seed: int32 tensor of shape [2].

    Returns:
      The level; nan if the network's values are not finite.

    Example:
      >>> faithfulness(exact, measure_scale(exact, further.latents), optimized.latents, seeds.root(0))
      0.94
    """
    best = best_activation(exact, latents, seed)
    return float(scale.levels(best)) if np.isfinite(best) else np.nan
