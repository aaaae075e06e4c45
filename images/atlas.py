"""Draws images/atlas.jpg: the classes of an atlas, optimised on the left, sampled on the right.

    python images/atlas.py FOLDER

FOLDER is an atlas of 100 units of one layer.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from samplevis import atlas, export

COLUMNS = 10
# Pixels of the figure's width, and of the margin for its titles.
WIDTH, TITLE, DPI = 1400, 40, 100


def main(folder: str) -> None:
    """Writes the image."""
    found = atlas.open(folder)
    units = {unit.key: unit for unit in found.units(list(found))}
    pictures = {"optimised": "optimized", "one of four samples": "samples"}
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH / DPI, (WIDTH / 2 + TITLE) / DPI), dpi=DPI, layout="constrained")
    for axis, (title, name) in zip(axes, pictures.items(), strict=True):
        images = np.stack([units[key].images(name)[0] for key in found])
        axis.imshow(export.grid(images / 255.0, COLUMNS))
        axis.set_title(title)
        axis.axis("off")
    figure.savefig(Path(__file__).with_name("atlas.jpg"), pil_kwargs={"quality": 85})


if __name__ == "__main__":
    main(*sys.argv[1:])
