"""The rewritten parts of a model, and the weights that they share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from samplevis.network.prepared.affine import AFFINE
from samplevis.network.prepared.folding import FoldedLayer, Folding
from samplevis.network.prepared.passes import drop, fold
from samplevis.network.prepared.strides import BlockedLayer, takes_blocks
from samplevis.network.sources import FunctionalSource, Source
from samplevis.network.sources.plan import Plan

# Models that compute in these are left alone: folding would round elsewhere.
OTHER_FLOATS = {"float16", "bfloat16", "float64"}

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


class Prepared:
    """Rewritten parts of a model.

    Folded weights are copies. They are computed when a part is traced, and again by `refresh`.

    Args:
      source: the model. Only functional and Sequential Keras models in float32 are rewritten; any other is used as it is.
    """

    def __init__(self, source: Source):
        self._source = source
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
