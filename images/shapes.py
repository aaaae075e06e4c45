"""Makes shapes.png: for each unit of the bundled network, the drawings that excite it most and an optimised image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import samplevis
from samplevis import export, modelzoo, objectives
from samplevis.modelzoo.shapes.drawing import draw
from samplevis.modelzoo.shapes.labels import CONCEPTS

COLUMNS = 6


def main() -> None:
    """Three rows of six units: three drawings and an optimised image of each."""
    shapes = modelzoo.Shapes()
    pictures, concepts = draw(900, seed=123)
    cells = []
    for unit, label in enumerate(shapes.labels):
        obj = objectives.class_logit("logits", unit)
        # Three of one concept, or two of the first and one of the second.
        best = [best_of(shapes, obj, pictures[concepts == CONCEPTS.index(name)]) for name in label.split("|")]
        drawings = best[0] if len(best) == 1 else [best[0][0], best[1][0], best[0][1]]
        found = samplevis.optimize(shapes, obj, param=samplevis.param.fourier(64), steps=128, progress=False)
        top, bottom = (
            np.concatenate(pair, axis=1) for pair in ((drawings[0], drawings[1]), (drawings[2], found.images[0]))
        )
        cells.append(np.concatenate([top, bottom]))
    sheet = export.grid(np.stack(cells), COLUMNS, labels=shapes.labels, gap=8)
    export.save_png(sheet, Path(__file__).parent / "shapes.png")


def best_of(network: samplevis.Network, obj: objectives.Objective, pictures: np.ndarray) -> np.ndarray:
    """The three images that excite a unit most."""
    return samplevis.collect(network, obj, pictures, top=3, bottom=0, batch_size=len(pictures)).top_images


if __name__ == "__main__":
    main()
