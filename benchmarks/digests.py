"""The bytes that runs give, so that a change of the code that must not change them can show that it did not.

    python -m benchmarks.digests            # compares with digests.json, and exits with 1 where bytes differ
    python -m benchmarks.digests --write    # writes digests.json, before the change
    python -m benchmarks.digests --only nuts pyramid

Bytes depend on the processor and on TensorFlow's version: the file says what it was written with, and a comparison elsewhere
says so. Take the digests on the machine that compares them.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import argparse
import hashlib
import json
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import samplevis
from samplevis import modelzoo, objectives, param

FILE = Path(__file__).with_name("digests.json")
SIZE = 32
QUICK = dict(optimize_steps=12, anneal_steps=50, progress=False)
HMC = dict(num_results=3, num_chains=2, num_burnin_steps=4, num_leapfrog_steps=3, num_transforms=4)
# Arrays of samples whose bytes count.
ARRAYS = (
    "images", "latents", "activation", "fresh_activation", "network_levels", "strength", "optimized", "chain_means",
    "sd_images", "anneal_images",
)  # fmt: skip

Arrays = dict[str, np.ndarray]


def tiny() -> keras.Model:
    """A model with a rectifier and max pooling, such as smoothing is for."""
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.Conv2D(6, 5, 2, padding="same", activation="relu", name="conv1")(image)
    x = keras.layers.MaxPooling2D(2, name="pool")(x)
    x = keras.layers.Conv2D(8, 3, padding="same", activation="tanh", name="conv2")(x)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    model = keras.Model(image, keras.layers.Dense(3, name="logits")(x), name="tiny")
    for variable in model.weights:
        variable.assign(2 * variable)
    return model


def render(unit: str = "logits:4", hmc: dict | None = None, model: object = None, **options: object) -> Arrays:
    """The arrays of a run on the bundled network."""
    prior = {} if "param" in options else {"im_size": SIZE}
    samples = samplevis.render(
        model or modelzoo.Shapes(), unit, HMC | (hmc or {}), **prior, **QUICK | {"seed": 3} | options
    )
    energy = {"energy_error": samples.stats["energy_error"], "step_size": samples.stats["step_size"]}
    return {name: getattr(samples, name) for name in ARRAYS} | energy | samples.scalars


def on_disk() -> Arrays:
    with tempfile.TemporaryDirectory() as folder:
        return {name: np.array(a) for name, a in render(checkpoint=folder, storage="disk").items()}


def extended() -> Arrays:
    with tempfile.TemporaryDirectory() as folder:
        samples = samplevis.render(
            modelzoo.Shapes(), "logits:4", HMC, im_size=SIZE, seed=3, checkpoint=folder, **QUICK
        ).extend(2)
    return {name: getattr(samples, name) for name in ARRAYS}


def two_ended() -> Arrays:
    both = samplevis.two_ended(modelzoo.Shapes(), "logits:4", HMC, im_size=SIZE, seed=3, **QUICK)
    return {"optimized": both.optimized.images, "prior": both.prior.images}


def surprisal() -> Arrays:
    found = samplevis.surprisal(
        tiny(), "logits:1", im_size=16, level=0.3, population=16, num_transforms=2, num_leapfrog_steps=2, progress=False
    )
    return {"repeats": found.repeats, "latents": found.latents, "log_z": found.log_z}


def optimize() -> Arrays:
    return {
        "images": samplevis.optimize(
            modelzoo.Shapes(), "logits:4", param=param.fourier(SIZE), steps=16, progress=False
        ).images
    }


def sweep() -> Arrays:
    found = samplevis.sweep(
        modelzoo.Shapes(), ["logits:1", "logits:2", "logits:7"], param=param.fourier(SIZE), steps=8, progress=False
    )
    return {"images": found.images, "scores": found.scores}


RUNS: dict[str, Callable[[], Arrays]] = {
    "split_hmc": render,
    "malt": lambda: render(hmc={"kernel": "malt"}),
    "hmc": lambda: render(hmc={"kernel": "hmc", "step_size": 0.01}),
    "nuts": lambda: render(hmc={"kernel": "nuts", "step_size": 0.01}, level=0.3),
    "pcn": lambda: render(hmc={"kernel": "pcn"}),
    "redrawn_hmc": lambda: render(hmc={"kernel": "redrawn_hmc"}),
    "langevin": lambda: render(hmc={"kernel": "langevin"}),
    "free moves": lambda: render(hmc={"moves": ("shift", "mirror")}),
    "no mass, thinned": lambda: render(hmc={"adapt_mass": False, "num_steps_between_results": 2}),
    "no warm-up": lambda: render(hmc={"num_burnin_steps": 0, "step_size": 0.02}),
    "tilted": lambda: render(density="tilted"),
    "activation, as in 2018": lambda: render(density="activation"),
    "strength given": lambda: render(beta=40.0),
    "from the prior": lambda: render(init="prior", anneal_steps=200),
    "from images": lambda: render(
        init=np.random.default_rng(5).uniform(0.2, 0.8, (2, SIZE, SIZE, 3)).astype(np.float32)
    ),
    "pyramid": lambda: render(param=param.pyramid(SIZE)),
    "uniform": lambda: render(param=param.uniform(SIZE)),
    "greyscale": lambda: render(param=param.greyscale(param.fourier(SIZE, channels=1))),
    "smoothed network": lambda: render("conv2:3", model=tiny()),
    "unsmoothed network, no transforms": lambda: render("conv2:3", model=tiny(), smooth=None, transforms=None),
    "sum of objectives": lambda: render(
        objectives.channel("conv2", 1) - 0.5 * objectives.channel("conv2", 2), model=tiny()
    ),
    "on disk": on_disk,
    "extended": extended,
    "one device": lambda: render(devices=["CPU:0"]),
    "little memory": lambda: render(memory=2e6),
    "two ends": two_ended,
    "surprisal": surprisal,
    "optimize": optimize,
    "sweep": sweep,
}


def digest(array: np.ndarray) -> str:
    """The first letters of the SHA-256 of shape, type and bytes."""
    array = np.ascontiguousarray(array)
    return hashlib.sha256(f"{array.shape} {array.dtype}".encode() + array.tobytes()).hexdigest()[:16]


def machine() -> str:
    """What bytes depend on beside the code."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{model}, TensorFlow {tf.__version__}, Keras {keras.__version__}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write digests.json in place of comparing with it")
    parser.add_argument("--only", nargs="+", choices=list(RUNS), default=list(RUNS), metavar="RUN", help="some runs")
    options = parser.parse_args()
    known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {"machine": machine(), "runs": {}}
    if not options.write and known["machine"] != machine():
        print(f"digests.json is of {known['machine']}; this is {machine()}: bytes may differ for that alone")
    different = 0
    for name in options.only:
        found = {array: digest(values) for array, values in RUNS[name]().items()}
        if options.write:
            known["runs"][name] = found
            FILE.write_text(json.dumps(known | {"machine": machine()}, indent=1) + "\n", encoding="utf-8")
            print(f"{name:36}written", flush=True)
            continue
        stored = known["runs"].get(name, {})
        changed = [array for array in {**stored, **found} if stored.get(array) != found.get(array)]
        different += bool(changed)
        print(f"{name:36}{'differs in ' + ', '.join(changed) if changed else 'same'}", flush=True)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
