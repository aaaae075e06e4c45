"""The activation of images as they are, without the transforms that a run has."""

from __future__ import annotations

import dataclasses

from samplevis.activation.activation import Activation
from samplevis.transform import identity


def untransformed(activation: Activation) -> Activation:
    """Return the same activation without transforms.

    Transforms may change the size of images, and positions that the objective reads belong to one size: they are found anew.

    Args:
      activation: under transforms.

    Returns:
      An `Activation`.

    Raises:
      ValueError: if the network does not take images of that size, or the objective does not fit them.

    Example:
      >>> from samplevis import activation, modelzoo, objectives, param, transform
      >>> from samplevis.activation.untransformed import untransformed
      >>> neuron = objectives.neuron("conv2", 4)
      >>> padded = activation.make_activation(modelzoo.Shapes(), neuron, param.fourier(32), transform.pad(8))
      >>> padded.objective.parameters, untransformed(padded).objective.parameters
      ((4, 6, 6, 0), (4, 4, 4, 0))
    """
    shape = activation.param.image_shape
    objective = activation.objective.resolve(activation.network, shape[:-1], shape)
    return dataclasses.replace(activation, objective=objective, transform=identity)
