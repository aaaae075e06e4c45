"""Makes accentuation.jpg: photographs, and variants in which EfficientNet-Lite0 sees more or less of what it sees there.

pip install '.[imagenet]' scikit-image scikit-learn
python images/accentuation.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from lucid import photograph

from samplevis import export, modelzoo, param, recipes
from samplevis.runtime import seeds

SIZE, NOISE = 128, 0.4
# Photographs, and a class of ImageNet that is in each.
SUBJECTS = {"chelsea": (281, "tabby cat"), "coffee": (967, "espresso"), "china": (698, "palace")}
COLUMNS = ["photograph", "at random", "more of it", "more of it", "less of it", "less of it"]


def main() -> None:
    """A row for each photograph."""
    model, rows, names = modelzoo.EfficientNetLite0(), [], []
    for name, (number, label) in SUBJECTS.items():
        photo = photograph(name, SIZE)
        near = param.around(param.fourier(SIZE), photo, NOISE)
        found = [
            recipes.accentuate(
                model, f"{sign}logits:{number}", photo, NOISE, hmc_opts=dict(num_chains=2, num_results=2)
            )
            for sign in ("", "-")
        ]
        print(label, *(f"{one.photo_activation:.3g} -> {one.activations.mean():.3g}" for one in found))
        at_random = near.image(near.prior(seeds.root(0), 1)).numpy()
        rows.append([photo, *at_random, *found[0].samples.images[:, -1], *found[1].samples.images[:, -1]])
        names.append(label)
    sheet = export.grid(np.array(rows), row_labels=names, column_labels=COLUMNS)
    export.save_image(sheet, Path(__file__).parent / "accentuation.jpg")


if __name__ == "__main__":
    main()
