"""Optimisers for `samplevis.optimize` beside those of Keras: L-BFGS, and two that need no gradient.

samplevis.optimize(model, "fire9:10", optimizer="lbfgs")
samplevis.optimize(model, "fire9:10", optimizer=optimizers.Genetic(population=128))
"""

from samplevis.optimizers.base import Method, Stepper, as_method
from samplevis.optimizers.blackbox import as_network_of
from samplevis.optimizers.cma import CMA
from samplevis.optimizers.genetic import Genetic
from samplevis.optimizers.lbfgs import LBFGS

__all__ = ["CMA", "LBFGS", "Genetic", "Method", "Stepper", "as_method", "as_network_of"]
