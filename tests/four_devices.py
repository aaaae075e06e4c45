"""A small run on one and on four logical devices, in a process of its own: python four_devices.py. Prints what it found as JSON."""

from __future__ import annotations

import hashlib
import json

import keras
import numpy as np
import tensorflow as tf

import samplevis
from samplevis import devices, seeds
from samplevis.activation import make_activation
from samplevis.sampling.kernels import value_and_gradient

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 4)
FOUR = [f"CPU:{number}" for number in range(4)]

keras.utils.set_random_seed(0)
image = keras.Input((None, None, 3))
x = keras.layers.Conv2D(8, 3, 2, activation="relu")(image)
network = samplevis.Network(keras.Model(image, keras.layers.Conv2D(8, 3, 2, name="last")(x)))


def digest(names: list[str]) -> str:
    """Of the draws and of all that is told about them."""
    samples = samplevis.render(
        network,
        "last:1",
        dict(num_results=3, num_burnin_steps=2, num_leapfrog_steps=3, num_chains=4, num_transforms=2),
        im_size=16,
        transforms=samplevis.transform.jitter(2),
        smooth=None,
        optimize_steps=8,
        anneal_steps=25,
        progress=False,
        devices=names,
    )
    arrays = [
        samples.latents,
        samples.images,
        samples.fresh_activation,
        samples.network_levels,
        *samples.stats.values(),
    ]
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


def places(names: list[str]) -> list[str]:
    """Where values, and where gradients, of four latents are computed."""
    activation = make_activation(network, "last:1", samplevis.param.fourier(24), None)
    scores = lambda z: devices.one_by_one(lambda z, _: activation.scores(z, ()), z, (), names)[:, 0]  # noqa: E731
    run = tf.function(lambda z: value_and_gradient(scores, z))
    graph = run.get_concrete_function(activation.param.prior(seeds.root(0), 4)).graph
    kinds = ("Conv2D", "Conv2DBackpropInput")
    return sorted({f"{op.type} {op.device[-5:]}" for kind in kinds for op in graph.get_operations() if op.type == kind})


def broken(function, z, draws, names):
    """Depends on the device in a last bit."""
    values = whole(function, z, draws, names)
    last = tf.range(z.shape[0]) * len(names) // z.shape[0] == 3
    return tf.where(last[:, None], values * (1 + 2**-22), values)


found = {"one": digest(FOUR[:1]), "four": digest(FOUR), "places": places(FOUR)}
whole, samplevis.activation.one_by_one = devices.one_by_one, broken
network.compiled.clear()
print(json.dumps(found | {"broken": digest(FOUR)}))
