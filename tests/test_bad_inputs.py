"""Bad inputs, and the message that each gets: raised by samplevis itself, before any work. The table is bad_inputs.txt."""

from __future__ import annotations

import re
import shlex
import traceback
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import samplevis
from samplevis import Network, cli
from samplevis.network import as_network
from samplevis.progress import Progress

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
    for name in ("text.txt", "bad.npz", "bad.keras", "bad.pb", "bad.h5"):
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
    quick = dict(num_results=3, num_burnin_steps=2, num_leapfrog_steps=2, num_chains=2, num_transforms=2)
    settings = dict(im_size=16, transforms=None, optimize_steps=8, anneal_steps=5, smooth=None, progress=False)
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
        "other": Network(made("other", conv(2, 3, name="block1"))),
        "fixed": Network(made("fixed", conv(2, 3, name="conv"), size=8)),
        "grey": Network(made("grey", conv(2, 3, name="conv"), channels=1)),
        "vector": keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)], name="vector"),
        "images": images,
        "image": images[0],
        "here": here,
        "samples": samplevis.render(tiny_network, "conv2:1", quick, **settings),
        "result": samplevis.optimize(
            tiny_network, "conv2:1", param=samplevis.param.fourier(16), steps=1, progress=False
        ),
        "examples": samplevis.collect(tiny_network, "conv2:1", images, top=2, bottom=2),
    }


@pytest.fixture
def no_work(monkeypatch):
    """Long work shows a bar: an error that comes after it has begun comes too late."""

    def begun(self):
        raise AssertionError(f"the work has begun: {self.stage}")

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
