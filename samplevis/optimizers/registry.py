"""Optimisers by name."""

from __future__ import annotations

from typing import Literal, TypeAlias, TypeVar

import keras

from samplevis.optimizers.base import Method
from samplevis.optimizers.cma import CMA
from samplevis.optimizers.genetic import Genetic
from samplevis.optimizers.lbfgs import LBFGS

T = TypeVar("T")
MethodName: TypeAlias = Literal["cma", "genetic", "lbfgs"]
# What the `optimizer` argument of `optimize` takes. None is Adam(0.05) on gradients in units of their own.
OptimizerLike: TypeAlias = keras.optimizers.Optimizer | Method | MethodName | None

METHODS: dict[MethodName, type[Method]] = {"cma": CMA, "genetic": Genetic, "lbfgs": LBFGS}


def as_method(optimizer: MethodName | T) -> Method | T:
    """Looks up an optimiser by name.

    Args:
      optimizer: "lbfgs", "cma" or "genetic", or anything else.

    Returns:
      The `Method` of that name with default settings; anything but a string is returned unchanged.

    Raises:
      ValueError: for any other string.

    Example:
      >>> from samplevis import optimizers
      >>> optimizers.as_method("lbfgs")
      LBFGS(bank=8, memory=10, line_search=20)
    """
    if not isinstance(optimizer, str):
        return optimizer
    if optimizer not in METHODS:
        raise ValueError(
            f"optimizer: expected one of {', '.join(map(repr, METHODS))}, settings from samplevis.optimizers, or a Keras "
            f"optimizer such as keras.optimizers.Adam(0.05). Received: {optimizer!r}"
        )
    return METHODS[optimizer]()
