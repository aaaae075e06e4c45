"""Networks with other gradients, or smoother functions, than those they were trained with.

Every function takes a network and returns a new one. It computes with the layers of the original, so that it has their state and
later training reaches both; only the activation functions and poolings that are replaced are its own. Each of these is compared
with what it replaces, on a few images, when the network is made: one that gives other values is left out, with a warning.

- `redirect_relu`, `smooth_max_pool` and `linearize` keep the function and change its gradient, which is then the gradient of no
  function: it helps an optimiser, and is of no use to a sampler.
- `smooth` changes the function itself, and with it the gradient: the result has a density without kinks. At a small softness it
  has the values of the original. The widths of its kinks are measured once.
- `bfloat16` computes the same function with fewer digits, for an optimiser.

Example:
  >>> soft = overrides.smooth(model)
  >>> soft.exact_gradient, overrides.linearize(model).exact_gradient
  (True, False)
"""

from samplevis.overrides.gradients import linearize, redirect_relu, smooth_max_pool
from samplevis.overrides.precision import bfloat16
from samplevis.overrides.smooth import smooth

__all__ = ["bfloat16", "linearize", "redirect_relu", "smooth", "smooth_max_pool"]
