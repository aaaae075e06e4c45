"""A small run in a process of its own, to be killed: python victim.py MODEL FOLDER OUT [KEEP]. Prints a line for each save."""

from __future__ import annotations

import sys

import keras

import samplevis
from samplevis.runtime.checkpoint import Checkpoint

write = Checkpoint._write


def told(self: Checkpoint) -> None:
    print("save", flush=True)
    write(self)


Checkpoint._write = told
model, folder, out, *keep = sys.argv[1:]
samplevis.render(
    samplevis.Network(keras.models.load_model(model), labels=("a", "b", "c")),
    "conv2:1",
    dict(num_results=4, num_burnin_steps=4, num_leapfrog_steps=2, num_chains=2, num_transforms=2),
    im_size=16,
    transforms=samplevis.transform.jitter(2),
    optimize_steps=32,
    anneal_steps=50,
    smooth=None,
    progress=False,
    checkpoint=folder,
    checkpoint_interval=0,
    storage=keep[0] if keep else "memory",
).save(out)
