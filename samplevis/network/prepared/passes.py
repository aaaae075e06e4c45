"""Rewritings of a plan, each exact up to rounding."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras

from samplevis.network.prepared.affine import has_shift, is_affine
from samplevis.network.prepared.folding import (
    FoldedLayer,
    Folding,
    channel_axis,
    is_activated,
    is_linear,
    takes_scale_before,
    takes_shift_before,
)
from samplevis.network.prepared.strides import takes_blocks
from samplevis.network.sources.functions import kind
from samplevis.network.sources.plan import Plan, Step, Value

_KERAS = keras.layers
# Layers that return their input at inference. RandomCrop crops its middle.
TRAINING_ONLY = {
    *(_KERAS.Identity, _KERAS.ActivityRegularization, _KERAS.Dropout, _KERAS.AlphaDropout, _KERAS.GaussianDropout),
    *(_KERAS.SpatialDropout1D, _KERAS.SpatialDropout2D, _KERAS.SpatialDropout3D, _KERAS.GaussianNoise),
    *(getattr(_KERAS, name) for name in dir(_KERAS) if name.startswith("Random") and name != "RandomCrop"),
}

# Makes the layer of a folding, or finds the one that another plan of the same model has made.
MakeFolded = Callable[[Folding], FoldedLayer]


def drop(plan: Plan) -> Plan:
    """Leaves out what exists for training only, and linear activations; returns `plan` itself if it has none."""
    replaced: dict[Value, Value] = {}
    steps = []
    for step in plan.steps:
        reading = step.reading(replaced) if any(value in replaced for value in step.inputs) else step
        if _does_nothing(reading):
            replaced[reading.outputs[0]] = reading.inputs[0]
        else:
            steps.append(reading)
    if not replaced:
        return plan
    outputs = tuple(replaced.get(value, value) for value in plan.outputs)
    return dataclasses.replace(plan, steps=tuple(steps), outputs=outputs)


def fold(plan: Plan, make: MakeFolded) -> Plan:
    """Folds affine layers into the linear layers before them, and the others into those after them; blocks for strides.

    Layers that are called more than once stay as they are, and so do those with values between them that something else reads.

    Args:
      plan: the steps.
      make: see `MakeFolded`.

    Returns:
      The new plan; `plan` itself if nothing is folded, and no convolution takes blocks of pixels.
    """
    shared = plan.shared()
    single = {
        step.outputs[0]: step for step in plan.steps if len(step.inputs) == 1 and id(step.operation) not in shared
    }
    links = {value for value, count in plan.num_uses().items() if count == 1}
    linears = {step: _Linear(step) for step in single.values() if is_linear(step.operation)}
    gone = _fold_after(linears, single, links)
    gone |= _fold_before(linears, single, links, gone)
    changed = {step for step, linear in linears.items() if linear.grown or takes_blocks(linear.layer)}
    if not changed:
        return plan
    steps = [linears[step].folded(make) if step in changed else step for step in plan.steps if step not in gone]
    return dataclasses.replace(plan, steps=tuple(steps))


class _Linear:
    """A linear layer of a plan, with the affine layers that it takes in.

    Attributes:
      step: its step.
      input, output: where what it computes begins and ends.
      before, after: the affine layers, in the order of computation.
    """

    def __init__(self, step: Step):
        self.step, self.layer = step, step.operation
        self.input, self.output = step.inputs[0], step.outputs[0]
        self.before: list[Any] = []
        self.after: list[Any] = []

    @property
    def grown(self) -> bool:
        return bool(self.before or self.after)

    def matches(self, affine: Step, link: Value) -> bool:
        """Whether a step is an affine map of the channels of the value that links it to this layer."""
        rank = len(link.shape)
        return is_affine(affine.operation, rank, channel_axis(self.layer, rank))

    def takes_before(self, affine: Step) -> bool:
        shifts = takes_shift_before(self.layer) or not has_shift(affine.operation)
        return takes_scale_before(self.layer) and shifts

    def folded(self, make: MakeFolded) -> Step:
        """The step that computes it all."""
        folding = Folding(self.layer, tuple(self.before), tuple(self.after))
        return Step(make(folding), (self.input,), {}, (self.output,))


def _fold_after(linears: dict[Step, _Linear], steps: dict[Value, Step], links: set[Value]) -> set[Step]:
    """Lets linear layers take in what follows them; returns the steps that are gone."""
    ends = {linear.output: linear for linear in linears.values() if not is_activated(linear.layer)}
    gone = set()
    for step in steps.values():
        linear = ends.get(step.inputs[0])
        if linear and linear.output in links and linear.matches(step, linear.output):
            linear.after.append(step.operation)
            linear.output = step.outputs[0]
            ends[linear.output] = linear
            gone.add(step)
    return gone


def _fold_before(
    linears: dict[Step, _Linear], steps: dict[Value, Step], links: set[Value], gone: set[Step]
) -> set[Step]:
    """Lets linear layers take in what is left in front of them; returns the steps that are gone."""
    taken: set[Step] = set()
    for linear in linears.values():
        while linear.input in links:
            step = steps.get(linear.input)
            if step is None or step in gone | taken:
                break
            if not linear.matches(step, linear.input) or not linear.takes_before(step):
                break
            linear.before.insert(0, step.operation)
            linear.input = step.inputs[0]
            taken.add(step)
    return taken


def _does_nothing(step: Step) -> bool:
    layer = step.operation
    linear = type(layer) is _KERAS.Activation and kind(layer.activation) == "linear"
    return len(step.inputs) == len(step.outputs) == 1 and (type(layer) in TRAINING_ONLY or linear)
