"""Optimisers for `samplevis.optimize` in addition to those of Keras: L-BFGS, and two that need no gradient.

Example:
  >>> import samplevis
  >>> from samplevis import modelzoo, optimizers, param
  >>> search = optimizers.Genetic(bank=1, population=8)
  >>> result = samplevis.optimize(
  ...     modelzoo.Shapes(), "logits:4", param=param.fourier(32), optimizer=search, steps=4, progress=False
  ... )
  >>> result.history.shape
  (4, 1)
"""

from samplevis.optimizers.base import Method, Stepper
from samplevis.optimizers.blackbox import as_network_of
from samplevis.optimizers.cma import CMA
from samplevis.optimizers.genetic import Genetic
from samplevis.optimizers.lbfgs import LBFGS
from samplevis.optimizers.registry import as_method

__all__ = ["CMA", "LBFGS", "Genetic", "Method", "Stepper", "as_method", "as_network_of"]
