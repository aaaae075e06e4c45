"""What a call returns never depends on what ran before it in the process.

Compiled code, optimizers and clones of networks are cached with a network. Each group below is a list of calls with different
options: every call must give the same bytes on a network that has seen all others of its group, in two orders, as alone on a new
one.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import with_slow

import samplevis
from samplevis import Network, objectives, optimizers, param, recipes, transform
from samplevis.optimizers import ascent
from samplevis.results.both_ends import TwoEnded
from samplevis.runtime import compiled, seeds
from samplevis.runtime.context import RunContext
from samplevis.sampling import chains
from samplevis.sampling.chains import ChainProblem, Monitors, run_chains
from samplevis.sampling.kernels.registry import KERNELS
from samplevis.sampling.options import HMCOptions

# State that calls share -> what one of them returns.
Call = Callable[[Any], Any]
Calls = Mapping[str, Call]
SIZE = 8
PRIOR = param.fourier(SIZE)


def new_network() -> Network:
    """Small, with a rectifier to redirect and a maximum to smooth."""
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="conv1")(image)
    x = keras.layers.MaxPooling2D(2, name="pool")(x)
    x = keras.layers.Conv2D(5, 3, padding="same", activation="tanh", name="conv2")(x)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    return Network(keras.Model(image, keras.layers.Dense(3, name="logits")(x), name="small"))


def digest(result: Any) -> str:
    """SHA-256 of all arrays of a nest."""
    found = hashlib.sha256()
    for leaf in tf.nest.flatten(result):
        array = np.ascontiguousarray(leaf)
        found.update(f"{array.shape} {array.dtype}".encode() + array.tobytes())
    return found.hexdigest()


def faults(calls: Calls, new_state: Callable[[], Any]) -> list[str]:
    """The calls whose bytes depend on others: each alone on a new state, then all on one state, forwards and backwards."""
    alone = {name: digest(call(new_state())) for name, call in calls.items()}
    state, names, found, before = new_state(), list(calls), [], []
    for name in (*names, *reversed(names)):
        if digest(calls[name](state)) != alone[name]:
            found.append(f"{name} after {', '.join(before)}")
        before.append(name)
    return found


def num_pairs(calls: Calls) -> int:
    """How many ordered pairs of different calls `faults` compares."""
    return len(list(itertools.permutations(calls, 2)))


# Warm-up and sampling, on a density of its own. The state is the cache.


def chain(**changes: Any) -> Call:
    def target(x: tf.Tensor, centre: tf.Tensor) -> tf.Tensor:
        return -tf.reduce_sum(tf.constant([1.0, 20.0, 3.0]) * tf.square(x - centre), [1])

    def run(cache: dict) -> Any:
        settings = dict(num_results=2, num_burnin_steps=4, num_leapfrog_steps=2) | changes
        watched = settings.pop("watched", True)
        centre, preconditioner = settings.pop("centre", 1.0), settings.pop("preconditioner", 1.0)
        monitors = Monitors(None, lambda x: {"first": x[:, 0]}, lambda x: x**2) if watched else Monitors()
        problem = ChainProblem(
            target,
            preconditioner,
            lambda seed, centre: lambda x: target(x, centre),
            arguments=(tf.constant(centre),),
            monitors=monitors,
            compile=compiled.cached(cache),
        )
        result = run_chains(problem, tf.zeros((2, 3)), HMCOptions(**settings), RunContext(seeds.root(3)))
        return result.states, result.warmup, result.stats, result.scalars, result.moments

    return run


CHAINS = {
    "4 steps of warm-up": chain(),
    "40 steps of warm-up": chain(num_burnin_steps=40),
    "longer trajectories": chain(num_leapfrog_steps=5),
    "another step and mass": chain(step_size=0.3, preconditioner=np.float32([1, 0.4, 1])),
    "another density, thinned": chain(centre=2.0, num_steps_between_results=2),
}
MORE_CHAINS = {
    "no warm-up": chain(num_burnin_steps=0),
    "another acceptance": chain(target_accept_prob=0.6),
    "nothing watched": chain(watched=False),
    "one at a time": chain(num_results=5),
} | {
    f"{name}, {steps} steps of warm-up": chain(kernel=name, num_burnin_steps=steps)
    for name in KERNELS
    for steps in (3, 11)
}


# Optimisation. The state is a network.


def optimized(obj: Any = "conv2:1", **changes: Any) -> Call:
    settings = dict(param=PRIOR, transforms=transform.jitter(2), steps=5, batch=2, progress=False) | changes

    def run(network: Network) -> Any:
        found = samplevis.optimize(network, obj, **settings)
        return found.images, found.latents, found.history, found.snapshots

    return run


OPTIMIZED = {
    "adam": optimized(),
    "another channel, more steps": optimized("conv2:3", steps=19, seed=4),
    "thresholds": optimized(thresholds=(2, 3)),
    "redirected": optimized("conv1:2", redirect_steps=2),
    "sgd": optimized(optimizer=keras.optimizers.SGD(1.0)),
    "a faster sgd": optimized(optimizer=keras.optimizers.SGD(5.0)),
    "nadam": optimized(optimizer=keras.optimizers.Nadam(0.05)),
    "lbfgs": optimized(optimizer=optimizers.LBFGS(bank=2, memory=3), steps=2),
    "genetic": optimized(optimizer=optimizers.Genetic(bank=2, population=6)),
}
KERAS_OPTIMIZERS = [
    *("SGD", "RMSprop", "Adam", "AdamW", "Adadelta", "Adagrad", "Adamax", "Adafactor", "Nadam", "Ftrl", "Lion", "Lamb"),
    *("Muon", "ScheduleFreeAdamW"),
]
MORE_OPTIMIZED = {
    "more mutation": optimized(optimizer=optimizers.Genetic(bank=2, population=6, mutation=2.0)),
    "a larger bank": optimized(optimizer=optimizers.LBFGS(bank=3, memory=3), steps=2),
    "adam by name": optimized(optimizer=keras.optimizers.Adam(0.05)),
    "one image": optimized(batch=1),
    "a probability": optimized(objectives.class_probability("logits", 1)),
    "weighted": optimized(0.5 * objectives.channel("conv2", 1)),
    "scheduled": optimized(objectives.ramp(1, 3) * objectives.channel("conv2", 1)),
    "coupled": optimized(objectives.channel("conv2", 1) - objectives.diversity("conv1")),
    "each": optimized(objectives.each(["conv2:1", "conv2:2"])),
    "a direction": optimized(objectives.direction("conv2", [1, 0, 2, 0, -1])),
    "pixels": optimized(param=param.pixel(SIZE)),
    "more contrast": optimized(param=param.fourier(SIZE, contrast=1.0)),
    "shared": optimized(param=param.shared(PRIOR, (1,))),
    "no transforms": optimized(transforms=None),
    "from images": optimized(init=np.full((2, SIZE, SIZE, 3), 0.4, np.float32)),
    "cma": optimized(optimizer=optimizers.CMA(bank=2, population=4)),
    "a wider cma": optimized(optimizer=optimizers.CMA(bank=2, population=4, sigma=2.0)),
    "a schedule": optimized(optimizer=keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(1.0, 2, 0.5))),
    "averaged": optimized(optimizer=keras.optimizers.Adam(0.05, use_ema=True, ema_overwrite_frequency=3)),
}


def swept(*units: str, **changes: Any) -> Call:
    settings = dict(param=PRIOR, transforms=transform.jitter(2), steps=4, progress=False) | changes

    def run(network: Network) -> Any:
        found = samplevis.sweep(network, units, **settings)
        return found.images, found.scores

    return run


SWEPT = {
    "two channels": swept("conv2:1", "conv2:2"),
    "two others": swept("conv2:4", "conv2:2"),
    "never redirected": swept("conv2:1", "conv2:2", redirect_steps=0),
}
MORE_SWEPT = SWEPT | {
    "three channels": swept("conv2:1", "conv2:2", "conv2:4"),
    "one at a time": swept("conv2:1", "conv2:2", batch_size=1),
    "of two kinds": swept("conv2:1", "conv1:2"),
}


# Whole runs.


def rendered(obj: str = "conv2:1", call: Callable = samplevis.render, **changes: Any) -> Call:
    names = {name for name in changes if name in HMCOptions.__dataclass_fields__}
    hmc = dict(num_results=1, num_burnin_steps=4, num_leapfrog_steps=2, num_chains=2, num_transforms=2)
    hmc |= {name: changes[name] for name in names}
    settings = dict(im_size=SIZE, transforms=transform.jitter(2), optimize_steps=3, anneal_steps=25, progress=False)
    settings |= {name: value for name, value in changes.items() if name not in names}

    def run(network: Network) -> Any:
        found = call(network, obj, hmc, **settings)
        samples = (found.optimized, found.prior) if isinstance(found, TwoEnded) else (found,)
        return [
            (
                each.images,
                each.latents,
                each.network_levels,
                each.anneal_images,
                each.optimized,
                each.stats,
                each.scalars,
            )
            for each in samples
        ]

    return run


RENDERED = {
    "4 steps of warm-up": rendered(),
    "20 steps of warm-up": rendered(num_burnin_steps=20),
    "another channel and level": rendered("conv2:3", level=0.5),
    "tilted": rendered(density="tilted"),
}
MORE_RENDERED = (
    RENDERED
    | {
        "as it is": rendered(smooth=None),
        "less smooth": rendered(smooth=0.1),
        "more chains": rendered(num_chains=3),
        "more transforms": rendered(num_transforms=3),
        "chunks": rendered(memory=1e5),
        "no mass": rendered(adapt_mass=False),
        "moves": rendered(moves=("shift",)),
        "other moves": rendered(moves=("mirror", "invert")),
        "as in 2018": rendered(density="activation"),
        "from the prior": rendered(init="prior"),
        "two ends": rendered(call=samplevis.two_ended),
        "twenty at two ends": rendered(call=samplevis.two_ended, num_burnin_steps=20),
        "a longer anneal": rendered(anneal_steps=60),
    }
    | {
        f"{name}, {n} steps": rendered(kernel=name, num_burnin_steps=n)
        for name in ("langevin", "hmc", "malt")
        for n in (5, 9)
    }
)


# Recipes and analysis.

PHOTOGRAPH = np.random.default_rng(0).uniform(size=(12, 12, 3)).astype(np.float32)


def dreamt(obj: str, **changes: Any) -> Call:
    def run(network: Network) -> Any:
        found = recipes.deep_dream(network, obj, PHOTOGRAPH, steps=2, laplacian_levels=1, progress=False, **changes)
        return found.image, found.history

    return run


def attributed(obj: str, **changes: Any) -> Call:
    return lambda network: recipes.attribution(network, obj, "conv1", PHOTOGRAPH[None], **changes)


def collected(unit: str, size: int = 8) -> Call:
    images = np.random.default_rng(1).uniform(size=(6, size, size, 3)).astype(np.float32)

    def run(network: Network) -> Any:
        found = samplevis.collect(network, unit, images, top=2, bottom=2)
        return found.activations, found.top_images, found.counts

    return run


def surprised(**changes: Any) -> Call:
    settings = dict(im_size=SIZE, level=0.2, population=4, repeats=1, num_transforms=2, progress=False) | changes

    def run(network: Network) -> Any:
        found = samplevis.surprisal(network, "conv2:1", transforms=transform.jitter(2), **settings)
        return found.latents, found.log_z

    return run


RECIPES = {
    "a dream": dreamt("conv2:1", octaves=(8, 12)),
    "a dream of another channel": dreamt("conv2:2", octaves=(8, 12)),
    "a dream in tiles": dreamt("conv2:1", octaves=(8, 12), tile=8),
    "attribution": attributed("logits:1"),
    "attribution of another class": attributed("logits:2"),
    "attribution on a path": attributed("logits:1", path="stochastic", steps=3),
    "examples": collected("conv2:1"),
    "examples of another channel and size": collected("conv2:2", 12),
    "optimised between": optimized(),
}
SURPRISED = {
    "surprisal": surprised(),
    "a longer trajectory": surprised(num_leapfrog_steps=2),
    "another level": surprised(level=0.3),
    "rendered between": rendered(),
}


# The tests.

DEFAULT = {"optimize": OPTIMIZED, "sweep": SWEPT, "render": RENDERED, "recipes": RECIPES}
SLOW = {"optimize": OPTIMIZED | MORE_OPTIMIZED, "sweep": MORE_SWEPT, "render": MORE_RENDERED, "surprisal": SURPRISED}


def test_more_than_thirty_pairs_of_calls():
    for groups in (DEFAULT, SLOW):
        assert sum(map(num_pairs, groups.values())) + num_pairs(CHAINS) >= 30


def test_chains_do_not_depend_on_earlier_ones():
    assert faults(CHAINS, dict) == []


@pytest.mark.parametrize("group", with_slow(DEFAULT, ["render"]))
def test_calls_do_not_depend_on_earlier_ones(group):
    assert faults(DEFAULT[group], new_network) == []


@pytest.mark.slow
def test_chains_of_every_kernel_do_not_depend_on_earlier_ones():
    assert faults(CHAINS | MORE_CHAINS, dict) == []


@pytest.mark.slow
@pytest.mark.parametrize("group", SLOW)
def test_more_calls_do_not_depend_on_earlier_ones(group):
    assert faults(SLOW[group], new_network) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", KERAS_OPTIMIZERS)
def test_every_keras_optimizer_starts_anew(name):
    """Two runs of one compiled loop: whatever the first leaves in the optimizer must be gone."""
    kind = getattr(keras.optimizers, name, None)
    if kind is None:
        pytest.skip(f"this Keras has no {name}")
    run, network = optimized(optimizer=kind(0.05), steps=7), new_network()
    assert digest(run(network)) == digest(run(network)) == digest(run(new_network()))


def test_a_call_in_the_middle_of_another():
    """A callback that optimises another unit with the same compiled loop."""

    class Nested(samplevis.Callback):
        def on_step(self, stage, done, total, figures):
            optimized("conv2:3", steps=2)(network)

    network, alone = new_network(), digest(optimized(steps=40)(new_network()))
    assert digest(optimized(steps=40, callbacks=[Nested()])(network)) == alone
    assert digest(optimized(steps=40)(network)) == alone


@pytest.mark.slow
def test_weights_that_changed_and_came_back():
    network, run = new_network(), rendered()
    first = digest(run(network))
    for variable in network.model.weights:
        variable.assign(1.5 * variable)
    assert digest(run(network)) != first
    for variable in network.model.weights:
        variable.assign(variable / 1.5)
    for variable, original in zip(network.model.weights, new_network().model.weights, strict=True):
        variable.assign(original)
    assert digest(run(network)) == first


def seen(mesh: recipes.Mesh) -> str:
    texture = tf.reshape(tf.linspace(0.0, 1.0, 108), (1, 6, 6, 3))
    return digest(recipes.views(mesh, 8, count=2, seed=1)(texture, seeds.root(0)))


def test_views_of_a_mesh_do_not_outlive_its_corners():
    corners = np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    mesh = recipes.Mesh(corners, corners[:, :2], [[0, 1, 2]])
    before = seen(mesh)
    corners *= [[3, 1, 1]]
    assert seen(mesh) == before
    other = recipes.Mesh(corners, mesh.uv, mesh.faces)
    assert seen(other) != before


# The controls: keys that lack an option must be found.


@pytest.mark.parametrize(
    "lost", with_slow(["num_leapfrog_steps", "target_accept_prob", "kernel"], ["target_accept_prob", "kernel"])
)
def test_a_loop_whose_key_lacks_an_option_is_found(lost, monkeypatch):
    key = chains._Loop._cache_key

    def shorter(loop: Any, options: HMCOptions) -> tuple:
        return tuple("?" if part == getattr(options, lost) else part for part in key(loop, options))

    monkeypatch.setattr(chains._Loop, "_cache_key", shorter)
    calls = {"num_leapfrog_steps": 5, "target_accept_prob": 0.6, "kernel": "malt"}
    assert faults({"first": chain(), "second": chain(**{lost: calls[lost]})}, dict)


def test_a_stepper_whose_key_lacks_the_optimizer_is_found(monkeypatch):
    monkeypatch.setattr(ascent, "optimizer_settings", lambda optimizer: ())
    assert faults({name: OPTIMIZED[name] for name in ("sgd", "a faster sgd")}, new_network)
