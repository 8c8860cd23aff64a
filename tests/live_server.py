"""A small API server for what reads a live cluster: lists in pages, field and label selectors, and answers on order."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from optimizer.kube.selectors import selects
from optimizer.model import LabelSelector
from optimizer.speakers import kinds_of, product_named
from tests.objects import Object

KINDS = kinds_of(product_named(""))
PLURALS = {kind.plural: name for name, kind in KINDS.items()}
OPENELB = ("BgpPeer", "BgpConf")


class Request:
    """A request as it came in."""

    def __init__(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        split = urlsplit(target)
        self.method, self.path, self.query = method, split.path, dict(parse_qsl(split.query))
        self.headers = headers
        self.body: Any = json.loads(body) if body else None


class Answer:
    """An answer on order; without a status the connection is closed without one."""

    def __init__(self, status: int | None, body: object = None, **headers: str) -> None:
        self.status, self.headers = status, {name.replace("_", "-"): value for name, value in headers.items()}
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


def failure(status: int, message: str, **headers: str) -> Answer:
    """An answer as an API server gives it to a request that failed."""
    return Answer(status, {"kind": "Status", "status": "Failure", "message": message, "code": status}, **headers)


class Server:
    """Objects, and what was asked for; `most` objects to a page at most.

    `ordered` are the answers to the next requests, None for the usual one.
    """

    def __init__(self, *objects: Object, openelb: bool = True, most: int = 500) -> None:
        self.objects, self.openelb, self.most = list(objects), openelb, most
        self.requests: list[Request] = []
        self.ordered: deque[Answer | None] = deque()
        self.address = ""

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        if self.ordered and (ordered := self.ordered.popleft()):
            return ordered
        parts = request.path.strip("/").split("/")
        kind = PLURALS.get(parts[-1])
        if kind is None or (kind in OPENELB and not self.openelb):
            return Answer(404, b"404 page not found")
        return self.page(request, kind, parts[parts.index("namespaces") + 1] if "namespaces" in parts else "")

    def page(self, request: Request, kind: str, namespace: str) -> Answer:
        fields = [part for part in request.query.get("fieldSelector", "").split(",") if part]
        labels = dict(part.split("=") for part in request.query.get("labelSelector", "").split(",") if part)
        found = [
            {key: value for key, value in each.items() if key not in ("kind", "apiVersion")}
            for each in self.objects
            if each["kind"] == kind
            and (not namespace or each["metadata"]["namespace"] == namespace)
            and all(matches(each, field) for field in fields)
            and selects(LabelSelector(labels), each["metadata"].get("labels") or {})
        ]
        start = int(request.query.get("continue", 0))
        end = start + min(self.most, int(request.query["limit"]))
        group = KINDS[kind].api_version
        meta = {"resourceVersion": "1", "continue": str(end) if end < len(found) else ""}
        return Answer(200, {"kind": f"{kind}List", "apiVersion": group, "metadata": meta, "items": found[start:end]})

    def asked(self, word: str) -> list[Request]:
        """The requests whose path ends in the word."""
        return [each for each in self.requests if each.path.endswith(f"/{word}")]


def matches(each: Any, field: str) -> bool:
    """Whether an object has the value, or (!=) has not."""
    path, equals, value = field.partition("!=" if "!=" in field else "=")
    for name in path.split("."):
        each = (each or {}).get(name)
    return (str(each) == value) is (equals == "=")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_of_test: Server

    def log_message(self, *_: Any) -> None:
        """Be silent."""

    def handle_one(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        found = self.server_of_test.answer(Request(self.command, self.path, headers, body))
        if found.status is None:
            self.close_connection = True
            return
        self.send_response(found.status)
        for name, value in found.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(found.body)))
        self.end_headers()
        self.wfile.write(found.body)

    do_GET = do_PATCH = do_POST = do_DELETE = handle_one  # noqa: N815


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """The server, at its address."""
    found = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"server_of_test": server}))
    found.daemon_threads = True
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.address = f"http://127.0.0.1:{found.server_address[1]}"
    try:
        yield server
    finally:
        found.shutdown()
        thread.join()
        found.server_close()


def kubeconfig(folder: Path, server: str, name: str = "config", **user: Any) -> Path:
    """A kubeconfig file with one context, `lab`."""
    path = folder / name
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "me"}}],
        "clusters": [{"name": "lab", "cluster": {"server": server}}],
        "users": [{"name": "me", "user": user}],
    }
    path.write_text(json.dumps(content))
    return path
