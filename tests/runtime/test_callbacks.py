"""Callbacks, loggers, JSON lines and TensorBoard: what they are notified of."""

from __future__ import annotations

import builtins
import io
import json
import logging

import numpy as np
import pytest
import tensorflow as tf

import samplevis
from samplevis import cli, export, transform
from samplevis.runtime.callbacks import as_callbacks
from samplevis.runtime.progress import Progress

SETTINGS = dict(im_size=16, transforms=transform.jitter(2), optimize_steps=16, anneal_steps=50, smooth=None)
OPTIONS = dict(num_results=3, num_burnin_steps=4, num_leapfrog_steps=2, num_chains=2, num_transforms=2)


class Recorder(samplevis.Callback):
    """Records all notifications."""

    def __init__(self):
        self.events, self.images = [], []

    def on_stage_begin(self, stage, done, total, unit):
        self.events.append(("begin", stage, done, total, unit))

    def on_step(self, stage, done, total, figures):
        self.events.append(("step", stage, done, total, dict(figures)))

    def on_draw(self, draw, images):
        self.events.append(("draw", draw))
        self.images.append(images)

    def on_stage_end(self, stage, interrupted):
        self.events.append(("end", stage, interrupted))


def render(network, *callbacks, **settings):
    return samplevis.render(
        network, "conv2:1", OPTIONS, **{"progress": False} | SETTINGS | settings, callbacks=callbacks
    )


@pytest.fixture(scope="module")
def recorded(tiny_network):
    recorded = Recorder()
    recorded.samples = render(tiny_network, recorded)
    return recorded


def test_stages_come_in_order_and_end_where_they_said(recorded):
    begun = [event[1:] for event in recorded.events if event[0] == "begin"]
    assert [stage for stage, *_ in begun] == ["optimise", "anneal", "calibrate", "warm-up", "sample"]
    assert begun[0] == ("optimise", 0, 16, "step") and begun[-1] == ("sample", 0, 3, "step")
    assert [event for event in recorded.events if event[0] == "end"] == [("end", stage, False) for stage, *_ in begun]
    last = {event[1]: event[2:4] for event in recorded.events if event[0] == "step"}
    # Chains that are not at the level after the steps that were asked for get up to three times as many.
    steps, asked = last.pop("anneal")
    assert asked <= steps <= 3 * asked
    assert last == {"optimise": (16, 16), "calibrate": (2, 2), "warm-up": (2, 2), "sample": (3, 3)}


def test_figures_are_those_of_the_samples(recorded):
    figures = [event[4] for event in recorded.events if event[:2] == ("step", "sample")]
    np.testing.assert_allclose([f["activation"] for f in figures], recorded.samples.activation.mean(0), rtol=1e-5)
    np.testing.assert_allclose(
        [f["acceptance"] for f in figures], recorded.samples.stats["acceptance_rate"].mean(0), rtol=1e-5
    )


def test_draws_are_those_of_the_samples_and_not_of_the_calibration(recorded):
    assert [event[1] for event in recorded.events if event[0] == "draw"] == [0, 1, 2]
    np.testing.assert_array_equal(np.stack(recorded.images, 1), recorded.samples.images)


def test_callbacks_change_nothing(recorded, tiny_network):
    np.testing.assert_array_equal(render(tiny_network).images, recorded.samples.images)


def test_optimize_reports_its_steps(tiny_network):
    recorded = Recorder()
    result = samplevis.optimize(
        tiny_network, "conv2:1", steps=8, thresholds=(4,), transforms=None, progress=False, callbacks=[recorded]
    )
    figures = [event[2:] for event in recorded.events if event[0] == "step"]
    assert [done for done, *_ in figures] == [4, 8] and not recorded.images
    assert figures[-1][2]["activation"] == pytest.approx(float(result.history[-1].mean()))


class Stop(samplevis.Callback):
    """Asks to stop as Ctrl-C does."""

    def __init__(self, stage, at):
        self.stage, self.at = stage, at

    def on_step(self, stage, done, total, figures):
        if stage == self.stage and total == 3 and done == self.at:
            raise KeyboardInterrupt


def test_a_callback_stops_a_run_as_ctrl_c_does(recorded, tiny_network):
    other = Recorder()
    samples = render(tiny_network, Stop("sample", 2), other)
    np.testing.assert_array_equal(samples.images, recorded.samples.images[:, :2])
    assert other.events[-1] == ("end", "sample", True) and ("draw", 1) in other.events


def test_other_exceptions_end_a_run(tiny_network):
    class Broken(samplevis.Callback):
        def on_step(self, *_):
            raise RuntimeError("the user's own")

    with pytest.raises(RuntimeError, match="the user's own"):
        samplevis.optimize(tiny_network, "conv2:1", steps=2, progress=False, callbacks=[Broken()])


@pytest.mark.parametrize("callbacks", [Recorder(), [print], "progress", [Recorder]])
def test_what_is_no_list_of_callbacks_is_refused(tiny_network, callbacks):
    with pytest.raises(TypeError, match="callbacks: expected a list of samplevis.Callback. Received"):
        samplevis.optimize(tiny_network, "conv2:1", callbacks=callbacks)


def test_a_bar_comes_first_and_only_if_asked_for():
    recorded = Recorder()
    assert as_callbacks(False, [recorded]) == (recorded,)
    bar, second = as_callbacks(True, [recorded])
    assert isinstance(bar, samplevis.ProgressBar) and second is recorded
    assert as_callbacks((bar, recorded)) == (bar, recorded)


def test_the_bar_counts_on_from_an_earlier_process(capsys):
    with Progress("anneal", 200, "step", True, 150) as bar:
        bar.update(25, level=0.5)
    printed = capsys.readouterr().err
    assert "anneal" in printed and "175/200" in printed and "level=0.5" in printed


def test_stages_are_logged_and_nothing_is_printed(tiny_network, caplog, capsys):
    with caplog.at_level(logging.INFO, "samplevis"):
        render(tiny_network)
    messages = [record.getMessage() for record in caplog.records if record.name == "samplevis.runtime.progress"]
    assert "anneal: 0 of 50 steps done" in messages and "sample: ended at 3 of 3" in messages
    printed = capsys.readouterr()
    assert printed.out == printed.err == ""


def test_lines_of_json():
    file = io.StringIO()
    with Progress("sample", 2, "step", [samplevis.JSONLines(file)]) as bar:
        bar.update(1, activation=float("nan"), acceptance=0.5)
        bar.draw(0, lambda: np.zeros((1, 2, 2, 3)))
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert lines == [
        {"event": "stage_begin", "stage": "sample", "done": 0, "total": 2, "unit": "step"},
        {"event": "step", "stage": "sample", "done": 1, "total": 2, "activation": None, "acceptance": 0.5},
        {"event": "draw", "draw": 0},
        {"event": "stage_end", "stage": "sample", "interrupted": False},
    ]


@pytest.mark.slow
def test_the_command_in_lines_of_json(tmp_path, capsys):
    quick = "--chains 2 --draws 4 --warmup 2 --leapfrog-steps 2 --transforms 2 --optimize-steps 16 --json".split()
    assert cli.main(["demo", "heart", "--out", str(tmp_path), *quick]) == 0
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert printed.err == "" and lines[0]["event"] == "stage_begin" and lines[-1]["event"] == "summary"
    samples = samplevis.Samples.load(lines[-1]["written"]["samples.npz"])
    assert lines[-1]["acceptance"] == pytest.approx(samples.summary().figures["acceptance"])
    assert lines[-1]["verdict"] == samples.summary().verdict


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    board = samplevis.TensorBoard(tmp_path)
    images = np.random.default_rng(0).random((2, 8, 8, 3)).astype(np.float32)
    with Progress("sample", 2, "step", [board]) as bar:
        bar.update(2, activation=1.5)
        bar.draw(1, lambda: images)
    (file,) = tmp_path.iterdir()
    found = {v.tag: (event.step, v.tensor) for event in EventFileLoader(str(file)).Load() for v in event.summary.value}
    step, scalar = found["sample/activation"]
    assert (step, tf.make_ndarray(scalar)) == (2, 1.5)
    step, pictures = found["draws"]
    assert step == 1
    np.testing.assert_array_equal(tf.io.decode_png(pictures.string_val[2]), export.grid(images, columns=2))


def test_tensorboard_is_an_extra(tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name, *more):
        if name == "tensorboard":
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r"pip install samplevis\[tensorboard\]"):
        samplevis.TensorBoard(tmp_path)


def test_the_bar_of_a_run_numbers_its_stages(capsys):
    bar = samplevis.ProgressBar(("optimise", "anneal"))
    for stage in ("anneal", "splitting"):
        bar.on_stage_begin(stage, 0, 1, "step")
        bar.on_stage_end(stage, False)
    shown = capsys.readouterr().err
    assert "[2/2] anneal" in shown and "] splitting" not in shown and "splitting" in shown
