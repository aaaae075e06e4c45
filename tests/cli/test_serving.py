"""The server of an atlas's page: its own names alone, and nothing outside of its folder. The control is Python's handler."""

from __future__ import annotations

import contextlib
import functools
import http.client
import http.server
import threading

import pytest

from samplevis.cli.serving import PageHandler, make_server


@pytest.fixture
def folder(tmp_path):
    """A page with a file, a link to it, and links that lead out of the page."""
    site = tmp_path / "atlas" / "site"
    (site / "data").mkdir(parents=True)
    (site / "index.html").write_text("page")
    (site / "data" / "index.js").write_text("data")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "index.html").write_text("secret")
    (site / "inside.js").symlink_to("data/index.js")
    (site / "link.txt").symlink_to(tmp_path / "secret.txt")
    (site / "folder").symlink_to(tmp_path / "elsewhere")
    (site / "linked").mkdir()
    (site / "linked" / "index.html").symlink_to(tmp_path / "secret.txt")
    (site / "chain.txt").symlink_to("link.txt")
    return tmp_path / "atlas"


@contextlib.contextmanager
def running(server):
    """The port of a server that answers."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def asked(port: int, path: str, host: str | None = None, method: str = "GET") -> tuple[int, bytes]:
    """Status and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest(method, path, skip_host=True)
    if host != "":
        connection.putheader("Host", host or f"127.0.0.1:{port}")
    connection.endheaders()
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


OUTSIDE = (
    "link.txt",
    "folder/",
    "folder/index.html",
    "linked/",
    "chain.txt",
    "../../secret.txt",
    "%2e%2e/%2e%2e/secret.txt",
)


def test_the_page_and_nothing_else_is_served(folder):
    with running(make_server(str(folder), 0)) as port:
        for path, body in (
            ("", b"page"),
            ("data/index.js", b"data"),
            ("inside.js", b"data"),
            ("data/index.js?v=1", b"data"),
        ):
            assert asked(port, f"/{path}") == (200, body)
        assert asked(port, "/", method="HEAD") == (200, b"")
        for path in (*OUTSIDE, "data/", "nowhere"):
            status, body = asked(port, f"/{path}")
            assert status == 404 and b"secret" not in body, path


def test_a_page_that_is_itself_a_link_is_served(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    with running(make_server(str(tmp_path / "link"), 0)) as port:
        assert asked(port, "/data/index.js") == (200, b"data")
        assert asked(port, "/link.txt")[0] == 404


def hosts(port: int) -> list[str]:
    """Names under which a browser asks for a page of somebody else."""
    names = [
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1.evil.example",
        f"localhost.evil.example:{port}",
        "0.0.0.0",
    ]
    names += [f"127.0.0.1:{port + 1}", f"127.0.0.2:{port}", f"[::1]:{port}", f"evil@127.0.0.1:{port}", "127.0.0.1", ""]
    return [*names, f"127.0.0.1:{port}, evil.example", f"LOCALHOST.:{port}"]


def test_other_hosts_are_not_answered(folder):
    with running(make_server(str(folder), 0)) as port:
        for host in hosts(port):
            for method in ("GET", "HEAD"):
                status, body = asked(port, "/data/index.js", host, method)
                assert status in (400, 421) and b"data" not in body, host
        assert asked(port, "/data/index.js", f"localhost:{port}") == (200, b"data")


def test_the_control_answers_all_of_it(folder):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder / "site")
    assert issubclass(PageHandler, handler.func)
    with running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)) as port:
        assert asked(port, "/link.txt") == (200, b"secret")
        assert asked(port, "/data/index.js", "evil.example") == (200, b"data")


def test_a_folder_without_a_page_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no page"):
        make_server(str(tmp_path), 0)
