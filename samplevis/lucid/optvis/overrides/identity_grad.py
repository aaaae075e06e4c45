"""A gradient that passes unchanged. Source: lucid/optvis/overrides/identity_grad.py."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def identity_grad(_op: Any, grad: tf.Tensor) -> tf.Tensor:
    """The gradient of the output as that of the input, for `gradient_override_map`."""
    return grad
