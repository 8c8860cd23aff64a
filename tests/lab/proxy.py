"""A proxy before the API server, which writes down every request and in which a rule decides what comes of it."""

from __future__ import annotations

import random
import ssl
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
import urllib3

from tests.lab.client import kubeconfig
from tests.lab.cluster import ADMIN, Lab

SECONDS = 30.0
HOP_BY_HOP = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}


class Request(NamedTuple):
    """A request; `number` counts those that write, so it is that of the last one before where this does not."""

    number: int
    method: str
    path: str
    query: Mapping[str, str]
    body: bytes

    @property
    def writes(self) -> bool:
        """Whether it changes anything."""
        # What is deleted says in the body that it is only asked.
        return self.method != "GET" and "dryRun" not in self.query and b'"dryRun"' not in self.body

    @property
    def kind(self) -> str:
        """The plural of what it is about."""
        parts = self.path.strip("/").split("/")
        parts = parts[2:] if parts[0] == "api" else parts[3:]
        return parts[2] if parts[0] == "namespaces" and len(parts) > 2 else parts[0]


class Answer(NamedTuple):
    """An answer; one with the status 0 is that the connection is dropped."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


LOST = Answer(0)


def refusal(status: int, message: str, **headers: str) -> Answer:
    """An answer as an API server gives it where it does not do what it is asked for."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": status}
    shown = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, msgspec.json.encode(body), {"Content-Type": "application/json", **shown})


class Rule:
    """What comes of requests: everything goes through."""

    def before(self, request: Request) -> Answer | None:
        """An answer instead of the server's; the request does not get there."""

    def after(self, request: Request, answer: Answer) -> Answer:
        """What is delivered of the server's answer."""
        del request
        return answer


class At(Rule):
    """Does something at the first request of which `when` is true: before the server gets it, or `late` after it."""

    def __init__(self, when: Callable[[Request], bool], act: Callable[[], object], late: bool = False) -> None:
        self._when, self.act, self._late = when, act, late
        self._lock = threading.Lock()
        self.done = False

    def before(self, request: Request) -> Answer | None:
        """The act, if its time has come."""
        return self._meet(request) if not self._late else None

    def after(self, request: Request, answer: Answer) -> Answer:
        """The act, if its time has come."""
        return (self._meet(request) or answer) if self._late else answer

    def _meet(self, request: Request) -> Answer | None:
        with self._lock:
            if self.done or not self._when(request):
                return None
            self.done = True
        self.act()
        return None


class KillAt(At):
    """Kills at the n-th request that writes: before it gets to the server, or `late`: before its answer gets back."""

    def __init__(self, number: int, kill: Callable[[], object], late: bool) -> None:
        super().__init__(lambda request: request.writes and request.number == number, kill, late)

    def _meet(self, request: Request) -> Answer | None:
        super()._meet(request)
        # What it had sent by then gets there, or not.
        return LOST if self._when(request) else None


class Flaky(Rule):
    """A server that fails in every way, at random; `failed` counts how.

    The first page of a list that is not its first one has expired, and the answer to the first write is lost.
    """

    def __init__(self, seed: int, share: float = 0.3) -> None:
        self._random, self._share = random.Random(seed), share
        self._lock = threading.Lock()
        self.failed: dict[str, int] = {}

    def before(self, request: Request) -> Answer | None:
        """An error, or None."""
        with self._lock:
            expires = "continue" in request.query and "410" not in self.failed
            if not expires and self._random.random() >= self._share * 2 / 3:
                return None
            kinds = ["429", "429 later", "500", "503", "dropped"] + (["410"] * 5 if "continue" in request.query else [])
            kind = "410" if expires else self._random.choice(kinds)
            self._count(kind)
        match kind:
            case "429":
                return refusal(429, "too many requests", Retry_After="0")
            case "429 later":
                return refusal(429, "too many requests", Retry_After="1")
            case "500":
                return refusal(500, "etcdserver: request timed out")
            case "503":
                return Answer(503, b"no healthy upstream", {"Content-Type": "text/plain"})
            case "410":
                return refusal(410, "The provided continue parameter is too old")
        return LOST

    def after(self, request: Request, answer: Answer) -> Answer:
        """The answer, or nothing although all was done."""
        with self._lock:
            kind = "answer lost after a write" if request.writes else "answer lost"
            if (not request.writes or kind in self.failed) and self._random.random() >= self._share / 3:
                return answer
            self._count(kind)
        return LOST

    def _count(self, kind: str) -> None:
        self.failed[kind] = self.failed.get(kind, 0) + 1


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    # What is sent in parts waits for the other side to say that it has the first one.
    wbufsize, disable_nagle_algorithm = -1, True
    server: Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        split = urlsplit(self.path)
        query = dict(parse_qsl(split.query))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        answer = self.server.proxy.take(self.command, split.path, query, body, headers)
        if not answer.status:
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815


class Server(ThreadingHTTPServer):
    """Listens."""

    daemon_threads = True
    request_queue_size = 64
    proxy: Proxy

    def process_request(self, request: Any, client_address: Any) -> None:
        """A connection begins."""
        self.proxy.connected(1)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """It ends, also where its client was killed: after all that this had sent."""
        self.proxy.connected(-1)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is killed says nothing more, and nobody wants to know."""


class Proxy:
    """A proxy; `rule` may be set at any time, `page` is the most objects of one page of a list, if any."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        split = urlsplit(lab.server)
        self.rule, self.page = Rule(), 0
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._number = self._connections = 0
        self._pool = urllib3.HTTPSConnectionPool(
            split.hostname or "",
            split.port,
            ssl_context=ssl.create_default_context(cadata=lab.authority()),
            maxsize=32,
            retries=False,
            timeout=urllib3.Timeout(connect=2, read=60),
        )
        self._server = Server((lab.address, 0), Handler)
        self._server.proxy = self
        self.address = f"http://{lab.address}:{self._server.server_address[1]}"
        self.kubeconfig = kubeconfig(folder / "proxy.kubeconfig", self.address, lab.authority(), lab.token_of(ADMIN))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._pool.close()

    @property
    def writes(self) -> list[Request]:
        """The requests so far that write."""
        with self._lock:
            return [each for each in self.requests if each.writes]

    def forget(self) -> None:
        """Begin to count anew, and let everything through; what a command that was killed had sent counts before."""
        with self._idle:
            assert self._idle.wait_for(lambda: not self._connections, SECONDS), "a command still runs"
            self.rule, self._number = Rule(), 0
            self.requests.clear()

    def connected(self, more: int) -> None:
        """Connections begin or end."""
        with self._idle:
            self._connections += more
            self._idle.notify_all()

    def take(self, method: str, path: str, query: dict[str, str], body: bytes, headers: Mapping[str, str]) -> Answer:
        """The answer to a request."""
        with self._lock:
            request = Request(self._number, method, path, dict(query), body)
            self._number += request.writes
            request = request._replace(number=self._number)
            self.requests.append(request)
            rule = self.rule
        if (instead := rule.before(request)) is not None:
            return instead
        if self.page and "limit" in query:
            query["limit"] = str(self.page)
        address = f"{path}?{urlencode(query)}" if query else path
        try:
            response = self._pool.request(method, address, body=body or None, headers=headers)
        except urllib3.exceptions.HTTPError:
            return LOST
        return rule.after(request, Answer(response.status, response.data, dict(response.headers)))
