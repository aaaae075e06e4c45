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
    logits = keras.layers.Lambda(lambda x: run(x / white)[layer], output_shape=(count,), name="logits")(images)
    return keras.Model(images, logits)


def xplique(subject: Subject, unit: int, count: int) -> np.ndarray:
    """`xplique.features_visualizations.optimize`, one picture at a time."""
    from xplique.features_visualizations import Objective, optimize

    objective = Objective.neuron(model_of(subject, 1.0), "logits", unit)
    made = []
    for seed in range(count):
        keras.utils.set_random_seed(seed)
        found, _ = optimize(objective, nb_steps=BUDGET, custom_shape=(subject.size, subject.size))
        made.append(np.reshape(found[-1], (subject.size, subject.size, 3)))
    return np.stack(made)


def xplique_maco(subject: Subject, unit: int, count: int) -> np.ndarray:
    """`xplique.features_visualizations.maco`, one picture at a time."""
    from xplique.features_visualizations import Objective, maco

    objective = Objective.neuron(model_of(subject, 1.0), "logits", unit)
    real = tf.data.Dataset.from_tensor_slices(subject.examples()).batch(50)
    made = []
    for seed in range(count):
        keras.utils.set_random_seed(seed)
        size = (subject.size, subject.size)
        found, _ = maco(objective, maco_dataset=real, nb_steps=BUDGET, values_range=(0, 1), custom_shape=size)
        made.append(np.asarray(found))
    return np.stack(made)


def tf_keras_vis(subject: Subject, unit: int, count: int, **settings: Any) -> np.ndarray:
    """`tf_keras_vis.activation_maximization.ActivationMaximization`, from uniform noise; its defaults are for pixels up to 255."""
    from tf_keras_vis.activation_maximization import ActivationMaximization
    from tf_keras_vis.utils.scores import CategoricalScore

    keras.utils.set_random_seed(0)
    noise = tf.random.uniform((count, subject.size, subject.size, 3), 0, 255)
    ascent = ActivationMaximization(model_of(subject, 255.0), clone=False)
    score = CategoricalScore([unit] * count)
    return np.asarray(ascent(score, seed_input=noise, steps=BUDGET, **settings)) / 255


def unpenalised(subject: Subject, unit: int, count: int) -> np.ndarray:
    """tf-keras-vis without its penalties, whose default weights suit the logits of VGG16."""
    return tf_keras_vis(subject, unit, count, regularizers=[])


TOOLS: dict[str, Callable[[Subject, int, int], np.ndarray]] = {
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
    for number in range(options.num_units):
        for name in options.networks:
            for unit in SUBJECTS[name].units[number : number + 1]:
                for tool in options.tools:
                    write(options.out / tool / name / unit, tool, name, unit, options.count)


def write(folder: Path, tool: str, name: str, unit: str, count: int) -> None:
    """Makes the pictures of a unit, unless they are there."""
    if (folder / f"{count - 1}.png").is_file():
        return
    clock = time.perf_counter()
    subject = SUBJECTS[name]
    number = int(unit) if unit.isdigit() else subject.network().class_index(unit)
    images = np.clip(TOOLS[tool](subject, number, count), 0, 1)
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(images):
        export.save_image(image, folder / f"{index}.png")
    print(f"{folder}: {time.perf_counter() - clock:.0f} s", flush=True)


if __name__ == "__main__":
    main()
