"""Networks with other gradients, or with smoother functions, than the ones that they were trained with.

Every function takes a network and returns a new one: a clone of the Keras model with copies of its weights, in which some
layers are replaced. The network that was given stays as it is, and weights that it learns later do not reach the clone.

- `redirect_relu`, `smooth_max_pool` and `linearize` keep the function and change its gradient. Such a gradient belongs to no
  function: it helps an optimiser along, and is of no use to a sampler.
- `smooth` changes the function itself, and its gradient with it: a network that has a density without kinks.
"""

from samplevis.overrides.gradients import linearize, redirect_relu, smooth_max_pool
from samplevis.overrides.smooth import smooth

__all__ = ["linearize", "redirect_relu", "smooth", "smooth_max_pool"]
