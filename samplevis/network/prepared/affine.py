"""Layers that multiply each channel by a number and add another, at inference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

_KERAS = keras.layers


def is_affine(layer: Any, rank: int, axis: int) -> bool:
    """Whether a layer is an affine map of each channel.

    Args:
      layer: a layer or an operation.
      rank: of its input, with the batch.
      axis: the axis of the channels, from 0.
    """
    if type(layer) not in _NUMBERS:
        return False
    if isinstance(layer, _KERAS.BatchNormalization):
        return layer.axis % rank == axis
    # One number for all, or one for each of the last axis.
    return all(np.ndim(number) == 0 or (np.shape(number)[:-1] == (1,) * (np.ndim(number) - 1) and axis == rank - 1)
               for number in _fixed(layer))  # fmt: skip


def has_shift(layer: Any) -> bool:
    """Whether an affine layer adds something; only of a `Rescaling` is it known that it does not."""
    return not isinstance(layer, _KERAS.Rescaling) or bool(np.any(layer.offset))


def scale_and_shift(layers: Sequence[Any], channels: int) -> tuple[np.ndarray, np.ndarray]:
    """What affine layers in a row do to each channel.

    Args:
      layers: affine layers, the first one first.
      channels: their number.

    Returns:
      (scale, shift), float64 [channels]: x becomes scale * x + shift.
    """
    scale, shift = np.ones(channels), np.zeros(channels)
    for layer in layers:
        factor, term = _NUMBERS[type(layer)](layer)
        scale, shift = scale * factor, shift * factor + term
    return scale, shift


def _batch_normalization(layer: _KERAS.BatchNormalization) -> tuple[np.ndarray, np.ndarray]:
    mean, variance = _array(layer.moving_mean), _array(layer.moving_variance)
    gamma, beta = _array(layer.gamma) if layer.scale else 1.0, _array(layer.beta) if layer.center else 0.0
    scale = gamma / np.sqrt(variance + layer.epsilon)
    return scale, beta - mean * scale


def _rescaling(layer: _KERAS.Rescaling) -> tuple[np.ndarray, np.ndarray]:
    return np.float64(layer.scale), np.float64(layer.offset)


def _normalization(layer: _KERAS.Normalization) -> tuple[np.ndarray, np.ndarray]:
    deviation = np.maximum(np.sqrt(_array(layer.variance)), keras.config.epsilon()).ravel()
    mean = _array(layer.mean).ravel()
    return (deviation, mean) if layer.invert else (1 / deviation, -mean / deviation)


def _fixed(layer: Any) -> tuple[Any, ...]:
    """The numbers of a layer of preprocessing."""
    return (layer.scale, layer.offset) if isinstance(layer, _KERAS.Rescaling) else (layer.mean, layer.variance)


def _array(values: Any) -> np.ndarray:
    return tf.convert_to_tensor(values).numpy().astype(np.float64)


_NUMBERS = {
    _KERAS.BatchNormalization: _batch_normalization,
    _KERAS.Rescaling: _rescaling,
    _KERAS.Normalization: _normalization,
}

#: The kinds of layers that may be affine maps of channels.
AFFINE = tuple(_NUMBERS)
