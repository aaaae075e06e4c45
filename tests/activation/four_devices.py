"""A small run on one and on four logical devices: python tests/activation/four_devices.py, in a separate process. Prints JSON."""

from __future__ import annotations

import json

import tensorflow as tf
from device_run import digest, small_network

import samplevis
from samplevis.activation import activation as activation_module
from samplevis.activation import devices, make_activation
from samplevis.runtime import seeds
from samplevis.sampling.kernels.base import value_and_gradient

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 4)
FOUR = [f"CPU:{number}" for number in range(4)]

network = small_network()


def places(names: list[str]) -> list[str]:
    """Where values, and where gradients, of four latents are computed."""
    activation = make_activation(network, "last:1", samplevis.param.fourier(24), None)
    scores = lambda z: devices.per_device(lambda z, _: activation.scores(z, ()), z, (), names)[:, 0]  # noqa: E731
    run = tf.function(lambda z: value_and_gradient(scores, z))
    graph = run.get_concrete_function(activation.param.prior(seeds.root(0), 4)).graph
    kinds = ("Conv2D", "Conv2DBackpropInput")
    return sorted({f"{op.type} {op.device[-5:]}" for kind in kinds for op in graph.get_operations() if op.type == kind})


def broken(function, z, transform_params, names):
    """Depends on the device in a last bit."""
    values = exact(function, z, transform_params, names)
    last = tf.range(z.shape[0]) * len(names) // z.shape[0] == 3
    return tf.where(last[:, None], values * (1 + 2**-22), values)


found = {"one": digest(network, FOUR[:1]), "four": digest(network, FOUR), "places": places(FOUR)}
exact, activation_module.per_device = devices.per_device, broken
network.compiled.clear()
print(json.dumps(found | {"broken": digest(network, FOUR)}))
