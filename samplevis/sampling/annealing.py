"""Annealing: brings chains to the level, from prior noise or from optimised images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from samplevis.activation import Activation
from samplevis.runtime import seeds
from samplevis.runtime.callbacks import Callback
from samplevis.runtime.checkpoint import Checkpoint, Stage
from samplevis.runtime.progress import Progress
from samplevis.sampling.density import Conditioned
from samplevis.sampling.kernels.langevin import LangevinState, langevin_step
from samplevis.sampling.level_scale import finite_mean

# Langevin step in radians, friction per unit of time, and transforms drawn for each chain and step: all from trials on
# SqueezeNet at 96 pixels. A stochastic force heats the chain by step * noise / friction, which these keep below a half.
STEP_SIZE = 0.02
FRICTION = 2.0
MEMBERS = 2
STEPS_PER_CALL = 25
# Force added in a step, in nats per latent coordinate and unit of level. Units of ImageNet networks nucleate at one to four.
RAMP = 0.02
FIRST_FORCE = 4.0
# The edge of the density, as a fraction of the way from the prior's mean to the optimum.
WIDTH = 0.02
# The declared strength over the strength that the chains need at the level: the chains then sit 1.1 widths above it.
MARGIN = 4.0


class Annealed(NamedTuple):
    """Where the chains arrived.

    Attributes:
      state: in the coordinates of `param.rotate`, [chain, *latent_shape].
      density: the density at the level, `MARGIN` times as strong as the chains need.
      strength: force on the activation that the chains felt at the level, in nats per unit.
      reached: bool [chain], whether the activation on fresh transforms came to the level.
      gradients: gradients used by each chain, a transform counting once.
      images: of the chains, before the first step and after every `STEPS_PER_CALL`, uint8 [chain, frame, *image_shape].
    """

    state: tf.Tensor
    density: Conditioned
    strength: float
    reached: np.ndarray
    gradients: int
    images: np.ndarray


def anneal(
    activation: Activation,
    state: tf.Tensor,
    prior_mean: float,
    optimum: float,
    level: float,
    steps: int,
    from_prior: bool,
    seed: tf.Tensor,
    progress: bool | Sequence[Callback] = False,
    stage: Stage | None = None,
) -> Annealed:
    """Runs Langevin dynamics with stochastic transforms until the chains sit at the level.

    From the prior the strength rises from zero until every chain has reached the level, and then rests. From
    optimised images it is at rest from the first step, and the prior pulls the images down to the level.

    Args:
      activation: what is explored.
      state: coordinates of `param.rotate`, [chain, *latent_shape].
      prior_mean: mean activation under the prior.
      optimum: activation of the best optimised image.
      level: level asked for, in units from `prior_mean` (0) to `optimum` (1).
      steps: gradients of each chain; up to three times as many while a chain is below the level.
      from_prior: whether the states are draws of the prior.
      seed: int32 tensor of shape [2].
      progress: whether to show a progress bar, or callbacks.
      stage: where the loop keeps its state, and goes on from. Defaults to nowhere.

    Returns:
      An `Annealed`.
    """
    distance = optimum - prior_mean
    target = prior_mean + level * distance
    unit = float(np.prod(activation.param.latent_shape)) / distance
    chains = state.shape[0]
    run = activation.compiler()("anneal", _chunk(activation))
    numbers = tf.constant(target), tf.constant(WIDTH * distance), activation.parameters
    now = LangevinState(
        state,
        tf.random.stateless_normal(state.shape, seeds.fold(seed, "anneal velocity")),
        tf.zeros(chains),
        tf.zeros(chains),
    )
    force, done, most = 0.0 if from_prior else FIRST_FORCE, 0, steps
    strengths, reached, images = [], np.zeros(chains, bool), [_seen(activation, state)]
    stage = stage or Checkpoint().stage("anneal")
    saved = stage.saved
    if saved:
        now = LangevinState(*(tf.constant(saved[name]) for name in LangevinState._fields))
        force, done, most = float(saved["force"]), int(saved["done"]), int(saved["most"])
        strengths, reached, images = saved["strengths"].tolist(), saved["reached"], list(saved["images"])

    def kept() -> dict:
        return now._asdict() | dict(
            force=force, done=done, most=most, strengths=strengths, reached=reached, images=images
        )

    with Progress("anneal", steps, "step", progress, done) as bar:
        while done < most and not bar.interrupted:
            rise = RAMP if from_prior and not reached.all() else 0.0
            now, mean, strength = run(
                now,
                seed,
                tf.constant(done),
                tf.constant(force * unit, tf.float32),
                tf.constant(rise * unit, tf.float32),
                *numbers,
            )
            force += rise * STEPS_PER_CALL
            done += STEPS_PER_CALL
            levels = (mean.numpy() - prior_mean) / distance
            reached |= levels > level - 2 * WIDTH
            strengths.append(finite_mean(strength))
            images.append(_seen(activation, now.state))
            if not reached.all():
                most = min(3 * steps, done + steps // 2) if done >= steps // 2 else most
            bar.update(STEPS_PER_CALL, level=finite_mean(levels), strength=strengths[-1])
            stage.keep(kept)
    stage.close(kept, bar.interrupted)
    strength = float(np.mean(strengths[-4:])) if reached.any() else force * unit / MARGIN
    density = Conditioned(target, WIDTH * distance, MARGIN * strength)
    return Annealed(now.state, density, strength, reached, done * MEMBERS, np.stack(images, axis=1))


def _seen(activation: Activation, state: tf.Tensor) -> np.ndarray:
    """Images of the chains in bytes; black where they are not finite."""
    images = activation.param.image(activation.param.rotate(state)).numpy()
    return np.round(255 * np.nan_to_num(images)).astype(np.uint8)


def _chunk(activation: Activation) -> Callable[..., tuple[LangevinState, tf.Tensor, tf.Tensor]]:
    """A stretch of the dynamics, to be compiled: (state, mean activation [chain], mean strength [chain]) after it."""

    def run(
        now: LangevinState,
        seed: tf.Tensor,
        first: tf.Tensor,
        force: tf.Tensor,
        rise: tf.Tensor,
        target: tf.Tensor,
        width: tf.Tensor,
        parameters: list[tf.Tensor],
    ):
        def score(state: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
            draws = activation.sample_transforms(seed, MEMBERS * state.shape[0])
            return tf.reduce_mean(activation.paired(activation.param.rotate(state), draws, parameters), axis=1)

        def step(i: tf.Tensor, now: LangevinState, total: tf.Tensor, strength: tf.Tensor):
            density = Conditioned(target, width, force + rise * tf.cast(i, tf.float32))
            now = langevin_step(
                now, score, density.strength, seeds.fold(seed, "anneal", first + i), STEP_SIZE, FRICTION
            )
            return i + 1, now, total + now.activation, strength + now.strength

        zero = tf.zeros_like(now.activation)
        _, now, total, strength = tf.while_loop(
            lambda i, *_: i < STEPS_PER_CALL, step, (tf.constant(0), now, zero, zero), parallel_iterations=1
        )
        return now, total / STEPS_PER_CALL, strength / STEPS_PER_CALL

    return run
