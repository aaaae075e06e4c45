"""Bad inputs, and the message that each gets: raised by samplevis itself, before any work. The table is bad_inputs.txt."""

from __future__ import annotations

import dataclasses
import re
import shlex
import traceback
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import made_samples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import samplevis
import samplevis.lucid.misc.io
import samplevis.lucid.modelzoo.vision_models
import samplevis.lucid.optvis.render
from samplevis import Network, cli
from samplevis.network import as_network
from samplevis.runtime.progress import Progress
from samplevis.sampling.options import HMCOptions, hmc_options

PACKAGE = Path(samplevis.__file__).parent
TABLE = (Path(__file__).parent / "bad_inputs.txt").read_text(encoding="utf-8")
# A call or a command, and on the next line its error.
CALLS = re.findall(r"^>>> (.+)\n(\w+): (.+)$", TABLE, re.M)
COMMANDS = re.findall(r"^\$ samplevis(.*)\n(\d): (.+)$", TABLE, re.M)


def is_ours(error: BaseException) -> bool:
    """Whether an error was raised by this package, and not inside what it calls."""
    return PACKAGE in Path(traceback.extract_tb(error.__traceback__)[-1].filename).parents


def matches(message: str, expected: str) -> bool:
    """Whether a message is the one that is expected, where "..." stands for anything."""
    pattern = ".*".join(map(re.escape, expected.split("...")))
    return re.fullmatch(pattern, " ".join(message.split())) is not None


def made(name: str, *layers: keras.Layer, channels: int = 3, size: int | None = None) -> keras.Model:
    return keras.Sequential([keras.Input((size, size, channels)), *layers], name=name)


@pytest.fixture(scope="module")
def here(tmp_path_factory, tiny_network):
    """A folder with files and folders that are not what a call wants."""
    folder = tmp_path_factory.mktemp("bad")
    for name in ("text.txt", "bad.npz", "bad.keras", "bad.pb", "bad.h5", "bad.pth"):
        (folder / name).write_text("hello")
    for name in ("empty", "folder.png", "folder.gif", "folder.html", "folder.keras", "photos"):
        (folder / name).mkdir()
    for name, height in (("a.png", 16), ("b.png", 8)):
        samplevis.export.save_image(np.zeros((height, 16, 3)), folder / "photos" / name)
    tiny_network.model.save(folder / "tiny.keras")
    return folder


@pytest.fixture(scope="module")
def names(here, tiny_network):
    """What the calls of the table refer to."""
    images = np.random.default_rng(0).uniform(size=(4, 16, 16, 3)).astype(np.float32)
    conv = keras.layers.Conv2D
    modules = {name: getattr(samplevis, name) for name in samplevis.__all__}
    return modules | {
        "np": np,
        "tf": tf,
        "keras": keras,
        "nan": np.nan,
        "inf": np.inf,
        "as_network": as_network,
        "network": tiny_network,
        "model": tiny_network.model,
        "lucid": samplevis.lucid,
        "other": Network(made("other", conv(2, 3, name="block1"))),
        "fixed": Network(made("fixed", conv(2, 3, name="conv"), size=8)),
        "grey": Network(made("grey", conv(2, 3, name="conv"), channels=1)),
        "vector": keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)], name="vector"),
        "images": images,
        "image": images[0],
        "here": here,
        "samples": made_samples(size=16, draws=3),
        "result": samplevis.Optimized(images[:1], images[:1], np.zeros((1, 1)), {}),
        "examples": samplevis.collect(tiny_network, "conv2:1", images, top=2, bottom=2),
    }


class Begun(BaseException):
    """The work has begun."""


@pytest.fixture
def no_work(monkeypatch):
    """Long work shows a bar: an error that comes after it has begun comes too late."""

    def begun(self):
        raise Begun(self.stage)

    monkeypatch.setattr(Progress, "__enter__", begun)


def test_the_table_is_long_enough():
    calls = [call for call, *_ in CALLS]
    assert len(CALLS) >= 150 and len(COMMANDS) >= 20 and len(set(calls)) == len(calls)
    assert len(CALLS) + len(COMMANDS) == len(re.findall(r"^(?:>>>|\$)", TABLE, re.M))


@pytest.mark.parametrize(("call", "kind", "expected"), CALLS, ids=[call for call, *_ in CALLS])
def test_calls(names, no_work, call, kind, expected):
    with pytest.raises(Exception) as caught:
        eval(call, dict(names))
    error = caught.value
    assert type(error).__name__ == kind and matches(str(error), expected), f"{type(error).__name__}: {error}"
    # The message of a file that is missing may be the system's own: it names the file.
    assert isinstance(error, OSError) or is_ours(error)


@pytest.mark.parametrize(("command", "code", "expected"), COMMANDS, ids=[command for command, *_ in COMMANDS])
def test_commands(here, no_work, monkeypatch, capsys, command, code, expected):
    monkeypatch.chdir(here)
    try:
        found = cli.main(shlex.split(command))
    except SystemExit as stop:
        found = stop.code
    told = capsys.readouterr().err.strip().splitlines()
    assert found == int(code) and matches(told[-1], expected), told
    # argparse shows the usage before its line.
    assert len(told) == 1 or told[0].startswith("usage:")


def test_an_error_of_tensorflow_is_not_ours():
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        tf.reshape(tf.zeros(3), (2, 2))
    assert not is_ours(caught.value)
    with pytest.raises(ValueError) as caught:
        samplevis.transform.jitter(-1)
    assert is_ours(caught.value)


def test_messages_are_compared_whole():
    assert matches("a: b", "a: ...") and matches("a:\n b", "a: b")
    assert not matches("a: b c", "a: b") and not matches("x a: b", "a: ...")


def works_or_tells(call: Callable[[], object]) -> None:
    """Fails unless a call works, or raises a ValueError or TypeError of this package that begins with the argument's name."""
    try:
        call()
    except (ValueError, TypeError) as error:
        assert is_ours(error), "".join(traceback.format_exception(error))
        assert re.match(r"[\w .()\[\]']+: ", str(error)), error
    except Begun:
        pass


# Texts near to units: of the right parts in any order, with what breaks parsers between them.
PARTS = st.sampled_from(
    ["conv2", "logits", "input", "a", "b", "1", "4", "99", ":", " + ", " - ", "-", " ", "²", "0.5", "*"]
)
TEXTS = st.one_of(st.lists(PARTS, max_size=8).map("".join), st.text(max_size=12))
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 0, 1, 2, 3, 16, 2**31, 2**70]),
    st.floats(),
    st.text(max_size=4),
    st.sampled_from(["shift", "malt", "prior", "optimize", "tilted", "robust"]),
    st.lists(st.one_of(st.integers(-1, 16), st.sampled_from(["shift", "conv2"])), max_size=3),
    st.sampled_from([np.ones(2), np.float32(0.5), np.int64(2), np.array("x"), {}, object, b"malt"]),
)
HMC_NAMES = [field.name for field in dataclasses.fields(HMCOptions)]
# Others would only set how long the work takes.
RENDER_NAMES = [
    "im_size",
    "param",
    "transforms",
    "density",
    "level",
    "beta",
    "init",
    "smooth",
    "seed",
    "checkpoint_interval",
    "storage",
]


@settings(max_examples=120, deadline=None)
@given(text=TEXTS)
def test_any_text_is_an_objective_or_told(tiny_network, text):
    works_or_tells(lambda: samplevis.objectives.as_objective(text).resolve(tiny_network, (16, 16)))


@settings(max_examples=200, deadline=None)
@given(options=st.dictionaries(st.one_of(st.sampled_from(HMC_NAMES), st.text(max_size=5)), ANYTHING, max_size=3))
def test_any_options_of_the_sampler_work_or_are_told(options):
    works_or_tells(lambda: hmc_options(options))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(options=st.dictionaries(st.sampled_from(RENDER_NAMES), ANYTHING, min_size=1, max_size=3))
def test_any_arguments_of_render_work_or_are_told(tiny_network, no_work, options):
    works_or_tells(lambda: samplevis.render(tiny_network, "conv2:1", **{"im_size": 16, "smooth": None} | options))


@pytest.mark.parametrize(
    "call",
    [
        lambda: tf.concat([tf.zeros((2, 3)), tf.zeros(3)], 0).numpy(),
        lambda: tf.constant("x", tf.float32),
        lambda: np.zeros(3).reshape(2, 2),
        lambda: samplevis.Optimized(),
    ],
)
def test_raw_errors_are_noticed(call):
    with pytest.raises((AssertionError, tf.errors.OpError)):
        works_or_tells(call)
