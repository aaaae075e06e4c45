"""Chains on several devices: each is computed by itself, so that its numbers do not depend on where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from samplevis.runtime.checks import brief, is_list


def check_devices(devices: Sequence[str] | None) -> tuple[str, ...]:
    """Checks the names of devices.

    Args:
      devices: names that TensorFlow knows, such as "GPU:0", at least one; None for TensorFlow's own choice.

    Returns:
      The names; none for None.

    Raises:
      TypeError: if they are no list of names.
      ValueError: if there are none, or TensorFlow has no such device; those that it has come with it.
    """
    if devices is None:
        return ()
    if not is_list(devices) or not all(isinstance(name, str) for name in devices):
        raise TypeError(f"devices: expected a list of names such as 'GPU:0'. Received: {brief(devices)}")
    known = [device.name for device in tf.config.list_logical_devices()]
    unknown = [name for name in devices if not any(_names(name, whole) for whole in known)]
    if unknown or not devices:
        short = ", ".join(repr(whole.removeprefix("/device:")) for whole in known)
        raise ValueError(f"devices: expected some of {short}. Received: {repr(unknown[0]) if unknown else 'none'}")
    return tuple(devices)


def _names(name: str, device: str) -> bool:
    """Whether a name, which may leave out job and task, is that of a device."""
    try:
        spec, whole = tf.DeviceSpec.from_string(name), tf.DeviceSpec.from_string(device)
    except ValueError:
        return False
    parts = ("job", "replica", "task", "device_type", "device_index")
    same = all(getattr(spec, part) in (None, getattr(whole, part)) for part in parts)
    return same and spec.device_type is not None


def per_device(
    function: Callable[[tf.Tensor, Any], tf.Tensor], z: tf.Tensor, transform_params: Any, devices: Sequence[str]
) -> tf.Tensor:
    """Applies a function to each latent by itself, on devices that share them evenly. Gradients are computed there, too.

    Args:
      function: (latents [1, *latent_shape], parameters of K transforms) -> values [1, K], differentiable in the latents.
      z: latents [N, *latent_shape].
      transform_params: nest of tensors [N * K, ...]; latent 0 takes the first K.
      devices: names, at least one.

    Returns:
      float32 tensor [N, K].
    """
    count = z.shape[0]
    values = []
    for number in range(count):

        def part(leaf: tf.Tensor, number: int = number) -> tf.Tensor:
            size = leaf.shape[0] // count
            return leaf[number * size : (number + 1) * size]

        device = devices[number * len(devices) // count]
        values.append(_placed(function, device, tf.nest.map_structure(part, transform_params))(part(z)))
    return tf.concat(values, axis=0)


def _placed(function: Callable[[tf.Tensor, Any], tf.Tensor], device: str, transform_params: Any) -> Callable:
    """A function of latents on a device. A tape alone would leave it to TensorFlow where the gradient is computed."""

    @tf.custom_gradient
    def placed(z: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        with tf.device(device), tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(z)
            values = function(z, transform_params)

        def gradient(upstream: tf.Tensor, variables: Sequence[tf.Variable] = ()) -> tuple[tf.Tensor, list[None]]:
            with tf.device(device):
                found = tape.gradient(values, z, upstream, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            return found, [None for _ in variables]

        return values, gradient

    return placed
