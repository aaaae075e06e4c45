"""The inputs of a model that takes several: one is the image, the others are fixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from samplevis.network.sources.base import Shape, show


def image_input(model: str, names: Sequence[str], fixed_inputs: Mapping[str, Any]) -> str:
    """The input that is left for the image.

    Args:
      model: the model's name.
      names: its inputs.
      fixed_inputs: values of the others by name.

    Returns:
      One of `names`.

    Raises:
      ValueError: if `fixed_inputs` names another input, or not exactly one is left.
    """
    if unknown := [name for name in fixed_inputs if name not in names]:
        raise ValueError(f"fixed_inputs: {model!r} has no input {unknown[0]!r}. Its inputs: {', '.join(names)}")
    free = [name for name in names if name not in fixed_inputs]
    if len(free) != 1:
        raise ValueError(
            f"model: {model!r} has {len(names)} inputs ({', '.join(names)}), and {len(free)} of them are free; "
            "expected one, the image. Say what the others are: fixed_inputs={'name': array}."
        )
    return free[0]


def check_fixed_inputs(name: str, shape: Shape, value: Any) -> np.ndarray:
    """A fixed input as an array, floats as float32; ValueError unless it has the shape of the input, without a batch."""
    value = np.asarray(value)
    if value.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, value.shape, strict=True)):
        raise ValueError(
            f"fixed_inputs: expected {name!r} of shape {show(shape)}, no batch. Received: {show(value.shape)}"
        )
    return value.astype(np.float32) if value.dtype.kind == "f" else value
