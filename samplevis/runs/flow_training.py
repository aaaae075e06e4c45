"""Flow matching: batches, the optimiser and the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import keras
import numpy as np

from samplevis.param.gaussian_velocity import moments
from samplevis.param.unet import VelocityUNet
from samplevis.runs.muon import Muon
from samplevis.runtime.checkpoint import flat

# Pixels from 0 to 1 become numbers of a variance of about 1, that of the noise.
VALUE_RANGE = (-2.0, 2.0)
# Times are sigmoid(TIME_MEAN + TIME_SPREAD N(0, 1)): what a picture will show is decided where the noise is still strong.
TIME_MEAN, TIME_SPREAD = -1.2, 1.4
# Crops, those of the batch among them, over which the velocity at a place is averaged.
NUM_REFERENCES = 1024
# The weights of the result are averaged over about this share of the steps.
AVERAGED_SHARE = 0.05
WARM_UP_SHARE, MAX_WARM_UP = 0.1, 200
# The few pairs of early times have most of the loss: with fewer pairs, chance decides it.
MIN_PAIRS = 512
# Crops whose mean, spectrum and colours are measured before the first step.
NUM_MEASURED = 4096


class Pairs(NamedTuple):
    """Places on straight ways from noise to pictures, and the velocity there.

    Attributes:
      place: [N, H, W, C].
      time: [N, 1].
      velocity: [N, H, W, C].
    """

    place: np.ndarray
    time: np.ndarray
    velocity: np.ndarray


class PictureSet(NamedTuple):
    """Pictures to learn from.

    Attributes:
      pixels: uint8 [N, H, W, C], not smaller than `size`.
      size: (height, width) of crops.
      mirror: whether half of the crops are mirrored left to right.
    """

    pixels: np.ndarray
    size: tuple[int, int]
    mirror: bool

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Random crops of random pictures, float32 [count, *size, C] in `VALUE_RANGE`."""
        height, width = self.size
        rows, columns = (side - part + 1 for side, part in zip(self.pixels.shape[1:3], self.size, strict=True))
        places = zip(
            rng.integers(len(self.pixels), size=count),
            rng.integers(rows, size=count),
            rng.integers(columns, size=count),
            rng.random(count) < 0.5 * self.mirror,
            strict=True,
        )
        crops = [
            self.pixels[i, row : row + height, column : column + width][:, :: -1 if turned else 1]
            for i, row, column, turned in places
        ]
        return scaled(np.stack(crops))


def scaled(pixels: np.ndarray) -> np.ndarray:
    """uint8 pixels as float32 in `VALUE_RANGE`."""
    low, high = VALUE_RANGE
    return low + np.float32((high - low) / 255) * pixels.astype(np.float32)


def pairs(data: np.ndarray, normal: np.ndarray, rng: np.random.Generator) -> Pairs:
    """Places at random times on the straight ways from noise to data.

    Args:
      data: [N, H, W, C].
      normal: quantiles of N(0, 1) that become the times, [N].
      rng: of the noise.
    """
    noise = rng.standard_normal(data.shape, np.float32)
    time = np.float32(_times(normal))[:, None]
    t = time[:, :, None, None]
    return Pairs((1 - t) * noise + t * data, time, data - noise)


def expected_velocity(place: np.ndarray, time: np.ndarray, references: np.ndarray) -> np.ndarray:
    """The mean velocity of the straight ways that pass through places, if each reference is equally likely at the end.

    Many pictures are possible while the noise is strong, and the velocity towards one of them is mostly chance. Given the place and
    the references, which of them the way ends at is random, and this is the mean over it: the same velocity is learned, from
    targets of less variance (the stable target field of Xu et al. 2023, arXiv:2302.00670).

    Args:
      place: [N, H, W, C].
      time: in [0, 1), [N, 1].
      references: the pictures that a way may end at, [M, H, W, C].

    Returns:
      float32 [N, H, W, C].
    """
    x, ends = place.reshape(len(place), -1), references.reshape(len(references), -1)
    log_weights = (time * x @ ends.T - time**2 * np.square(ends).sum(1) / 2) / (1 - time) ** 2
    weights = np.exp(log_weights - log_weights.max(1, keepdims=True))
    return ((weights @ ends / weights.sum(1, keepdims=True) - x) / (1 - time)).reshape(place.shape)


class FlowTrainer:
    """Trains a velocity by flow matching; the step with a number depends on the seed and that number alone.

    Args:
      model: the velocity, of places and times.
      pictures: to learn from.
      steps: updates of the whole run, >= 1.
      batch_size: crops of an update, >= 1.
      learning_rate: the highest; it rises, and falls with a cosine.
      seed: of batches.
    """

    def __init__(
        self, model: VelocityUNet, pictures: PictureSet, steps: int, batch_size: int, learning_rate: float, seed: int
    ):
        warm_up = max(1, min(MAX_WARM_UP, round(WARM_UP_SHARE * steps)))
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - warm_up), alpha=0.0, warmup_target=learning_rate, warmup_steps=warm_up
        )
        momentum = 1 - 1 / max(2.0, AVERAGED_SHARE * steps)
        model.set_moments(moments(pictures.sample(np.random.default_rng([seed, 0x3A05]), NUM_MEASURED)))
        self.model, self.steps, self.done = model, steps, 0
        self._averaged = model.with_weights(model.get_weights())
        self._pictures, self._batch_size, self._seed = pictures, batch_size, seed
        self._optimizer = Muon(rate, adam_beta_2=0.99, clipnorm=1.0, use_ema=True, ema_momentum=momentum)
        # Compiled by XLA, convolutions are slower on CPUs.
        model.compile(self._optimizer, "mse", jit_compile=False)
        self._optimizer.build(model.trainable_variables)

    def step(self) -> float:
        """Makes an update, and returns the loss of its batch."""
        rng = np.random.default_rng([self._seed, self.done])
        references = self._pictures.sample(rng, max(self._batch_size, NUM_REFERENCES))
        # A stratified sample of the times: the mean over a batch has less noise.
        order = rng.permutation(self._batch_size)
        normal = normal_quantiles((order + rng.random(self._batch_size)) / self._batch_size)
        place, time, _ = pairs(references[: self._batch_size], normal, rng)
        self.done += 1
        return float(self.model.train_on_batch([place, time], expected_velocity(place, time, references)))

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Begins with the weights of another velocity, before the first step."""
        self.model.set_weights(weights)
        self._averaged.set_weights(weights)

    def averaged(self) -> VelocityUNet:
        """The velocity with averaged weights."""
        average = self._optimizer._model_variables_moving_average if self.done else self.model.trainable_variables
        for variable, value in zip(self._averaged.trainable_variables, average, strict=True):
            variable.assign(value)
        return self._averaged

    def state_dict(self) -> dict[str, Any]:
        """What a later process needs to go on."""
        return {"done": self.done} | flat(
            "variable", [keras.ops.convert_to_numpy(value).copy() for value in self._variables]
        )

    def load(self, saved: Mapping[str, np.ndarray]) -> None:
        """Goes on from a state."""
        self.done = int(saved["done"])
        for number, variable in enumerate(self._variables):
            variable.assign(saved[f"variable.{number}"])

    @property
    def _variables(self) -> list[Any]:
        return [*self.model.variables, *self._optimizer.variables]


def _times(normal: np.ndarray) -> np.ndarray:
    """The times in (0, 1) at quantiles of N(0, 1)."""
    return 1 / (1 + np.exp(-(TIME_MEAN + TIME_SPREAD * normal)))


def normal_quantiles(share: np.ndarray) -> np.ndarray:
    """Quantiles of N(0, 1)."""
    law = NormalDist()
    return np.array([law.inv_cdf(float(np.clip(p, 1e-6, 1 - 1e-6))) for p in share])


def held_out_pairs(pictures: np.ndarray, seed: int) -> Pairs:
    """Pairs of pictures that nothing is learned from, the same at each call, at times that are spread evenly.

    Args:
      pictures: uint8 [N, H, W, C].
      seed: of the noise.

    Returns:
      At least `MIN_PAIRS` of them: all pictures equally often, with other noise.
    """
    rng = np.random.default_rng([seed, 0x4E1D])
    data = np.concatenate([scaled(pictures)] * -(-MIN_PAIRS // len(pictures)))
    return pairs(data, normal_quantiles((np.arange(len(data)) + 0.5) / len(data)), rng)


def loss(model: keras.Model, pairs: Pairs) -> float:
    """The mean squared error of a velocity."""
    found = np.asarray(model.predict([pairs.place, pairs.time], verbose=0))
    return float(np.mean(np.square(found - pairs.velocity)))
