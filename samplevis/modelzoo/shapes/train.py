"""Trains the bundled networks: `python -m samplevis.modelzoo.shapes.train`, about 8 minutes each on 2 cores."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from samplevis.modelzoo.shapes import network
from samplevis.modelzoo.shapes.drawing import NOTHING, draw
from samplevis.modelzoo.shapes.labels import CONCEPTS, EITHER_OR
from samplevis.runtime.files import check_writable

BATCH = 96


class Recipe(NamedTuple):
    """How one network is trained.

    Attributes:
      build: makes the model.
      targets: concepts int [n] -> targets float32 [n, outputs].
      loss: (targets, logits) -> loss [n].
      radius: largest L2 norm of the adversarial perturbation, on images in [0, 1].
      seed: of weights, batches and drawings.
      steps: updates.
    """

    build: Callable[[], keras.Model]
    targets: Callable[[np.ndarray], np.ndarray]
    loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    radius: float
    seed: int
    steps: int


def concept_targets(concepts: np.ndarray) -> np.ndarray:
    """1 for the concept's logit and for the either-or logits that it belongs to; all 0 for nothing."""
    names = np.array([*CONCEPTS, ""])[concepts]
    single = [names == name for name in CONCEPTS]
    either = [(names == a) | (names == b) for a, b in EITHER_OR]
    return np.stack(single + either, 1).astype(np.float32)


def judge_targets(concepts: np.ndarray) -> np.ndarray:
    """One-hot over the concepts and nothing."""
    return np.eye(NOTHING + 1, dtype=np.float32)[concepts]


RECIPES = {
    "shapes": Recipe(
        network.shapes_model,
        concept_targets,
        lambda y, x: tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(y, x), -1),
        radius=2.0,
        seed=1,
        steps=2400,
    ),
    "judge": Recipe(
        network.judge_model,
        judge_targets,
        lambda y, x: tf.nn.softmax_cross_entropy_with_logits(y, x),
        radius=1.0,
        seed=2,
        steps=1600,
    ),
}


def train(recipe: Recipe, steps: int, pictures: int, report_every: int = 100) -> tuple[keras.Model, list[float]]:
    """Trains on perturbed pictures: random noise, then a step of gradient ascent on the loss within a ball.

    Args:
      recipe: which network.
      steps: updates, >= 1.
      pictures: number of drawings to train on; each is seen in many colours, mirrored and shifted.
      report_every: steps between two printed lines; 0 for none.

    Returns:
      (model, loss of each step).
    """
    keras.utils.set_random_seed(recipe.seed)
    model = recipe.build()
    images, concepts = draw(pictures, recipe.seed)
    targets = recipe.targets(concepts)
    rate = keras.optimizers.schedules.CosineDecay(3e-4, steps, warmup_target=3e-3, warmup_steps=steps // 20)
    optimizer = keras.optimizers.Adam(rate)
    rng = np.random.default_rng(recipe.seed + 1000)

    @tf.function(autograph=False)
    def step(x: tf.Tensor, y: tf.Tensor, radius: tf.Tensor) -> tf.Tensor:
        x = _augment(x)
        noise = tf.random.normal(tf.shape(x))
        start = radius * 0.5 * noise / _norm(noise)
        with tf.GradientTape() as tape:
            tape.watch(start)
            loss = tf.reduce_sum(recipe.loss(y, model(x + start, training=True)))
        gradient = tape.gradient(loss, start)
        moved = start + radius * gradient / (_norm(gradient) + 1e-9)
        moved *= tf.minimum(1.0, radius / (_norm(moved) + 1e-9))
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(recipe.loss(y, model(tf.clip_by_value(x + moved, 0.0, 1.0), training=True)))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    losses, clock = [], time.perf_counter()
    for i in range(steps):
        chosen = rng.integers(0, pictures, BATCH)
        # First the concepts, then robustness.
        radius = recipe.radius * np.clip(i / steps / 0.4 - 0.4, 0, 1)
        losses.append(
            float(step(tf.constant(images[chosen]), tf.constant(targets[chosen]), tf.constant(radius, tf.float32)))
        )
        if report_every and (i + 1) % report_every == 0:
            print(
                f"step {i + 1}/{steps} loss {np.mean(losses[-report_every:]):.4f} {time.perf_counter() - clock:.0f} s",
                flush=True,
            )
    return model, losses


def accuracy(model: keras.Model, recipe: Recipe, pictures: int, seed: int) -> tuple[float, dict[str, float]]:
    """Accuracy on fresh drawings: a picture counts if all its units are on the right side, or the right class is largest.

    Returns:
      (share of pictures that are right, share for each concept).
    """
    images, concepts = draw(pictures, seed)
    targets = recipe.targets(concepts)
    logits = model.predict(images, batch_size=BATCH, verbose=0)
    if recipe.targets is judge_targets:
        right = logits.argmax(1) == targets.argmax(1)
    else:
        right = ((logits > 0) == (targets > 0.5)).all(1)
    names = (*CONCEPTS, "nothing")
    return float(right.mean()), {name: float(right[concepts == i].mean()) for i, name in enumerate(names)}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command.

    Args:
      arguments: the command line's arguments. Defaults to those of the process.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=[*RECIPES, "both"], default="both")
    parser.add_argument("--out", type=Path, default=network.FOLDER, help="folder for the weights")
    parser.add_argument("--quick", action="store_true", help="a short run, to see that it works")
    options = parser.parse_args(arguments)
    if options.quick and options.out.resolve() == network.FOLDER.resolve():
        parser.error("--quick would replace the bundled weights by untrained ones: give another folder, --out FOLDER")
    names = tuple(RECIPES) if options.network == "both" else (options.network,)
    for name in names:
        check_writable(options.out / f"{name}.npz")
    for name in names:
        recipe = RECIPES[name]
        steps, pictures, held_out = (20, 500, 500) if options.quick else (recipe.steps, 24_000, 4000)
        clock = time.perf_counter()
        model, _ = train(recipe, steps, pictures, report_every=10 if options.quick else 100)
        share, each = accuracy(model, recipe, held_out, seed=recipe.seed + 10_000)
        report = {
            "held_out_accuracy": share, "held_out_pictures": held_out, "each": each, "seed": recipe.seed,
            "pictures": pictures, "steps": steps, "seconds": round(time.perf_counter() - clock),
        }  # fmt: skip
        network.save_weights(model, options.out / f"{name}.npz", report)
        print(f"{name}: held-out accuracy {share:.3f} after {report['seconds']} s", each)


def _augment(x: tf.Tensor) -> tf.Tensor:
    """Mirrors, permutes the colour channels, inverts, and lowers the contrast at random; a picture keeps its concept."""
    count = tf.shape(x)[0]
    coin = tf.random.uniform((3, count, 1, 1, 1))
    x = tf.where(coin[0] < 0.5, x[:, :, ::-1], x)
    x = tf.where(coin[1] < 0.3, 1 - x, x)
    order = tf.argsort(tf.random.uniform((count, 3)), axis=-1)
    x = tf.gather(x, order, axis=-1, batch_dims=1)
    # Samples are softer than drawings.
    soft = tf.nn.avg_pool2d(x, 3, 1, "SAME")
    x = tf.where(coin[2] < 0.3, soft, x)
    contrast = tf.random.uniform((count, 1, 1, 1), 0.5, 1.1)
    x = 0.5 + contrast * (x - 0.5)
    noise = tf.random.uniform((count, 1, 1, 1), 0.0, 0.12) * tf.random.normal(tf.shape(x))
    return tf.clip_by_value(x + noise, 0.0, 1.0)


def _norm(x: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(tf.reduce_sum(tf.square(x), (1, 2, 3), keepdims=True))


if __name__ == "__main__":
    main()
