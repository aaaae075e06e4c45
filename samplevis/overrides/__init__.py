"""Networks with other gradients, or smoother functions, than those they were trained with.

Every function takes a network and returns a new one: a clone of the Keras model with copies of its weights, in which some
layers are replaced. The original network stays as it is, and later training of it does not reach the clone (that of `bfloat16`
shares the weights).

- `redirect_relu`, `smooth_max_pool` and `linearize` keep the function and change its gradient, which is then that of no function:
  it helps an optimiser, and is of no use to a sampler.
- `smooth` changes the function itself, and with it the gradient: the result has a density without kinks.
- `bfloat16` computes the same function on the same weights with fewer digits, for an optimiser.

Example:
  >>> soft = overrides.smooth(model)
  >>> soft.exact_gradient, overrides.linearize(model).exact_gradient
  (True, False)
"""

from samplevis.overrides.gradients import linearize, redirect_relu, smooth_max_pool
from samplevis.overrides.precision import bfloat16
from samplevis.overrides.smooth import smooth

__all__ = ["bfloat16", "linearize", "redirect_relu", "smooth", "smooth_max_pool"]
