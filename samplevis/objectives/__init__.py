"""Objectives: what to maximise, one score per image, combined with + - * / **.

An objective is a function of the layer accessor `T`: `T("fire9")` gives the activations [batch, ...] of a layer, `T("input")` the
images before transforms, `T("labels")` the labels, `T("step")` the number of updates so far, and `T("num_transforms")` the number
of rows in a batch that show one image, each under another transform.

Everything is maximised. Values have Lucid's signs, so that its formulas carry over:

- add what you want: units, directions, `deepdream`, `dot_compare`, `alignment`, `match_features`,
  `penalize_boundary_complexity` (the last three are negative already);
- subtract what should be small: `L1`, `L2`, `total_variation`, `blur_input_each_step`, `blur_alpha_each_step`, `input_diff`,
  `distance_to_constant`, `activation_difference`, `diversity` (which measures similarity).

Scores are per image, where Lucid often sums or averages over the batch: the weight of a penalty relative to a unit does not
depend on the batch size. Each docstring says where a value differs from Lucid's.

Example:
  >>> 2 * objectives.channel("conv2", 1) - objectives.channel("conv2", 2) - 0.1 * objectives.total_variation()
  (((2 * channel(conv2, 1)) - channel(conv2, 2)) - (0.1 * total_variation(input)))
"""

from samplevis.objectives.base import Context, Objective
from samplevis.objectives.batches import alignment, channel_interpolate, diversity, each, only_image
from samplevis.objectives.convert import as_objective
from samplevis.objectives.directions import direction, direction_neuron, random_direction, tensor_direction
from samplevis.objectives.distributions import match_features
from samplevis.objectives.images import (
    blur_alpha_each_step,
    blur_input_each_step,
    input_diff,
    penalize_boundary_complexity,
)
from samplevis.objectives.layers import L1, L2, deepdream, total_variation
from samplevis.objectives.references import activation_difference, dot_compare, gram
from samplevis.objectives.schedule import decay, only_after, ramp
from samplevis.objectives.units import (
    channel,
    class_log_odds,
    class_logit,
    class_probability,
    distance_to_constant,
    first_positions,
    neuron,
    positions,
)
from samplevis.runtime.deprecation import warn_renamed

__all__ = [
    "Context",
    "L1",
    "L2",
    "Objective",
    "activation_difference",
    "alignment",
    "as_objective",
    "blur_alpha_each_step",
    "blur_input_each_step",
    "channel",
    "channel_interpolate",
    "class_log_odds",
    "class_logit",
    "class_probability",
    "decay",
    "deepdream",
    "direction",
    "direction_neuron",
    "distance_to_constant",
    "diversity",
    "dot_compare",
    "each",
    "first_positions",
    "gram",
    "input_diff",
    "match_features",
    "neuron",
    "only_after",
    "only_image",
    "penalize_boundary_complexity",
    "positions",
    "ramp",
    "random_direction",
    "tensor_direction",
    "total_variation",
]


def __getattr__(name: str) -> object:
    """The old name of `Context`."""
    if name == "Setting":
        warn_renamed("objectives.Setting", "objectives.Context")
        return Context
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
