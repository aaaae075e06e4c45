"""Trains the prior of the bundled networks' drawings, and writes it into the package: weights of 16 bits and a report.

    python -m benchmarks.train_shapes_prior --steps 30000 --checkpoint build/shapes-prior

Rerun the same command to resume. With `--check`, only measures the prior that is there, and notes the verdict in its report.
`benchmarks/results/shapes_prior.npz` is as far as training has come: its draws do not pass the check yet, so that it is not part
of the package. `--start benchmarks/results/shapes_prior.npz` goes on from it.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np

import samplevis
from samplevis import modelzoo
from samplevis.modelzoo.shapes.network import FOLDER, read_report, save_weights
from samplevis.param.flow import Flow
from samplevis.param.unet import unet

SIZE, WIDTHS = 32, (48, 80)
SEED, HELD_OUT_SEED, PART = 20, 9020, 2000
LEARNED = 10_000


def drawings(count: int, seed: int) -> np.ndarray:
    """Drawings in bytes, [count, SIZE, SIZE, 3]."""
    parts = [modelzoo.shapes.draw(PART, seed=seed + 1000 * i, size=SIZE)[0] for i in range(-(-count // PART))]
    return np.concatenate([np.round(255 * part).astype(np.uint8) for part in parts])[:count]


def enlarged(prior: Flow, pixels: np.ndarray) -> np.ndarray:
    """Drawings as the prior shows them."""
    return prior.decode(pixels.astype(np.float32) / 255).numpy()


def learned_flow(weights: Path) -> Flow:
    """The flow of a file of weights, without the enlargement."""
    return dataclasses.replace(
        modelzoo.shapes.prior(weights=weights), decode=None, encode=None, image_shape=(SIZE, SIZE, 3)
    )


def train(options: argparse.Namespace) -> None:
    fitted = samplevis.fit_prior(
        drawings(options.drawings, SEED),
        SIZE,
        steps=options.steps,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        widths=WIDTHS,
        start=None if options.start is None else learned_flow(options.start),
        checkpoint=options.checkpoint,
        preview=options.preview,
        seed=1,
    )
    print(fitted)
    model = unet((SIZE, SIZE), widths=WIDTHS)
    for variable, value in zip(model.weights, fitted.prior.model.weights, strict=True):
        variable.assign(np.float32(np.float16(value)))
    before = 0 if options.start is None else read_report(options.start)["steps"]
    report = {
        "size": [SIZE, SIZE], "widths": list(WIDTHS), "value_range": list(fitted.prior.value_range),
        "pictures": fitted.num_pictures, "steps": options.steps + before, "batch_size": options.batch_size,
        "held_out_loss": float(fitted.held_out_losses[-1]), "gaussian_loss": fitted.gaussian_loss,
        "seconds": round(fitted.seconds),
    }  # fmt: skip
    save_weights(model, options.out, report, np.float16)


def check(options: argparse.Namespace) -> None:
    """Measures the prior on drawings that it has not seen, and notes the verdict."""
    prior = modelzoo.shapes.prior(weights=options.out)
    pictures = enlarged(prior, drawings(2 * options.draws, HELD_OUT_SEED))
    learned = enlarged(prior, drawings(options.drawings, SEED)[:LEARNED])
    found = samplevis.check_prior(
        prior,
        pictures,
        network=modelzoo.Shapes(),
        judge=modelzoo.ShapesJudge(),
        units=[f"logits:{name}" for name in modelzoo.shapes.LABELS],
        training=learned,
        draws=options.draws,
    )
    print(found)
    report = {name: value for name, value in read_report(options.out).items() if name != "sha256"}
    save_weights(prior.model, options.out, report | {"verdict": found.verdict}, np.float16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=30_000)
    parser.add_argument("--drawings", type=int, default=40_000)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=4e-3)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--checkpoint")
    parser.add_argument("--preview")
    parser.add_argument("--out", type=Path, default=FOLDER / "prior.npz")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--draws", type=int, default=2000, help="of the check")
    options = parser.parse_args()
    (check if options.check else train)(options)


if __name__ == "__main__":
    main()
