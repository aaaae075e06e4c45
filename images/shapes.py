"""Makes shapes.png: for each unit of the bundled network, drawings that excite it most, and what an optimiser finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import samplevis
from samplevis import export, modelzoo, objectives
from samplevis.modelzoo.shapes.drawing import draw

COLUMNS = 6


def main() -> None:
    """Three rows of six units: three drawings and an optimised picture of each."""
    shapes = modelzoo.Shapes()
    pictures, _ = draw(1500, seed=123)
    cells = []
    for unit, _ in enumerate(shapes.labels):
        obj = objectives.class_logit("logits", unit)
        examples = samplevis.collect(shapes, obj, pictures, top=40, bottom=0)
        found = samplevis.optimize(shapes, obj, param=samplevis.param.fourier(64), steps=128, progress=False)
        # The first, and two from further down: an either-or unit has both of its concepts among them.
        drawings = examples.top_images[[0, 19, 39]]
        top, bottom = (
            np.concatenate(pair, axis=1) for pair in ((drawings[0], drawings[1]), (drawings[2], found.images[0]))
        )
        cells.append(np.concatenate([top, bottom]))
    sheet = export.grid(np.stack(cells), COLUMNS, labels=shapes.labels, gap=8)
    export.save_png(sheet, Path(__file__).parent / "shapes.png")


if __name__ == "__main__":
    main()
