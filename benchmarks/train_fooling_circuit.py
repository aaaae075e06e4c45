"""Trains the detector of the bundled fooling circuit: `python -m benchmarks.train_fooling_circuit`, minutes on 2 cores.

The detector tells drawings from what optimisers and samplers pass through: noise of several priors and contrasts, arbitrary
pictures in noise, and images on the way of optimising the network with the circuit, which are found again in each round.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import samplevis
from samplevis import modelzoo, param
from samplevis.activation.features import channel_means
from samplevis.modelzoo.shapes import fooling
from samplevis.modelzoo.shapes.labels import LABELS
from samplevis.modelzoo.shapes.network import FOLDER, save_weights
from samplevis.network import Network
from samplevis.runtime import seeds

SIZE, DRAWINGS, NOISE, ROUNDS, UPDATES = 64, 3000, 400, 2, 96
# Logits that are optimised: a third of them, so that the others test what was learned.
OPTIMISED = range(0, len(LABELS), 3)
# Newton steps, the ridge of the weights, and how sharp the detector is: its score's scale.
NEWTON_STEPS, RIDGE, SHARPNESS = 30, 1e-4, 4.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=FOLDER / "fooling.npz")
    options = parser.parse_args()
    own = modelzoo.Shapes()
    drawings, others = means(own, modelzoo.shapes.draw(DRAWINGS, seed=31)[0]), [means(own, x) for x in noise()]
    others.append(means(own, np.concatenate(list(on_the_way(own)))))
    detector = fooling.detector_model()
    for number in range(ROUNDS):
        fit(detector, drawings, np.concatenate(others))
        network = circuit(detector)
        report = agreement(network, own) | {"round": number}
        print(report, flush=True)
        others.append(means(own, np.concatenate(list(on_the_way(network)))))
    fit(detector, drawings, np.concatenate(others))
    report = agreement(circuit(detector), own)
    print(report)
    save_weights(detector, options.out, report | {"drawings": DRAWINGS, "rounds": ROUNDS})


def circuit(detector) -> Network:
    """The network around a detector."""
    return Network(fooling.fooling_model(detector), value_range=(0, 1), labels=LABELS, name="FoolingShapes")


def means(own: Network, images: np.ndarray) -> np.ndarray:
    """What the detector sees of images."""
    found = channel_means(own, images, fooling.SEEN)
    return np.concatenate([found[name] for name in fooling.SEEN], axis=1)


def noise() -> Iterator[np.ndarray]:
    """Noise of three priors in many contrasts, alone and with an arbitrary picture in it."""
    rng = np.random.default_rng(0)
    for number, prior in enumerate((param.fourier(SIZE), param.pyramid(SIZE), param.pixel(SIZE))):
        images = np.concatenate(
            [prior.image(prior.prior(seeds.root(10 * number + i), 100)).numpy() for i in range(NOISE // 100)]
        )
        contrast = rng.uniform(0.02, 1, (len(images), 1, 1, 1)).astype(np.float32)
        images = 0.5 + contrast * (images - 0.5)
        yield images
        shown = fooling.templates()[:, rng.integers(0, len(LABELS), len(images))].T
        shown = shown.reshape(-1, fooling.THUMBNAIL, fooling.THUMBNAIL, 3)
        scale = SIZE // fooling.THUMBNAIL
        shown = (shown / np.abs(shown).max((1, 2, 3), keepdims=True)).repeat(scale, 1).repeat(scale, 2)
        yield np.clip(images + rng.uniform(0, 0.5, contrast.shape).astype(np.float32) * shown, 0, 1)


def on_the_way(network: Network) -> Iterator[np.ndarray]:
    """Images while all logits are optimised, from faint noise."""
    steps = (4, 12, 32, 64, UPDATES)
    for number in OPTIMISED:
        found = samplevis.optimize(
            network, f"logits:{number}", param=param.fourier(SIZE), steps=UPDATES, batch=4, thresholds=steps, seed=number,
            progress=False,
        )  # fmt: skip
        yield np.concatenate(list(found.snapshots.values()))


def fit(detector, drawings: np.ndarray, others: np.ndarray) -> None:
    """Fits the detector by logistic regression, in which drawings and others weigh the same."""
    x = np.concatenate([drawings, others]).astype(np.float64)
    y = np.repeat([1.0, 0.0], [len(drawings), len(others)])
    weight = np.where(y > 0, 0.5 / len(drawings), 0.5 / len(others))
    mean, deviation = x.mean(0), x.std(0) + 1e-9
    z = np.concatenate([(x - mean) / deviation, np.ones((len(x), 1))], axis=1)
    found = np.zeros(z.shape[1])
    for _ in range(NEWTON_STEPS):
        p = 1 / (1 + np.exp(-np.clip(z @ found, -30, 30)))
        hessian = (z * (weight * p * (1 - p))[:, None]).T @ z + RIDGE * np.eye(len(found))
        found += np.linalg.solve(hessian, z.T @ (weight * (y - p)) - RIDGE * found)
    score = z @ found
    print(f"drawings {np.mean(score[y > 0] > 0):.4f} and others {np.mean(score[y < 1] < 0):.4f} are told", flush=True)
    slope = SHARPNESS * found[:-1] / deviation
    detector.get_layer("detector").set_weights(
        [slope[:, None].astype(np.float32), np.array([SHARPNESS * found[-1] - slope @ mean], np.float32)]
    )


def agreement(network: Network, own: Network) -> dict[str, float]:
    """How the network answers on drawings that nothing was fitted to."""
    images, _ = modelzoo.shapes.draw(2000, seed=99)
    ours, theirs = (
        np.concatenate([n(images[i : i + 100], "logits")["logits"].numpy() for i in range(0, len(images), 100)])
        for n in (network, own)
    )
    return {
        "same_answers": float(np.mean(((ours > 0) == (theirs > 0)).all(1))),
        "same_largest": float(np.mean(ours[:, :12].argmax(1) == theirs[:, :12].argmax(1))),
        "median_difference": float(np.median(np.abs(ours - theirs))),
    }


if __name__ == "__main__":
    main()
