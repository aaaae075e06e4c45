"""The prior that is learned from the drawings of the bundled networks."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import tensorflow as tf

from samplevis.modelzoo.shapes.network import FOLDER, load_weights, read_report
from samplevis.param.flow import Flow, Solver, flow
from samplevis.param.resize import along, resize_matrix
from samplevis.param.unet import unet


def prior(steps: int = 16, solver: Solver = "heun", weights: str | Path = FOLDER / "prior.npz") -> Flow:
    """The prior of the drawings: images like those of `draw`, as a flow from white noise.

    It learned drawings of 32 x 32 pixels, and its images are twice as large, since the bundled networks know drawings of 64:
    compare them with `prior.decode(drawings)`.

    benchmarks/train_shapes_prior.py trains a U-Net on drawings by `samplevis.fit_prior`; the report beside its weights has the
    number of drawings and steps, the held-out loss and what `check_prior` said. The weights have 16 bits.

    Args:
      steps: of the flow, >= 1. Defaults to 16.
      solver: "heun" or "euler". Defaults to "heun".
      weights: a file that the script wrote. Defaults to where it writes, beside the bundled networks.

    Returns:
      A `Flow` for `param=`.

    Raises:
      OSError: if the file is missing.
      ValueError: if it is not such a file or was altered, or an argument is out of range.

    Example:
      >>> prior = modelzoo.shapes.prior(steps=2)
      >>> prior.image(prior.prior(seeds.root(0), 4)).shape
      TensorShape([4, 64, 64, 3])
    """
    if not Path(weights).is_file():
        raise FileNotFoundError(
            f"weights: there is no file {str(weights)!r}; python -m benchmarks.train_shapes_prior trains it"
        )
    report = read_report(Path(weights))
    model = unet(tuple(report["size"]), widths=report["widths"])
    load_weights(model, Path(weights))
    value_range = tuple(report["value_range"])
    made = flow(model, steps=steps, solver=solver, decode=_doubled, encode=_halved, value_range=value_range)
    return dataclasses.replace(made, verdict=report.get("verdict", ""))


def _doubled(images: tf.Tensor) -> tf.Tensor:
    """Images of twice the size, by bilinear interpolation: [N, H, W, C] -> [N, 2 H, 2 W, C]."""
    images = tf.convert_to_tensor(images)
    for axis in (1, 2):
        side = images.shape[axis]
        images = along(images, resize_matrix(2 * side, side), axis)
    return images


def _halved(images: tf.Tensor) -> tf.Tensor:
    """The images whose doubles are nearest: [N, 2 H, 2 W, C] -> [N, H, W, C]."""
    for axis in (1, 2):
        side = images.shape[axis]
        images = along(images, np.linalg.pinv(resize_matrix(side, side // 2)), axis)
    return images
