"""The rewritten parts of a model, and the weights that they share."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from samplevis.network.prepared.affine import AFFINE
from samplevis.network.prepared.folding import FoldedLayer, Folding
from samplevis.network.prepared.passes import drop, fold
from samplevis.network.prepared.strides import BlockedLayer, takes_blocks
from samplevis.network.sources import FunctionalSource, Source
from samplevis.network.sources.plan import Plan

# Models that compute in these are left alone: folding would round elsewhere.
OTHER_FLOATS = {"float16", "bfloat16", "float64"}

# Differences up to this, relative to the largest value of a layer, are rounding.
ROUNDING = 1e-3

logger = logging.getLogger(__name__)

Part = Callable[[tf.Tensor], list[tf.Tensor]]


@dataclasses.dataclass(frozen=True)
class Changes:
    """What a rewriting did, by the names of the layers.

    Attributes:
      folded: affine layers that are folded.
      dropped: layers that are left out, since they do nothing.
      left: affine layers that are computed as before.
      blocked: convolutions with a stride that are computed on blocks of pixels.
    """

    folded: tuple[str, ...]
    dropped: tuple[str, ...]
    left: tuple[str, ...]
    blocked: tuple[str, ...] = ()


def agree(part: Part, rewritten: Part, trials: Sequence[Callable[[], tf.Tensor]]) -> bool:
    """Whether a rewritten part gives the values of the part, up to rounding, on the first images that it takes.

    Args:
      part: the part as it is.
      rewritten: the same, rewritten.
      trials: functions that return images, preprocessed.
    """
    for trial in trials:
        images = trial()
        try:
            expected = part(images)
        except (ValueError, tf.errors.OpError):
            continue
        return all(map(_are_close, rewritten(images), expected))
    return False


def _are_close(values: tf.Tensor, expected: tf.Tensor) -> bool:
    values, expected = np.asarray(values, np.float64), np.asarray(expected, np.float64)
    if values.shape != expected.shape:
        return False
    size = np.max(np.abs(expected), initial=0, where=np.isfinite(expected))
    return bool(np.allclose(values, expected, rtol=0, atol=ROUNDING * size, equal_nan=True))


class Prepared:
    """Rewritten parts of a model.

    Folded weights are copies. They are computed when a part is traced, and again by `refresh`.

    Args:
      source: the model. Only functional and Sequential Keras models in float32 are rewritten; any other is used as it is.
      trials: preprocessed images of several sizes, on which a rewriting is compared with the model: those of the first size count
        that the model takes.
    """

    def __init__(self, source: Source, trials: Sequence[Callable[[], tf.Tensor]]):
        self._source, self._trials = source, trials
        self._folded: dict[Folding, FoldedLayer] = {}

    def cut(self, names: tuple[str, ...]) -> Part:
        """The model up to some layers, rewritten, as `Source.cut`; the same as that where there is nothing to rewrite."""
        plan = self._plan(names)
        new = plan if plan is None else self._rewritten(plan)
        if new is None or new is plan:
            return self._source.cut(names)

        def run(images: tf.Tensor) -> list[tf.Tensor]:
            self.refresh()
            return self._source.run(new, images, names)

        # Outside any function that is being traced.
        with tf.init_scope():
            if not agree(self._source.cut(names), run, self._trials):
                logger.warning("%s: computed as it is, since a rewriting of it gives other values", self._source.name)
                return self._source.cut(names)
        return run

    def refresh(self) -> None:
        """Reads the model's weights again, for code that was compiled before they changed."""
        with tf.init_scope():
            for layer in self._folded.values():
                layer.refresh()

    def changes(self, names: tuple[str, ...]) -> Changes:
        """What a rewriting of the part up to some layers does."""
        plan = self._plan(names)
        if plan is None:
            return Changes((), (), ())
        steps = self._rewritten(plan).steps
        foldings = [step.operation.folding for step in steps if isinstance(step.operation, FoldedLayer)]
        folded = [layer for folding in foldings for layer in (*folding.before, *folding.after)]
        still = {
            id(layer) for layer in [*folded, *(step.operation for step in steps), *(one.layer for one in foldings)]
        }
        dropped = [step.operation for step in plan.steps if id(step.operation) not in still]
        left = [step.operation for step in steps if type(step.operation) in AFFINE]
        blocked = [step.operation.folding.layer for step in steps if isinstance(step.operation, BlockedLayer)]
        return Changes(*(tuple(layer.name for layer in layers) for layers in (folded, dropped, left, blocked)))

    def _plan(self, names: tuple[str, ...]) -> Plan | None:
        """The part as it is, or None if it cannot be rewritten."""
        if not names or not isinstance(self._source, FunctionalSource):
            return None
        plan = self._source.plan(names)
        dtypes = {value.dtype for value in plan.inputs}
        dtypes |= {getattr(step.operation, "compute_dtype", "float32") for step in plan.steps}
        return None if dtypes & OTHER_FLOATS else plan

    def _rewritten(self, plan: Plan) -> Plan:
        return fold(drop(plan), self._make)

    def _make(self, folding: Folding) -> FoldedLayer:
        if folding not in self._folded:
            self._folded[folding] = (BlockedLayer if takes_blocks(folding.layer) else FoldedLayer)(folding)
        return self._folded[folding]
