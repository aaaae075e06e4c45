"""What names hold never steers a terminal or a page: every way out is tried with every such character."""

from __future__ import annotations

import io
import json
import re
import sys
import unicodedata

import keras
import numpy as np
import pytest
from conftest import made_samples

import samplevis
from samplevis import Network, Samples, cli, objectives
from samplevis.runtime import plain_text
from samplevis.runtime.callbacks import ProgressBar
from samplevis.runtime.plain_text import PlainStream, as_html, printable

CONTROLS = [chr(code) for code in (*range(32), *range(127, 160))]
TURNS = [chr(code) for code in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))]
OTHERS = ["\u2028", "\u2029", "\ufeff", "\ud800", "\udfff", "\U000e0041"]
STEERING = [*CONTROLS, *TURNS, *OTHERS]
# Names with all of them, as an escape that clears the screen, sets a title, hides a line or turns what follows.
HOSTILE = (
    "a\x1b[2Jb",
    "\x1b]0;owned\x07",
    "c\rd",
    "e\x9b31mf",
    "\u202eg\u2066h",
    "i\x08\x7fj",
    "k\nPictures valid.\nl",
)


def raw(text: str, lines: bool = True) -> list[str]:
    """The characters of a text that steer."""
    return [each for each in text if each in STEERING and not (lines and each in "\n\t")]


def test_every_character_that_steers_is_shown_and_every_letter_stays():
    for character in STEERING:
        shown = printable(f"a{character}b")
        assert not raw(shown, lines=False) and shown[0] == "a" and shown[-1] == "b" and len(shown) > 3
        assert printable(shown) == shown
    assert printable("a\tb\nc", lines=True) == "a\tb\nc"
    for text in ("naïve", "Straße", "猫 犬", "می‌خواهم", "👩‍🔬", "a\u00a0b", "C:\\new", ""):
        assert printable(text) == text
    everything = [
        chr(code) for code in range(sys.maxunicode) if unicodedata.category(chr(code)) in ("Cc", "Zl", "Zp", "Cs")
    ]
    assert not raw("".join(map(printable, everything)), lines=False)


def hostile_network(name: str, model_name: str) -> Network:
    """A network that is hostile in its name, a layer and its labels."""
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, name=f"conv{name}")(image))
    model = keras.Model(image, keras.layers.Dense(3, name="logits")(x), name="model")
    return Network(model, value_range=(0, 1), labels=[name, "b", "c"], name=model_name)


def outputs(name: str) -> dict[str, str]:
    """Everything that is printed or written of a hostile network, objective and file of samples."""
    network = hostile_network(name, f"net{name}")

    def score(T):
        return T("logits")[:, 0]

    score.__name__ = f"score{name}"
    samples = made_samples(chains=2, draws=4, size=8, objective=f"unit{name}", model=f"net{name}")
    found = {
        "objective": str(objectives.as_objective(score)),
        "sum": str(objectives.channel(f"conv{name}", 0) + 1),
    }
    found |= {"network": repr(network), "table": network.layer_table(), "labels": " ".join(network.labels)}
    found |= {"samples": repr(samples), "summary": str(samples.summary()), "lines": "\n".join(samples.summary().lines)}
    found["description"] = str(samplevis.describe(network, np.random.default_rng(0).uniform(size=(2, 16, 16, 3))))
    found["html"] = as_html(name)
    pytest.importorskip("pyarrow")
    from samplevis.atlas.page_data import as_script

    found["script"] = json.loads(as_script("", [name])[1:-3])[0]
    try:
        network.check_layer(f"conv{name}x")
    except ValueError as error:
        found["error"] = str(error)
    return found


@pytest.mark.parametrize("name", HOSTILE)
def test_names_never_reach_terminals_raw(name):
    for way, text in outputs(name).items():
        assert not raw(text), (way, text)


def test_the_control_reaches_them(monkeypatch):
    monkeypatch.setattr(plain_text, "_STEERING", re.compile("(?!)"))
    reached = {way for way, text in outputs(HOSTILE[0]).items() if raw(text)}
    assert reached >= {"objective", "network", "table", "labels", "samples", "summary", "description", "html"}


@pytest.mark.parametrize("name", [HOSTILE[0], HOSTILE[4]])
def test_a_hostile_file_of_samples_on_the_command_line_and_on_its_page(tmp_path, name, capsys):
    samples = made_samples(chains=2, draws=4, size=8)
    object.__setattr__(samples, "objective", f"unit{name}")
    object.__setattr__(samples, "model", f"net{name}")
    samples.options["network_answers"] = f"answer{name}"
    samples.save(tmp_path / "samples.npz")
    assert Samples.load(tmp_path / "samples.npz").objective == f"unit{printable(name)}"
    assert cli.main(["report", str(tmp_path / "samples.npz"), "--title", f"title{name}"]) == 0
    printed = capsys.readouterr()
    assert not raw(printed.out + printed.err)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not raw(page) and printable(f"title{name}") in page


def test_errors_and_warnings_of_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("samplevis.cli.report.load_samples", lambda run: print(HOSTILE[0]) or warn_and_fail())
    assert cli.main(["report", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert not raw(printed.out + printed.err)
    assert printed.out == "a\\x1b[2Jb\n" and printed.err.count("\\u202eg") == 3


def warn_and_fail():
    import logging
    import warnings

    warnings.warn(HOSTILE[4], stacklevel=1)
    print(HOSTILE[4], file=sys.stderr)
    logging.getLogger("samplevis.test").debug("not shown")
    raise ValueError(HOSTILE[4])


def test_a_progress_bar_moves_its_cursor_and_shows_names(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", PlainStream(out))
    bar = ProgressBar()
    bar.on_stage_begin(f"stage{HOSTILE[0]}", 0, 4, f"step{HOSTILE[4]}")
    bar.on_step("stage", 4, 4, {f"level{HOSTILE[3]}": 0.5})
    bar.on_stage_end("stage", False)
    assert "stagea\\x1b[2Jb" in out.getvalue() and set(raw(out.getvalue())) <= {"\r"}


def test_a_plain_stream_is_a_stream(tmp_path):
    with open(tmp_path / "out.txt", "w", encoding="utf-8") as file:
        stream = PlainStream(file)
        print("a\x1bb", file=stream, flush=True)
        assert stream.fileno() == file.fileno() and not stream.isatty()
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "a\\x1bb\n"
