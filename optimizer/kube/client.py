"""The API server of a live cluster: raw objects in pages out, patches in.

The models of the package `kubernetes` are not used: objects come as the bytes that the server sent.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from random import SystemRandom
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from ..errors import ConflictError, LiveError, MissingError, RefusedError
from ..files import path_of
from ..progress import Tell, silent
from .kinds import Ref
from .login import log_in, overheard
from .parallel import THREADS as THREADS

T = TypeVar("T")
Operations = list[dict[str, Any]]
"""A JSON patch."""

RESTARTS = 5
"""How often a list starts again because its pages have expired."""

TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and to wait for the next bytes of an answer."""

FIRST_DELAY, LONGEST_DELAY = 0.25, 8.0
"""Seconds between a request that failed and the next try, which double from try to try."""

MANAGER = "bgp-speakers"
"""The field manager under which changes are recorded."""

JSON, JSON_PATCH = "application/json", "application/json-patch+json"
VERBS = {"GET": "get", "PATCH": "patch", "POST": "create", "DELETE": "delete"}
UNTOLD = "the server rejected our request due to an error in our request"
"""All that an API server says where a `test` of a JSON patch fails or a path in it is missing."""

ERRORS: Mapping[int, type[LiveError]] = {404: MissingError, 409: ConflictError, 401: LiveError, 410: LiveError}


class Status(Struct):
    """What a server says of a request that failed."""

    message: str | None = None


class PageMeta(Struct, frozen=True):
    """Where the next page starts; empty on the last one."""

    next: str | None = msgspec.field(name="continue", default=None)


class Page(Struct, frozen=True):
    """A page of a list, its objects left aside."""

    metadata: PageMeta = PageMeta()


class Answer(Struct):
    """The answer to a request: status, body, and the seconds after which to ask again (0: not said)."""

    status: int
    body: bytes
    retry_after: float = 0.0


class Api:
    """A connection to an API server; up to THREADS threads may share one.

    Where the server is busy (429), fails (5xx) or the connection breaks, a request is tried again, with growing delays,
    for up to `patience` seconds, and this is reported to `tell`. So a change may have been made although its first
    answer was lost: ConflictError, MissingError and RefusedError can then mean that it is done. Every method raises
    LiveError.
    """

    def __init__(self, log_in: Callable[[], Any]) -> None:
        self.log_in, self.client, self.lock = log_in, log_in(), threading.Lock()
        self.server: str = self.client.configuration.host
        self.patience, self.random = 60.0, SystemRandom()
        self.tell: Tell = silent

    def pages(self, ref: Ref, take: Callable[[bytes], T], **query: str) -> list[T]:
        """What `take` makes of each page of a list; a page is gone before the next one comes."""
        for _ in range(RESTARTS):
            taken: list[T] = []
            start: str | None = ""
            try:
                while start is not None:
                    more = {"continue": start} if start else {}
                    asked = {"limit": str(ref.kind.page), **query, **more}
                    page = self.ask("GET", ref.path, asked, of=ref, verb="list")
                    start = self.decoded(page, Page, ref).metadata.next or None
                    taken.append(take(page))
                return taken
            except LiveError as error:
                if error.status != 410:
                    raise
                # Pages of one state of the cluster are kept for some minutes only.
                self.tell(f"the list of {ref.kind.plural} has expired on the way, starting again")
                last = error
        raise last

    def versions(self, group: str) -> list[str]:
        """The versions of an API group that the server has. Raises MissingError where it has no such group."""
        what = f"API group {group}"
        found = self.decoded(self.ask("GET", f"/apis/{group}", {}, of=what), dict[str, Any], what)
        return [str(each.get("version")) for each in found.get("versions") or ()]

    def list(self, ref: Ref, **query: str) -> list[bytes]:
        """All objects of a kind, as the pages of JSON that the server sent; `query`: fieldSelector, labelSelector."""
        return self.pages(ref, bytes, **query)

    def get(self, ref: Ref) -> dict[str, Any]:
        """An object. Raises MissingError too."""
        return self.decoded(self.ask("GET", ref.path, {}, of=ref), dict[str, Any], ref)

    def patch(self, ref: Ref, operations: Operations, *, dry_run: bool = False) -> dict[str, Any]:
        """The object after a JSON patch. Raises RefusedError where a `test` fails, MissingError, ConflictError."""
        query = {"fieldManager": MANAGER, **({"dryRun": "All"} if dry_run else {})}
        answer = self.ask("PATCH", ref.path, query, operations, JSON_PATCH, of=ref)
        return self.decoded(answer, dict[str, Any], ref)

    def create(self, ref: Ref, manifest: Mapping[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """The object that was made. Raises ConflictError where it is there already."""
        query = {"fieldManager": MANAGER, **({"dryRun": "All"} if dry_run else {})}
        path = Ref(ref.kind, ref.namespace).path
        return self.decoded(self.ask("POST", path, query, dict(manifest), of=ref), dict[str, Any], ref)

    def delete(self, ref: Ref, *, uid: str | None = None, dry_run: bool = False) -> None:
        """Delete an object, with `uid` only if it is still the same. Raises MissingError, ConflictError."""
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if dry_run:
            # Where a request to delete has a body, an API server does not look at the query.
            options["dryRun"] = ["All"]
        self.ask("DELETE", ref.path, {}, options, of=ref)

    def close(self) -> None:
        """Close the connections that are idle."""
        self.client.close()

    def decoded(self, body: bytes, type_: type[T], of: object) -> T:
        """An answer as `type_`."""
        try:
            return msgspec.json.decode(body, type=type_)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise LiveError(f"{self.server}: the answer for {of} is not what an API server sends ({error})") from None

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Any = None,
        type_: str = JSON,
        *,
        of: object,
        verb: str = "",
    ) -> bytes:
        """The body of the answer to a request, tried again as long as that may help.

        `of` is what it is about, and `verb` what is asked where the method does not say it, for sentences.
        """
        renewed, end = False, time.monotonic() + self.patience
        for number in count():
            client = self.client
            answer, broken = self.once(client, method, path, query, body, type_)
            if answer and 200 <= answer.status < 300:
                return answer.body
            if answer and answer.status == 401 and not renewed:
                renewed = True
                self.renew(client)
                continue
            error = self.error(answer, broken, verb or VERBS[method], of)
            delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(number, 9)) * self.random.uniform(0.5, 1.0)
            delay = max(delay, answer.retry_after if answer else 0.0)
            if (answer and answer.status != 429 and answer.status < 500) or time.monotonic() + delay > end:
                raise error
            self.tell(f"trying again in {delay:.1f} s: {error}")
            time.sleep(delay)
        raise AssertionError

    def once(
        self, client: Any, method: str, path: str, query: Mapping[str, str], body: Any, type_: str
    ) -> tuple[Answer | None, str]:
        """The answer to a request, or why the connection broke. Raises LiveError where another try cannot help."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError, LocationValueError

        url, headers = self.request(client, method, path, query, type_)
        try:
            response = client.call_api(method, url, headers, body, _request_timeout=TIMEOUT)
            found = Answer(response.status, response.read(), seconds(response.headers.get("Retry-After")))
            return found, ""
        except ApiException as error:  # TLS
            reason = str(error.reason).partition("\n")[2] or str(error.reason)
            if "CERTIFICATE_VERIFY_FAILED" in reason:
                raise LiveError(f"{self.server}: its certificate is not trusted ({reason})") from None
            return None, reason
        except (LocationValueError, ValueError) as error:
            raise LiveError(f"{self.server}: cannot be asked ({error})") from None
        except (HTTPError, OSError) as error:
            return None, re.sub(r"<[^>]*>|\(host=[^)]*\)|HTTPS?Connection(Pool)?", "", str(error)).lstrip(" :")

    def request(
        self, client: Any, method: str, path: str, query: Mapping[str, str], type_: str
    ) -> tuple[str, dict[str, str]]:
        """URL and headers of a request, with the credentials, which are renewed where they have expired."""
        from kubernetes.config import ConfigException

        headers = {"Accept": JSON} | ({} if method == "GET" else {"Content-Type": type_})
        given = {"query_params": [*query.items()], "header_params": headers, "auth_settings": ["BearerToken"]}
        try:
            with self.lock, overheard():
                request = client.param_serialize(method, path, **given)
        except (ConfigException, OSError, LookupError, TypeError, ValueError) as error:
            raise LiveError(f"{self.server}: the credentials cannot be renewed ({error})") from None
        # A token that was read from a file may end in a line break.
        return request[1], {name: value.strip() for name, value in request[2].items()}

    def renew(self, refused: Any) -> None:
        """Log in again, unless another thread just has. Raises InputError."""
        with self.lock:
            if self.client is refused:
                self.client = self.log_in()

    def error(self, answer: Answer | None, broken: str, verb: str, what: object) -> LiveError:
        """What is wrong, as a sentence."""
        resource = what.kind.plural if isinstance(what, Ref) else what
        if answer is None:
            return LiveError(f"{self.server}: cannot {verb} {what}: the server cannot be reached ({broken})")
        sentence = f"{self.server}: cannot {verb} {what}: {said(answer)} ({answer.status})"
        if answer.status == 401:
            sentence = f"{self.server}: the credentials are not accepted: {said(answer)} (401)"
        if answer.status == 422 and verb == "patch" and said(answer).startswith(UNTOLD):
            sentence = f"{self.server}: cannot patch {what}: it is not as the patch expects it to be (422)"
        if answer.status == 403:
            sentence += f"; a role that allows to {verb} {resource} is missing"
        refused = RefusedError if 400 <= answer.status < 429 else LiveError
        return ERRORS.get(answer.status, refused)(sentence, answer.status)


def said(answer: Answer) -> str:
    """What the server says is wrong: the message of its Status, else the start of what it sent."""
    try:
        message = msgspec.json.decode(answer.body, type=Status).message
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        message = answer.body[:200].decode(errors="replace").strip()
    return message or "no reason was given"


def seconds(retry_after: str | None) -> float:
    """The seconds of a Retry-After header; Kubernetes never sends the form with a date.

    >>> seconds("5"), seconds(None), seconds("Fri, 07 Nov 2014 23:59:59 GMT")
    (5.0, 0.0, 0.0)
    """
    return float(retry_after) if retry_after and re.fullmatch(r"\d{1,9}", retry_after) else 0.0


def connect(kubeconfig: str | Path | None = None, context: str | None = None) -> Api:
    """A cluster as kubectl finds it: this file, else those in $KUBECONFIG, else ~/.kube/config, else the pod's own.

    Nothing is asked of the server yet. Raises InputError naming the file and what is wrong with it.
    """
    file = None if kubeconfig is None else path_of(kubeconfig, "kubeconfig")
    return Api(lambda: log_in(file, context))
