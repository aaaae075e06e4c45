"""samplevis atlas serve: the page of an atlas, for the browsers of this machine."""

from __future__ import annotations

import functools
import http.server
import io
import os
from http import HTTPStatus
from typing import BinaryIO

#: Names under which the server answers. A page of another site whose name was bound to this machine asks under that name.
HOSTS = ("127.0.0.1", "localhost")


class PageHandler(http.server.SimpleHTTPRequestHandler):
    """Answers with the files of one folder, under the names of this machine alone, and follows no link out of the folder."""

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        """Sends the head of an answer; returns the file that is its body, None if there is none."""
        if not self._is_asked_here():
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "This server answers as localhost only")
            return None
        if not self._is_inside():
            self.send_error(HTTPStatus.NOT_FOUND, "File not found")
            return None
        return super().send_head()

    def _is_asked_here(self) -> bool:
        hosts = [f"{name}:{self.server.server_port}" for name in HOSTS]
        if self.server.server_port == 80:
            hosts += HOSTS
        return self.headers.get_all("Host", []) in [[host] for host in hosts]

    def _is_inside(self) -> bool:
        """Whether the path is a file of the folder, or a folder with a page, once all links are followed."""
        path = self.translate_path(self.path)
        if os.path.isdir(path):
            path = os.path.join(path, "index.html")
        root = os.path.realpath(self.directory)
        return os.path.isfile(path) and os.path.commonpath([root, os.path.realpath(path)]) == root


def make_server(folder: str, port: int) -> http.server.ThreadingHTTPServer:
    """Makes the server of a page.

    Args:
      folder: the folder of the atlas, or of the page.
      port: the port; 0 for a free one.

    Raises:
      FileNotFoundError: if there is no page.
    """
    site = os.path.join(folder, "site")
    site = site if os.path.isdir(site) else folder
    if not os.path.isfile(os.path.join(site, "index.html")):
        raise FileNotFoundError(f"folder: there is no page in {folder}; make it with --publish")
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), functools.partial(PageHandler, directory=site))


def serve(folder: str, port: int) -> None:
    """Serves the page of an atlas to this machine, until Ctrl-C.

    Args:
      folder: the folder of the atlas, or of the page.
      port: the port; 0 for a free one.

    Raises:
      FileNotFoundError: if there is no page.
    """
    with make_server(folder, port) as server:
        print(f"http://127.0.0.1:{server.server_port}/ (Ctrl-C stops)", flush=True)
        server.serve_forever()
