"""A proxy before the API server by which a controller hears late of what has changed."""

from __future__ import annotations

import queue
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import urllib3

from tests.lab.client import kubeconfig
from tests.lab.cluster import ADMIN, Lab
from tests.lab.proxy import HOP_BY_HOP

PART = 1 << 16
CHUNKED = ("Transfer-Encoding", "chunked")


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    wbufsize, disable_nagle_algorithm = -1, True
    server: Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer: a watch part by part, anything else at once."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        split = urlsplit(self.path)
        watched = parse_qs(split.query).get("watch", ["false"])[0] in ("1", "true")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        headers.pop("Accept-Encoding", None)
        # A client sends no token where the way is not encrypted.
        headers["Authorization"] = f"Bearer {self.server.token}"
        response = self.server.pool.request(
            self.command,
            self.path,
            body=body or None,
            headers=headers,
            preload_content=False,
            timeout=urllib3.Timeout(None),
        )
        content = None if watched else response.read()
        self.send_response_only(response.status)
        for name, value in response.headers.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header(*(CHUNKED if content is None else ("Content-Length", str(len(content)))))
        self.end_headers()
        if content is not None:
            self.wfile.write(content)
            response.release_conn()
            return
        self.wfile.flush()
        self._follow(response, self.server.seconds if split.path == self.server.path else 0.0)

    do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815

    def _follow(self, response: urllib3.BaseHTTPResponse, seconds: float) -> None:
        """Hand over what comes, each part so long after it has come."""
        parts: queue.Queue[tuple[float, bytes]] = queue.Queue()

        def read() -> None:
            with suppress(urllib3.exceptions.HTTPError, OSError, ValueError):
                for part in response.stream(PART):
                    parts.put((time.monotonic() + seconds, part))
            parts.put((0.0, b""))

        reader = threading.Thread(target=read, daemon=True)
        self.server.open.append(response)
        reader.start()
        with suppress(OSError):
            while (found := parts.get())[1]:
                time.sleep(max(0.0, found[0] - time.monotonic()))
                self.wfile.write(b"%x\r\n%s\r\n" % (len(found[1]), found[1]))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        end(response)
        reader.join()
        response.close()


def end(response: urllib3.BaseHTTPResponse) -> None:
    """End the reading of an answer, also by another thread."""
    with suppress(OSError, ValueError, RuntimeError):
        response.shutdown()


class Server(ThreadingHTTPServer):
    """Listens. Watches of `path` are so many `seconds` behind."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, lab: Lab, path: str, seconds: float) -> None:
        super().__init__((lab.address, 0), Handler)
        self.path, self.seconds, self.token = path, seconds, lab.token_of(ADMIN)
        self.open: list[urllib3.BaseHTTPResponse] = []
        split = urlsplit(lab.server)
        self.pool = urllib3.HTTPSConnectionPool(
            split.hostname or "",
            split.port,
            ssl_context=ssl.create_default_context(cadata=lab.authority()),
            maxsize=64,
            retries=False,
        )

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Either side may end at any time, and nobody wants to know."""


@contextmanager
def late_controllers(lab: Lab, folder: Path, path: str, seconds: float) -> Iterator[None]:
    """The controllers hear so many seconds late of what is at the path; after that, at once again."""
    server = Server(lab, path, seconds)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    address = f"http://{lab.address}:{server.server_address[1]}"
    try:
        lab.controllers(kubeconfig(folder / "late.kubeconfig", address, lab.authority(), server.token))
        yield
    finally:
        lab.controllers()
        for each in server.open:
            end(each)
        server.shutdown()
        thread.join()
        server.server_close()
        server.pool.close()
