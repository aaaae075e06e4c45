"""The level that pictures reach on the network as it is: `python -m benchmarks.levels` prints each unit and its chains.

Units of SqueezeNet, of EfficientNet-Lite0 and of a network that is trained here on drawings, sampled by `render` with its
defaults. The level is measured by a copy of the network that `render` did not see, on transforms from another seed, between the
mean over fresh noise and the best of the run's optimised images. `--json FILE` writes the rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import samplevis
from benchmarks.quality import squeezenet
from benchmarks.rows import run_parts
from samplevis import modelzoo, param
from samplevis.activation import make_activation
from samplevis.modelzoo.shapes import draw
from samplevis.runtime import seeds
from samplevis.sampling.level_scale import LevelScale

# What a chain may differ from the level asked for, and the share of the chains that has to keep to it.
TOLERANCE, SHARE = 0.05, 0.95
NUM_TRANSFORMS, NUM_NOISE = 64, 128
# Units are drawn at random, from the logits and from a hidden layer of each network.
SEED = 20260


def drawings_network() -> samplevis.Network:
    """A small network with rectifiers and max pooling, trained on drawings of the bundled network's concepts."""
    keras.utils.set_random_seed(SEED)
    images, concepts = draw(6000, SEED, 32)
    x = image = keras.Input((None, None, 3), name="image")
    for number, channels in enumerate((24, 48, 64), 1):
        x = keras.layers.Conv2D(channels, 3, padding="same", activation="relu", name=f"conv{number}")(x)
        x = keras.layers.MaxPooling2D(name=f"pool{number}")(x)
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    model = keras.Model(image, keras.layers.Dense(int(concepts.max()) + 1, name="logits")(x), name="drawings")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(2e-3), loss, metrics=["accuracy"])
    history = model.fit(images, concepts, batch_size=64, epochs=12, verbose=0).history
    print(f"trained on drawings: accuracy {history['accuracy'][-1]:.2f}", flush=True)
    return samplevis.Network(model, value_range=(0, 1))


# Makers of the networks, and the layers whose units are drawn.
NETWORKS: dict[str, tuple[Callable[[], samplevis.Network], tuple[str, ...]]] = {
    "squeezenet": (squeezenet, ("logits", "fire9")),
    "efficientnet": (modelzoo.EfficientNetLite0, ("logits", "block7a_project_bn")),
    "drawings": (drawings_network, ("logits", "conv3")),
}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--units", type=int, default=8, help="units of each network")
    parser.add_argument("--size", type=int, default=96, help="pixels")
    parser.add_argument("--chains", type=int, default=12)
    parser.add_argument("--level", type=float, default=0.7)
    parser.add_argument("--json", type=Path, help="file for the results")
    run_parts(PARTS, parser.parse_args())


def levels(name: str) -> Callable:
    """The part of a network: a row for each unit, and one for all chains."""

    def part(options: argparse.Namespace):
        make, layers = NETWORKS[name]
        network, copy, rng = make(), make(), np.random.default_rng(SEED)
        errors = []
        for number in range(options.units):
            layer = layers[number % len(layers)]
            channel = int(rng.integers(network.layer_shape(layer, (options.size, options.size))[-1]))
            unit = f"{layer}:{channel}"
            hmc = {"num_chains": options.chains}
            try:
                samples = samplevis.render(
                    network, unit, hmc, im_size=options.size, level=options.level, seed=number, progress=False
                )
            except ValueError as error:
                yield {"network": name, "unit": unit, "error": str(error)[:80]}
                continue
            found = independent_levels(copy, unit, samples).mean(axis=1)
            errors += list(found - options.level)
            summary = samples.summary()
            yield {
                "network": name,
                "unit": unit,
                "level": float(found.mean()),
                "chains": np.round(found, 3).tolist(),
                "reported": float(samples.levels.mean()),
                "sampled": float(samples.sampled_levels.mean()),
                "verdict": summary.pictures.verdict,
                "issues": [issue.text for issue in summary.pictures.issues],
                "seconds": sum(samples.seconds.values()),
            }
        within = float(np.mean(np.abs(errors) <= TOLERANCE)) if errors else np.nan
        yield {"network": name, "chains": len(errors), "within": within, "passed": within >= SHARE}

    return part


def independent_levels(network: samplevis.Network, unit: str, samples: samplevis.Samples) -> np.ndarray:
    """Levels of the draws on a network that was not sampled, on transforms that nothing else sees, [chain, draw]."""
    activation = make_activation(network, unit, param.fourier(samples.images.shape[2:4]), "robust")
    bank = activation.sample_bank(seeds.root(SEED), NUM_TRANSFORMS)

    @tf.function
    def mean(images: tf.Tensor) -> tf.Tensor:
        tiled = tf.nest.map_structure(lambda t: tf.tile(t, [len(images)] + [1] * (t.shape.rank - 1)), bank)
        scores = activation.of_images(images, tiled, NUM_TRANSFORMS)
        return tf.reduce_mean(tf.reshape(scores, (len(images), NUM_TRANSFORMS)), axis=1)

    def means(images: np.ndarray) -> np.ndarray:
        return np.array([float(mean(tf.constant(image[None]))[0]) for image in images])

    noise = activation.param.image(activation.param.prior(seeds.root(SEED + 1), NUM_NOISE)).numpy()
    scale = LevelScale(float(means(noise).mean()), float(means(samples.optimized).max()))
    return scale.levels(np.stack([means(chain) for chain in samples.images]))


PARTS = {name: levels(name) for name in NETWORKS}


if __name__ == "__main__":
    main()
