"""What tells one objective from another: the code of functions and what they close over, not what they print."""

from __future__ import annotations

import functools
import itertools
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from samplevis import objectives
from samplevis.objectives.base import Objective
from samplevis.objectives.identity import identity
from samplevis.runtime.checkpoint import Checkpoint

LAYER = "logits"


class Unit:
    """A callable with state."""

    def __init__(self, number):
        self.number = number

    def __call__(self, T):
        return T(LAYER)[:, self.number]

    def score(self, T):
        return T(LAYER)[:, self.number]


def of_channel(T, channel=0):
    return T(LAYER)[:, channel]


def closure(channel):
    return lambda T: T(LAYER)[:, channel]


def nested(channel):
    def inner(x):
        return x[:, channel]

    return lambda T: inner(T(LAYER))


def direction(channel):
    vector = np.eye(3, dtype=np.float32)[channel]
    return lambda T: tf.linalg.matvec(T(LAYER), vector)


def of_list(channel):
    return lambda T: T(LAYER)[:, [channel][0]] + [0.0, channel][0]


def of_layer(channel):
    layer = keras.layers.Dense(1, use_bias=False)
    layer.build((None, 3))
    layer.set_weights([np.eye(3, dtype=np.float32)[:, channel : channel + 1]])
    return lambda T: layer(T(LAYER))[:, 0]


def of_dict(channel):
    settings = {"channel": channel}
    return lambda T: T(LAYER)[:, settings["channel"]]


# Name of a kind -> number of a unit -> function of T. All of a kind print alike.
KINDS = {
    "closure": closure,
    "default": lambda channel: lambda T, channel=channel: T(LAYER)[:, channel],
    "keyword default": lambda channel: lambda T, *, channel=channel: T(LAYER)[:, channel],
    "partial": lambda channel: functools.partial(of_channel, channel=channel),
    "callable object": Unit,
    "bound method": lambda channel: Unit(channel).score,
    "nested function": nested,
    "array in a closure": direction,
    "list": of_list,
    "dictionary": of_dict,
    "layer with weights": of_layer,
    "source": lambda channel: eval(f"lambda T: T('logits')[:, {channel}]"),
    "source of an inner function": lambda channel: eval(f"lambda T: (lambda x: x[:, {channel}])(T('logits'))"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "wrap",
    [lambda f: f, lambda f: 2 * f, lambda f: -f, lambda f: f - objectives.channel("conv2", 1)],
    ids=["alone", "scaled", "negated", "in a sum"],
)
def test_functions_that_print_alike_are_told_apart(kind, wrap):
    first, again, *others = (wrap(objectives.as_objective(KINDS[kind](channel))) for channel in (0, 0, 1, 2))
    assert len({str(objective) for objective in (first, *others)}) == 1, "printing does not tell them apart"
    assert identity(first) == identity(again)
    for one, other in itertools.combinations((first, *others), 2):
        assert identity(one) != identity(other)


def test_globals_that_a_function_reads_count(monkeypatch):
    objective = objectives.as_objective(closure(0))
    before = identity(objective)
    monkeypatch.setitem(globals(), "LAYER", "features")
    assert identity(objective) != before


def test_arrays_that_are_not_printed_count():
    first, second = (objectives.direction("logits", np.eye(3)[n]) for n in (0, 1))
    assert str(first) == str(second) and identity(first) != identity(second)


def test_comments_and_places_do_not_count():
    plain = eval("lambda T: T('logits')[:, 1]")
    moved = eval("\n\n(lambda T: T('logits')[:, 1]  # the same\n)".strip("\n"))
    assert identity(objectives.as_objective(plain)) == identity(objectives.as_objective(moved))


def test_what_names_itself_is_identified_by_its_name():
    assert identity(objectives.channel("conv2", 1)) == "channel(conv2, 1)"
    assert isinstance(objectives.as_objective(closure(1)), Objective)


SCRIPT = """
from test_identity import KINDS, identity, objectives
print([identity(objectives.as_objective(KINDS[kind](1))) for kind in KINDS])
"""


@pytest.mark.slow
def test_another_process_gives_the_same():
    here = Path(__file__).parent
    paths = f"import sys; sys.path[:0] = {[str(here), str(here.parents[1])]}"
    found = {
        subprocess.run(
            [sys.executable, "-c", paths + SCRIPT],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": s},
        ).stdout
        for s in ("1", "2")
    }
    assert len(found) == 1


@pytest.mark.parametrize("size", [1e-30, np.exp(-30), 1e-6, 1.0, 1e6])
@pytest.mark.parametrize("count", [1, 4, 16])
@pytest.mark.parametrize("offset", [0.0, 1.0, 100.0])
def test_values_of_another_unit_are_noticed_at_any_scale(tmp_path, size, count, offset):
    rng = np.random.default_rng(count)
    values, others = (size * (rng.normal(size=count) + offset) for _ in range(2))
    with Checkpoint(tmp_path, 0) as checkpoint:
        checkpoint.check("noise", values)
        # The control: what another order of sums makes of the same values is the same run.
        checkpoint.check("noise", values * (1 + 2e-6 * rng.normal(size=count)))
        with pytest.raises(ValueError, match="belongs to another run. noise"):
            checkpoint.check("noise", others)


def test_values_of_several_kinds_are_compared_each_by_its_own_size(tmp_path):
    values = np.array([8.0, 1e-13])
    with Checkpoint(tmp_path, 0) as checkpoint:
        checkpoint.check("start", values, of_one_kind=False)
        checkpoint.check("start", values * (1 + 1e-6), of_one_kind=False)
        with pytest.raises(ValueError, match="belongs to another run. start"):
            checkpoint.check("start", values * [1, 1.5], of_one_kind=False)
