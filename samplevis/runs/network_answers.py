"""What the network itself says of the draws, without transforms: the class that it names, or the value of the unit."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.activation import Activation
from samplevis.activation.image_scores import image_scores
from samplevis.activation.row_batches import in_batches
from samplevis.activation.untransformed import untransformed
from samplevis.network import Network
from samplevis.network.sources import POST, PRE
from samplevis.objectives import Objective
from samplevis.runs.judging import available_labels
from samplevis.runs.render_plan import RenderPlan
from samplevis.runtime import compiled, seeds

BATCH_SIZE = 64
# Draws of the prior that say what noise is worth.
NUM_NOISE = 16
# Outputs of classes of which exactly one is right, and of classes that are right or wrong each by itself.
EXCLUSIVE, SEPARATE = ("softmax", "logsoftmax"), ("sigmoid", "hardsigmoid")


@dataclasses.dataclass(frozen=True)
class ClassUnit:
    """A unit that stands for a class.

    Attributes:
      layer: the output.
      index: number of the class.
      labels: a name for each class.
      ending: the kind of function that the output ends in; "" for logits.
    """

    layer: str
    index: int
    labels: tuple[str, ...]
    ending: str

    @property
    def label(self) -> str:
        """The name of the class."""
        return self.labels[self.index]


def network_answers(plan: RenderPlan, images: np.ndarray, optimized: np.ndarray) -> dict[str, Any]:
    """What the network says of the draws, as plain values for `Samples.options`.

    Args:
      plan: of the run.
      images: the draws, [chain, draw, *image].
      optimized: the optimised images, [chain, *image].

    Returns:
      For a class: "class", its label; "named", how many draws of each chain the network names so; "named_else", the label that
      it gives most of the others; "exclusive", whether the output ends in a softmax; "log_odds", the objective that scores the
      class against all others, as code, "" if that was sampled. For another unit: "values", the medians of
      its value on draws, optimised images and noise, and the best of the user's pictures. Nothing where the network does not
      take the images as they are.
    """
    exact = plan.exact_activation
    network, (*size, channels) = exact.network, images.shape[2:]
    if channels != network.image_shape[-1] or not network.takes(size):
        return {}
    unit = class_unit(network, exact.objective)
    if unit is not None:
        is_log_odds = exact.objective.structure[0] == "log odds"
        code = "" if is_log_odds else f"objectives.class_log_odds({unit.layer!r}, {unit.index})"
        return _names(network, unit, images) | {"log_odds": code}
    try:
        plain = dataclasses.replace(untransformed(exact), devices=(), chunk_size=None)
    except ValueError:
        return {}  # A mask that fits what transforms make of the images only.
    draws, best = (_median(plain, part.reshape(-1, *images.shape[2:])) for part in (images, optimized))
    noise = plan.param.image(plan.param.prior(seeds.fold(plan.seed, "noise"), NUM_NOISE)).numpy()
    values = {"draws": draws, "optimised": best, "noise": _median(plain, noise)}
    if plan.example is not None:
        values["best example"] = float(plan.example.examples.top_activations[0])
    return {"values": values}


def class_unit(network: Network, objective: Objective) -> ClassUnit | None:
    """The class that an objective stands for; None for other units.

    Args:
      network: the network.
      objective: resolved.
    """
    kind, layer, *_ = (*objective.structure, None) if isinstance(objective.structure, tuple) else (None, None)
    if kind not in ("channel", "probability", "log odds"):
        return None
    layer = str(layer).removesuffix(POST).removesuffix(PRE)
    ending, labels = network.endings.find(layer), available_labels(network)
    is_last = layer == list(network.layers)[-1]
    if ending is None and not (is_last and labels is not None):
        return None
    *positions, count = network.layer_shape(layer)
    named = labels is not None and len(labels) == count
    is_classes = ending.kind in (*EXCLUSIVE, *SEPARATE) if ending is not None else named
    if not is_classes or any(side != 1 for side in positions) or (count < 2 and ending.kind in EXCLUSIVE):
        return None
    names = labels if named else tuple(f"class {number}" for number in range(count))
    return ClassUnit(layer, int(objective.parameters[0]), names, "" if ending is None else ending.kind)


def _names(network: Network, unit: ClassUnit, images: np.ndarray) -> dict[str, Any]:
    """How many draws of each chain the network names as the class, and what it names the others."""

    def run(batch: tf.Tensor) -> tf.Tensor:
        return network.cut((unit.layer,))(batch)[unit.layer]

    scores = compiled.cached(network.compiled, unit.layer)("answers", run)
    flat = images.reshape(-1, *images.shape[2:])
    values = in_batches(lambda batch: scores(tf.constant(np.float32(batch))).numpy(), BATCH_SIZE, flat)
    values = values.reshape(len(flat), -1)
    best = values.argmax(1)
    if unit.ending in SEPARATE:
        right = values[:, unit.index] > 0.5
    else:
        # "star|stripes" is a name of both.
        wanted = set(unit.label.split("|"))
        right = np.array([not wanted.isdisjoint(unit.labels[number].split("|")) for number in best])
    others = best[~right & (best != unit.index)]
    most = unit.labels[np.bincount(others).argmax()] if len(others) else ""
    return {
        "class": unit.label,
        "named": right.reshape(images.shape[:2]).sum(1).tolist(),
        "named_else": most,
        "exclusive": unit.ending in EXCLUSIVE,
    }


def _median(activation: Activation, images: np.ndarray) -> float:
    return float(np.median(image_scores(activation, np.asarray(images, np.float32))))
