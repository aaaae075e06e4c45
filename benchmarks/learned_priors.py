"""Surprisal and shares of the either-or units under the bundled prior, against brute force on drawings; and its round trip.

    python -m benchmarks.learned_priors --drawings 100000 --draws 8192

The draws of the prior are the same for all units: each row is what the kernel "rejection" finds, without transforms.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tensorflow as tf

from samplevis import modelzoo
from samplevis.analysis.prior_checks import prior_images
from samplevis.modelzoo.shapes.network import FOLDER
from samplevis.results.shares import judged, wilson
from samplevis.runtime import seeds

SIZE, PART, BATCH_SIZE = 32, 2000, 64
QUANTILES = (0.9, 0.8)
# Fewer accepted draws tell no share.
MIN_ACCEPTED = 20


def logits(images: np.ndarray) -> np.ndarray:
    """Logits of the bundled network, [N, 18]."""
    network = modelzoo.Shapes()
    run = tf.function(lambda batch: network.cut(("logits",))(batch)["logits"])
    return np.concatenate([run(tf.constant(images[i : i + BATCH_SIZE])) for i in range(0, len(images), BATCH_SIZE)])


def measure(parts: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Logits and judged labels of images."""
    judge = modelzoo.ShapesJudge()
    found = [(logits(images), judged(judge, images)) for images in parts]
    return tuple(np.concatenate(values) for values in zip(*found, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drawings", type=int, default=100_000)
    parser.add_argument("--draws", type=int, default=8192)
    parser.add_argument("--weights", type=Path, default=FOLDER / "prior.npz")
    options = parser.parse_args()
    prior = modelzoo.shapes.prior(weights=options.weights)
    print(prior.verdict)

    def drawings(count: int, seed: int) -> np.ndarray:
        return prior.decode(modelzoo.shapes.draw(count, seed=seed, size=SIZE)[0]).numpy()

    pictures = drawings(20, 77)
    print("round trip of 20 drawings, rms of a pixel:", prior.round_trip(pictures)[1].max())
    counts = range(-(-options.drawings // PART))
    truth, names = measure(drawings(PART, 50_000 + i) for i in counts)
    draws, labels = measure([prior_images(prior, options.draws, seeds.root(1), progress=True)])
    print(f"nothing: drawings {np.mean(names == 'nothing'):.3f}, draws {np.mean(labels == 'nothing'):.3f}")
    print("| unit | quantile | nats: drawings | prior | first concept: drawings | prior | second: drawings | prior |")
    for number, (first, second) in enumerate(modelzoo.shapes.EITHER_OR, start=len(modelzoo.shapes.CONCEPTS)):
        for quantile in QUANTILES:
            target = np.quantile(truth[:, number], quantile)
            above, there = truth[:, number] >= target, draws[:, number] >= target
            nats = -np.log(there.mean()) if there.any() else np.inf
            cells = [f"{first}\\|{second}", f"{quantile:g}", f"{-np.log(above.mean()):.2f}", f"{nats:.2f}"]
            for concept in (first, second):
                cells.append(f"{np.mean(names[above] == concept):.3f}")
                if there.sum() < MIN_ACCEPTED:
                    cells.append(f"({there.sum()} draws)")
                    continue
                share = np.mean(labels[there] == concept)
                low, high = wilson(share, there.sum(), 0.9)
                cells.append(f"{share:.3f} ({low:.3f} to {high:.3f})")
            print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
