"""Latents on several devices: each is computed separately, so that results do not depend on the number of devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from samplevis.runtime.checks import brief, is_list


def check_devices(devices: Sequence[str] | None) -> tuple[str, ...]:
    """Checks the names of devices.

    Args:
      devices: names that TensorFlow knows, such as "GPU:0", at least one; or None for TensorFlow's choice.

    Returns:
      The names; an empty tuple for None.

    Raises:
      TypeError: if `devices` is not a list of names.
      ValueError: if it is empty, or TensorFlow has no such device; the message lists the available devices.
    """
    if devices is None:
        return ()
    if not is_list(devices) or not all(isinstance(name, str) for name in devices):
        raise TypeError(f"devices: expected a list of names such as 'GPU:0'. Received: {brief(devices)}")
    known = [device.name for device in tf.config.list_logical_devices()]
    unknown = [name for name in devices if not any(_matches(name, full_name) for full_name in known)]
    if unknown or not devices:
        short = ", ".join(repr(full_name.removeprefix("/device:")) for full_name in known)
        raise ValueError(f"devices: expected some of {short}. Received: {repr(unknown[0]) if unknown else 'none'}")
    return tuple(devices)


def _matches(name: str, full_name: str) -> bool:
    """Whether a name, which may omit job and task, matches the full name of a device."""
    try:
        spec, full = tf.DeviceSpec.from_string(name), tf.DeviceSpec.from_string(full_name)
    except ValueError:
        return False
    parts = ("job", "replica", "task", "device_type", "device_index")
    same = all(getattr(spec, part) in (None, getattr(full, part)) for part in parts)
    return same and spec.device_type is not None


def per_device(
    function: Callable[[tf.Tensor, Any], tf.Tensor], z: tf.Tensor, transform_params: Any, devices: Sequence[str]
) -> tf.Tensor:
    """Applies a function to each latent separately, with the latents divided evenly over devices.

    The gradient of a latent is computed on the same device as its value.

    Args:
      function: (latents [1, *latent_shape], parameters of K transforms) -> values [1, K], differentiable in the latents.
      z: latents [N, *latent_shape].
      transform_params: nest of tensors [N * K, ...]; the first K are those of latent 0.
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
        values.append(_on_device(function, device, tf.nest.map_structure(part, transform_params))(part(z)))
    return tf.concat(values, axis=0)


def _on_device(function: Callable[[tf.Tensor, Any], tf.Tensor], device: str, transform_params: Any) -> Callable:
    """The function of latents, with value and gradient on a device. Without this, TensorFlow would place the gradient."""

    @tf.custom_gradient
    def on_device(z: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        with tf.device(device), tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(z)
            values = function(z, transform_params)

        def gradient(upstream: tf.Tensor, variables: Sequence[tf.Variable] = ()) -> tuple[tf.Tensor, list[None]]:
            with tf.device(device):
                slope = tape.gradient(values, z, upstream, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            return slope, [None for _ in variables]

        return values, gradient

    return on_device
