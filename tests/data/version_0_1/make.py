"""What wrote the files of this folder, with samplevis 0.1.0 as it was before the code moved to its rooms: python make.py FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

import keras

import samplevis

OPTIONS = dict(num_results=2, num_chains=2, num_burnin_steps=2, num_leapfrog_steps=2, num_transforms=2)
SETTINGS = dict(im_size=8, optimize_steps=4, anneal_steps=25, seed=5, progress=False)


def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.Conv2D(4, 3, padding="same", activation="softplus", name="conv1")(image)
    return keras.Model(image, keras.layers.GlobalAveragePooling2D(name="features")(x), name="old")


class Stop(samplevis.Callback):
    """Ends a run after the first draw of the sampling that counts, the second stage of that name."""

    stages = 0

    def on_stage_begin(self, stage: str, done: int, total: int, unit: str) -> None:
        self.stages += stage == "sample"

    def on_step(self, stage: str, done: int, total: int, figures: dict) -> None:
        if stage == "sample" and self.stages == 2:
            raise KeyboardInterrupt


def main(folder: Path) -> None:
    model = network()
    samples = samplevis.render(model, "conv1:1", OPTIONS, **SETTINGS)
    samples.save(folder / "samples.npz")
    for keep in ("memory", "disk"):
        samplevis.render(
            model, "conv1:1", OPTIONS, **SETTINGS, keep=keep, checkpoint=folder / f"stopped-{keep}", callbacks=[Stop()]
        )
    param = samplevis.param.fourier(8)
    samplevis.sweep(model, ["conv1:0", "conv1:2"], param=param, steps=2, progress=False, folder=folder / "sweep")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
