"""Makes squeezenet.png from the samples written by `python -m benchmarks.quality --save FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import samplevis
from samplevis import export

UNITS = (
    ("goldfish", "logits-1"),
    ("Egyptian cat", "logits-285"),
    ("espresso", "logits-967"),
    ("flamingo", "logits-130"),
)
CHAINS = range(4)


def main(folder: str) -> None:
    """Pairs of an optimised image and the last draw of its chain, four chains for each unit."""
    rows = [[] for _ in CHAINS]
    for _, name in UNITS:
        samples = samplevis.Samples.load(Path(folder) / f"{name}_0.7_optimize.npz")
        for row, chain in zip(rows, CHAINS, strict=True):
            row += [samples.optimized[chain], samples.images[chain, -1]]
    labels = [text for label, _ in UNITS for text in (label, "sampled")]
    sheet = export.grid(np.array(rows), column_labels=labels, scale=1)
    export.save_png(sheet, Path(__file__).parent / "squeezenet.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
