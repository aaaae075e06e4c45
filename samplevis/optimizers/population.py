"""The base of population searches: scores candidates in one batch, and remembers the best."""

from __future__ import annotations

import abc
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from samplevis.activation import Activation
from samplevis.optimizers.base import Stepper, mean_score


class PopulationStepper(Stepper):
    """A search that proposes a population of candidates for each image of the batch, and learns from their scores.

    Scores that are not finite count as the worst. A step reports the activation of the best candidate so far.
    """

    def __init__(self, activation: Activation, batch: int, bank: int):
        self._batch, self._shape = batch, activation.param.latent_shape

        @tf.function(autograph=False, reduce_retracing=True)
        def score(z: tf.Tensor, parameters: list[tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
            return mean_score(activation, z, parameters, seed, bank)

        self._score = score

    @abc.abstractmethod
    def begin(self, flat: np.ndarray, seed: Sequence[int]) -> None:
        """Starts from latents [batch, size]; `seed` is two integers."""

    @abc.abstractmethod
    def propose(self, step: int) -> np.ndarray:
        """Candidates [batch, population, size]."""

    @abc.abstractmethod
    def learn(self, candidates: np.ndarray, scores: np.ndarray) -> None:
        """Updates the search with the scores [batch, population] of its candidates; -inf where they were not finite."""

    def reset(self, z: tf.Tensor) -> None:
        self.latents = tf.identity(z)
        self._best = np.full(self._batch, -np.inf, np.float32)

    def run(self, parameters: Sequence[tf.Tensor], seed: tf.Tensor, first: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        if int(first) == 0:
            self.begin(self.latents.numpy().reshape(self._batch, -1), tuple(map(int, seed)))
        return tf.stack([self._generation(int(first) + i, parameters, seed) for i in range(int(count))])

    def _generation(self, step: int, parameters: Sequence[tf.Tensor], seed: tf.Tensor) -> np.ndarray:
        candidates = self.propose(step).astype(np.float32)
        z = tf.constant(candidates.reshape(-1, *self._shape))
        scores = self._score(z, parameters, seed).numpy().reshape(candidates.shape[:2])
        scores = np.where(np.isfinite(scores), scores, -np.inf)
        rows, top = np.arange(self._batch), scores.argmax(1)
        better = scores[rows, top] > self._best
        self._best = np.where(better, scores[rows, top], self._best)
        winners = candidates[rows, top].reshape(self._batch, *self._shape)
        self.latents = tf.where(better.reshape(-1, *[1] * len(self._shape)), winners, self.latents)
        self.learn(candidates, scores)
        return self._best
