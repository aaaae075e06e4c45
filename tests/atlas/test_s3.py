"""An atlas on an object store: a local S3 server, with the file system that users have."""

from __future__ import annotations

import threading
import time
import uuid

import pytest

pytest.importorskip("pyarrow", reason="ATLAS NOT TESTED: pip install samplevis[atlas]")
pytest.importorskip("s3fs", reason="S3 NOT TESTED: pip install s3fs 'moto[server]'")
server = pytest.importorskip("moto.server", reason="S3 NOT TESTED: pip install s3fs 'moto[server]'")

import fsspec  # noqa: E402

from samplevis import atlas, modelzoo  # noqa: E402
from samplevis.atlas.store import Store  # noqa: E402

SETTINGS = {"size": 32, "methods": ["optimize"], "units_per_part": 4}


@pytest.fixture
def bucket(monkeypatch):
    """(URL, server) of an empty bucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    host, running._port = running.get_host_and_port()
    monkeypatch.setitem(fsspec.config.conf, "s3", {"endpoint_url": f"http://{host}:{running._port}"})
    # Moto's buckets live as long as the process.
    name = f"atlases-{uuid.uuid4().hex}"
    fsspec.filesystem("s3").mkdir(name)
    yield f"s3://{name}/shapes", running
    running.stop()


def build(url: str) -> atlas.Atlas:
    return atlas.build(modelzoo.Shapes(), url, ["logits:0-7"], settings=SETTINGS, progress=False)


def test_the_files_are_those_of_a_disk_and_the_same_call_does_nothing_again(bucket, tmp_path, no_compute):
    url, _ = bucket
    build(url)
    build(str(tmp_path))
    here, there = Store(tmp_path), Store(url)
    assert there.names("") == here.names("") and len(there.names("parts")) == 2
    assert all(there.read(name) == here.read(name) for name in here.names(""))
    assert len(build(url)) == 8 and len(no_compute) == 4, "two tasks for each folder"
    assert atlas.open(url)["logits:3"].images("samples").shape == (2, 8, 8, 3)
    assert atlas.publish(url) == f"{url}/site/index.html"
    assert b"Atlas" in there.read("site/index.html")


def test_a_store_that_goes_away_and_comes_back(bucket):
    url, running = bucket
    store = Store(url)
    store.write_text("before", "x")
    running.stop()

    def come_back() -> None:
        time.sleep(1.0)
        running.start()

    thread = threading.Thread(target=come_back)
    thread.start()
    store.write_text("after", "there")
    thread.join()
    assert store.read_text("after") == "there"
