"""A client of the API server for tests: plain JSON, many requests at once."""

from __future__ import annotations

import ssl
import time
from base64 import b64encode
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
import urllib3

Object = dict[str, Any]
THREADS = 8
# A server that has just started asks for patience while it fills its caches, and one with much to do as well.
BUSY, PAUSES = 429, (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"


class ApiError(Exception):
    """A refusal: the HTTP status and the server's message. A server that does not answer raises urllib3's errors."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Client:
    """Requests with one user's token."""

    def __init__(self, server: str, authority: str, token: str) -> None:
        split = urlsplit(server)
        # No retries of its own: whoever asks has to know that the server was away.
        self._pool = urllib3.HTTPSConnectionPool(
            split.hostname or "",
            split.port,
            ssl_context=ssl.create_default_context(cadata=authority),
            maxsize=2 * THREADS,
            retries=False,
            timeout=urllib3.Timeout(connect=2, read=60),
            headers={"Authorization": f"Bearer {token}"},
        )
        self._kinds: dict[tuple[str, str], tuple[str, bool]] = {}

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "",
        **query: Any,
    ) -> bytes:
        """The answer as it comes."""
        headers = {**self._pool.headers, "Accept": accept or "application/json"}
        if body is not None:
            headers["Content-Type"] = content_type
            body = msgspec.json.encode(body)
        address = f"{path}?{urlencode(query)}" if query else path
        for pause in (*PAUSES, None):
            response = self._pool.request(method, address, body=body, headers=headers)
            if response.status == BUSY and pause is not None:
                time.sleep(pause)
            elif response.status >= 400:
                raise ApiError(response.status, message_of(response.data))
            else:
                break
        return response.data

    def stream(self, path: str, **query: Any) -> urllib3.BaseHTTPResponse:
        """An answer without an end, to be read line by line; its `shutdown` ends the reading."""
        headers = {**self._pool.headers, "Accept": "application/json"}
        response = self._pool.request(
            "GET", f"{path}?{urlencode(query)}", headers=headers, preload_content=False, timeout=urllib3.Timeout(None)
        )
        if response.status >= 400:
            message = message_of(response.data)
            raise ApiError(response.status, message)
        return response

    def get(self, path: str, **query: Any) -> Any:
        """What is at the path."""
        return msgspec.json.decode(self.send("GET", path, **query))

    def items(self, path: str, **query: Any) -> list[Object]:
        """The objects of a list."""
        found: list[Object] = self.get(path, **query)["items"] or []
        return found

    def create(self, obj: Object) -> Object:
        """Create an object."""
        made: Object = msgspec.json.decode(self.send("POST", self.collection(obj), obj))
        return made

    def create_all(self, objects: Iterable[Object]) -> None:
        """Create objects, many at once."""
        with ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(lambda each: self.send("POST", self.collection(each), each), objects):
                pass

    def patch(self, path: str, body: Any, content_type: str = MERGE) -> Object:
        """Patch what is at the path; by default with a merge patch."""
        made: Object = msgspec.json.decode(self.send("PATCH", path, body, content_type))
        return made

    def delete(self, path: str, **options: Any) -> None:
        """Delete what is at the path; `options` such as gracePeriodSeconds=0."""
        self.send("DELETE", path, {"apiVersion": "v1", "kind": "DeleteOptions", **options})

    def collection(self, obj: Object) -> str:
        """The path of the objects of this one's kind, in its namespace."""
        version, kind = obj["apiVersion"], obj["kind"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if (version, kind) not in self._kinds:
            for each in self.get(root)["resources"]:
                if "/" not in each["name"]:
                    self._kinds[version, each["kind"]] = each["name"], each["namespaced"]
        plural, namespaced = self._kinds[version, kind]
        return (
            f"{root}/namespaces/{obj['metadata'].get('namespace', 'default')}/{plural}"
            if namespaced
            else f"{root}/{plural}"
        )

    def path(self, obj: Object) -> str:
        """The path of an object."""
        return f"{self.collection(obj)}/{obj['metadata']['name']}"


def message_of(answer: bytes) -> str:
    """What a refusal says."""
    try:
        return str(msgspec.json.decode(answer)["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return answer.decode(errors="replace")


def kubeconfig(path: Path, server: str, authority: str, token: str, certified: str = "") -> Path:
    """A kubeconfig with one user; its context is `lab`. `certified` is whose certificate the server has, if not its
    own."""
    data = b64encode(authority.encode()).decode()
    cluster = {"server": server, "certificate-authority-data": data}
    if certified:
        cluster["tls-server-name"] = certified
    path.write_bytes(
        msgspec.json.encode(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "lab",
                "clusters": [{"name": "lab", "cluster": cluster}],
                "users": [{"name": "lab", "user": {"token": token}}],
                "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
            }
        )
    )
    path.chmod(0o600)
    return path
