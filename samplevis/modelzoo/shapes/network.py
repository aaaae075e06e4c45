"""The two small bundled networks, trained on drawn concepts, and their weights on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from samplevis.modelzoo.shapes.labels import JUDGE_LABELS, LABELS
from samplevis.network import Network
from samplevis.runtime.files import atomic_path
from samplevis.runtime.untrusted import read_arrays, read_json

FOLDER = Path(__file__).parent


def Shapes(weights: str | Path | None = FOLDER / "shapes.npz") -> Network:  # noqa: N802 - models are named like classes.
    """The bundled network: 12 one-concept logits, then 6 either-or logits; images of any size, trained at 64 pixels.

    Smooth (SiLU, no max pooling) and trained on perturbed images, so that its gradients are informative.

    Args:
      weights: a file written by `samplevis.modelzoo.shapes.train`; None for random weights. Defaults to the bundled ones.

    Returns:
      A `Network` with labels; its last layer is "logits".

    Raises:
      OSError: if the file is missing.
      ValueError: if it is not such a file or was altered.

    Example:
      >>> network = modelzoo.Shapes()
      >>> network.class_index("star"), network.labels[12]
      (4, 'star|stripes')
    """
    model = shapes_model()
    if weights is not None:
        load_weights(model, Path(weights))
    return Network(model, value_range=(0, 1), labels=LABELS, name="Shapes")


def ShapesJudge(weights: str | Path | None = FOLDER / "judge.npz") -> Network:  # noqa: N802
    """A second bundled network, of another architecture and seed, that names the concept in a picture or says "nothing".

    Args:
      weights: a file written by `samplevis.modelzoo.shapes.train`; None for random weights. Defaults to the bundled ones.

    Returns:
      A `Network` with labels; its last layer is "logits".

    Raises:
      OSError: if the file is missing.
      ValueError: if it is not such a file or was altered.

    Example:
      >>> pictures, concepts = modelzoo.shapes.draw(64, seed=0)
      >>> scores = modelzoo.ShapesJudge()(pictures, "logits")["logits"].numpy()
      >>> bool(np.mean(scores.argmax(1) == concepts) > 0.9)
      True
    """
    model = judge_model()
    if weights is not None:
        load_weights(model, Path(weights))
    return Network(model, value_range=(0, 1), labels=JUDGE_LABELS, name="ShapesJudge")


def shapes_model() -> keras.Model:
    """The explored network, without weights: images [batch, H, W, 3] in [0, 1] to logits [batch, 18]."""
    image = x = keras.Input((None, None, 3), name="image")
    for i, (width, stride) in enumerate(((24, 2), (48, 2), (64, 1), (96, 2), (96, 1)), start=1):
        x = keras.layers.Conv2D(width, 5 if i == 1 else 3, stride, "same", use_bias=False, name=f"linear{i}")(x)
        x = keras.layers.BatchNormalization(momentum=0.95, name=f"norm{i}")(x)
        x = keras.layers.Activation("silu", name=f"conv{i}")(x)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(image, keras.layers.Dense(len(LABELS), name="logits")(x), name="shapes")


def judge_model() -> keras.Model:
    """The judge, without weights: images [batch, H, W, 3] in [0, 1] to logits [batch, 13]."""
    image = x = keras.Input((None, None, 3), name="image")
    for i, width in enumerate((20, 40, 72, 112), start=1):
        x = keras.layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"linear{i}")(x)
        x = keras.layers.BatchNormalization(momentum=0.95, name=f"norm{i}")(x)
        x = keras.layers.Activation("relu", name=f"conv{i}")(x)
        x = keras.layers.MaxPooling2D(2, name=f"pool{i}")(x)
    x = keras.layers.GlobalMaxPooling2D(name="features")(x)
    return keras.Model(image, keras.layers.Dense(len(JUDGE_LABELS), name="logits")(x), name="judge")


def save_weights(model: keras.Model, path: Path, report: dict[str, Any], dtype: type = np.float32) -> None:
    """Writes weights, and beside them a JSON file with a report and the checksum of the weights."""
    with atomic_path(path) as temporary:
        np.savez(temporary, **{_key(v): v.numpy().astype(dtype) for v in model.weights})
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with atomic_path(path.with_suffix(".json")) as temporary:
        Path(temporary).write_text(json.dumps(report | {"sha256": digest}, indent=1) + "\n")


def load_weights(model: keras.Model, path: Path) -> None:
    """Reads what `save_weights` wrote.

    Raises:
      OSError: if a file is missing.
      ValueError: if the weights do not match their checksum or the model, or are not finite.
    """
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != read_report(path)["sha256"]:
        raise ValueError(f"weights: {path} was altered: its SHA-256 is {digest}, not the one in {path.stem}.json")
    try:
        arrays = read_arrays(path)
    except ValueError as error:
        raise ValueError(f"weights: {path} is not a file of weights that samplevis wrote") from error
    expected = {_key_in(arrays, variable): tuple(variable.shape) for variable in model.weights}
    for key in sorted(expected.keys() | arrays.keys()):
        found = arrays[key].shape if key in arrays else "no such array"
        if found != expected.get(key, "no such weight"):
            raise ValueError(
                f"weights: {path}: {key!r} is {found} in the file and {expected.get(key, 'no such weight')} in the model"
            )
        if not np.isfinite(arrays[key]).all():
            raise ValueError(f"weights: {path}: {key!r} has values that are not finite")
    for variable in model.weights:
        variable.assign(arrays[_key_in(arrays, variable)])


def read_report(path: Path) -> dict[str, Any]:
    """The report beside a file of weights: held-out accuracy, seed, number of pictures, checksum.

    Raises:
      OSError: if it is missing.
      ValueError: if it is not such a report.
    """
    path = path.with_suffix(".json")
    try:
        report = read_json(path)
    except ValueError as error:
        raise ValueError(f"weights: {path} is not JSON: {error}") from error
    if not isinstance(report, dict) or "sha256" not in report:
        raise ValueError(f"weights: {path} is not a report on weights: it has no 'sha256'")
    return report


def held_out_accuracy(name: str = "shapes") -> float:
    """The accuracy of a bundled network on pictures not used in training, measured when it was trained.

    Args:
      name: "shapes" or "judge". Defaults to "shapes".

    Returns:
      The accuracy, 0 to 1.

    Example:
      >>> modelzoo.shapes.held_out_accuracy("judge") > 0.95
      True
    """
    return float(read_report(FOLDER / f"{name}.npz")["held_out_accuracy"])


def _key(variable: keras.Variable) -> str:
    return variable.path.replace("/", ".")


def _key_in(arrays: Mapping[str, Any], variable: keras.Variable) -> str:
    """The name of a weight in a file, without the name scopes in which the caller made the model."""
    whole = name = _key(variable)
    while name not in arrays and "." in name:
        name = name.partition(".")[2]
    return name if name in arrays else whole
