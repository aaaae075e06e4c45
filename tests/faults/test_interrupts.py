"""Ctrl-C at every event of a run: it stops after the step, keeps what is whole, and begins no other stage."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest
from runs import OPTIONS, SETTINGS, content, render

import samplevis
from samplevis import Samples, cli, param
from samplevis.runtime.progress import Progress, all_or_nothing, noticing

BEFORE_DRAWS = ("optimise", "anneal", "calibrate", "warm-up")


class Events(samplevis.Callback):
    """Notes every event, and presses Ctrl-C at those of the given numbers."""

    def __init__(self, *presses, times=1):
        self.presses, self.times, self.events = presses, times, []

    def _note(self, *event):
        self.events.append(event)
        if len(self.events) - 1 in self.presses:
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)

    def on_stage_begin(self, stage, done, total, unit):
        self._note("begin", stage)

    def on_step(self, stage, done, total, figures):
        self._note("step", stage)

    def on_draw(self, draw, images):
        self._note("draw", "sample")


def events_of(run):
    """All events of a run that is not interrupted."""
    events = Events()
    run([events])
    return events.events


def interrupted(run, number):
    """What a run gives that is interrupted at an event, or its KeyboardInterrupt; and the events after it."""
    events, handler = Events(number), signal.getsignal(signal.SIGINT)
    try:
        found = run([events])
    except KeyboardInterrupt as stop:
        found = stop
    assert signal.getsignal(signal.SIGINT) is handler, "the handler is back in its place"
    return found, events.events[number + 1 :]


@pytest.fixture(autouse=True)
def pressable():
    """Ctrl-C as at a terminal: a shell starts what it runs in the background with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def whole(tiny_network):
    return render(tiny_network)


@pytest.fixture(scope="module")
def events(tiny_network, whole):
    return events_of(lambda callbacks: render(tiny_network, callbacks=callbacks))


def chosen(events):
    """The first and last event of each kind in each stage, and those of all draws."""
    places = {}
    for number, event in enumerate(events):
        places.setdefault(event, []).append(number)
    return sorted({n for event, at in places.items() for n in (at if event[1] == "sample" else (at[0], at[-1]))})


def check_render(found, after, event, whole):
    """A run of `render` that was interrupted at an event gives what it should."""
    assert not [name for kind, name in after if kind == "begin"], "no other stage begins"
    assert len([name for kind, name in after if kind == "step"]) <= 1, "the step under way ends, no other begins"
    if event[1] in BEFORE_DRAWS or event == ("begin", "sample"):
        assert isinstance(found, KeyboardInterrupt) and "stopped in" in str(found)
        return
    draws = found.images.shape[1]
    assert draws >= 1 and found.images.tobytes() == whole.images[:, :draws].tobytes()
    assert ("interrupted" in found.options) == (draws < whole.images.shape[1])
    if draws < whole.images.shape[1]:
        assert f"Interrupted after {draws} of 4 draws of 2 of 2 chains." in found.summary().verdict
        assert "Interrupted" in str(found.summary())


def test_render_stops_at_every_event(tiny_network, whole, events):
    assert {name for _, name in events} == {*BEFORE_DRAWS, "sample"}
    for number in chosen(events):
        found, after = interrupted(lambda callbacks: render(tiny_network, callbacks=callbacks), number)
        check_render(found, after, events[number], whole)


@pytest.mark.slow
def test_with_a_checkpoint_it_resumes_to_the_same_bytes(tiny_network, whole, events, tmp_path):
    for number in chosen(events):
        folder = tmp_path / str(number)
        found, after = interrupted(lambda callbacks, at=folder: render(tiny_network, at, callbacks=callbacks), number)
        check_render(found, after, events[number], whole)
        assert content(render(tiny_network, folder)) == content(whole)


def test_an_interruption_is_kept_in_the_file(tiny_network, events, tmp_path):
    number = events.index(("draw", "sample"))
    found, _ = interrupted(lambda callbacks: render(tiny_network, callbacks=callbacks), number)
    found.save(tmp_path / "samples.npz")
    assert "Interrupted after 1 of 4 draws" in Samples.load(tmp_path / "samples.npz").summary().verdict


def test_a_whole_run_is_not_called_interrupted(whole):
    assert "nterrupted" not in whole.summary().verdict and "nterrupted" not in str(whole.summary())


def test_twice_stops_at_once(tiny_network, events):
    # Once is not enough: the draws so far are returned.
    number = events.index(("draw", "sample"))
    for times, error in ((1, None), (2, KeyboardInterrupt)):
        pressed, found = Events(number, times=times), None
        try:
            render(tiny_network, callbacks=[pressed])
        except KeyboardInterrupt as stop:
            found = type(stop)
        assert found is error and len(pressed.events) == number + 1


def test_optimize_and_sweep_keep_what_is_whole(tiny_network, tmp_path):
    settings = dict(param=param.fourier(16), transforms=None, steps=48, smooth=None, progress=False)

    def optimized(callbacks):
        return samplevis.optimize(tiny_network, "conv2:1", callbacks=callbacks, **settings)

    def swept(callbacks):
        return samplevis.sweep(tiny_network, "conv2", callbacks=callbacks, batch_size=2, folder=tmp_path, **settings)

    for run in (optimized, swept):
        for number in range(1, 4):
            found, after = interrupted(run, number)
            assert not after
            if run is optimized:
                assert len(found.history) == 16 * number
            else:
                assert not found.complete
    assert swept([]).complete


def test_a_stage_inside_an_interrupted_one_does_not_begin():
    with Progress("outer", 2, "part", False) as outer:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt, match="stopped in inner"), Progress("inner", 2, "step", False):
            pytest.fail("entered")
        assert outer.interrupted and not outer.insisted
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_compiling_is_interrupted_at_once():
    import tensorflow as tf

    def slow(x):
        os.kill(os.getpid(), signal.SIGINT)
        return x + 1

    with pytest.raises(KeyboardInterrupt, match="stopped in work"), Progress("work", 2, "step", False):
        tf.function(slow, autograph=False)(tf.constant(1.0))
    # So are later steps: a loop that has something to keep catches it.
    with pytest.raises(KeyboardInterrupt), Progress("work", 2, "step", False) as bar:
        bar.update(1)
        tf.function(slow, autograph=False)(tf.constant(1.0))
    assert bar.interrupted and not bar.insisted


def _losing() -> None:
    """Code that loses a KeyboardInterrupt, as weak references do."""
    with contextlib.suppress(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def _turning() -> None:
    """Code that turns a KeyboardInterrupt into another error, as extensions in C do."""
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        raise SystemError("bad argument to internal function") from None


def test_no_ctrl_c_is_lost_between_the_stages():
    with pytest.raises(KeyboardInterrupt, match="stopped in work"), noticing("render"):
        _losing()
        with Progress("work", 2, "step", False):
            pytest.fail("entered")
    with pytest.raises(KeyboardInterrupt, match="stopped in render"), noticing("render"):
        _turning()
    # What a stage gives that ended early is used, errors of a disk are told, and so are those without Ctrl-C.
    with noticing("render") as call, Progress("work", 2, "step", False) as bar:
        os.kill(os.getpid(), signal.SIGINT)
    assert call.interrupted and bar.interrupted
    with pytest.raises(OSError, match="full"), noticing("render"):
        _losing()
        raise OSError("the disk is full")
    with pytest.raises(SystemError), noticing("render"):
        raise SystemError
    # The control.
    _losing()
    with pytest.raises(SystemError):
        _turning()


def test_a_call_of_several_runs_ends_with_the_first_that_is_cut_short():
    with pytest.raises(KeyboardInterrupt, match="stopped in second"), all_or_nothing("both"):
        with Progress("first", 2, "step", False) as bar:
            os.kill(os.getpid(), signal.SIGINT)
        assert bar.interrupted
        with Progress("second", 2, "step", False):
            pytest.fail("entered")
    with pytest.raises(KeyboardInterrupt, match="stopped in both"), all_or_nothing("both"):
        with Progress("last", 2, "step", False):
            os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="stopped in both"), all_or_nothing("both"):
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("between the runs there is nothing to wait for")
    # The control: runs by themselves do not know of each other.
    for name in ("first", "second"):
        with Progress(name, 2, "step", False) as bar:
            assert not bar.interrupted
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("event", [("step", "anneal"), ("draw", "sample")])
def test_the_command_writes_whole_draws_and_exits_with_130(tiny_network, events, tmp_path, capsys, monkeypatch, event):
    import sys

    module = sys.modules["samplevis.runs.rendering"]
    made, press = module.render, Events(events.index(event))

    def pressed(network, objective, **settings):
        settings = {"hmc_opts": OPTIONS, "callbacks": [press]} | SETTINGS
        return made(tiny_network, objective, settings.pop("hmc_opts"), **settings)

    monkeypatch.setattr(module, "render", pressed)
    arguments = ["render", "Shapes", "conv2:1", "--size", "16", "--quiet", "--out", str(tmp_path / "out")]
    monkeypatch.setattr("samplevis.cli.render_command.load_network", lambda options: tiny_network)
    assert cli.main(arguments) == 130
    shown = capsys.readouterr()
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    if event[1] == "anneal":
        assert files == [] and "samplevis: stopped in anneal" in shown.err
    else:
        assert files == ["report.html", "samples.gif", "samples.npz", "samples.png"]
        assert "Interrupted after 1 of 4 draws" in shown.out and "Interrupted after 1 of 4 draws" in shown.err
        assert Samples.load(tmp_path / "out" / "samples.npz").images.shape[:2] == (2, 1)
