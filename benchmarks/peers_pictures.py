"""Pictures of other tools for `benchmarks.leaderboard --folder`: `python -m benchmarks.peers_pictures --out FOLDER`.

    pip install 'samplevis[peers]'
    python -m benchmarks.peers_pictures --out peers --networks Shapes
    python -m benchmarks.leaderboard --out board --folder Xplique=peers/xplique --folder tf-keras-vis=peers/tf-keras-vis

Each tool has its own defaults, but for the size of the pictures and the number of steps, which is that of the other optimisers.
`tf-keras-vis-unpenalised` has none of its penalties, which leave nothing of a picture where logits are smaller than VGG16's.
`xplique-maco` takes the mean spectrum of the real pictures instead of ImageNet's, and 32 crops in each step, each with a gradient.
FOLDER gets TOOL/NETWORK/UNIT/NUMBER.png; what is there is not made again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.leaderboard import SUBJECTS, Subject
from benchmarks.visualizations import BUDGET
from samplevis import export


def model_of(subject: Subject, white: float) -> keras.Model:
    """The network as a plain Keras model from images in [0, white], [batch, size, size, 3], to logits."""
    network = subject.network()
    layer = list(network.layers)[-1]
    run, count = network.cut((layer,)), network.layers[layer][-1]
    images = keras.Input((subject.size, subject.size, 3))
    # Compiled, since tf-keras-vis calls its model eagerly.
    compiled = tf.function(lambda images: run(images / white)[layer])
    logits = keras.layers.Lambda(compiled, output_shape=(count,), name="logits")(images)
    return keras.Model(images, logits)


def xplique(subject: Subject, units: list[int]) -> np.ndarray:
    """`xplique.features_visualizations.optimize`, one objective for each picture: they share steps, but no gradient."""
    from xplique.features_visualizations import Objective, optimize

    keras.utils.set_random_seed(0)
    objective = Objective.neuron(model_of(subject, 1.0), "logits", units)
    found, _ = optimize(objective, nb_steps=BUDGET, custom_shape=(subject.size, subject.size))
    return np.asarray(found[-1])


def xplique_maco(subject: Subject, units: list[int]) -> np.ndarray:
    """`xplique.features_visualizations.maco`, one picture at a time."""
    from xplique.features_visualizations import Objective, maco

    real = tf.data.Dataset.from_tensor_slices(subject.examples()).batch(50)
    size, made = (subject.size, subject.size), []
    for seed, unit in enumerate(units):
        keras.utils.set_random_seed(seed)
        objective = Objective.neuron(model_of(subject, 1.0), "logits", unit)
        found, _ = maco(objective, maco_dataset=real, nb_steps=BUDGET, values_range=(0, 1), custom_shape=size)
        made.append(np.asarray(found))
    return np.stack(made)


def tf_keras_vis(subject: Subject, units: list[int], **settings: Any) -> np.ndarray:
    """`tf_keras_vis.activation_maximization.ActivationMaximization`, from uniform noise; its defaults are for pixels up to 255."""
    from tf_keras_vis.activation_maximization import ActivationMaximization
    from tf_keras_vis.utils.scores import CategoricalScore

    keras.utils.set_random_seed(0)
    noise = tf.random.uniform((len(units), subject.size, subject.size, 3), 0, 255)
    ascent = ActivationMaximization(model_of(subject, 255.0), clone=False)
    return np.asarray(ascent(CategoricalScore(units), seed_input=noise, steps=BUDGET, **settings)) / 255


def unpenalised(subject: Subject, units: list[int]) -> np.ndarray:
    """tf-keras-vis without its penalties, whose default weights suit the logits of VGG16."""
    return tf_keras_vis(subject, units, regularizers=[])


# Pictures of a network's units, one for each of the given ones: a batch of them costs little more than one.
TOOLS: dict[str, Callable[[Subject, list[int]], np.ndarray]] = {
    "xplique": xplique,
    "tf-keras-vis": tf_keras_vis,
    "tf-keras-vis-unpenalised": unpenalised,
    "xplique-maco": xplique_maco,
}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tools", nargs="+", default=list(TOOLS)[:3], choices=list(TOOLS))
    parser.add_argument("--networks", nargs="+", default=list(SUBJECTS), choices=list(SUBJECTS))
    parser.add_argument("--num-units", type=int, default=12)
    parser.add_argument("--count", type=int, default=8)
    options = parser.parse_args()
    for name in options.networks:
        for tool in options.tools:
            write(options.out / tool / name, tool, name, SUBJECTS[name].units[: options.num_units], options.count)


def write(folder: Path, tool: str, name: str, units: tuple[str, ...], count: int) -> None:
    """Makes the pictures of the units that have none."""
    units = tuple(unit for unit in units if not (folder / unit / f"{count - 1}.png").is_file())
    if not units:
        return
    clock = time.perf_counter()
    subject = SUBJECTS[name]
    numbers = [int(unit) if unit.isdigit() else subject.network().class_index(unit) for unit in units]
    images = np.clip(TOOLS[tool](subject, [number for number in numbers for _ in range(count)]), 0, 1)
    for place, image in enumerate(images):
        file = folder / units[place // count] / f"{place % count}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        export.save_image(image, file)
    print(f"{folder}: {len(units)} units in {time.perf_counter() - clock:.0f} s", flush=True)


if __name__ == "__main__":
    main()
