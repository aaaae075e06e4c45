"""A small run whose bytes are compared between devices, for the scripts that have devices of their own."""

from __future__ import annotations

import hashlib

import keras
import numpy as np

import samplevis


def small_network() -> samplevis.Network:
    """Two convolutions."""
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, 2, activation="relu")(image)
    return samplevis.Network(keras.Model(image, keras.layers.Conv2D(8, 3, 2, name="last")(x)))


def digest(network: samplevis.Network, names: list[str]) -> str:
    """Hashes of the draws and diagnostics of a run on the devices of these names."""
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
