"""Annealing: brings chains to the level, from prior noise or from optimised images."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from samplevis.activation import Activation
from samplevis.runtime import seeds
from samplevis.runtime.context import RunContext
from samplevis.runtime.progress import Progress
from samplevis.sampling.density import Conditioned
from samplevis.sampling.kernels.base import choose
from samplevis.sampling.kernels.langevin import LangevinState, langevin_step
from samplevis.sampling.level_scale import Gauge, LevelScale, finite_mean, finite_median

# Langevin step in radians, friction per unit of time, and transforms drawn for each chain and step: all from trials on
# SqueezeNet at 96 pixels. A stochastic force heats the chain by step * noise / friction. The last third of the steps are half as
# long, at twice the friction: a quarter of the heat.
STEP_SIZE = 0.1
FRICTION = 1.0
NUM_TRANSFORMS = 1
STEPS_PER_CALL = 25
# Force added in a step, in nats per latent coordinate and unit of level. Units of ImageNet networks nucleate at one to four.
RAMP = 0.1
FIRST_FORCE = 4.0
# The edge of the density, as a fraction of the way from the prior's mean to the optimum.
WIDTH = 0.02
# The declared strength over the strength that the chains need at the level: the chains then sit 1.1 widths above it.
MARGIN = 4.0
# A chain has left its density if (|z|^2 + |v|^2) / d, which is 2 under the prior and which rotations keep, has grown by more than
# this factor in a call. Images of the user's can begin far outside the prior, and then only fall.
MAX_GROWTH = 1.5
# How often the step of a chain may be halved.
MAX_HALVINGS = 8
# Calls whose mean says what level and strength a chain is at.
NUM_RECENT = 4
# How far below its aim, and above it, a chain counts as at the level. A chain of a saturated unit feels no force where it is: it
# stays near level 1, and the strength that it feels says nothing of the level asked for.
MAX_BELOW, MAX_ABOVE = 2 * WIDTH, 0.25
# Transforms on which levels on two networks are compared, and the largest correction of the aim, as a factor.
NUM_COMPARED, MAX_CORRECTION = 8, 1.5


class Annealed(NamedTuple):
    """Where the chains arrived.

    Attributes:
      state: in the coordinates of `param.rotate`, [chain, *latent_shape].
      density: the density at the level, `MARGIN` times as strong as the chains need.
      strength: force on the activation that the chains felt at the level, in nats per unit.
      aim: level on the network that is sampled at which the chains are, so that they are at the level asked for on the gauge.
      reached: bool [chain], whether the chain sat at the level at the end.
      step_size: radians, [chain]. Below `STEP_SIZE` for chains that left their density and were put back.
      gradients: gradients used by each chain, a transform counting once.
      images: of the chains, before the first step and after every `STEPS_PER_CALL`, uint8 [chain, frame, *image_shape].
    """

    state: tf.Tensor
    density: Conditioned
    strength: float
    aim: float
    reached: np.ndarray
    step_size: np.ndarray
    gradients: int
    images: np.ndarray


def anneal(
    activation: Activation,
    state: tf.Tensor,
    scale: LevelScale,
    level: float,
    steps: int,
    from_prior: bool,
    context: RunContext,
    gauge: Gauge | None = None,
) -> Annealed:
    """Runs Langevin dynamics with stochastic transforms until the chains sit at the level.

    From the prior the strength rises from zero until every chain has reached the level, and then rests. From optimised images it
    is at rest from the first step, and the prior pulls the images down to the level. The large shapes of an optimised image are
    stronger than those of a draw, and fall slowly: they decide how many steps it takes.

    A chain that leaves its density (its state is not finite, or moves far too fast) goes back to where it was before, and on with
    half the step.

    With a gauge, the level asked for is a level there. In the second half of the steps, the aim on the network that is sampled
    moves by the ratio of the levels that the chains have on the two.

    Args:
      activation: what is explored.
      state: coordinates of `param.rotate`, [chain, *latent_shape].
      scale: activations of levels 0 and 1.
      level: level asked for.
      steps: steps of each chain, >= 1; up to three times as many while a chain is not at the level.
      from_prior: whether the states are draws of the prior.
      context: seed, callbacks and checkpoint; the stage is "anneal".
      gauge: where the level is measured, such as on the network of which a smoothed copy is sampled. Defaults to what is sampled.

    Returns:
      An `Annealed`.

    Raises:
      KeyboardInterrupt: after Ctrl-C; with a checkpoint, the same call resumes.

    Example:
      >>> state = activation.param.rotate(samplevis.optimize(model, "fire9:10", batch=4).latents)
      >>> anneal(activation, state, LevelScale(0.1, 8.0), 0.7, 600, False, RunContext(seeds.root(0))).reached
      array([ True,  True,  True,  True])
    """
    distance = scale.optimum - scale.prior
    width = WIDTH * distance
    unit = float(np.prod(activation.param.latent_shape)) / distance
    run = activation.compiler()("anneal", _chunk(activation))
    compare = None if gauge is None else _comparison(activation, scale, gauge, context.seed)
    stage = context.stage("anneal")
    if saved := stage.saved:
        path = _Path.resume(saved)
    else:
        path = _Path.start(activation, state, steps, 0.0 if from_prior else FIRST_FORCE, context.seed)
    with Progress("anneal", steps, "step", context.callbacks, path.done) as bar:
        while path.done < path.most and not bar.interrupted:
            aim = path.aim(level)
            # A force at rest rises again where it turns out to be too weak to hold the chains.
            weak = path.done >= steps and path.below().any()
            rises = weak or (from_prior and not path.arrived.all())
            rise = RAMP if rises else 0.0
            forces = tuple(tf.constant(force * unit, tf.float32) for force in (path.force, rise))
            cooling = 2.0 if path.arrived.all() and path.done >= 2 * steps // 3 else 1.0
            pace = tf.constant(path.step_size / cooling), tf.constant(FRICTION * cooling)
            count = min(STEPS_PER_CALL, path.most - path.done)
            edge = tf.constant(scale.prior + aim * distance), tf.constant(width)
            which = tf.constant(path.done), tf.constant(count)
            now, mean, strength = run(path.now, context.seed, which, forces, edge, pace, activation.parameters)
            levels = scale.levels(mean.numpy())
            path.add(now, levels - aim, strength.numpy(), (count, rise), context.seed)
            path.prolong(steps)
            if compare and 2 * path.done >= steps:
                path.ratios.append(compare(path.now.state))
            path.images.append(_image(activation, path.now.state))
            bar.update(count, level=finite_mean(levels), strength=finite_mean(strength))
            stage.update(path.state_dict)
    stage.close(path.state_dict, bar.interrupted)
    aim, reached = path.aim(level), path.at_level()
    # Chains that are elsewhere say nothing of the strength at the level.
    felt = [values[reached] for values in path.strengths[-NUM_RECENT:]]
    strength = finite_mean(felt) if reached.any() else path.force * unit / MARGIN
    density = Conditioned(scale.prior + aim * distance, width, MARGIN * strength)
    return Annealed(
        path.now.state,
        density,
        strength,
        aim,
        reached,
        path.step_size,
        path.done * NUM_TRANSFORMS,
        np.stack(path.images, axis=1),
    )


@dataclasses.dataclass
class _Path:
    """How far the annealing has come.

    Attributes:
      now: state of the dynamics.
      force: nats per latent coordinate and unit of level.
      done: steps so far.
      most: steps at most, which grows while a chain is not at the level.
      strengths: mean force on the activation in each call, [chain] each.
      gaps: mean level of the chains in each call, less the level that they were to come to, [chain] each.
      ratios: level on the network that is sampled over that on the gauge, in the last calls.
      arrived: whether a chain ever came to the level, bool [chain].
      step_size: radians, [chain].
      images: of the chains, before the first step and after each call.
    """

    now: LangevinState
    force: float
    done: int
    most: int
    strengths: list[np.ndarray]
    gaps: list[np.ndarray]
    ratios: list[float]
    arrived: np.ndarray
    step_size: np.ndarray
    images: list[np.ndarray]

    @classmethod
    def start(cls, activation: Activation, state: tf.Tensor, steps: int, force: float, seed: tf.Tensor) -> _Path:
        chains = state.shape[0]
        velocity = tf.random.stateless_normal(state.shape, seeds.fold(seed, "anneal velocity"))
        now = LangevinState(state, velocity, tf.zeros(chains), tf.zeros(chains))
        step_size = np.full(chains, STEP_SIZE, np.float32)
        return cls(now, force, 0, steps, [], [], [], np.zeros(chains, bool), step_size, [_image(activation, state)])

    @classmethod
    def resume(cls, saved: Mapping[str, np.ndarray]) -> _Path:
        now = LangevinState(*(tf.constant(saved[name]) for name in LangevinState._fields))
        numbers = float(saved["force"]), int(saved["done"]), int(saved["most"])
        lists = list(saved["strengths"]), list(saved["gaps"]), saved["ratios"].tolist()
        return cls(now, *numbers, *lists, saved["arrived"], saved["step_size"], list(saved["images"]))

    def aim(self, level: float) -> float:
        """The level to come to on the network that is sampled, so that the level on the gauge is this one."""
        if not self.ratios:
            return level
        return float(corrected(level, np.mean(self.ratios[-NUM_RECENT:])))

    def at_level(self) -> np.ndarray:
        """Whether the chains sit at the level, by the mean of the last calls, bool [chain]."""
        return ~self.below() & (self._gap() < MAX_ABOVE)

    def below(self) -> np.ndarray:
        """Whether the chains sit below the level, by the mean of the last calls, bool [chain]."""
        # Written so that nan is below.
        return ~(self._gap() > -MAX_BELOW)

    def _gap(self) -> np.ndarray:
        return np.mean(self.gaps[-NUM_RECENT:], axis=0) if self.gaps else np.full(self.step_size.shape, np.nan)

    def add(
        self, now: LangevinState, gaps: np.ndarray, strengths: np.ndarray, steps: tuple[int, float], seed: tf.Tensor
    ) -> None:
        """Adds a call of the compiled chunk, which ends in `now` after so many steps, in each of which the force rose by so much.

        Chains that left their density are put back.
        """
        count, rise = steps
        left = has_left(self.now, now) | ~np.isfinite(gaps)
        if left.any():
            now = _put_back(self.now, now, left, seeds.fold(seed, "anneal velocity", self.done))
            halved = np.where(left, self.step_size / 2, self.step_size)
            self.step_size = np.maximum(halved, STEP_SIZE / 2**MAX_HALVINGS).astype(np.float32)
        self.now = now
        self.force += rise * count
        self.done += count
        self.gaps.append(gaps)
        self.strengths.append(strengths)

    def prolong(self, steps: int) -> None:
        """Gives chains that are not at the level more steps."""
        self.arrived = self.arrived | (self.gaps[-1] > -MAX_BELOW)
        waiting = ~(self.arrived & self.at_level())
        if waiting.any() and self.done >= steps // 2:
            self.most = min(3 * steps, self.done + steps // 2)

    def state_dict(self) -> dict[str, Any]:
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "now"}
        return self.now._asdict() | fields


def _comparison(
    activation: Activation, scale: LevelScale, gauge: Gauge, seed: tf.Tensor
) -> Callable[[tf.Tensor], float]:
    """Makes the function state [chain, ...] -> median level on what is sampled over the median level on the gauge."""
    bank = activation.sample_bank(seeds.fold(seed, "compared"), NUM_COMPARED)
    sampled = Gauge(activation, scale).level_on(bank)
    measured = gauge.level_on(bank)

    def compare(state: tf.Tensor) -> float:
        latents = activation.param.rotate(state)
        return level_ratio(sampled(latents), measured(latents))

    return compare


def level_ratio(sampled: np.ndarray, measured: np.ndarray) -> float:
    """The median level of chains on what is sampled over their median level where it is asked for, at most `MAX_CORRECTION`."""
    levels, exact = finite_median(sampled), finite_median(measured)
    # A network that does not respond gets the largest correction.
    return levels / exact if exact > levels / MAX_CORRECTION else MAX_CORRECTION


def corrected(level: float, ratio: np.ndarray | float) -> np.ndarray | float:
    """The level to come to on what is sampled, by a mean ratio of levels, or by each of several."""
    ratio = np.clip(ratio, 1 / MAX_CORRECTION, MAX_CORRECTION)
    # Nothing is known of levels beyond the optimised images.
    return np.minimum(level * ratio, max(level, 1.0))


def _image(activation: Activation, state: tf.Tensor) -> np.ndarray:
    """Images of the chains in bytes; black where they are not finite."""
    images = activation.param.image(activation.param.rotate(state)).numpy()
    return np.round(255 * np.nan_to_num(images)).astype(np.uint8)


def has_left(before: LangevinState, now: LangevinState) -> np.ndarray:
    """Whether chains have left their density between two states of the dynamics, bool [chain]."""
    axes = tuple(range(1, now.state.shape.rank))
    # 4 standard errors of a sum of two mean squares, where latents are small.
    noise = 4 * np.sqrt(4 / np.prod(now.state.shape[1:]))
    after, first = (
        np.square(place.state.numpy()).mean(axes) + np.square(place.velocity.numpy()).mean(axes)
        for place in (now, before)
    )
    # Written so that nan is outside.
    return ~(after < MAX_GROWTH * np.maximum(first, 2.0) + noise)


def _put_back(before: LangevinState, now: LangevinState, left: np.ndarray, seed: tf.Tensor) -> LangevinState:
    """The states of `now`, but those of `before`, with new velocities, where chains have left."""
    before = before._replace(velocity=tf.random.stateless_normal(now.velocity.shape, seed))
    return LangevinState(*(choose(tf.constant(left), old, new) for old, new in zip(before, now, strict=True)))


def _chunk(activation: Activation) -> Callable[..., tuple[LangevinState, tf.Tensor, tf.Tensor]]:
    """Some steps of the dynamics, to be compiled: (state, mean activation [chain], mean strength [chain]) after them."""

    def run(
        now: LangevinState,
        seed: tf.Tensor,
        steps: tuple[tf.Tensor, tf.Tensor],
        forces: tuple[tf.Tensor, tf.Tensor],
        edge: tuple[tf.Tensor, tf.Tensor],
        pace: tuple[tf.Tensor, tf.Tensor],
        parameters: list[tf.Tensor],
    ) -> tuple[LangevinState, tf.Tensor, tf.Tensor]:
        def score(state: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
            count = NUM_TRANSFORMS * state.shape[0]
            transforms = activation.sample_transforms(seed, count, strata=NUM_TRANSFORMS)
            return tf.reduce_mean(activation.paired(activation.param.rotate(state), transforms, parameters), axis=1)

        return annealing_steps(now, lambda _: score, seed, steps, forces, edge, pace)

    return run


def annealing_steps(
    now: LangevinState,
    score_at: Callable[[tf.Tensor], Callable[[tf.Tensor, tf.Tensor], tf.Tensor]],
    seed: tf.Tensor,
    steps: tuple[tf.Tensor, tf.Tensor | int],
    forces: tuple[tf.Tensor, tf.Tensor],
    edge: tuple[tf.Tensor, tf.Tensor],
    pace: tuple[tf.Tensor, tf.Tensor],
) -> tuple[LangevinState, tf.Tensor, tf.Tensor]:
    """Steps of the dynamics under a force that rises, for compiled code.

    Args:
      now: the state.
      score_at: number of a step -> (state, seed) -> activation [chain].
      seed: of the noise, int32 [2], or [groups, 2] for one seed per group of chains.
      steps: (number of the first step, how many).
      forces: (the first, rise per step).
      edge: (target, width) of the density.
      pace: (step size [chain], friction).

    Returns:
      (the state after them, mean activation [chain], mean strength [chain]).
    """
    (first, count), (force, rise), (target, width), (step_size, friction) = steps, forces, edge, pace
    angle = tf.reshape(step_size, [-1] + [1] * (now.state.shape.rank - 1))

    def step(i: tf.Tensor, now: LangevinState, total: tf.Tensor, strength: tf.Tensor):
        density = Conditioned(target, width, force + rise * tf.cast(i, tf.float32))
        place = first + i
        now = langevin_step(now, score_at(place), density.strength, seeds.fold(seed, "anneal", place), angle, friction)
        return i + 1, now, total + now.activation, strength + now.strength

    zero = tf.zeros_like(now.activation)
    _, now, total, strength = tf.while_loop(
        lambda i, *_: i < count, step, (tf.constant(0), now, zero, zero), parallel_iterations=1
    )
    number = tf.cast(count, tf.float32)
    return now, total / number, strength / number
