"""What the steps of a task share: its network, smoothed and as it is, and how its units are scored and optimised."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.activation import Activation, default_param
from samplevis.activation.chunked import bank_size, largest_divisor
from samplevis.activation.row_batches import in_batches
from samplevis.atlas.meter import Meter
from samplevis.atlas.plan import Task
from samplevis.atlas.unit_rows import layer_activation, weighted_sums, with_units
from samplevis.network import Network
from samplevis.optimizers.ascent import AscentOptions, ascend, waking_steps
from samplevis.overrides.smooth import smoothed
from samplevis.runtime import seeds
from samplevis.runtime.callbacks import Callback
from samplevis.runtime.progress import Progress
from samplevis.sampling.level_scale import NUM_PRIOR_LATENTS, fresh_transforms

TRANSFORMS = "robust"
# Transformed images that are scored at a time, which bounds memory.
MAX_IMAGES = 64


@dataclasses.dataclass(frozen=True, eq=False)
class Lab:
    """What the steps of a task share.

    Attributes:
      network: the network.
      task: the task.
      exact: activation of the layer, on the network as it is.
      smooth: the same on the smoothed network.
      vectors: the units' directions, [unit, channels].
      meter: of the task's gradients.
    """

    network: Network
    task: Task
    exact: Activation
    smooth: Activation
    vectors: np.ndarray
    meter: Meter

    @classmethod
    def of(cls, network: Network, task: Task, meter: Meter) -> Lab:
        settings = task.settings
        param = default_param(network, settings.size)
        exact = layer_activation(network, task.layer, param, TRANSFORMS)
        smooth = layer_activation(smoothed(network, settings.smooth), task.layer, param, TRANSFORMS)
        channels = network.layer_shape(task.layer)[-1]
        return cls(network, task, exact, smooth, task.directions(channels), meter)

    @property
    def seed(self) -> tf.Tensor:
        return seeds.root(self.task.settings.seed)

    def scores(self, activation: Activation, latents: np.ndarray, vectors: np.ndarray, bank: Any = None) -> np.ndarray:
        """Activation of latents [n, ...] for directions [n, channels], on transforms that nothing else has seen by default, [n]."""
        batch = self.task.settings.batch_size
        bank = fresh_transforms(activation, self.seed) if bank is None else bank
        chunks = _chunks(bank, max(1, MAX_IMAGES // batch))

        def score(latents: np.ndarray, vectors: np.ndarray) -> np.ndarray:
            rows_of = with_units(activation, vectors)
            run = rows_of.compiler()("atlas mean", lambda z, bank, numbers: rows_of.mean(z, bank, numbers))
            z = tf.constant(latents)
            return np.mean([run(z, chunk, rows_of.parameters).numpy() for chunk in chunks], axis=0, dtype=np.float64)

        return in_batches(score, batch, latents, vectors)

    def plain_scores(self, latents: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Activation of latents without transforms, as that of dataset examples, [n]."""
        param, layer = self.exact.param, self.task.layer

        def run(z: tf.Tensor) -> tf.Tensor:
            values = self.network.prepared.cut((layer,))(param.image(z))[layer]
            return tf.reduce_mean(tf.reshape(values, (values.shape[0], -1, values.shape[-1])), 1)

        compiled = self.exact.compiler()("atlas layer", run)
        means = in_batches(lambda z: compiled(tf.constant(z)).numpy(), self.task.settings.batch_size, latents)
        return weighted_sums(means, vectors)

    def prior_means(self, activation: Activation) -> np.ndarray:
        """Mean activation of each unit over noise from the prior, the same for all, [unit]."""
        latents = activation.param.prior(seeds.fold(self.seed, "prior mean", 0), NUM_PRIOR_LATENTS)
        fresh, layer = fresh_transforms(activation, self.seed), self.task.layer
        count = bank_size(fresh)

        def run(z: tf.Tensor, bank: Any) -> tf.Tensor:
            images = tf.repeat(activation.param.image(z), count, axis=0)
            tiled = tf.nest.map_structure(lambda t: tf.tile(t, [z.shape[0]] + [1] * (t.shape.rank - 1)), bank)
            values = activation.network.prepared.cut((layer,))(activation.transform.apply(tiled, images))[layer]
            return tf.reduce_mean(tf.reshape(values, (-1, values.shape[-1])), 0)

        compiled, batch = activation.compiler()("atlas prior", run), max(1, MAX_IMAGES // count)
        means = [compiled(latents[i : i + batch], fresh).numpy() for i in range(0, NUM_PRIOR_LATENTS, batch)]
        return weighted_sums(np.mean(means, axis=0, dtype=np.float64), self.vectors)


def _chunks(bank: Any, size: int) -> list[Any]:
    """A bank of transforms in equal parts of at most `size`; one without parameters as it is."""
    count = bank_size(bank)
    size = largest_divisor(count, size)
    return [
        tf.nest.map_structure(lambda leaf, first=first: leaf[first : first + size], bank)
        for first in range(0, count, size)
    ]


def redirected_ascent(steps: int) -> AscentOptions:
    """Always redirected, so that a unit does not depend on whether another one of its batch is silent."""
    return AscentOptions(steps, redirect_steps=waking_steps(steps), skip_nonfinite=True, shared_transforms=True)


def ascended_from(
    lab: Lab, activation: Activation, start: tf.Tensor, options: AscentOptions, seed: tf.Tensor
) -> np.ndarray:
    """Latents that the optimiser reaches for every unit from the same start [1, *latent_shape], [unit, *latent_shape]."""
    size = min(lab.task.settings.batch_size, lab.task.settings.units_per_part)
    # A batch is padded with copies of a unit, which do not count.
    counted = len(lab.vectors) / -(-len(lab.vectors) // size)

    def ascended(vectors: np.ndarray) -> np.ndarray:
        progress = [lab.meter.stages({"optimise": counted * options.steps})]
        return _ascended(with_units(activation, vectors), tf.repeat(start, size, axis=0), options, seed, progress)

    return in_batches(ascended, size, lab.vectors)


def _ascended(
    batch: Activation, start: tf.Tensor, options: AscentOptions, seed: tf.Tensor, progress: list[Callback]
) -> np.ndarray:
    """Latents after gradient ascent; nan for all of a batch that has not one finite activation."""
    try:
        # Outside a `with` block a bar ignores Ctrl-C, which is the atlas's own.
        bar = Progress("optimise", options.steps, "step", progress)
        found = ascend(batch, start, options, seed, bar=bar)
        if bar.interrupted:
            # It was cut short: a part of it must not pass for the whole.
            raise KeyboardInterrupt("stopped in atlas")
        finite = np.isfinite(found.history[-1])
        return np.where(finite.reshape(-1, *[1] * (found.latents.ndim - 1)), found.latents, np.nan)
    except FloatingPointError:
        return np.full(start.shape, np.nan, np.float32)
