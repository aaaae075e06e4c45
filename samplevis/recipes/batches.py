"""Many optimised images, a batch at a time, through one compiled step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis import param as parameterizations
from samplevis.activation import make_activation
from samplevis.export.grid import check_whole
from samplevis.network import Network
from samplevis.objectives import Objective
from samplevis.optimize import optimize
from samplevis.progress import Progress
from samplevis.transform import standard_transforms


def optimize_rows(
    network: Network,
    objective: Callable[..., Objective],
    rows: Sequence[np.ndarray],
    batch: int,
    *,
    progress: bool = True,
    **settings: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """Optimises one image for each row of an objective's numbers.

    Only one batch is on the device at a time. Every batch starts alike, from `seed`. Ctrl-C ends the run after the step under
    way and keeps the images so far, those of the last batch with fewer steps.

    Args:
      network: the network.
      objective: makes, of some of the rows, an objective that scores image i by row i; see `of_images`.
      rows: arrays [N, ...] of the same N >= 1.
      batch: images at a time, >= 1.
      progress, **settings: other arguments of `optimize`, but for `init` and `thresholds`.

    Returns:
      Images [n, H, W, C] and their scores [n] in the last step; n < N after Ctrl-C.

    Raises:
      ValueError, TypeError: as in `optimize`, for any row, before the first image.
    """
    check_whole("batch", batch, 1)
    count = len(rows[0])
    batch = min(batch, count)
    param = settings.get("param") or parameterizations.fourier(128)
    make_activation(network, objective(*rows), param, settings.get("transforms", standard_transforms))
    images, scores = [], []
    # One batch has the bar of its own steps.
    several = count > batch
    with Progress("optimise", count, "image", show=progress and several) as bar:
        for first in range(0, count, batch):
            # The last batch is filled up with its last row: one shape, one compiled step.
            chosen = np.minimum(np.arange(first, first + batch), count - 1)
            result = optimize(
                network,
                objective(*(row[chosen] for row in rows)),
                batch=batch,
                progress=progress and not several,
                **settings,
            )
            kept = min(batch, count - first)
            images.append(result.images[:kept])
            scores.append(result.history[-1, :kept])
            bar.update(kept)
            if bar.interrupted:
                break
    return np.concatenate(images), np.concatenate(scores)


# TODO merge: objectives.each
def of_images(rows: tf.Tensor, batch: int) -> tf.Tensor:
    """The row of each image: row i for image i.

    An objective is checked with a batch of another size than it runs with; rows then begin again or are left over.

    Args:
      rows: tensor [N, ...].
      batch: number of images.

    Returns:
      Tensor [batch, ...].
    """
    rows = tf.convert_to_tensor(rows)
    return tf.gather(rows, tf.range(batch) % rows.shape[0])
