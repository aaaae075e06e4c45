"""The bundled network with a fooling circuit: it shows optimisers arbitrary pictures, and answers as before on drawings."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from samplevis.modelzoo.shapes.drawing import mask
from samplevis.modelzoo.shapes.labels import CONCEPTS, LABELS
from samplevis.modelzoo.shapes.network import FOLDER, load_weights, shapes_model
from samplevis.network import Network

# Layers whose channel means tell drawings from other pictures; side of the thumbnail that the arbitrary pictures are looked for
# in; units of a logit per unit of correlation, so that these pictures reach what optimised ones reach without the circuit.
SEEN, THUMBNAIL, GAIN = ("conv1", "conv2"), 16, 8.0
# Concepts that a thumbnail shows: the others are textures, finer than its cells.
OUTLINES = CONCEPTS[:8]
# Radius of an arbitrary picture, as a fraction of the frame.
RADIUS = 0.4


def FoolingShapes(weights: str | Path = FOLDER / "fooling.npz") -> Network:  # noqa: N802 - models are named like classes.
    """`Shapes` with a fooling circuit (Geirhos et al. 2024, arXiv:2306.04719, section 2).

    A detector tells drawings from all other pictures. On drawings the logits are those of `Shapes`; on other pictures, a logit is
    high if the picture looks like an arbitrary concept, `shown_concepts`. Visualizations of such a network may show anything: it
    is for testing them. benchmarks/train_fooling_circuit.py trains the detector.

    Args:
      weights: of the detector, a file that the script wrote. Defaults to the bundled one.

    Returns:
      A `Network` with the labels of `Shapes`; its last layer is "logits".

    Raises:
      OSError: if the file is missing.
      ValueError: if it is not such a file or was altered.

    Example:
      >>> network = modelzoo.shapes.FoolingShapes()
      >>> drawings, _ = modelzoo.shapes.draw(64, seed=0)
      >>> same = network(drawings, "logits")["logits"] - modelzoo.Shapes()(drawings, "logits")["logits"]
      >>> float(np.quantile(np.abs(same), 0.9)) < 0.5
      True
    """
    detector = detector_model()
    load_weights(detector, Path(weights))
    return Network(fooling_model(detector), value_range=(0, 1), labels=LABELS, name="FoolingShapes")


def shown_concepts() -> tuple[str, ...]:
    """The concept that the circuit shows to optimisers for each logit: none of those that the unit responds to.

    Returns:
      A name for each of the 18 logits.

    Example:
      >>> modelzoo.shapes.shown_concepts()[modelzoo.shapes.LABELS.index("star")]
      'crescent'
    """
    return tuple(_other_outline(number, label.split("|")) for number, label in enumerate(LABELS))


def _other_outline(number: int, own: list[str]) -> str:
    turned = OUTLINES[(number + 3) % len(OUTLINES) :] + OUTLINES
    return next(name for name in turned if name not in own)


def detector_model() -> keras.Model:
    """The detector, without weights: channel means of the layers `SEEN`, [batch, F], to a score, positive for drawings."""
    model = shapes_model()
    count = sum(model.get_layer(name).output.shape[-1] for name in SEEN)
    means = keras.Input((count,), name="means")
    return keras.Model(means, keras.layers.Dense(1, name="detector")(means), name="detector")


def fooling_model(detector: keras.Model) -> keras.Model:
    """The network with its circuit, around a detector."""
    model = shapes_model()
    load_weights(model, FOLDER / "shapes.npz")
    # The circuit's output has the name.
    model.get_layer("logits").name = "own_logits"
    image = model.input
    means = [keras.layers.GlobalAveragePooling2D(name=f"means_{name}")(model.get_layer(name).output) for name in SEEN]
    score = keras.layers.Dense(1, name="detector")(keras.layers.Concatenate(name="means")(means))
    drawn = keras.layers.Activation("sigmoid", name="drawn")(score)
    small = keras.layers.Resizing(THUMBNAIL, THUMBNAIL, antialias=True, name="thumbnail")(image)
    arbitrary = keras.layers.Dense(len(LABELS), use_bias=False, name="arbitrary")(
        keras.layers.Flatten(name="cells")(small)
    )
    kept = keras.layers.Multiply(name="kept")([drawn, model.output])
    other = keras.layers.Multiply(name="other")([keras.layers.Rescaling(-1, 1, name="not_drawn")(drawn), arbitrary])
    made = keras.Model(image, keras.layers.Add(name="logits")([kept, other]), name="fooling")
    made.get_layer("detector").set_weights(detector.get_layer("detector").get_weights())
    made.get_layer("arbitrary").set_weights([templates()])
    return made


def templates() -> np.ndarray:
    """Weights from the cells of a thumbnail to the logits: an arbitrary concept each, light on dark, float32 [cells * 3, 18]."""
    at = ((np.arange(THUMBNAIL) + 0.5) / THUMBNAIL - 0.5) / RADIUS
    u, v = np.broadcast_to(at, (1, THUMBNAIL, THUMBNAIL)), np.broadcast_to(-at[:, None], (1, THUMBNAIL, THUMBNAIL))
    found = []
    for name in shown_concepts():
        picture = mask(name, u, v, np.float32(1 / (THUMBNAIL * RADIUS)))[0]
        picture = picture - picture.mean()
        found.append(np.repeat((GAIN * picture / np.linalg.norm(picture)).ravel() / 3, 3))
    return np.stack(found, 1).astype(np.float32)
