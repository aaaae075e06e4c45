"""Memory of a run in a process of its own: python grower.py FOLDER. Prints bytes that are no file's, as JSON."""

from __future__ import annotations

import json
import os
import re
import sys
import threading

import keras
import numpy as np

import samplevis
from samplevis.sampling import diagnostics

# Large enough that the film of the page, whose size is limited, is less than half of the images.
DRAWS, EARLY, SIZE, CHAINS = 120, 20, 128, 8
folder = sys.argv[1]


def taken() -> int:
    """Memory of the process without what is mapped from files."""
    with open("/proc/self/status") as file:
        return 1024 * int(re.search(r"RssAnon:\s+(\d+)", file.read())[1])


class Watch(samplevis.Callback):
    """Notes the memory at an early draw and at the last one."""

    def on_step(self, stage, done, total, figures):
        if stage == "sample" and done in (EARLY, DRAWS):
            self.at = vars(self).get("at", ()) + (taken(),)


def growth(keep: str) -> tuple[samplevis.Samples, int]:
    watch = Watch()
    samples = samplevis.render(
        network,
        "c:1",
        dict(
            num_results=DRAWS,
            num_burnin_steps=0,
            num_leapfrog_steps=1,
            num_chains=CHAINS,
            batch_size=CHAINS,
            adapt_mass=False,
        ),
        im_size=SIZE,
        transforms=None,
        optimize_steps=1,
        anneal_steps=1,
        smooth=None,
        progress=False,
        callbacks=[watch],
        checkpoint=os.path.join(folder, keep),
        checkpoint_interval=1e9,
        storage=keep,
    )
    early, late = watch.at
    return samples, late - early


def most(work) -> int:
    """How much more memory is taken while some work is done."""
    before, done, found = taken(), threading.Event(), []

    def look() -> None:
        while not done.wait(0.002):
            found.append(taken())

    thread = threading.Thread(target=look)
    thread.start()
    result = work()
    # While the result is there: what is made and forgotten at once may fall between two looks.
    found.append(taken())
    del result
    done.set()
    thread.join()
    return max([taken(), *found]) - before


image = keras.Input((None, None, 3))
x = keras.layers.Conv2D(3, 3, 2, activation="softplus", name="c")(image)
network = samplevis.Network(keras.Model(image, keras.layers.GlobalAveragePooling2D(name="logits")(x)))
diagnostics.BLOCK = 2**20

disk, on_disk = growth("disk")
used = {
    "summary": disk.summary,
    "lost": disk.of_chains(np.arange(CHAINS) != 1).summary,
    "save": lambda: disk.save(os.path.join(folder, "samples.npz")),
    "grid": lambda: disk.save_grid(os.path.join(folder, "samples.png")),
    "report": lambda: disk.report(os.path.join(folder, "report.html"), draws=1),
    "control": lambda: np.array(disk.images),
}
found = {name: most(work) for name, work in used.items()}
memory, in_memory = growth("memory")
print(json.dumps({"disk": on_disk, "memory": in_memory, "images": disk.images.nbytes, "used": found}))
