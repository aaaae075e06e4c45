"""Networks with other gradients, as blocks. Source: lucid/optvis/overrides."""

# ruff: noqa: F401 - What this module offers.

from __future__ import annotations

import contextlib

from samplevis.lucid.misc.gradient_override import gradient_override_map, use_gradient
from samplevis.lucid.misc.redirected_relu_grad import redirected_relu6_grad, redirected_relu_grad
from samplevis.lucid.optvis.overrides.identity_grad import identity_grad
from samplevis.lucid.optvis.overrides.smoothed_maxpool_grad import (
    avg_smoothed_maxpool_grad,
    l2_smoothed_maxpool_grad,
)

pooling_overrides_map = {"MaxPool": avg_smoothed_maxpool_grad}
relu_overrides_map = {"Relu": redirected_relu_grad, "Relu6": redirected_relu6_grad}
default_overrides_map = {**pooling_overrides_map, **relu_overrides_map}


def relu_overrides() -> contextlib.AbstractContextManager:
    """In this block, rectifiers have Lucid's redirected gradient."""
    return gradient_override_map(relu_overrides_map)


def pooling_overrides() -> contextlib.AbstractContextManager:
    """In this block, max pooling has the gradient of average pooling."""
    return gradient_override_map(pooling_overrides_map)


def default_overrides() -> contextlib.AbstractContextManager:
    """`relu_overrides` and `pooling_overrides`."""
    return gradient_override_map(default_overrides_map)


def linearization_overrides() -> contextlib.AbstractContextManager:
    """In this block, gradients pass rectifiers unchanged, and max pooling as average pooling."""
    return gradient_override_map({"Relu": identity_grad, **pooling_overrides_map})
