"""Makes efficientnet.jpg and volcano.gif: classes and a channel of EfficientNet-Lite0, optimised and sampled, all defaults.

    python images/efficientnet.py FOLDER

The runs are kept in the folder; those that are there are not run again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import samplevis
from samplevis import export, modelzoo

UNITS = (
    ("volcano", "logits:980"),
    ("zebra", "logits:340"),
    ("monarch", "logits:323"),
    ("a channel of block 5", "block5c_add:15"),
)
CHAINS, SIZE = 4, 128
# Which chains the sheet shows.
SHOWN = range(3)


def main(folder: str) -> None:
    """A row for each unit: optimised images, then the last draws of the chains that started at them."""
    rows, labels = [], []
    model = modelzoo.EfficientNetLite0()
    for label, unit in UNITS:
        path = Path(folder) / f"{label.replace(' ', '_')}.npz"
        if path.exists():
            samples = samplevis.Samples.load(path)
        else:
            samples = samplevis.render(model, unit, dict(num_chains=CHAINS), im_size=SIZE)
            path.parent.mkdir(parents=True, exist_ok=True)
            samples.save(path)
        print(samples.summary())
        rows.append([*samples.optimized[SHOWN], *samples.images[SHOWN, -1]])
        labels.append(label)
        if label == "volcano":
            samples.save_gif(Path(__file__).parent / "volcano.gif")
    columns = ["optimised"] * len(SHOWN) + ["sampled"] * len(SHOWN)
    sheet = export.grid(np.array(rows), row_labels=labels, column_labels=columns, scale=1)
    export.save_image(sheet, Path(__file__).parent / "efficientnet.jpg")


if __name__ == "__main__":
    main(*sys.argv[1:])
