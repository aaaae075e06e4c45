"""Trains the prior of the bundled networks' drawings, and writes it into the package: weights of 16 bits and a report.

    python -m benchmarks.train_shapes_prior --steps 52000 --checkpoint build/1 --out build/1.npz
    python -m benchmarks.train_shapes_prior --start build/1.npz --steps 20000 --checkpoint build/2
    python -m benchmarks.train_shapes_prior --check

Rerun a command to resume it. The first 52,000 steps of the bundled weights were made before velocities were averaged over pictures
(`flow_training.expected_velocity`). `--check` measures the prior that is there, and notes the verdict in its report.
TF_SET_ONEDNN_FPMATH_MODE=BF16 saves processors that have AMX 15 % of the time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import samplevis
from samplevis import modelzoo
from samplevis.modelzoo.shapes.drawing import figures
from samplevis.modelzoo.shapes.flow_prior import EDGE, FIGURE_SIZE
from samplevis.modelzoo.shapes.network import FOLDER, read_report, save_weights

WIDTHS = (48, 80)
SEED, HELD_OUT_SEED, PART = 20, 9020, 2000
# Drawings that draws are compared with to see whether they repeat those that were learned.
LEARNED = 10_000


def masks(count: int) -> np.ndarray:
    """Masks of figures in bytes, [count, FIGURE_SIZE, FIGURE_SIZE, 1]."""
    parts = [figures(PART, SEED + 1000 * i, FIGURE_SIZE, EDGE) for i in range(-(-count // PART))]
    return np.concatenate([np.round(255 * part[..., None]).astype(np.uint8) for part in parts])[:count]


def train(options: argparse.Namespace) -> None:
    fitted = samplevis.fit_prior(
        masks(options.masks),
        FIGURE_SIZE,
        steps=options.steps,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        widths=WIDTHS,
        start=None if options.start is None else modelzoo.shapes.prior(weights=options.start).figures,
        checkpoint=options.checkpoint,
        preview=options.preview,
        seed=1,
    )
    print(fitted)
    before = {"steps": 0, "seconds": 0} if options.start is None else read_report(options.start)
    report = {
        "widths": list(WIDTHS), "value_range": list(fitted.prior.value_range), "pictures": fitted.num_pictures,
        "steps": options.steps + before["steps"], "batch_size": options.batch_size,
        "held_out_loss": float(fitted.held_out_losses[-1]), "gaussian_loss": fitted.gaussian_loss,
        "seconds": round(fitted.seconds + before["seconds"]),
    }  # fmt: skip
    save_weights(fitted.prior.model, options.out, report, np.float16)


def check(options: argparse.Namespace) -> None:
    """Measures the prior on drawings that it has not seen, and notes the verdict."""
    prior = modelzoo.shapes.prior(weights=options.out)
    found = samplevis.check_prior(
        prior,
        modelzoo.shapes.draw(2 * options.draws, HELD_OUT_SEED)[0],
        network=modelzoo.Shapes(),
        judge=modelzoo.ShapesJudge(),
        units=[f"logits:{name}" for name in modelzoo.shapes.LABELS],
        training=modelzoo.shapes.draw(LEARNED, SEED)[0],
        draws=options.draws,
        progress=True,
    )
    print(found)
    if options.picture is not None:
        samplevis.export.save_png(samplevis.export.grid(found.draws[:64], 8), options.picture)
    # The weights that were measured, as rounded, and the verdict.
    report = {name: value for name, value in read_report(options.out).items() if name != "sha256"}
    save_weights(prior.figures.model, options.out, report | {"verdict": found.verdict}, np.float16)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=52_000)
    parser.add_argument("--masks", type=int, default=200_000)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=4e-3)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--checkpoint")
    parser.add_argument("--preview")
    parser.add_argument("--out", type=Path, default=FOLDER / "prior.npz")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--draws", type=int, default=2000, help="of the check")
    parser.add_argument("--picture", type=Path, help="PNG file of draws, of the check")
    options = parser.parse_args()
    (check if options.check else train)(options)


if __name__ == "__main__":
    main()
