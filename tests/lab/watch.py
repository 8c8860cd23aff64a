"""A list of objects and every change after it, across restarts of the API server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec
import urllib3

from tests.lab.client import ApiError, Client

T = TypeVar("T")
PAUSE = 0.1
GONE = 410


class Head(msgspec.Struct):
    """What is common to all objects, and what the server says where it sends no object."""

    class Metadata(msgspec.Struct):
        """The version."""

        resourceVersion: str = ""  # noqa: N815

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    code: int = 0
    message: str = ""


class Event(msgspec.Struct):
    """A line of a watch."""

    type: str
    object: msgspec.Raw


class ListOf(msgspec.Struct, Generic[T]):
    """A list."""

    metadata: Head.Metadata
    items: list[T] | None


class Watch(threading.Thread, Generic[T]):
    """Hands over ("LIST", all objects) at first and after gaps, else ("ADDED", [object]) and so on."""

    def __init__(self, client: Client, path: str, kind: type[T], hand_over: Callable[[str, list[T]], None]) -> None:
        super().__init__(name=f"watch {path}", daemon=True)
        self._client, self._path, self._hand_over = client, path, hand_over
        self._list = msgspec.json.Decoder(ListOf[kind])  # type: ignore[valid-type]
        self._object = msgspec.json.Decoder(kind)
        self._event, self._head = msgspec.json.Decoder(Event), msgspec.json.Decoder(Head)
        self._version = ""
        self._stopped = threading.Event()
        self._response: urllib3.BaseHTTPResponse | None = None

    def stop(self) -> None:
        """Stop, also while waiting for the server."""
        self._stopped.set()
        response = self._response
        if response is not None:
            response.shutdown()
        self.join()

    def run(self) -> None:
        """Follow until stopped."""
        while not self._stopped.is_set():
            try:
                if not self._version:
                    found = self._list.decode(self._client.send("GET", self._path))
                    self._hand_over("LIST", found.items or [])
                    self._version = found.metadata.resourceVersion
                self._follow()
            except ApiError as error:
                # While it starts, a server also refuses what it would allow.
                self._version = "" if error.status == GONE else self._version
                self._stopped.wait(PAUSE)
            except (urllib3.exceptions.HTTPError, OSError):
                self._stopped.wait(PAUSE)

    def _follow(self) -> None:
        query: dict[str, Any] = {"watch": 1, "allowWatchBookmarks": "true", "resourceVersion": self._version}
        response = self._response = self._client.stream(self._path, **query)
        try:
            rest = b""
            for chunk in response.stream(1 << 16):
                if self._stopped.is_set():
                    return
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._take(line)
        finally:
            self._response = None
            response.close()

    def _take(self, line: bytes) -> None:
        event = self._event.decode(line)
        head = self._head.decode(event.object)
        if event.type == "ERROR":
            raise ApiError(head.code, head.message)
        if event.type != "BOOKMARK":
            self._hand_over(event.type, [self._object.decode(event.object)])
        self._version = head.metadata.resourceVersion
