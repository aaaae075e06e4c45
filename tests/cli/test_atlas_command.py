"""samplevis atlas: from words to an atlas and its page."""

from __future__ import annotations

import os
import signal
import threading
import urllib.request

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="ATLAS NOT TESTED, no pyarrow: pip install samplevis[atlas]")

from samplevis.cli import main  # noqa: E402

QUICK = ["--methods", "optimize", "--optimize-steps", "2", "--size", "32", "--quiet"]


@pytest.mark.slow
def test_it_makes_an_atlas_and_its_page(tmp_path, capsys):
    out, vectors = str(tmp_path / "atlas"), tmp_path / "decoder.npy"
    np.save(vectors, np.eye(18)[:2])
    words = ["atlas", "Shapes", "--out", out, "--layers", "logits:4-5", "--directions", "logits", str(vectors), *QUICK]
    assert main(words) == 0
    assert (tmp_path / "atlas/site/index.html").is_file() and "index.html" in capsys.readouterr().out
    from samplevis import atlas

    assert set(atlas.open(out)) == {"logits:4", "logits:5", "decoder:0", "decoder:1"}
    (tmp_path / "atlas/site/index.html").unlink()
    assert main(["atlas", "Shapes", "--out", out, "--publish"]) == 0
    assert (tmp_path / "atlas/site/index.html").is_file()


@pytest.mark.slow
def test_a_dry_run_prints_the_cost_and_writes_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["atlas", "Shapes", "--layers", "logits", "--dry-run", "--size", "32", "--chains", "1", "--batch-size", "2"]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "18 units" in text and "hours at" in text and "GiB" in text and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["Shapes"], "--out: expected a folder"),
        (["Shapes", "--out", "x", "--size", "3"], "--size: expected a whole number >= 8"),
        (["Shapes", "--out", "x", "--methods", "drafts"], "--methods: expected one of 'draft'"),
        (["Shapes", "--out", "x", "--scheduler", "tcp://a:1"], "--scheduler: expected an address tls://"),
        (["Shapse", "--out", "x"], "Did you mean 'Shapes'"),
        (["serve", "nowhere"], "there is no page"),
    ],
)
def test_mistakes_are_named_in_flags(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["atlas", *words]) in (1, 2)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("what", "code"), [("fails", 1), ("is interrupted", 130)])
def test_the_exit_status_tells_tasks_that_failed_from_an_interruption(
    what, code, tmp_path, capsys, monkeypatch, no_compute
):
    from samplevis import atlas
    from samplevis.atlas import building

    run_task = building.run_task

    def sometimes(network, task, folder, progress):
        if task.units == (5,) and what == "fails":
            raise OSError("no room")
        if task.units == (5,):
            os.kill(os.getpid(), signal.SIGINT)
        return run_task(network, task, folder, progress)

    words = ["atlas", "Shapes", "--out", str(tmp_path), "--layers", "logits:4-6", "--units-per-part", "1", *QUICK]
    with monkeypatch.context() as patch:
        patch.setattr(building, "run_task", sometimes)
        assert main(words) == code
    found = capsys.readouterr()
    # Ctrl-C abandons the task under way, and stops: nobody waits for the page.
    assert f"{1 if what == 'fails' else 2} of 3 units are not in" in found.err
    assert (tmp_path / "site/index.html").is_file() == (what == "fails")
    assert ("logits:5-5: no room" in found.err) == (what == "fails")
    if what == "is interrupted":
        assert main([*words, "--publish"]) == 0 and (tmp_path / "site/index.html").is_file()
    assert main(words) == 0 and len(atlas.open(tmp_path)) == 3


def test_serve_shows_the_page_to_this_machine(tmp_path, capsys, monkeypatch):
    import http.server

    (tmp_path / "index.html").write_text("the page")
    found, real = [], http.server.ThreadingHTTPServer

    class Server(real):
        def serve_forever(self):
            thread = threading.Thread(target=self.handle_request)
            thread.start()
            found.append(urllib.request.urlopen(f"http://127.0.0.1:{self.server_port}/index.html").read())
            thread.join()

    monkeypatch.setattr(http.server, "ThreadingHTTPServer", Server)
    assert main(["atlas", "serve", str(tmp_path), "--port", "0"]) == 0
    assert found == [b"the page"] and "http://127.0.0.1:" in capsys.readouterr().out
